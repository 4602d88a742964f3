"""SIGINT and SIGTERM, sent for real to a running `procession run`."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"

CODE = """
import asyncio
import sys

from procession import process, time

def say(*words):
    print(*words, flush=True)

async def polite(name):
    try:
        say(name, "ready")
        event = await process.events().receive()
        say(name, event.kind, "by", event.sender, "because", event.reason, "within", event.deadline)
    finally:
        say(name, "cleaned up")
    say(name, "ended by itself")

async def stubborn(name):
    process.events()  # else nobody would wait for it: it could not know that it is to stop
    try:
        say(name, "ready")
        while True:
            await time.sleep("1h")
    finally:
        say(name, "cleaned up")

async def stubborn_in_asyncio(name):
    process.events()
    try:
        say(name, "ready")
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(name))
    finally:
        say(name, "cleaned up")

async def forever(name):
    try:
        await asyncio.sleep(3600)
    finally:
        say(name, "task cancelled")

async def family():
    process.spawn("app:polite", None, "child")
    process.spawn("app:parent", None)
    await polite("main")

async def parent():
    process.spawn("app:polite", None, "grandchild")
    await polite("parent")

async def leaves_a_slow_child():
    process.spawn("app:slow", None)
    await process.events().receive()
    say("main ended by itself")

async def slow():
    say("slow ready")
    await process.events().receive()
    await time.sleep("50ms")
    say("slow ended by itself")

async def fails_at_cancel():
    say("ready")
    await process.events().receive()
    raise RuntimeError("no time to stop")

async def spawns_at_cancel():
    say("ready")
    await process.events().receive()
    process.spawn("app:polite", None, "too late")

async def computes_for_ever():
    print("ready", flush=True)
    while True:
        pass


async def waits_in_finally():
    try:
        say("ready")
        await time.sleep("1h")
    finally:
        say("cleaning up")
        sys.stdin.readline()
        say("cleaned up")
"""
SLOW_TO_LOAD = """
import sys
print("loading", flush=True)
sys.stdin.readline()
from code_of_app import polite as main
"""
METHODS = re.findall(r"async def (\w+)", CODE)

BOTH = pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)


class App:
    """An app folder with an entry for each function of CODE, and its services."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "code_of_app.py").write_text(CODE)
        (folder / "slow_to_load.py").write_text(SLOW_TO_LOAD)
        self.services()

    def services(self, **declared):
        """Declare auto_start services: `name="method"`, with their name as argument."""
        lines = ['version: "1.0"', "namespace: app", "entries:"]
        lines += [
            "  - {name: processes, kind: process.host}",
            '  - {name: slow_to_load, kind: process.py, source: "file://slow_to_load.py"}',
        ]
        lines += [
            f"  - {{name: {method}, kind: process.py, "
            f'source: "file://code_of_app.py", method: {method}}}'
            for method in METHODS
        ]
        lines += [
            f"  - {{name: {name}_service, kind: process.service, process: 'app:{method}', "
            f"host: 'app:processes', input: [{name}], lifecycle: {{auto_start: true}}}}"
            for name, method in declared.items()
        ]
        (self.folder / "_index.yaml").write_text("\n".join(lines))

    def run(self, *args):
        return Running("run", self.folder, *args)


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


