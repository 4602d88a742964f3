"""`procession run` keeps services and supervisors running, and stops them in order."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"

CODE = """
from procession import Error, Internal, process, time

async def waits(name):
    print("+" + name, flush=True)
    await process.events().receive()
    print("-" + name, flush=True)

async def job(name):
    print("+" + name, flush=True)

async def fails(name):
    print("+" + name, flush=True)
    raise Internal("no use", retryable=False) if name == "hopeless" else ValueError("boom")
"""
METHODS = ("waits", "job", "fails")
SOON = "restart: {initial_delay: 1ms, jitter: 0, max_attempts: 2}"


def write_app(folder, services, more=""):
    """An app whose auto_start services are `name: (method, lifecycle)`."""
    (folder / "code.py").write_text(CODE)
    lines = [
        'version: "1.0"',
        "namespace: app",
        "entries:",
        "  - {name: main, kind: process.host}",
        *(
            f'  - {{name: {one}, kind: process.py, source: "file://code.py", method: {one}}}'
            for one in METHODS
        ),
        *(
            f"  - {{name: {name}, kind: process.service, process: 'app:{method}', "
            f"host: 'app:main', input: {[*input]}, "
            f"lifecycle: {{auto_start: true, {lifecycle}}}}}"
            for name, (method, lifecycle, *input) in services.items()
        ),
        more,
    ]
    (folder / "_index.yaml").write_text("\n".join(lines))
    return folder


class Running:
    """A run of an app with JSON logs; `logs` has those of services, `lines` what it printed."""

    def __init__(self, folder, *args):
        self.child = subprocess.Popen(
            [PROCESSION, "run", folder, "--log-format", "json", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self.logs = []
        self._rescue = threading.Timer(40, self.child.kill)
        self._rescue.start()

    def read_until(self, *texts):
        missing = set(texts)
        while missing:
            line = self.child.stdout.readline().rstrip("\n")
            assert line, f"it ended without {missing} after {self.lines}"
            self.lines.append(line)
            missing.discard(line)

    def end(self, number=None):
        """Its exit code, after a signal."""
        if number is not None:
            self.child.send_signal(number)
        stdout, stderr = self.child.communicate()
        self._rescue.cancel()
        self.lines += stdout.splitlines()
        self.logs = [json.loads(line) for line in stderr.splitlines()]
        assert not [line for line in self.logs if "Traceback" in line["event"]]
        return self.child.returncode

    def states(self, *names):
        """Each change of these services, or of all."""
        return [
            f"{line['service'].removeprefix('app:')} {line['state']}"
            for line in self.logs
            if "state" in line and (not names or line["service"].removeprefix("app:") in names)
        ]


def test_sigterm_stops_services_in_reverse_and_every_change_is_a_line(tmp_path):
    write_app(
        tmp_path,
        {
            "web": ("waits", "", "web", "app:cache", "app:db"),
            "cache": ("waits", "requires: ['app:db']", "cache"),
            "db": ("waits", "requires: ['app:main', 'app:waits']", "db"),
        },
    )
    text = (tmp_path / "code.py").read_text()
    (tmp_path / "code.py").write_text(text.replace("waits(name)", "waits(name, *others)"))
    running = Running(tmp_path)
    running.read_until("+web")
    assert running.end(signal.SIGTERM) == 0
    assert running.lines == ["+db", "+cache", "+web", "-web", "-cache", "-db"]
    assert running.states() == [
        "db starting", "cache starting", "web starting",
        "db running", "cache running", "web running",
        "web stopping", "web stopped", "cache stopping", "cache stopped",
        "db stopping", "db stopped",
    ]  # fmt: skip
    (line,) = [one for one in running.logs if one["event"].startswith("service app:db started")]
    fields = {key: line[key] for key in ("service", "state", "attempt", "delay", "level")}
    assert fields == {
        "service": "app:db", "state": "running", "attempt": 0, "delay": None, "level": "info",
    }  # fmt: skip
    assert line["pid"].startswith("{app:main|0x")


def test_errors_are_restarted_until_the_attempts_are_used_up_and_the_others_are_told(tmp_path):
    write_app(
        tmp_path,
        {
            "bad": ("fails", SOON, "bad"),
            "hopeless": ("fails", SOON, "hopeless"),
            "later": ("job", "requires: ['app:hopeless']", "later"),
            "good": ("job", "", "good"),
        },
    )
    running = Running(tmp_path)
    assert running.end() == 1
    assert sorted(running.lines) == ["+bad", "+bad", "+bad", "+good", "+hopeless"]
    assert running.states("bad") == ["bad starting"] * 3 + ["bad failed"]
    assert running.states("hopeless") == ["hopeless starting", "hopeless failed"]
    assert running.states("later") == ["later starting", "later failed"]
    assert running.states("good") == ["good starting", "good running", "good exited"]
    restarts = [
        (one["event"], one["attempt"], one["delay"])
        for one in running.logs
        if one.get("service") == "app:bad" and one["delay"] is not None
    ]
    assert restarts == [
        ("service app:bad failed: ValueError: boom; restart 1 in 0.001s", 1, 0.001),
        ("service app:bad failed: ValueError: boom; restart 2 in 0.002s", 2, 0.002),
    ]
    events = [one["event"] for one in running.logs]
    assert "service app:later failed: it requires app:hopeless, which has failed" in events


def test_text_logs_tell_of_restarts_too(tmp_path):
    write_app(tmp_path, {"bad": ("fails", SOON, "bad"), "good": ("job", "", "good")})
    done = subprocess.run([PROCESSION, "run", tmp_path], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert "service app:bad failed: ValueError: boom; restart 1 in 0.001s" in done.stderr
    assert "service app:good exited" in done.stderr


TREE = """
  - name: tree
    kind: process.supervisor
    strategy: rest_for_one
    intensity: 1
    period: 1m
    children:
      - {id: a, process: "app:waits", args: [a]}
      - {id: b, process: "app:waits", args: [b]}
      - {id: c, process: "app:waits", args: [c]}
  - name: broken
    kind: process.supervisor
    children:
      - {id: a, process: "app:waits", args: [a]}
      - {id: bad, process: "app:fails", args: [bad]}
