"""`procession check`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"


def procession(*args, cwd=None):
    return subprocess.run([PROCESSION, *args], cwd=cwd, capture_output=True, text=True, timeout=50)


@pytest.fixture
def app(tmp_path):
    """Write an app: its entries, from line 4 on, and its files."""

    def write(*entries, **files):
        text = "".join(f"  - {entry}\n" for entry in entries)
        header = 'version: "1.0"\nnamespace: app\nentries:\n'
        (tmp_path / "_index.yaml").write_text(header + text)
        for name, content in files.items():
            path = tmp_path / f"{name}.py"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def entry(name, file="code", more=""):
    return f'{{name: {name}, kind: process.py, source: "file://{file}.py"{more}}}'


HOST = "{name: main, kind: process.host}"
GOOD = "async def main():\n    pass\n"
BAD = "async def main():\n    pass\nasync def other(:\n"


def errors_of(folder, expected=1):
    """Each error as text prints it, and as JSON has it."""
    done = procession("check", folder)
    assert (done.returncode, done.stdout) == (1, "")
    *lines, count = done.stderr.splitlines()
    assert count.startswith(f"{len(lines)} error")
    assert all(line.startswith("error: ") for line in lines)
    as_json = procession("check", folder, "--json")
    assert (as_json.returncode, as_json.stderr) == (1, "")
    result = json.loads(as_json.stdout)
    assert result["ok"] is False
    assert len(lines) == len(result["errors"]) == expected
    return [line.removeprefix("error: ") for line in lines], result["errors"]


@pytest.mark.parametrize(
    ("entries", "text"),
    [((HOST,), "ok: 1 entry\n"), ((HOST, entry("a"), entry("b")), "ok: 3 entries\n")],
    ids=["one", "several"],
)
def test_a_sound_app_is_ok(app, entries, text):
    folder = app(*entries, code=GOOD)
    done = procession("check", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
    done = procession("check", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, "entries": len(entries), "not_read": []}


def test_an_app_without_entries_is_ok(app):
    done = procession("check", app())
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: no entries\n", "")


# -- where manifests are -----------------------------------------------------------------------


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    done = procession("check", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is no manifest: no _index.yaml, _index.yml or _index.json in the app\n"
    )
    done = procession("check", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    (error,) = json.loads(done.stdout)["errors"]
    assert error["kind"] == "NotFound"
    assert error["message"].startswith("there is no manifest")


@pytest.mark.parametrize(
    ("command", "words"),
    [("check", ()), ("list", ()), ("run", ()), ("run", ("-x", "app:a"))],
    ids=["check", "list", "run", "run -x"],
)
def test_every_command_tells_of_a_manifest_whose_name_is_wrong(app, command, words):
    folder = app(HOST, entry("a"), code=GOOD)
    (folder / "_index.yaml").rename(folder / "index.yaml")
    done = procession(command, folder, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: index.yaml:1: this looks like a manifest, but is not read: only _index.yaml, "
        "_index.yml, _index.json are; did you mean _index.yaml?\n1 error\n"
    )


def test_manifests_of_what_is_installed_beside_the_app_are_not_read_and_it_is_said(app):
    folder = app(HOST)
    for name in ("venv/a", "venv/b", "web/node_modules/c", ".hidden"):
        (folder / name).mkdir(parents=True)
        (folder / name / "_index.yaml").write_text("namespace: app\nentries: [{name: main}]\n")
    (folder / "venv/pyvenv.cfg").write_text("")
    done = procession("check", folder)
    assert (done.returncode, done.stdout) == (0, "ok: 1 entry\n")
    assert done.stderr.splitlines() == [
        "note: .hidden/_index.yaml is not read: .hidden/ is hidden",
        "note: venv/a/_index.yaml and 1 more are not read: venv/ is a virtual environment",
        "note: web/node_modules/c/_index.yaml is not read: web/node_modules/ "
        "has packages of JavaScript",
    ]
    done = procession("check", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["not_read"] == [
        ".hidden/_index.yaml",
        "venv/a/_index.yaml",
        "venv/b/_index.yaml",
        "web/node_modules/c/_index.yaml",
    ]


def test_a_folder_with_no_manifest_but_those_that_are_not_read_says_both(tmp_path):
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / "venv/_index.yaml").write_text("namespace: app\n")
    done = procession("check", tmp_path)
    assert done.returncode == 1
    note, error = done.stderr.splitlines()
    assert note.startswith("note: venv/_index.yaml is not read")
    assert error.startswith("error: there is no manifest")
    done = procession("check", tmp_path, "--json")
    assert json.loads(done.stdout)["not_read"] == ["venv/_index.yaml"]
    (tmp_path / "_index.yaml").write_text("entries: []\n")
    done = procession("check", tmp_path, "--json")
    told = json.loads(done.stdout)
    assert [error["key"] for error in told["errors"]] == ["namespace"]
    assert told["not_read"] == ["venv/_index.yaml"]


# -- what is wrong in manifests and sources ----------------------------------------------------


@pytest.mark.semantics("14.5")
def test_all_errors_of_all_manifests_are_told_at_once_with_their_place(app):
    folder = app(
        HOST,
        "{name: a, kind: proces.py, source: 'file://code.py'}",
        "{name: b, kind: process.py, sorce: 'file://code.py'}",
        "{name: c, kind: process.py, source: 'file://gone.py'}",
        entry("worker"),
        "{name: s, kind: process.service, process: 'app:wroker', host: 'app:mian'}",
        code=GOOD,
    )
    (folder / "more").mkdir()
    (folder / "more/_index.yaml").write_text('version: "2.0"\nnamespace: app.more\nentreis: []\n')
    lines, details = errors_of(folder, 8)
    assert lines[:6] == [
        "_index.yaml:5: app:a: kind: unknown kind 'proces.py'; did you mean 'process.py'?",
        "_index.yaml:6: app:b: source: either source or python is required",
        "_index.yaml:6: app:b: sorce: unknown key; did you mean 'source'?",
        "_index.yaml:7: app:c: source: 'file://gone.py' does not exist",
        "_index.yaml:9: app:s: process: there is no entry 'app:wroker'; did you mean 'app:worker'?",
        "_index.yaml:9: app:s: host: there is no entry 'app:mian'; did you mean 'app:main'?",
    ]
    assert [line.split(": ")[:2] for line in lines[6:]] == [
        ["more/_index.yaml:1", "version"],
        ["more/_index.yaml:3", "entreis"],
    ]
    assert details[0] == {
        "file": "_index.yaml",
        "line": 5,
        "entry": "app:a",
        "key": "kind",
        "message": "unknown kind 'proces.py'; did you mean 'process.py'?",
    }


@pytest.mark.semantics("14.5")
def test_a_file_that_is_no_yaml_is_told_with_its_line(app):
    folder = app(HOST)
    (folder / "_index.yaml").write_text('version: "1.0"\nnamespace: app\nentries: [\n')
    ((line,), _) = errors_of(folder)
    assert line.startswith("_index.yaml:3: ")


@pytest.mark.parametrize(
    ("source", "where"),
    [
        (BAD, "code.py:3"),
        ("x = 1\nreturn\n", "code.py:2"),
        ("def f():\n\tx\n        y\n", "code.py:3"),
        (b"x = '\xff'\n", "code.py"),
        (b"x = 1\n\0\n", "code.py"),
    ],
    ids=["syntax", "outside a function", "indentation", "encoding", "null"],
)
def test_a_source_that_does_not_compile_is_told_with_its_place(app, source, where):
    folder = app(HOST, entry("good", "good"), entry("bad"), good=GOOD, code=source)
    ((line,), (detail,)) = errors_of(folder)
    assert line.startswith(f"_index.yaml:6: app:bad: source: {where}")
    assert "Error: " in line
    assert (detail["entry"], detail["line"], detail["key"]) == ("app:bad", 6, "source")


def test_every_source_that_does_not_compile_is_told(app):
    folder = app(entry("a", "a"), entry("b", "b"), entry("c", "c"), a=BAD, b=GOOD, c=BAD)
    lines, _ = errors_of(folder, 2)
    assert [line.split(": ")[1] for line in lines] == ["app:a", "app:c"]


@pytest.mark.semantics("14.5")
def test_errors_of_manifests_and_of_sources_are_told_together(app):
    folder = app(entry("a"), entry("b", "good", ", methd: x"), code=BAD, good=GOOD)
    lines, _ = errors_of(folder, 2)
    assert [line.split(": ")[1] for line in lines] == ["app:a", "app:b"]


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
def test_nothing_of_the_app_is_run(app, tmp_path, words):
    trace = tmp_path / "was_run"
    source = f"open({str(trace)!r}, 'w').close()\nasync def main(): pass\n"
    folder = app(
        entry("a"),
        "{name: b, kind: process.py, python: 'imported:main'}",
        code=source,
        imported=source,
    )
    assert procession("check", folder, *words, cwd=folder).returncode == 0
    assert not trace.exists()


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("folder", ["nowhere", "code.py"])
def test_what_is_no_folder_is_told_without_a_traceback(app, folder, words):
    done = procession("check", folder, *words, cwd=app(HOST, code=GOOD))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"the app folder {folder} " in done.stdout + done.stderr


def test_a_second_folder_is_wrong_usage(tmp_path):
    done = procession("check", tmp_path, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "unexpected extra argument" in done.stderr


# -- permissions -----------------------------------------------------------------------------


PERMISSIONS = """
version: "1.0"
namespace: app
entries:
  - {name: main, kind: process.host}
  - {name: small, kind: process.host, host: {permissions: {send: any, names: [app.*, bank]}}}
  - {name: a, kind: process.lua, source: "file://a.lua", %s}
  - {name: text, kind: library.lua, source: "file://a.lua"}
  - {name: b, kind: process.py, source: "file://b.py"}
