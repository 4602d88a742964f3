"""What commands print, where it can be written and where it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"
FULL = Path("/dev/full")
ESCAPES = "x\x1b[31m\x1b]0;t\x07\n\x9b\u202ey"
MANIFEST = """
version: "1.0"
namespace: app
entries:
  - {name: host, kind: process.host}
  - {name: main, kind: process.py, source: "file://main.py"}
  - {name: fails, kind: process.py, source: "file://main.py", method: fails}
"""


def procession(*args, **options):
    # What a program prints has to wait in the buffer, so that it is written at the end.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": env, **options}
    return subprocess.run([PROCESSION, *args], text=True, timeout=50, **options)


@pytest.fixture
def app(tmp_path):
    (tmp_path / "_index.yaml").write_text(MANIFEST)
    (tmp_path / "main.py").write_text(
        "import procession\n"
        "async def main(): print('hello')\n"
        "async def fails(text): raise procession.Invalid(text)\n"
    )
    return tmp_path


full = pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
COMMANDS = [
    ("list",),
    ("list", "--json"),
    ("check",),
    ("check", "--json"),
    ("run", "-x", "app:main"),
    ("--version",),
    ("run", "--help"),
]


@full
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_is_an_error_with_a_message(app, command):
    with FULL.open("w") as stdout:
        done = procession(*command, cwd=app, stdout=stdout)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device\n"


@full
@pytest.mark.parametrize("command", ["list", "check", "run"])
def test_an_error_that_cannot_be_written_is_seen_in_the_exit_code(app, command):
    (app / "_index.yaml").write_text("namespace: 7")
    with FULL.open("w") as stderr:
        done = procession(command, cwd=app, stderr=stderr)
    assert (done.returncode, done.stdout) == (1, "")


@full
def test_the_exit_code_of_an_entry_is_kept_if_it_has_failed_already(app):
    (app / "main.py").write_text("async def main():\n    print('hello')\n    return 7\n")
    (app / "_index.yaml").write_text(MANIFEST.split("  - {name: fails")[0])
    with FULL.open("w") as stdout:
        assert procession("run", "-x", "app:main", cwd=app, stdout=stdout).returncode == 7


def test_a_reader_that_has_gone_is_no_reason_for_a_message(app):
    command = [PROCESSION, "list", app]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [(("list",), 0), (("check",), 0), (("run", "-x", "app:main"), 0), (("run", "nowhere"), 1)],
)
def test_without_stdin_stdout_or_stderr_a_command_does_its_work(app, closed, command, code):
    script = f'exec "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", PROCESSION, *command], cwd=app, capture_output=True, timeout=50
    )
    assert done.returncode == code


@pytest.mark.parametrize("command", [("list",), ("check",), ("run",), ("run", "-x", "app:main")])
def test_a_working_directory_that_was_deleted_is_an_error_with_a_message(tmp_path, command):
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", PROCESSION, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the app folder is relative to the working directory")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["list", "check", "run"])
def test_names_of_folders_and_keys_are_shown_without_control_characters(app, command):
    folder = app / ESCAPES
    folder.mkdir()
    (folder / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: bad\nentries:\n'
        '  - {name: "a\\e[31m", kind: process.host, "k\\e[0m\\n": 1}\n'
        '  - {name: b, kind: "process\\e.host"}\n'
    )
    done = procession(command, cwd=app)
    lines = done.stderr.splitlines()
    assert all(line.isprintable() for line in lines), lines
    assert (
        r"x\x1b[31m\x1b]0;t\x07\n\x9b\u202ey/_index.yaml:4: k\x1b[0m\n: unknown key" in done.stderr
    )
    assert lines[-1] == f"{len(lines) - 1} errors" or command == "run"


def test_what_is_not_read_is_shown_without_control_characters(app):
    (app / f".{ESCAPES}").mkdir()
    (app / f".{ESCAPES}" / "_index.yaml").write_text(MANIFEST)
    done = procession("check", cwd=app)
    (line,) = done.stderr.splitlines()
    assert line.isprintable()


def test_sources_in_odd_folders_are_listed_without_control_characters(app):
    (app / ESCAPES).mkdir()
    (app / ESCAPES / "main.py").write_text("async def main(): pass")
    source = json.dumps(f"file://{ESCAPES}/main.py")
    (app / "_index.yaml").write_text(MANIFEST.replace('"file://main.py"', source))
    done = procession("list", cwd=app)
    assert done.returncode == 0, done.stderr
    assert all(line.isprintable() for line in done.stdout.splitlines())
    data = procession("list", "--json", cwd=app).stdout
    assert all(line.isprintable() for line in data.splitlines())
    assert json.loads(data)[1]["source"] == f"{ESCAPES}/main.py"


def test_the_error_of_an_entry_is_shown_without_control_characters(app):
    done = procession("run", "-x", "app:fails", ESCAPES, cwd=app)
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1]
        == r"error: app:fails: Invalid: x\x1b[31m\x1b]0;t\x07\n\x9b\u202ey"
    )
