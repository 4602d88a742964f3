"""`procession run -x` of an app with services: they start first and stop last."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"

CODE = """
import sys
from pathlib import Path
from procession import Error, Internal, channel, process, time

def say(*words):
    print(">", *words, flush=True)

# What services run.

async def serves(name):
    process.registry.register(name)
    asked, events = process.listen("ask", message=True), process.events()
    say("+" + name)
    while (ready := await channel.select(asked, events)).channel is asked:
        what = ready.value.payload
        if what in ("fail", "retry"):
            raise Internal(f"{name} cannot", retryable=what == "retry")
        ready.value.reply(f"{name} answers {what}")
    say("-" + name)

async def helped(name):
    helper = process.spawn_monitored("app:helper", None, name)
    say("+" + name)
    say(name, "got", (await process.events().receive()).kind)
    process.cancel(helper)
    await process.events().receive()
    say("-" + name)

async def helper(name):
    await process.events().receive()
    say("helper of", name, "stops")

async def stubborn(name):
    say("+" + name)
    try:
        await process.events().receive()
        say(name, "does not stop")
        await time.sleep("1h")
    finally:
        say(name, "was terminated")

async def job(name):
    say("+" + name)

async def hopeless(name):
    say("+" + name)
    raise Internal("no use", retryable=False)

async def clumsy(name):
    say("+" + name)
    been_here = Path(__file__).with_name("been_here")
    if not been_here.exists():
        been_here.touch()
        raise ValueError("oops")
    await serves(name)

async def loads_slowly(name):
    say("+" + name)
    sys.stdin.readline()

# What -x runs.

async def asks(*names):
    for name in names:
        say(await process.call(name, "ask", "me"))

async def provokes(name, how, result):
    try:
        await process.call(name, "ask", how)
    except Error:
        say(name, "has failed")
    while how == "retry":
        try:
            process.registry.lookup(name)
            break
        except Error:
            await time.sleep("1ms")
    return int(result)

async def fails():
    raise ValueError("kaboom")

async def waits(name):
    say("main ready")
    say("main got", (await process.events().receive()).kind)
    say(await process.call(name, "ask", "a last time"))

async def deaf():
    say("main ready")
    try:
        await time.sleep("1h")
    finally:
        say("main was terminated")

async def leaves_a_child(name):
    process.spawn("app:child", None, name)
    await time.sleep("1ms")
    say("main is over")

async def child(name):
    try:
        await time.sleep("1h")
    finally:
        process.registry.lookup(name)
        say("child ended while there still is", name)
"""
METHODS = re.findall(r"async def (\w+)", CODE)
RESTART = "restart: {max_attempts: 1, initial_delay: 1ms}"
WHERE = pytest.mark.parametrize("host", ["app:main", "app:workers"])
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)


class Run:
    """A run: `lines` is what the programs have said, `text` all that was written."""

    def __init__(self, folder, *words):
        self.child = subprocess.Popen(
            [PROCESSION, "run", folder, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.text = ""
        self._rescue = threading.Timer(40, self.child.kill)
        self._rescue.start()

    @property
    def lines(self):
        return [line[2:] for line in self.text.splitlines() if line.startswith("> ")]

    @property
    def last(self):
        return self.text.splitlines()[-1]

    def read_until(self, text):
        while text not in self.text:
            line = self.child.stdout.readline()
            assert line, f"it ended without {text!r}: {self.text}"
            self.text += line

    def signal(self, number):
        self.child.send_signal(number)

    def answer(self):
        """Give a line to whoever reads stdin."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def end(self):
        """Its exit code."""
        self.text += self.child.communicate()[0]
        self._rescue.cancel()
        return self.child.returncode


@pytest.fixture
def app(tmp_path):
    """Write an app whose services are `name="method"`, or `name=("method", "lifecycle")`."""
    (tmp_path / "code.py").write_text(CODE)

    def write(*, workers=False, **services):
        lines = ["namespace: app", "entries:", "- {name: main, kind: process.host}"]
        if workers:
            lines.append("- {name: workers, kind: process.host, host: {os_workers: 1}}")
        lines += [
            f"- {{name: {one}, kind: process.py, source: 'file://code.py', method: {one}}}"
            for one in METHODS
        ]
        for name, declared in services.items():
            method, lifecycle = (declared, "") if isinstance(declared, str) else declared
            if "auto_start" not in lifecycle:
                lifecycle = f"auto_start: true, {lifecycle}"
            lines.append(
                f"- {{name: {name}_service, kind: process.service, process: {method}, "
                f"host: main, input: [{name}], lifecycle: {{{lifecycle}}}}}"
            )
        (tmp_path / "_index.yaml").write_text("\n".join(lines))
        return lambda *words: Run(tmp_path, "--grace", "1h", *words)

    return write