"""


@pytest.fixture
def closed(tmp_path):
    (tmp_path / "_index.yaml").write_text(
        PERMISSIONS % 'permissions: {env: ["X_*"], hosts: [small]}'
    )
    (tmp_path / "a.lua").write_text("return { main = function() end }")
    (tmp_path / "b.py").write_text("async def main(): pass")
    return tmp_path


@pytest.mark.semantics("14.6")
def test_what_each_entry_may_do_is_printed(closed):
    done = procession("check", closed)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == """ok: 5 entries
app:a may
  spawn  app:*
  funcs  app:*
  hosts  its own, app:small
  send   any PID
  names  nothing
  env    X_*
app:a on app:small may
  spawn  app:*
  funcs  app:*
  hosts  its own, app:small
  send   any
  names  app.*, bank
  env    X_*
app:b may
  everything: it is Python, and nothing is said of it
app:b on app:small may
  spawn  app:*
  funcs  app:*
  hosts  its own
  send   any
  names  app.*, bank
  env    nothing
"""
    )


@pytest.mark.semantics("14.6")
def test_what_each_entry_may_do_is_printed_for_programs(closed):
    data = json.loads(procession("check", closed, "--json").stdout)
    first, *_, third, _ = data.pop("permissions")
    assert data == {"ok": True, "entries": 5, "not_read": []}
    assert (first["entry"], first["host"]) == ("app:a", None)
    assert first["permissions"] == {
        "spawn": ["app:*"],
        "funcs": ["app:*"],
        "hosts": ["app:small"],
        "send": ["{*}"],
        "names": [],
        "env": ["X_*"],
    }
    assert third == {"entry": "app:b", "host": None, "permissions": None}


@pytest.mark.semantics("14.6")
def test_an_open_app_with_lua_is_said_to_be_open(closed):
    (closed / "_index.yaml").write_text(
        f'version: "1.0"\nnamespace: app\nentries:\n  - {HOST}\n'
        '  - {name: a, kind: process.lua, source: "file://a.lua"}\n'
    )
    done = procession("check", closed)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "ok: 2 entries"
    assert second.startswith("the app is open: its manifest has no `permissions`")
    data = json.loads(procession("check", closed, "--json").stdout)
    assert data == {"ok": True, "entries": 2, "not_read": [], "permissions": None}
