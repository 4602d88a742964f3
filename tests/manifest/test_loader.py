"""The manifest of an app folder: which files are read, and all their errors at once."""

import copy
import os
import pickle

import pytest

from procession.core.errors import Invalid, NotFound
from procession.core.payload import copy_payload
from procession.manifest.loader import load_manifest
from procession.manifest.problem import ManifestError, ManifestErrors

HOST = "- {name: %s, kind: process.host}\n"


# -- which files -----------------------------------------------------------------------------


@pytest.mark.semantics("14.3")
def test_an_app_without_a_manifest_has_no_entries(app):
    manifest = app.load()
    assert manifest.root == app.root
    assert manifest.entries == {}


def test_a_missing_app_folder_is_not_found(tmp_path):
    with pytest.raises(NotFound, match=r"the app folder .*/nowhere does not exist"):
        load_manifest(tmp_path / "nowhere")


def test_a_file_as_the_app_folder_is_invalid(app):
    with pytest.raises(Invalid, match=r"the app folder .*/app\.py is not a folder"):
        load_manifest(app.write("app.py"))


@pytest.mark.semantics("14.1")
def test_every_manifest_is_read_parents_first_then_by_name(app):
    app.declare(HOST % "z" + HOST % "a", path="_index.yaml", namespace="root")
    app.declare(HOST % "yml", path="_index.yml", namespace="root")
    app.write(
        "_index.json",
        '{"version": 1.0, "namespace": "root", "entries": ['
        '{"name": "json", "kind": "process.host", "host": {"mailbox": 5}}]}',
    )
    app.declare(HOST % "b", path="b/_index.yaml", namespace="root.b")
    app.declare(HOST % "c", path="a/deep/er/_index.yaml", namespace="root.a")
    app.declare(HOST % "d", path="other.yaml", namespace="root")
    manifest = app.load()
    assert list(manifest.entries) == [
        "root:z",
        "root:a",
        "root:yml",
        "root:json",
        "root.a:c",
        "root.b:b",
    ]
    assert manifest.entries["root:json"].host.mailbox == 5
    assert manifest.entries["root.a:c"].file == app.root / "a/deep/er/_index.yaml"


@pytest.mark.parametrize(
    "folder", [".hidden", ".venv", "node_modules", "__pycache__", "a/.git", "a/node_modules/b"]
)
def test_hidden_and_foreign_folders_are_skipped(app, folder):
    app.write(f"{folder}/_index.yaml", "no: manifest")
    assert app.load().entries == {}


def test_links_to_folders_are_not_followed(app, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/_index.yaml").write_text("no: manifest")
    app.declare(HOST % "h", path="inside/_index.yaml")
    (app.root / "a").symlink_to(tmp_path / "outside")
    (app.root / "b").symlink_to(app.root / "inside")
    (app.root / "c").symlink_to(app.root)
    assert list(app.load().entries) == ["app:h"]


def test_a_manifest_may_be_a_link_inside_of_the_app(app):
    app.declare(HOST % "h", path=".data/v2/_index.yaml")
    (app.root / "_index.yaml").symlink_to(".data/v2/_index.yaml")
    assert app.load().entries["app:h"].file == app.root / "_index.yaml"


def test_a_manifest_that_is_a_link_out_of_the_app_is_refused(app, tmp_path):
    (tmp_path / "_index.yaml").write_text("a: 1")
    (app.root / "_index.yaml").symlink_to(tmp_path / "_index.yaml")
    assert app.error() == "_index.yaml:1: this is a link that leads out of the app folder"


def test_a_manifest_that_is_no_file_is_refused(app):
    os.mkfifo(app.root / "_index.yaml")
    (app.root / "_index.yml").symlink_to("gone")
    assert app.errors() == [
        "_index.yaml:1: this is not a regular file",
        "_index.yml:1: this is not a regular file",
    ]


def test_what_may_not_be_read_is_told(app, monkeypatch):
    app.declare(HOST % "h")
    app.declare(HOST % "i", path="a/_index.yaml")
    scandir, open_file = os.scandir, type(app.root).open

    def refuse_folder(path):
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def refuse_file(path, *args):
        if path.name == "_index.yaml":
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *args)

    monkeypatch.setattr(os, "scandir", refuse_folder)
    monkeypatch.setattr(type(app.root), "open", refuse_file)
    assert app.errors() == [
        "_index.yaml:1: this cannot be read: Permission denied",
        "a:1: this cannot be read: Permission denied",
    ]


