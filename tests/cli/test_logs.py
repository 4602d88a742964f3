"""What the commands write to stderr: for people, for programs, and at a terminal."""

import errno
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import procession as package

PROCESSION = Path(sys.executable).parent / "procession"
PACKAGE = str(Path(package.__file__).parent)

CODE = """
import asyncio
import logging

from procession import channel, process, time

async def fails(message="kaboom"):
    check(message)

def check(message):
    raise ValueError(message)

async def calls_nobody():
    await process.call("nobody", "ask")

async def selects():
    closed = channel.new()
    closed.close()
    await channel.select(closed.case_send(1))

async def task_fails():
    task = asyncio.create_task(fails("in a task"))
    await task

async def watches(entry="app:fails"):
    process.spawn_monitored(entry, None)
    await process.events().receive()

async def traps():
    process.set_options(trap_links=True)
    process.spawn_linked("app:fails", None)
    await process.events().receive()

async def executes():
    try:
        await process.exec("app:fails", None)
    except Exception:
        pass

async def ignores():
    process.spawn("app:fails", None)
    await time.sleep("1ms")

async def terminates():
    pid = process.spawn_monitored("app:sleeps", None)
    process.terminate(pid)
    await process.events().receive()

async def sleeps():
    await time.sleep("1h")

async def logs():
    logging.getLogger("shop").info("sold %s", "a hat", extra={"price": 5})
"""
METHODS = re.findall(r"async def (\w+)", CODE)
LOGGED = r"\[error +\] app:%s \{app:processes\|0x[0-9a-f]{5}\} failed: %s"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    lines += [
        f'  - {{name: {method}, kind: process.py, source: "file://code.py", method: {method}}}'
        for method in METHODS
    ]
    lines.append("  - {name: processes, kind: process.host}")
    lines.append(
        "  - {name: service, kind: process.service, process: 'app:watches', "
        "host: 'app:processes', lifecycle: {auto_start: true}}"
    )
    (folder / "_index.yaml").write_text("\n".join(lines))
    (folder / "code.py").write_text(CODE)
    return folder


def procession(*args, cwd=None):
    return subprocess.run([PROCESSION, *args], cwd=cwd, capture_output=True, text=True, timeout=50)


def at_a_terminal(*args, **environment):
    """The exit code of a command, and what it shows at a terminal."""
    env = {key: os.environ[key] for key in os.environ if not key.endswith("_COLOR")}
    leader, follower = pty.openpty()
    command = [PROCESSION, *args]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env={**env, "TERM": "xterm-256color", **environment},
    ) as child:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 4096):
                shown += part
        except OSError as error:  # how Linux tells that the other side is closed
            if error.errno != errno.EIO:
                raise
        finally:
            os.close(leader)
    return child.returncode, shown.decode()


# -- a process that fails --------------------------------------------------------------------


def test_a_failure_is_logged_once_with_entry_pid_and_traceback(app):
    done = procession("run", app, "--no-services", "-x", "app:watches")
    assert (done.returncode, done.stdout) == (0, "")
    assert len(re.findall(LOGGED % ("fails", "ValueError: kaboom"), done.stderr)) == 1
    assert done.stderr.count("kaboom") == 2, "once in the line, once at the end of the traceback"
    assert done.stderr.count("Traceback (most recent call last):") == 1


@pytest.mark.parametrize(
    ("entry", "functions"),
    [
        ("fails", ["fails", "check"]),
        ("calls_nobody", ["calls_nobody"]),
        ("selects", ["selects"]),
        ("task_fails", ["task_fails", "fails", "check"]),
    ],
)
def test_the_traceback_has_the_frames_of_the_user_and_none_of_ours(app, entry, functions):
    done = procession("run", app, "--no-services", "-x", f"app:{entry}")
    assert (done.returncode, done.stdout) == (1, "")
    frames = re.findall(r'File "(.*)", line \d+, in (\w+)', done.stderr)
    assert frames == [(str(app / "code.py"), function) for function in functions]
    assert PACKAGE not in done.stderr


def test_the_failure_of_the_entry_itself_ends_with_one_line_that_says_why(app):
    done = procession("run", app, "--no-services", "-x", "app:fails")
    *log, last = done.stderr.splitlines()
    assert re.search(LOGGED % ("fails", "ValueError: kaboom"), log[0])
    assert log[-1] == "  ValueError: kaboom"
    assert last == "error: app:fails: ValueError: kaboom"