"""


@pytest.mark.parametrize("how", ["service", "entry"])
def test_a_supervisor_stops_its_children_in_reverse_at_sigterm(tmp_path, how):
    services = {"trees": ("tree", "")} if how == "service" else {}
    write_app(tmp_path, services, TREE)
    running = Running(tmp_path, *(["-x", "app:tree"] if how == "entry" else []))
    running.read_until("+a", "+b", "+c")
    assert running.end(signal.SIGTERM) == 0
    assert running.lines == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_a_supervisor_that_gives_up_is_a_service_that_fails(tmp_path):
    restart = "restart: {initial_delay: 1ms, max_attempts: 1}"
    write_app(tmp_path, {"trees": ("broken", restart)}, TREE)
    running = Running(tmp_path)
    assert running.end() == 1
    assert running.lines == (["+a", "+bad", "+bad", "+bad", "+bad", "-a"]) * 2
    last = running.logs[-1]
    assert last["event"].endswith(
        "3 restarts within 5s; at last child 'bad' failed: ValueError: boom"
    )
    assert running.states()[-1] == "trees failed"


def test_a_wrong_lifecycle_is_a_manifest_error(tmp_path):
    write_app(
        tmp_path,
        {
            "a": ("waits", "start_timeout: 0s, restart: {jitter: 2, factor: 3}", "a"),
            "b": ("waits", "restart: {backoff_factor: 0.5, max_attempts: -1}", "app:c"),
            "c": ("waits", "requires: ['app:b']", "c"),
        },
    )
    done = subprocess.run(
        [PROCESSION, "check", tmp_path], capture_output=True, text=True, timeout=50
    )
    told = [line.split("app:", 1)[1] for line in done.stderr.splitlines()[:-1]]
    assert told == [
        "a: lifecycle.restart.jitter: expected a number from 0 to 1, got 2",
        "a: lifecycle.restart.factor: unknown key; did you mean 'backoff_factor'?",
        "a: lifecycle.start_timeout: expected a duration longer than zero, got '0s'",
        "b: lifecycle.restart.backoff_factor: expected a number of 1 or more, got 0.5",
        "b: lifecycle.restart.max_attempts: expected an integer of 0 or more, got -1",
        "b: input[0]: a cycle: app:b requires app:c requires app:b",
    ]
