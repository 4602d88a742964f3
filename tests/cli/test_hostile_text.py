"""What programs say is shown so that no terminal obeys it, and no line looks like another's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).with_name("procession")
FORGED = "2026-01-01 00:00:00 [error    ] all is lost"
HOSTILE = f"kaboom\n{FORGED}\r\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2028\ud800"
FIELD = "\x1b[31m\nfield"

PYTHON = f"""
import logging
HOSTILE = {HOSTILE!r}
log = logging.getLogger("shop")

async def raises():
    raise ValueError(HOSTILE)

async def raises_a_class():
    raise type(HOSTILE[:-1], (Exception,), {{}})("x")

async def logs():
    log.error(HOSTILE, extra={{HOSTILE: HOSTILE, "n": 10**5000, "nan": float("nan"), "level": "x"}})

async def logs_an_error():
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception(HOSTILE)

async def logs_wrongly():
    log.error("%d and %s", "text")
"""
LUA = """
local hostile = "kaboom\\n%s\\r\\27]0;title\\7\\27[2J\\xc2\\x9b31m"
local logger = require("logger")
return {
  raises = function() error(hostile) end,
  logs = function() logger:error(hostile, { [hostile] = hostile }) end,
}
""".replace("%s", FORGED)
PYTHON_METHODS = ["raises", "raises_a_class", "logs", "logs_an_error", "logs_wrongly"]


@pytest.fixture(params=["inline", "workers"])
def app(request, tmp_path):
    """An app whose host is inline, or has its processes in another OS process."""
    workers = 1 if request.param == "workers" else 0
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    lines.append(f"  - {{name: processes, kind: process.host, host: {{os_workers: {workers}}}}}")
    lines += [
        f'  - {{name: {one}, kind: process.py, source: "file://code.py", method: {one}}}'
        for one in PYTHON_METHODS
    ]
    lines += [
        f'  - {{name: lua_{one}, kind: process.lua, source: "file://code.lua", method: {one}, '
        "modules: [logger]}"
        for one in ("raises", "logs")
    ]
    (tmp_path / "_index.yaml").write_text("\n".join(lines))
    (tmp_path / "code.py").write_text(PYTHON)
    (tmp_path / "code.lua").write_text(LUA)
    return tmp_path


def run(app, entry, *options):
    command = [PROCESSION, "run", app, "-x", f"app:{entry}", "--log-level", "warning", *options]
    return subprocess.run(command, capture_output=True, timeout=50).stderr


ENTRIES = [*PYTHON_METHODS, "lua_raises", "lua_logs"]


@pytest.mark.parametrize(
    ("entry", "quiet"),
    [(entry, []) for entry in ENTRIES]
    # Quiet exits are no matter of those that only log.
    + [(entry, ["--quiet-exits"]) for entry in ENTRIES if "logs" not in entry],
)
def test_no_terminal_obeys_it_and_no_line_is_forged(app, entry, quiet):
    shown = run(app, entry, *quiet).decode()
    assert shown.strip()
    odd = [
        one
        for one in shown
        if ord(one) < 32 or 127 <= ord(one) < 160 or ord(one) in range(8232, 8239)
    ]
    assert set(odd) <= {"\n", "\t"}
    for line in shown.splitlines():
        assert not line.startswith(FORGED)
        assert line[0] == " " or "[error" in line or line.startswith("error: app:")


@pytest.mark.parametrize("entry", ENTRIES)
def test_json_logs_stay_json(app, entry):
    def refuse(number):
        raise AssertionError(f"{number} is no JSON")

    lines = run(app, entry, "--log-format", "json").decode("utf-8").splitlines()
    assert lines
    for line in lines:
        logged = json.loads(line, parse_constant=refuse)
        assert logged["level"] == "error"
        json.dumps(logged, ensure_ascii=False).encode()  # valid Unicode


def test_names_of_entries_and_folders_are_shown_likewise(tmp_path):
    folder = tmp_path / "\x1b[2Jfolder\nerror: forged"
    folder.mkdir()
    for command in ("run", "check", "list"):
        done = subprocess.run([PROCESSION, command, folder], capture_output=True, timeout=50)
        shown = done.stderr.decode() + done.stdout.decode()
        assert "\x1b" not in shown
        assert not any(line.startswith("error: forged") for line in shown.splitlines())