@pytest.mark.parametrize("entry", ["watches", "traps", "executes"])
def test_quiet_exits_keep_silent_about_what_someone_took_note_of(app, entry):
    loud = procession("run", app, "--no-services", "-x", f"app:{entry}")
    assert (loud.returncode, loud.stderr.count("ValueError: kaboom")) == (0, 2)
    quiet = procession("run", app, "--no-services", "-x", f"app:{entry}", "--quiet-exits")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_quiet_exits_still_log_what_nobody_took_note_of(app):
    done = procession("run", app, "--no-services", "-x", "app:ignores", "--quiet-exits")
    assert len(re.findall(LOGGED % ("fails", "ValueError: kaboom"), done.stderr)) == 1


def test_quiet_exits_still_show_why_the_entry_itself_failed(app):
    done = procession("run", app, "--no-services", "-x", "app:fails", "--quiet-exits")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "  Traceback (most recent call last):"
    assert lines[-2:] == ["  ValueError: kaboom", "error: app:fails: ValueError: kaboom"]


def test_a_termination_is_no_failure_to_log(app):
    done = procession("run", app, "--no-services", "-x", "app:terminates")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_log_level_shows_more_or_less(app):
    debug = procession("run", app, "--no-services", "-x", "app:terminates", "--log-level", "debug")
    assert "app:sleeps" in debug.stderr
    assert "service app:service started" in procession("run", app).stderr
    warnings = procession("run", app, "--log-level", "warning")
    assert "started" not in warnings.stderr
    assert "ValueError: kaboom" in warnings.stderr


def test_logs_of_the_app_itself_come_out_in_the_same_way(app):
    assert (
        "[info     ] sold a hat" in procession("run", app, "--no-services", "-x", "app:logs").stderr
    )
    line = procession("run", app, "--no-services", "-x", "app:logs", "--log-format", "json").stderr
    logged = json.loads(line)
    assert logged.items() >= {
        "event": "sold a hat", "level": "info", "logger": "shop", "price": 5
    }.items()  # fmt: skip


# -- for programs ----------------------------------------------------------------------------


def json_lines(*args, cwd=None):
    """The exit code, and each line of stderr as the object that it is."""
    done = procession(*args, "--log-format", "json", cwd=cwd)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    for line in lines:
        assert line["level"] in ("debug", "info", "warning", "error")
        assert line["event"]
        assert line["timestamp"].endswith("Z")
    return done.returncode, lines


@pytest.mark.parametrize("message", ["kaboom", 'two\nlines, "quotes" and ü'], ids=["plain", "odd"])
def test_json_logs_say_which_process_failed_how(app, message):
    code, (failure, last) = json_lines("run", app, "--no-services", "-x", "app:fails", message)
    assert code == 1
    assert failure["level"] == last["level"] == "error"
    assert failure["event"].startswith("app:fails {app:processes|0x")
    assert failure["event"].endswith(f"failed: ValueError: {message}")
    assert re.fullmatch(r"\{app:processes\|0x[0-9a-f]{5}\}", failure["pid"])
    assert (failure["entry"], failure["kind"]) == ("app:fails", "Internal")
    assert failure["exception"].startswith("Traceback (most recent call last):\n")
    assert failure["exception"].endswith(f"ValueError: {message}")
    assert PACKAGE not in failure["exception"]
    assert last["event"] == f"app:fails: ValueError: {message}"


def test_json_logs_of_services_name_the_service(app):
    code, lines = json_lines("run", app)
    assert code == 0
    assert [line["event"] for line in lines if line.get("service") == "app:service"] == [
        "service app:service starting",
        "service app:service started {app:processes|0x00001}",
        "service app:service exited",
    ]
    assert [line["entry"] for line in lines if "exception" in line] == ["app:fails"]


@pytest.mark.parametrize("folder", ["nowhere", "code.py"])
def test_json_logs_also_when_there_is_no_app(app, folder):
    code, (line,) = json_lines("run", folder, cwd=app)
    assert code == 1
    assert line["event"].startswith(f"the app folder {folder}")
    assert line["kind"] in ("NotFound", "Invalid")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("-x", "app:nope"), "NotFound"),
        (("-x", "app:fails", "--host", "app:nope"), "NotFound"),
        (("-x", "app:fails"), "Internal"),
    ],
    ids=["unknown entry", "unknown host", "failure"],
)
def test_the_last_json_line_has_the_kind_of_the_error(app, words, kind):
    code, lines = json_lines("run", app, *words)
    assert (code, lines[-1]["kind"]) == (1, kind)


def test_json_logs_stay_json_with_quiet_exits(app):
    code, lines = json_lines("run", app, "-x", "app:fails", "--quiet-exits")
    assert code == 1
    assert [line["exception"][:9] for line in lines if "exception" in line] == ["Traceback"]


