"""SIGINT and SIGTERM, sent for real to a script that calls `procession.run`."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os
import signal
import sys

import procession
from procession import process, time

def say(*words):  # also in a handler that interrupts another `say`: so not by print
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def child():
    try:
        await time.sleep("1h")
    finally:
        say("child cleaned up")

async def idle():
    process.spawn(child, None)
    await time.sleep("1ms")
    try:
        say("ready")
        await time.sleep("1h")
    finally:
        say("main cleaned up")

async def polite():
    say("ready")
    event = await process.events().receive()
    say(event.kind)
    return "ended by itself"

async def stubborn():
    say("ready")
    await process.events().receive()
    say("goes on")
    await time.sleep("1h")

async def fails():
    say("ready")
    await process.events().receive()
    raise ValueError("no time to stop")

async def linked():
    process.spawn_linked(child, None)
    await time.sleep("1ms")
    await idle()

async def computes():
    print("ready", flush=True)
    while True:
        pass
"""


class Running:
    """A script that runs `main` as its last line says."""

    def __init__(self, last_lines):
        self.child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT + last_lines],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.read_until("ready")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.child.kill()
        self.child.communicate()

    def read_until(self, text):
        while (line := self.child.stdout.readline().rstrip("\n")) != text:
            assert line, f"it ended without {text!r}: {self.child.stderr.read()}"

    def signal(self, which):
        self.child.send_signal(which)

    def end(self):
        """Its exit code, the rest of its output, and its errors."""
        out, err = self.child.communicate()
        return self.child.returncode, out.splitlines(), err.splitlines()


BOTH = pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)


@BOTH
@pytest.mark.parametrize("main", ["idle", "linked"])
def test_a_signal_runs_what_is_to_be_done_finally_and_ends_the_script_with_one_line(main, which):
    with Running(f"procession.run({main}); say('goes on')") as running:
        running.signal(which)
        code, out, err = running.end()
    assert code == 128 + which
    assert err == [f"{which.name}: stopping"]
    assert sorted(set(out)) == ["child cleaned up", "main cleaned up"]


def test_ctrl_c_can_be_caught_as_ever():
    with Running(
        "try:\n    procession.run(idle)\nexcept KeyboardInterrupt:\n    say('caught')"
    ) as running:
        running.signal(signal.SIGINT)
        code, out, err = running.end()
    assert (code, out[-1], err) == (0, "caught", ["SIGINT: stopping"])


@BOTH
def test_main_may_end_by_itself_within_the_grace(which):
    with Running("say(procession.run(polite, grace='1h'))") as running:
        running.signal(which)
        assert running.end() == (
            0,
            ["pid.cancel", "ended by itself"],
            [f"{which.name}: stopping"],
        )


def test_a_second_signal_ends_the_grace():
    with Running("procession.run(stubborn, grace='1h')") as running:
        running.signal(signal.SIGTERM)
        running.read_until("goes on")
        running.signal(signal.SIGINT)
        code, _, err = running.end()
    assert code == 128 + signal.SIGTERM
    assert err == ["SIGTERM: stopping", "SIGINT: stopping now"]


def test_a_third_signal_ends_the_script_whatever_it_is_doing():
    with Running("procession.run(computes)") as running:
        while running.child.poll() is None:  # two that are pending at once are one
            running.signal(signal.SIGTERM)
            try:
                running.child.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        assert running.end()[0] == 128 + signal.SIGTERM


def test_an_error_while_stopping_is_raised():
    with Running("procession.run(fails, grace='1h')") as running:
        running.signal(signal.SIGTERM)
        code, _, err = running.end()
    assert code == 1
    assert err[-1] == "procession.core.errors.Internal: ValueError: no time to stop"


def test_signals_for_which_the_script_has_a_handler_are_left_to_it():
    with Running(
        "signal.signal(signal.SIGTERM, lambda *_: say('mine'))\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "procession.run(idle)"
    ) as running:
        running.signal(signal.SIGINT)
        running.signal(signal.SIGTERM)
        running.read_until("mine")
        running.signal(signal.SIGKILL)
        assert running.end()[0] == -signal.SIGKILL


def test_afterwards_the_signals_mean_what_they_did():
    with Running(
        "before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]\n"
        "say('ready')\n"
        "async def main(): pass\n"
        "procession.run(main)\n"
        "assert before == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]"
    ) as running:
        assert running.end() == (0, [], [])
