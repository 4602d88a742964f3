"""`procession list`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROCESSION = Path(sys.executable).parent / "procession"

MANIFEST = """
version: "1.0"
namespace: app
entries:
  - name: main
    kind: process.host
  - name: small
    kind: process.host
    host: {max_processes: 10, mailbox: 50}
  - name: terminal
    kind: terminal.host
  - name: a_worker_with_a_long_name
    kind: process.py
    source: file://jobs/worker.py
    method: work
  - name: imported
    kind: process.py
    python: shop.cart:total
  - name: total
    kind: function.py
    source: file://jobs/worker.py
  - name: scripted
    kind: process.lua
    source: file://worker.lua
  - name: service
    kind: process.service
    process: app:imported
    host: app:small
"""
ROWS = [
    {"id": "app:main", "kind": "process.host", "defined": "_index.yaml:5"},
    {"id": "app:small", "kind": "process.host", "defined": "_index.yaml:7"},
    {"id": "app:terminal", "kind": "terminal.host", "defined": "_index.yaml:10"},
    {
        "id": "app:a_worker_with_a_long_name",
        "kind": "process.py",
        "defined": "_index.yaml:12",
        "source": "jobs/worker.py",
        "method": "work",
    },
    {
        "id": "app:imported",
        "kind": "process.py",
        "defined": "_index.yaml:16",
        "python": "shop.cart:total",
    },
    {
        "id": "app:total",
        "kind": "function.py",
        "defined": "_index.yaml:19",
        "source": "jobs/worker.py",
        "method": "main",
    },
    {
        "id": "app:scripted",
        "kind": "process.lua",
        "defined": "_index.yaml:22",
        "source": "worker.lua",
        "method": "main",
    },
    {
        "id": "app:service",
        "kind": "process.service",
        "defined": "_index.yaml:25",
        "process": "app:imported",
        "host": "app:small",
    },
    {
        "id": "app.jobs:other",
        "kind": "process.host",
        "defined": "jobs/_index.yaml:1",
    },
]


def procession(*args, cwd=None):
    return subprocess.run([PROCESSION, *args], cwd=cwd, capture_output=True, text=True, timeout=50)


@pytest.fixture
def app(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "_index.yaml").write_text(MANIFEST)
    (tmp_path / "jobs/_index.yaml").write_text(
        '{version: "1.0", namespace: app.jobs, entries: [{name: other, kind: process.host}]}'
    )
    (tmp_path / "jobs/worker.py").write_text(
        f"open({str(tmp_path / 'was_run')!r}, 'w').close()\nasync def work(): pass\n"
    )
    (tmp_path / "worker.lua").write_text("return {}")
    return tmp_path


@pytest.mark.parametrize("words", [(), (".",)], ids=["here", "by name"])
def test_every_entry_is_one_line_of_an_aligned_table(app, words):
    done = procession("list", *words, cwd=app)
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["id", "kind", "what"]
    assert [line.split()[:2] for line in lines] == [[row["id"], row["kind"]] for row in ROWS]
    for column in ("kind", "what"):
        place = header.index(column)
        assert {line[place - 2 : place] for line in lines} == {"  "}
        assert all(line[place] != " " for line in lines)


def test_a_line_says_what_is_behind_the_entry(app):
    done = procession("list", app)
    what = {line.split()[0]: line.split(maxsplit=2)[2] for line in done.stdout.splitlines()}
    assert what["app:main"] == "any number of processes, mailboxes of 100000"
    assert what["app:small"] == "10 processes, mailboxes of 50"
    assert what["app:a_worker_with_a_long_name"] == "jobs/worker.py:work"
    assert what["app:imported"] == "shop.cart:total"
    assert what["app:scripted"] == "worker.lua:main"
    assert what["app:service"] == "app:imported on app:small"


def test_json_has_every_entry_and_where_it_is_defined(app):
    done = procession("list", app, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(done.stdout)
    assert [{key: row[key] for key in want} for row, want in zip(listed, ROWS, strict=True)] == ROWS
    limits = [row["host"] for row in listed if row["id"] in ("app:main", "app:small")]
    assert [(each["max_processes"], each["mailbox"]) for each in limits] == [(0, 100_000), (10, 50)]


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
def test_nothing_of_the_app_is_run(app, words):
    assert procession("list", app, *words).returncode == 0
    assert not (app / "was_run").exists()


def test_an_app_without_entries_says_so_and_is_no_error(tmp_path):
    done = procession("list", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no entries" in done.stderr
    done = procession("list", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == []


@pytest.mark.semantics("14.5")
def test_a_broken_manifest_is_told_in_place_of_a_table(tmp_path):
    (tmp_path / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        "  - {name: a, kind: proces.host}\n  - {name: b, kind: process.host, hots: {}}\n"
    )
    done = procession("list", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: _index.yaml:4: app:a: kind: unknown kind 'proces.host'; "
        "did you mean 'process.host'?",
        "error: _index.yaml:5: app:b: hots: unknown key; did you mean 'host'?",
        "2 errors",
    ]
    done = procession("list", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    result = json.loads(done.stdout)
    assert result["ok"] is False
    assert [(error["line"], error["key"]) for error in result["errors"]] == [
        (4, "kind"),
        (5, "hots"),
    ]


@pytest.mark.parametrize("folder", ["nowhere", "worker.lua"])
def test_what_is_no_folder_is_told_in_one_line(app, folder):
    done = procession("list", folder, cwd=app)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: the app folder {folder} ")


def test_a_second_folder_is_wrong_usage(app):
    done = procession("list", app, app)
    assert (done.returncode, done.stdout) == (2, "")
    assert "unexpected extra argument" in done.stderr