# -- the head of a file ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ['"1.0"', "1.0", "1"])
def test_version_one_is_a_string_or_a_number(app, version):
    app.write("_index.yaml", f"version: {version}\nnamespace: app\nentries: []\n")
    assert app.load().entries == {}


@pytest.mark.parametrize("tail", ["", "entries:\n", "entries: []\n"])
def test_a_file_may_declare_no_entries(app, tail):
    app.write("_index.yaml", f"version: 1\nnamespace: app\n{tail}")
    assert app.load().entries == {}


def test_the_version_may_be_left_out(app):
    app.write("_index.yaml", "namespace: app\nentries: [{name: h, kind: process.host}]\n")
    assert list(app.load().entries) == ["app:h"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "namespace: app\nversion: 2",
            '2: version: expected "1.0", the one version there is, got 2',
        ),
        (
            "namespace: app\nversion: true",
            '2: version: expected "1.0", the one version there is, got true',
        ),
        (
            "namespace: app\nversion: [1]",
            '2: version: expected "1.0", the one version there is, got a list',
        ),
        ("version: 1", "1: namespace: this key is required"),
        ("version: 1\nnamespace: 5", "2: namespace: expected a string, got 5"),
        *(
            (
                f"version: 1\nnamespace: '{namespace}'",
                f"2: namespace: '{namespace}' is no namespace: write dotted identifiers, "
                "such as app.jobs",
            )
            for namespace in ("a-b", "a..b", ".a", "a.", "a:b", "1a", "caf\u00e9", "a b")
        ),
        ("version: 1\nnamespace: app\nentries: {}", "3: entries: expected a list, got a mapping"),
        (
            "version: 1\nnamespace: app\nentries:\n- x",
            "4: entries[0]: expected a mapping, got 'x'",
        ),
        (
            "version: 1\nnamespace: app\nentires: []",
            "3: entires: unknown key; did you mean 'entries'?",
        ),
        (
            "version: 1\nnamespace: app\nqqq: []",
            "3: qqq: unknown key; it can be version, namespace, entries",
        ),
        (
            "version: 1\nnamespace: app\n5: x",
            "3: [5]: expected a string as key, got 5: write it in quotes",
        ),
        (
            "version: 1\nnamespace: app\nversion: 1",
            "3: version: the key 'version' is already on line 1",
        ),
    ],
)
def test_a_wrong_head_is_told(app, text, error):
    app.write("a/_index.yaml", text)
    assert app.error() == f"a/_index.yaml:{error}"


# -- names and kinds -------------------------------------------------------------------------


@pytest.mark.semantics("1.3")
@pytest.mark.parametrize("name", ["worker", "a.b", "a-b", "a_b", "A1", "7"])
def test_a_name_may_hold_dots_and_hyphens(app, name):
    app.declare(HOST % f'"{name}"')
    assert list(app.load().entries) == [f"app:{name}"]


@pytest.mark.parametrize("name", ["a b", "a:b", "a/b", "caf\u00e9", "a\\n", "{a}"])
def test_a_name_of_other_characters_is_refused(app, name):
    app.declare(HOST % f'"{name}"')
    shown = name.replace("\\n", "\n")
    assert app.error() == (
        f"_index.yaml:4: name: {shown!r} is no name: "
        "write letters, digits, dots, hyphens and underscores"
    )


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("{kind: process.host}", "name: this key is required"),
        ("{name: 5, kind: process.host}", "name: expected a string, got 5"),
        ("{name: x}", "app:x: kind: this key is required"),
        ("{name: x, kind: 5}", "app:x: kind: expected a string, got 5"),
        ("{name: x, kind: [a]}", "app:x: kind: expected a string, got a list"),
        (
            "{name: x, kind: proces.py}",
            "app:x: kind: unknown kind 'proces.py'; did you mean 'process.py'?",
        ),
        (
            "{name: x, kind: qqq}",
            "app:x: kind: unknown kind 'qqq'; it can be process.py, function.py, process.lua, "
            "function.lua, library.lua, process.host, terminal.host, process.service, "
            "process.supervisor",
        ),
    ],
)
def test_an_entry_needs_a_name_and_a_known_kind(app, entry, error):
    app.declare(f"- {entry}")
    assert app.error() == f"_index.yaml:4: {error}"


def test_several_files_may_share_a_namespace(app):
    app.declare(HOST % "a")
    app.declare(HOST % "b", path="b/_index.yaml")
    assert list(app.load().entries) == ["app:a", "app:b"]