# -- before the entry ------------------------------------------------------------------------


@pytest.mark.semantics("14.4")
def test_services_run_before_the_entry_and_stop_after_it_each_in_its_order(app):
    run = app(web=("serves", "requires: [db_service]"), db="serves")("-x", "app:asks", "web", "db")
    assert run.end() == 0
    assert run.lines == ["+db", "+web", "web answers me", "db answers me", "-web", "-db"]


@pytest.mark.semantics("14.4")
def test_without_services_none_is_started(app):
    run = app(db="serves")("--no-services", "-x", "app:asks", "db")
    assert run.end() == 1
    assert run.lines == []
    assert "could not resolve 'db'" in run.last


def test_services_that_do_not_start_by_themselves_are_left_alone(app):
    run = app(db="serves", other=("serves", "auto_start: false"))("-x", "app:asks", "db")
    assert run.end() == 0
    assert run.lines == ["+db", "db answers me", "-db"]


def test_a_service_that_has_done_its_job_is_as_good_as_one_that_runs(app):
    run = app(db=("serves", "requires: [schema_service]"), schema="job")("-x", "app:asks", "db")
    assert run.end() == 0
    assert run.lines == ["+schema", "+db", "db answers me", "-db"]


@pytest.mark.semantics("14.4")
def test_a_service_that_cannot_start_keeps_the_entry_from_running_and_the_others_stop(app):
    declared = app(
        db="serves",
        bad=("hopeless", "requires: [db_service]"),
        web=("serves", "requires: [bad_service]"),
    )
    run = declared("-x", "app:asks", "db")
    assert run.end() == 1
    assert run.lines == ["+db", "+bad", "-db"]
    assert run.last == (
        "error: app:asks was not run: service app:bad_service has failed: Internal: no use"
    )