class Running:
    """A command in a session of its own. `lines` is what it has written: stdout and stderr."""

    def __init__(self, *args):
        self.lines = []
        self.child = subprocess.Popen(
            [PROCESSION, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._rescue = threading.Timer(40, self.child.kill)

    def __enter__(self):
        self._rescue.start()
        return self

    def __exit__(self, *exc):
        self._rescue.cancel()
        self.child.kill()
        self.child.communicate()

    def read_until(self, *texts):
        """Read lines until each of the texts has been in one."""
        missing = set(texts)
        while missing:
            line = self.child.stdout.readline()
            assert line, f"it ended without {missing} after {self.lines}"
            self.lines.append(line.rstrip("\n"))
            missing = {text for text in missing if text not in line}

    def signal(self, which):
        self.child.send_signal(which)

    def ended_within(self, seconds):
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def answer(self):
        """Give a line to whoever reads stdin."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def end(self):
        """Its exit code. When it has ended, nothing that it started may be left."""
        self.lines += self.child.stdout.read().splitlines()
        code = self.child.wait()
        with pytest.raises(ProcessLookupError):
            os.killpg(self.child.pid, 0)
        return code

    def mentions(self, text):
        """How many lines have the text."""
        return sum(text in line for line in self.lines)


def assert_no_noise(running):
    for word in ("Traceback", "KeyboardInterrupt", "Warning", "never awaited", "pending"):
        assert not running.mentions(word), running.lines


# -- one entry -------------------------------------------------------------------------------


@BOTH
@pytest.mark.semantics("10.1", "14.4")
def test_a_signal_cancels_every_process_and_lets_them_stop(app, which):
    with app.run("-x", "app:family", "--grace", "1h") as running:
        everybody = ("main", "child", "parent", "grandchild")
        running.read_until(*(f"{name} ready" for name in everybody))
        running.signal(which)
        assert running.end() == 0
    assert running.mentions(f"{which.name}: stopping") == 1
    cancel = "pid.cancel by None because the node is stopping within 3600.0"
    for name in everybody:
        assert running.lines.count(f"{name} {cancel}") == 1
        assert running.lines.count(f"{name} cleaned up") == 1
    assert "main ended by itself" in running.lines
    assert_no_noise(running)


@BOTH
@pytest.mark.semantics("7.1", "7.3", "14.4")
@pytest.mark.parametrize("entry", ["stubborn", "stubborn_in_asyncio"])
def test_what_does_not_stop_within_the_grace_is_terminated_and_cleans_up(app, entry, which):
    with app.run("-x", f"app:{entry}", "--grace", "30ms", "main") as running:
        running.read_until("main ready")
        running.signal(which)
        assert running.end() == 1
    assert running.mentions("main cleaned up") == 1
    assert running.mentions("task cancelled") == (1 if entry == "stubborn_in_asyncio" else 0)
    assert running.lines[-1] == f"error: app:{entry}: process terminated"
    assert_no_noise(running)


@pytest.mark.semantics("14.4")
def test_without_grace_processes_are_terminated_at_once(app):
    with app.run("-x", "app:polite", "--grace", "0s", "main") as running:
        running.read_until("main ready")
        running.signal(signal.SIGTERM)
        assert running.end() == 1
    assert running.mentions("main cleaned up") == 1
    assert not running.mentions("pid.cancel")


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)],
    ids=["SIGINT twice", "SIGTERM then SIGINT"],
)
def test_a_second_signal_ends_the_grace_at_once(app, first, second):
    with app.run("-x", "app:stubborn", "--grace", "1h", "main") as running:
        running.read_until("main ready")
        running.signal(first)
        running.read_until(f"{first.name}: stopping")
        running.signal(second)
        assert running.end() == 1
    assert running.mentions("main cleaned up") == 1
    assert_no_noise(running)


@pytest.mark.parametrize("entry", ["waits_in_finally", "computes_for_ever"])
def test_a_third_signal_ends_the_program_whatever_it_is_doing(app, entry):
    with app.run("-x", f"app:{entry}", "--grace", "1h") as running:
        running.read_until("ready")
        running.signal(signal.SIGINT)
        if entry == "waits_in_finally":  # the other one gives the loop no chance to say anything
            running.read_until("stopping")
        running.signal(signal.SIGINT)
        if entry == "waits_in_finally":
            running.read_until("cleaning up")
        while not running.ended_within(0.05):  # two that are pending at once are one
            running.signal(signal.SIGTERM)
        assert running.end() == 128 + signal.SIGTERM
    assert not running.mentions("Traceback")


@pytest.mark.semantics("10.1", "14.4")
def test_a_child_has_the_whole_grace_also_when_main_stops_first(app):
    with app.run("-x", "app:leaves_a_slow_child", "--grace", "1h") as running:
        running.read_until("slow ready")
        running.signal(signal.SIGTERM)
        assert running.end() == 0
    assert "slow ended by itself" in running.lines


@pytest.mark.semantics("14.4")
def test_an_error_while_stopping_is_an_error_exit(app):
    with app.run("-x", "app:fails_at_cancel", "--grace", "1h") as running:
        running.read_until("ready")
        running.signal(signal.SIGTERM)
        assert running.end() == 1
    assert running.lines[-1] == "error: app:fails_at_cancel: RuntimeError: no time to stop"


@pytest.mark.semantics("5.3")
def test_nothing_can_be_spawned_any_more_while_stopping(app):
    with app.run("-x", "app:spawns_at_cancel", "--grace", "1h") as running:
        running.read_until("ready")
        running.signal(signal.SIGTERM)
        assert running.end() == 1
    assert running.lines[-1].startswith("error: app:spawns_at_cancel: Unavailable: ")
    assert not running.mentions("too late ready")


@BOTH
@pytest.mark.semantics("14.4")
def test_a_signal_while_the_source_loads_is_kept_until_it_can_be_told(app, which):
    with app.run("-x", "app:slow_to_load", "--grace", "1h", "main") as running:
        running.read_until("loading")
        running.signal(which)
        running.answer()
        assert running.end() == 0
    assert running.mentions("main pid.cancel") == 1
    assert "main ended by itself" in running.lines
    assert_no_noise(running)


# -- services --------------------------------------------------------------------------------


@BOTH
@pytest.mark.semantics("10.1", "14.4")
def test_a_signal_stops_services_gracefully_with_exit_code_0(app, which):
    app.services(db="polite", web="polite")
    with app.run("--grace", "1h") as running:
        running.read_until("db ready", "web ready")
        running.signal(which)
        assert running.end() == 0
    assert running.mentions(f"{which.name}: stopping") == 1
    for name in ("db", "web"):
        assert running.mentions(f"{name} pid.cancel") == 1
        assert f"{name} ended by itself" in running.lines
        assert running.mentions(f"service app:{name}_service stopped") == 1
    assert_no_noise(running)


@BOTH
@pytest.mark.semantics("7.3", "14.4")
def test_a_service_that_does_not_stop_is_terminated_and_the_others_stop_by_themselves(app, which):
    app.services(db="stubborn", web="polite")
    with app.run("--grace", "30ms") as running:
        running.read_until("db ready", "web ready")
        running.signal(which)
        running.end()
    assert running.mentions("db cleaned up") == 1
    assert "web ended by itself" in running.lines
    assert_no_noise(running)


@pytest.mark.semantics("14.4")
def test_a_second_signal_ends_the_grace_of_services_at_once(app):
    app.services(db="stubborn", web="stubborn")
    with app.run("--grace", "1h") as running:
        running.read_until("db ready", "web ready")
        running.signal(signal.SIGTERM)
        running.read_until("SIGTERM: stopping")
        running.signal(signal.SIGTERM)
        running.end()
    assert running.mentions("db cleaned up") == running.mentions("web cleaned up") == 1
    assert_no_noise(running)


@pytest.mark.semantics("14.4")
def test_a_service_that_failed_before_the_signal_makes_the_exit_code_1(app):
    app.services(bad="fails_at_cancel", good="polite")
    with app.run("--grace", "1h") as running:
        running.read_until("good ready", "service app:bad_service failed")
        running.signal(signal.SIGTERM)
        assert running.end() == 1
    assert "good ended by itself" in running.lines


@BOTH
@pytest.mark.semantics("14.4")
def test_a_signal_while_the_only_service_is_still_starting_stops_it(app, which):
    app.services(web="slow_to_load")
    with app.run("--grace", "1h") as running:
        running.read_until("loading")
        running.signal(which)
        running.answer()
        assert running.end() == 0
    assert running.mentions("web pid.cancel") == 1
    assert "web ended by itself" in running.lines
    assert_no_noise(running)


@pytest.mark.semantics("14.4")
def test_after_a_signal_no_more_services_are_started(app):
    app.services(first="slow_to_load", **{f"later{i}": "polite" for i in range(8)})
    with app.run("--grace", "1h") as running:
        running.read_until("loading")
        running.signal(signal.SIGTERM)
        running.answer()
        assert running.end() == 0
    assert not running.mentions("failed")
    assert "first ended by itself" in running.lines