@pytest.mark.semantics("14.5")
def test_an_id_that_is_taken_names_both_places(app):
    app.declare(HOST % "a" + HOST % "b" + HOST % "a")
    app.declare("- kind: process.host\n  name: b\n", path="b/_index.yml")
    assert app.errors() == [
        "_index.yaml:6: app:a: name: the id is taken by the entry at _index.yaml:4",
        "b/_index.yml:5: app:b: name: the id is taken by the entry at _index.yaml:5",
    ]


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.semantics("14.5")
def test_all_errors_of_all_files_are_told_at_once(app):
    app.declare(
        """
- name: processes
  kind: process.host
  host:
    mailbox: many
    max_processes: -1
    lua: {memory: lots}
    speed: 5
- name: worker
  kind: process.py
  source: file://gone.py
  source: file://twice.py
- name: service
  kind: process.service
  process: app:wroker
  host: app:processes
"""
    )
    app.write("b/_index.json", '{"version": 3,\n"namespace": "b",\n"entries": [{"name": "x"}]}')
    assert app.errors() == [
        "_index.yaml:7: app:processes: host.mailbox: expected an integer, got 'many'",
        "_index.yaml:8: app:processes: host.max_processes: expected an integer of 0 or more, "
        "got -1",
        "_index.yaml:9: app:processes: host.lua.memory: expected a number of bytes, or a size "
        "such as 64MiB, got 'lots'",
        "_index.yaml:10: app:processes: host.speed: unknown key; it can be lua, max_processes, "
        "mailbox, mailbox_bytes, step_limit, cleanup, os_workers, worker_memory, "
        "permissions, workers, queue_size, local_queue_size",
        "_index.yaml:13: app:worker: source: 'file://gone.py' does not exist",
        "_index.yaml:14: app:worker: source: the key 'source' is already on line 13",
        "_index.yaml:17: app:service: process: there is no entry 'app:wroker'; "
        "did you mean 'app:worker'?",
        'b/_index.json:1: version: expected "1.0", the one version there is, got 3',
        "b/_index.json:3: b:x: kind: this key is required",
    ]


@pytest.mark.semantics("14.5")
def test_an_unreadable_file_does_not_hide_the_errors_of_others(app):
    app.declare("- {name: h, kind: process.host, host: {mailbox: many}}")
    app.write("a/_index.yaml", "version: 1\nnamespace: a: b\n")
    of_entry, of_file = app.errors()
    assert of_entry.startswith("_index.yaml:4: app:h: host.mailbox: ")
    assert of_file.startswith("a/_index.yaml:2: mapping values are not allowed")


@pytest.mark.semantics("14.5", "2.1")
def test_errors_are_plain_data(app):
    app.declare("- name: h\n  kind: process.host\n  host: {mailbox: many}\n")
    with pytest.raises(ManifestErrors) as caught:
        app.load()
    errors = caught.value
    assert errors.kind == "Invalid"
    assert errors.retryable is False
    assert errors.details == [
        {
            "file": "_index.yaml",
            "line": 6,
            "entry": "app:h",
            "key": "host.mailbox",
            "message": "expected an integer, got 'many'",
        }
    ]
    assert errors.errors == [ManifestError(**errors.details[0])]
    assert str(errors) == str(errors.errors[0])


@pytest.mark.semantics("3.3")
def test_errors_cross_to_other_processes(app):
    app.declare(HOST % "'a b'" + HOST % "'c d'")
    with pytest.raises(ManifestErrors) as caught:
        app.load()
    for copied in (
        copy_payload(caught.value),
        copy.copy(caught.value),
        pickle.loads(pickle.dumps(caught.value)),
    ):
        assert copied == caught.value
        assert copied.errors == caught.value.errors


def test_a_wrong_tag_is_told_at_its_entry(app):
    app.declare("- name: h\n  kind: process.host\n  meta:\n    a: !!python/name:os.system\n")
    assert app.error() == (
        "_index.yaml:7: app:h: meta.a: the tag '!!python/name:os.system' is not supported: "
        "a manifest is plain data"
    )


def test_a_file_name_that_is_no_text_is_told_readably(app):
    folder = os.fsencode(app.root) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/_index.yaml", "w") as file:
        file.write("a: *b")
    (error,) = app.errors()
    error.encode()
    assert error.startswith("caf\\udce9/_index.yaml:1: ")