@pytest.mark.semantics("14.4")
def test_a_service_that_runs_at_its_second_attempt_is_waited_for(app):
    run = app(db=("clumsy", RESTART))("-x", "app:asks", "db")
    assert run.end() == 0
    assert run.lines == ["+db", "+db", "+db", "db answers me", "-db"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("-x", "app:akss"), "did you mean 'app:asks'?"),
        (("-x", "app:main"), "is no process, but a process.host"),
        (("-x", "app:asks", "--host", "app:mian"), "did you mean 'app:main'?"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_run_starts_no_service(app, words, hint):
    run = app(db="serves")(*words)
    assert run.end() == 1
    assert len(run.text.splitlines()) == 1
    assert hint in run.text


def test_no_services_is_an_option_of_the_execution_of_an_entry(app):
    run = app(db="serves")("--no-services")
    assert run.end() == 2
    assert "--no-services goes with -x" in run.last


# -- beside it, and after it -----------------------------------------------------------------


@pytest.mark.semantics("14.4")
@pytest.mark.parametrize(("result", "code"), [("0", 1), ("7", 7)])
def test_a_service_that_fails_for_good_meanwhile_makes_a_good_exit_code_1(app, result, code):
    run = app(bad="serves", db="serves")("-x", "app:provokes", "bad", "fail", result)
    assert run.end() == code
    assert run.lines == ["+bad", "+db", "bad has failed", "-db"]
    assert "service app:bad_service failed: bad cannot" in run.text


def test_a_service_that_is_restarted_meanwhile_changes_nothing(app):
    run = app(bad=("serves", RESTART))("-x", "app:provokes", "bad", "retry", "0")
    assert run.end() == 0
    assert run.lines == ["+bad", "bad has failed", "+bad", "-bad"]


def test_an_entry_that_fails_stops_the_services_too(app):
    run = app(db="serves")("-x", "app:fails")
    assert run.end() == 1
    assert run.lines == ["+db", "-db"]
    assert run.last == "error: app:fails: ValueError: kaboom"


@pytest.mark.semantics("14.4")
def test_a_service_that_has_to_be_terminated_makes_a_good_exit_code_1(app):
    run = app(db="serves", bad="stubborn")("--grace", "500ms", "-x", "app:asks", "db")
    assert run.end() == 1
    assert sorted(run.lines) == [
        "+bad", "+db", "-db", "bad does not stop", "bad was terminated", "db answers me",
    ]  # fmt: skip
    assert "service app:bad_service was terminated" in run.text


def test_what_the_entry_leaves_behind_ends_before_the_services_and_gets_no_grace(app):
    run = app(db="serves")("-x", "app:leaves_a_child", "db")
    assert run.end() == 0
    assert run.lines == ["+db", "main is over", "child ended while there still is db", "-db"]


# -- signals ---------------------------------------------------------------------------------


@BOTH
@pytest.mark.semantics("14.4")
def test_a_signal_while_the_services_start_keeps_the_entry_from_running(app, number):
    declared = app(
        db="serves",
        slow=("loads_slowly", "requires: [db_service]"),
        web=("serves", "requires: [slow_service]"),
    )
    run = declared("-x", "app:asks", "db")
    run.read_until("> +slow")
    run.signal(number)
    run.answer()
    assert run.end() == 1
    assert run.lines == ["+db", "+slow", "-db"]
    assert run.last == f"error: app:asks was not run: {number.name} came before"


def test_a_signal_while_a_service_waits_for_its_restart_ends_the_wait(app):
    run = app(db=("clumsy", "restart: {initial_delay: 1h}"))("-x", "app:asks", "db")
    run.read_until("restart 1 in")
    run.signal(signal.SIGTERM)
    assert run.end() == 1
    assert run.lines == ["+db"]
    assert run.last == "error: app:asks was not run: SIGTERM came before"


@WHERE
@pytest.mark.semantics("14.4")
def test_at_a_signal_the_entry_stops_before_the_services_that_it_uses(app, host):
    run = app(workers=True, db="serves")("--host", host, "-x", "app:waits", "db")
    run.read_until("> main ready")
    run.signal(signal.SIGTERM)
    assert run.end() == 0
    assert run.lines == [
        "+db", "main ready", "main got pid.cancel", "db answers a last time", "-db",
    ]  # fmt: skip


@WHERE
def test_an_entry_that_does_not_stop_is_terminated_before_the_services_are_asked(app, host):
    declared = app(workers=True, db="stubborn")
    run = declared("--grace", "50ms", "--host", host, "-x", "app:deaf")
    run.read_until("> main ready")
    run.signal(signal.SIGINT)
    assert run.end() == 1
    assert run.lines[:3] == ["+db", "main ready", "main was terminated"]
    assert run.last == "error: app:deaf: process terminated"


def test_what_a_service_has_made_for_itself_is_not_asked_before_it(app):
    run = app(web="helped", db="serves")("-x", "app:waits", "db")
    run.read_until("> main ready")
    run.signal(signal.SIGTERM)
    assert run.end() == 0
    assert [line for line in run.lines if line not in ("+db", "-db")] == [
        "+web", "main ready", "main got pid.cancel", "db answers a last time",
        "web got pid.cancel", "helper of web stops", "-web",
    ]  # fmt: skip


@pytest.mark.semantics("14.4")
def test_while_the_services_stop_the_second_signal_ends_the_grace(app):
    run = app(db="stubborn")("-x", "app:asks")
    run.read_until("> db does not stop")
    run.signal(signal.SIGINT)
    run.read_until("SIGINT: stopping")
    assert "terminated" not in run.text
    run.signal(signal.SIGINT)
    assert run.end() == 1
    assert run.lines == ["+db", "db does not stop", "db was terminated"]
    assert run.text.count("SIGINT: stopping now") == 1


@pytest.mark.semantics("14.4")
def test_the_third_signal_ends_it_while_a_service_keeps_it_from_starting(app):
    run = app(db="loads_slowly")("-x", "app:asks")
    run.read_until("> +db")
    while run.child.poll() is None:  # two that are pending at once are one
        run.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.child.wait(0.05)
    assert run.end() == 128 + signal.SIGTERM
    assert run.lines == ["+db"]
