"""The programs of the user's document, in Lua as it has them (`examples/seed`), by command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROCESSION = Path(sys.executable).parent / "procession"
SEED = ROOT / "examples/seed"
PROGRAMS = sorted((SEED / "test/process").glob("*.lua"))

OUTPUT = r"""Started worker:	PID
echo:	hello
spawn:	nil
Received:	hello from parent
listener:	true
Inbox got:	another_topic	{for_the = "inbox"}
inbox:	process terminated
Echoed:	hello
echo:	true
Worker exited:	PID
spawn_monitored:	nil
monitor:	nil
spawn_linked:	nil
Linked process died:	PID
trap_links:	true
registry:	true
Worker 1 completed:	20
Worker 2 completed:	40
Worker 3 completed:	60
Worker 4 completed:	80
Worker 5 completed:	100
worker_pool:	true
"""


def run(folder, entry, *options):
    return subprocess.run(
        [PROCESSION, "run", folder, *options, "-x", entry],
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.mark.parametrize("state", ["shared", "own"])
def test_every_program_of_the_document_does_what_it_says(state):
    done = run(SEED, "app:main", "--set", f"lua.state={state}")
    assert done.returncode == 0, done.stderr
    printed = re.sub(r"\{app:processes\|0x[0-9a-f]{5}\}", "PID", done.stdout)
    assert sorted(printed.splitlines()) == sorted(OUTPUT.splitlines())
    # The one error is the worker that fails on purpose, with the user's file and line.
    assert re.findall(r"\[error.*", done.stderr) == re.findall(
        r"\[error.*failed: test/process/workers.lua:21: the worker gives up", done.stderr
    )


@pytest.mark.parametrize("entry", [f"app.test.process:{path.stem}" for path in PROGRAMS])
def test_no_program_of_the_document_is_broken_when_it_runs_alone(entry):
    if entry.endswith((":workers", ":listener", ":inbox", ":echo")):
        entry = "app:main"  # they wait for somebody else: `main` is that
    elif entry.endswith(":task_worker"):
        done = run(SEED, entry)  # its task is missing
        assert done.returncode == 1
        assert "test/process/task_worker.lua:7: attempt to index a nil value" in done.stderr
        return
    done = run(SEED, entry)
    assert done.returncode == 0, done.stderr


def test_the_programs_are_the_words_of_the_document():
    document = (SEED / "DOCUMENT.txt").read_text()
    lines = {line.strip() for line in document.splitlines()}
    for path in PROGRAMS:
        if path.stem != "workers":
            assert {line.strip() for line in path.read_text().splitlines()} <= lines, path


@pytest.mark.parametrize(
    ("entry", "language", "why"),
    [("python_parent", "Lua", "nottoday"), ("lua_parent", "Python", "ConnectionErrornottoday")],
)
def test_a_parent_in_one_language_keeps_workers_in_the_other_alive(entry, language, why):
    done = run(ROOT / "examples/mixed", f"mixed:{entry}", "--quiet-exits")
    assert done.returncode == 0, done.stderr
    said = [re.sub(r"[^a-zA-Z0-9]|square", "", line) for line in done.stdout.splitlines()]
    assert sorted(said) == [
        f"{language}worker11",
        f"{language}worker24",
        f"{language}worker2failedontry1{why}",
        f"{language}worker39",
    ]
    (line,) = done.stderr.splitlines()
    assert "its Lua programs may start every entry" in line