@pytest.mark.semantics("14.5")
def test_json_logs_also_tell_what_is_wrong_with_the_manifest(tmp_path):
    (tmp_path / "_index.yaml").write_text('version: "1.0"\nentries: 1\n')
    code, lines = json_lines("run", tmp_path, "-x", "app:fails")
    assert code == 1
    assert "namespace" in "".join(line["event"] for line in lines)


# -- at a terminal ---------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("run", "-x", "app:fails"), ("run",), ("list",)], ids=" ".join)
def test_without_a_terminal_there_are_no_colours(app, words):
    done = procession(*words, cwd=app)
    assert "\x1b" not in done.stdout + done.stderr


def test_at_a_terminal_the_log_is_coloured(app):
    code, shown = at_a_terminal("run", app, "-x", "app:watches")
    assert code == 0
    assert "\x1b[31m" in shown, "red for the error"
    plain = re.sub(r"\x1b\[\d+m", "", shown).replace("\r\n", "\n")
    assert re.search(LOGGED % ("fails", "ValueError: kaboom"), plain)
    assert plain.endswith("ValueError: kaboom\n")


@pytest.mark.parametrize(
    "words", [("list",), ("run", "-x", "app:nope")], ids=["a table", "an error"]
)
def test_at_a_terminal_the_commands_are_coloured(app, words):
    command, *rest = words
    assert "\x1b" in at_a_terminal(command, app, *rest)[1]


def test_json_is_never_coloured(app):
    assert "\x1b" not in at_a_terminal("list", app, "--json")[1]
    _, shown = at_a_terminal("run", app, "--no-services", "-x", "app:fails", "--log-format", "json")
    assert [json.loads(line)["level"] for line in shown.splitlines()] == ["error", "error"]


def test_no_color_takes_the_colours_out_of_the_log(app):
    _, shown = at_a_terminal("run", app, "-x", "app:watches", NO_COLOR="1")
    assert "ValueError: kaboom" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "words", [("list",), ("run", "-x", "app:fails")], ids=["a table", "an error"]
)
def test_no_color_takes_the_colours_out_of_all_that_the_commands_print(app, words):
    command, *rest = words
    _, shown = at_a_terminal(command, app, *rest, NO_COLOR="1")
    assert "app:fails" in shown
    assert "\x1b" not in shown


# -- while a program has the terminal --------------------------------------------------------

TERMINAL = """
namespace: app
entries:
- {name: processes, kind: process.host}
- {name: terminal, kind: terminal.host, hide_logs: %s}
- {name: logs, kind: process.py, source: "file://code.py", method: logs}
- {name: fails, kind: process.py, source: "file://code.py", method: fails}
- {name: idle, kind: process.py, source: "file://code.py", method: idle}
- {name: service, kind: process.service, process: %s, host: %s, lifecycle: {auto_start: true}}
"""
PROGRAMS = """
import logging
from procession import process

async def logs():
    for level in ("info", "warning", "error"):
        getattr(logging.getLogger("shop"), level)("sold a hat")
    print("done", flush=True)

async def fails():
    raise ValueError("kaboom")

async def idle():
    await process.events().receive()
"""


@pytest.fixture
def terminal(tmp_path):
    """Run an app that has a terminal, with a service."""
    (tmp_path / "code.py").write_text(PROGRAMS)

    def run(*words, hide_logs="true", service="idle", host="processes"):
        (tmp_path / "_index.yaml").write_text(TERMINAL % (hide_logs, service, host))
        return procession("run", tmp_path, *words)

    return run


def test_a_program_of_a_terminal_that_hides_logs_has_it_for_itself(terminal):
    done = terminal("-x", "app:logs", "--host", "app:terminal")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_terminal_that_hides_logs_does_not_hide_why_its_program_has_failed(terminal):
    done = terminal("-x", "app:fails", "--host", "app:terminal")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback (most recent call last):" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: app:fails: ValueError: kaboom"
    assert "service" not in done.stderr


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--host", "app:terminal"), {"hide_logs": "false"}),
        (("--host", "app:processes"), {}),
        ((), {}),
    ],
    ids=["not hidden", "another host", "the first host"],
)
def test_logs_are_shown_while_no_terminal_that_hides_them_is_in_use(terminal, words, options):
    done = terminal("-x", "app:logs", *words, **options)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("sold a hat") == 3
    assert "service app:service started" in done.stderr


def test_a_service_at_a_terminal_hides_logs_while_it_runs(terminal):
    done = terminal(service="logs", host="terminal")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "sold a hat" not in done.stderr
    assert "service app:service starting" in done.stderr
    assert "service app:service exited" in done.stderr
