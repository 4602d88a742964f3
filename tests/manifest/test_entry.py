"""Each kind of entry: what it may say, and what is said when it is wrong."""

import os

import pytest

from procession.manifest.entry import (
    HostEntry,
    HostOptions,
    Lifecycle,
    LuaEntry,
    LuaOptions,
    PythonEntry,
    ServiceEntry,
)

HOST = """
- name: processes
  kind: process.host
"""
WORKER = """
- name: worker
  kind: process.py
"""


# -- code ------------------------------------------------------------------------------------


@pytest.mark.semantics("14.1", "14.2", "14.3")
@pytest.mark.parametrize("kind", ["process.py", "function.py"])
def test_python_code_from_a_file(app, kind):
    source = app.write("jobs/worker.py")
    manifest = app.declare(
        f"""
- name: worker
  kind: {kind}
  meta: {{comment: the one that works, 5: [x]}}
  source: file://worker.py
  method: work
  modules: [time, channel]
  imports: {{lib: "app.jobs:helper"}}
- name: helper
  kind: library.lua
  source: file://worker.py
""",
        path="jobs/_index.yaml",
        namespace="app.jobs",
    )
    entry = app.entry("app.jobs:worker")
    assert entry == PythonEntry(
        id="app.jobs:worker",
        kind=kind,
        name="worker",
        meta={"comment": "the one that works", 5: ["x"]},
        file=manifest,
        line=4,
        source=source,
        method="work",
        modules=["time", "channel"],
        imports={"lib": "app.jobs:helper"},
        python=None,
    )
    assert entry.path == source


@pytest.mark.semantics("14.3")
def test_python_code_by_import(app):
    app.declare(f"{WORKER}  python: shop.jobs:work\n")
    entry = app.entry("app:worker")
    assert entry.python == "shop.jobs:work"
    assert entry.source is None


@pytest.mark.semantics("14.2")
def test_the_method_is_main_unless_said(app):
    app.write("worker.py")
    app.declare(f"{WORKER}  source: file://worker.py\n")
    entry = app.entry("app:worker")
    assert (entry.method, entry.modules, entry.imports, entry.meta) == ("main", [], {}, {})


@pytest.mark.semantics("14.2")
@pytest.mark.parametrize("kind", ["process.lua", "function.lua", "library.lua"])
def test_lua_code(app, kind):
    source = app.write("x.lua")
    app.declare(f"- {{name: x, kind: {kind}, source: 'file://x.lua', modules: [time]}}")
    entry = app.entry("app:x")
    assert isinstance(entry, LuaEntry)
    assert (entry.kind, entry.path, entry.method) == (kind, source, "main")


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("", "4: app:worker: source: either source or python is required"),
        (
            "  source: file://_index.yaml\n  python: a:b\n",
            "7: app:worker: python: either source or python, not both",
        ),
        (
            "  python: a:b\n  method: work\n",
            "7: app:worker: method: python names the function; method goes with source",
        ),
        (
            "  python: shop.jobs\n",
            "6: app:worker: python: expected package.module:function, got 'shop.jobs'",
        ),
        (
            "  python: shop..jobs:work\n",
            "6: app:worker: python: expected package.module:function, got 'shop..jobs:work'",
        ),
        (
            "  python: shop:import\n",
            "6: app:worker: python: expected package.module:function, got 'shop:import'",
        ),
        ("  python: 5\n", "6: app:worker: python: expected a string, got 5"),
    ],
)
def test_python_code_is_from_one_place(app, keys, error):
    app.declare(WORKER + keys)
    assert app.error() == f"_index.yaml:{error}"


@pytest.mark.parametrize("kind", ["process.lua", "function.lua", "library.lua"])
def test_lua_code_needs_a_source(app, kind):
    app.declare(f"- name: x\n  kind: {kind}\n")
    assert app.error() == "_index.yaml:4: app:x: source: this key is required"


def test_lua_code_is_not_importable_by_python(app):
    app.write("x.lua")
    app.declare("- {name: x, kind: process.lua, source: 'file://x.lua', python: 'a:b'}")
    assert app.error().startswith("_index.yaml:4: app:x: python: unknown key; it can be name,")


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("method: 5", "method: expected a string, got 5"),
        ('method: ""', "method: expected a string, got ''"),
        ("method: a b", "method: expected the name of a function, got 'a b'"),
        ("modules: time", "modules: expected a list, got 'time'"),
        ("modules: [time, 5]", "modules[1]: expected a string, got 5"),
        ("imports: [a]", "imports: expected a mapping, got a list"),
        ("imports: {a: b c}", "imports.a: expected an entry id such as app:worker, got 'b c'"),
        ("imports: {a: ':b'}", "imports.a: expected an entry id such as app:worker, got ':b'"),
        ("imports: {a: 'b:'}", "imports.a: expected an entry id such as app:worker, got 'b:'"),
        ("imports: {a: [b]}", "imports.a: expected a string, got a list"),
        (
            "imports: {5: 'app:b'}",
            "imports[5]: expected a string as key, got 5: write it in quotes",
        ),
        ("meta: 5", "meta: expected a mapping, got 5"),
        ("sorce: x", "sorce: unknown key; did you mean 'source'?"),
        (
            "qqq: x",
            "qqq: unknown key; it can be name, kind, meta, source, method, modules, imports, "
            "permissions, python",
        ),
        (
            "on: x",
            "True: expected a string as key, got true (YAML reads yes, no, on and off so): "
            "write it in quotes",
        ),
    ],
)
def test_a_wrong_key_of_code_is_named(app, key, error):
    app.write("x.py")
    app.declare(f"{WORKER}  source: file://x.py\n  {key}\n")
    assert app.error() == f"_index.yaml:7: app:worker: {error}"


# -- sources ---------------------------------------------------------------------------------


@pytest.mark.semantics("14.1")
@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file://x.py", "jobs/x.py"),
        ("file://./deep/x.py", "jobs/deep/x.py"),
        ("file://../x.py", "x.py"),
        ("file://a%20b #1.py", "jobs/a%20b #1.py"),
    ],
)
def test_a_source_is_relative_to_its_manifest(app, url, path):
    source = app.write(path)
    app.declare(f'{WORKER}  source: "{url}"\n', path="jobs/_index.yaml")
    assert app.entry("app:worker").source == source


def test_a_source_may_be_a_link_inside_of_the_app(app):
    real = app.write("data/v2/x.py")
    (app.root / "x.py").symlink_to("data/v2/x.py")
    app.declare(f"{WORKER}  source: file://x.py\n")
    assert app.entry("app:worker").source == real


def test_the_app_folder_itself_may_be_reached_by_a_link(app, tmp_path):
    source = app.write("x.py")
    app.declare(f"{WORKER}  source: file://x.py\n")
    (tmp_path / "link").symlink_to(app.root)
    app.root = tmp_path / "link"
    assert app.entry("app:worker").source == source


@pytest.mark.semantics("14.1")
@pytest.mark.parametrize(
    "url",
    [
        "file://../secret.py",
        "file://jobs/../../secret.py",
        "file://link.py",
        "file://out/secret.py",
    ],
)
def test_a_source_outside_of_the_app_folder_is_refused(app, tmp_path, url):
    (tmp_path / "secret.py").touch()
    (app.root / "link.py").symlink_to(tmp_path / "secret.py")
    (app.root / "out").symlink_to(tmp_path)
    app.declare(f"{WORKER}  source: {url}\n")
    assert app.error() == (
        f"_index.yaml:6: app:worker: source: '{url}' leads out of the app folder"
    )


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (
            "file:///etc/passwd",
            "'file:///etc/passwd' is absolute; write a path relative to this manifest",
        ),
        (
            "x.py",
            "expected file:// and a path relative to this manifest, got 'x.py'",
        ),
        (
            "https://example.com/x.py",
            "expected file:// and a path relative to this manifest, got 'https://example.com/x.py'",
        ),
        ("file://gone.py", "'file://gone.py' does not exist"),
        ("file://folder", "'file://folder' is not a file"),
        ("file://", "'file://' is not a file"),
        ("file://pipe", "'file://pipe' is not a file"),
        ("file://loop", "'file://loop' does not exist"),
        ('"file://a\\0b"', "a path has no NUL character"),
        (f"file://{'x' * 300}", f"'file://{'x' * 70}'... does not exist"),
        ("5", "expected a string, got 5"),
        ("", "expected a string, got null"),
    ],
)
def test_a_source_that_is_no_file_is_refused(app, url, error):
    (app.root / "folder").mkdir()
    os.mkfifo(app.root / "pipe")
    (app.root / "loop").symlink_to("loop")
    app.declare(f"{WORKER}  source: {url}\n")
    assert app.error() == f"_index.yaml:6: app:worker: source: {error}"


# -- hosts -----------------------------------------------------------------------------------


@pytest.mark.semantics("11.1")
@pytest.mark.parametrize("kind", ["process.host", "terminal.host"])
def test_a_host_without_options_has_the_defaults(app, kind):
    app.declare(f"- {{name: processes, kind: {kind}}}")
    entry = app.entry("app:processes")
    assert isinstance(entry, HostEntry)
    assert entry.kind == kind
    assert entry.host == HostOptions(
        max_processes=0,
        mailbox=100_000,
        step_limit=5.0,
        cleanup=1.0,
        os_workers=0,
        lua=LuaOptions(state="shared", memory=64 * 1024 * 1024),
    )


@pytest.mark.semantics("11.1")
@pytest.mark.parametrize("kind", ["process.host", "terminal.host"])
def test_a_host_with_all_options(app, kind):
    app.declare(
        f"""
- name: processes
  kind: {kind}
  host:
    max_processes: 10
    mailbox: 1
    step_limit: 1m30s
    cleanup: 250ms
    os_workers: 4
    lua: {{state: own, memory: 512KiB}}
    workers: 16
    queue_size: 1000
    local_queue_size: 10
  lifecycle:
    auto_start: true
"""
    )
    assert app.entry("app:processes").host == HostOptions(
        max_processes=10,
        mailbox=1,
        step_limit=90.0,
        cleanup=0.25,
        os_workers=4,
        lua=LuaOptions(state="own", memory=512 * 1024),
    )


@pytest.mark.parametrize(
    ("memory", "size"),
    [("1GiB", 1 << 30), ("64MiB", 64 << 20), ("1B", 1), ("4096", 4096), ("0x1000", 4096)],
)
def test_memory_has_a_unit_or_is_in_bytes(app, memory, size):
    app.declare(f"{HOST}  host: {{lua: {{memory: {memory}}}}}")
    assert app.entry("app:processes").host.lua.memory == size


@pytest.mark.semantics("13.1")
@pytest.mark.parametrize(("limit", "seconds"), [("100ms", 0.1), ("2", 2.0), ("0.5", 0.5)])
def test_a_step_limit_is_a_duration(app, limit, seconds):
    app.declare(f"{HOST}  host: {{step_limit: {limit}}}")
    assert app.entry("app:processes").host.step_limit == seconds


@pytest.mark.parametrize("none", ["0", "0s", "'0'"])
def test_a_host_may_leave_no_time_to_clean_up(app, none):
    app.declare(f"{HOST}  host: {{cleanup: {none}}}")
    assert app.entry("app:processes").host.cleanup == 0


@pytest.mark.parametrize("empty", ["", "  host:\n", "  host: {lua: }\n", "  lifecycle:\n"])
def test_a_section_with_nothing_in_it_is_as_good_as_none(app, empty):
    app.declare(HOST + empty)
    assert app.entry("app:processes").host == HostOptions()


INTEGERS = ("max_processes", "os_workers", "workers", "queue_size", "local_queue_size")
MEMORY = "expected a number of bytes, or a size such as 64MiB, got"


@pytest.mark.semantics("11.1", "14.5")
@pytest.mark.parametrize(
    ("option", "error"),
    [
        *((f"{key}: many", f"{key}: expected an integer, got 'many'") for key in INTEGERS),
        *((f"{key}: -1", f"{key}: expected an integer of 0 or more, got -1") for key in INTEGERS),
        ("mailbox: many", "mailbox: expected an integer, got 'many'"),
        ("mailbox: 0", "mailbox: expected an integer of 1 or more, got 0"),
        ("mailbox: 1.0", "mailbox: expected an integer, got 1.0"),
        ("mailbox: yes", "mailbox: expected an integer, got true"),
        ("mailbox: ", "mailbox: expected an integer, got null"),
        ("mailbox: [1]", "mailbox: expected an integer, got a list"),
        ("step_limit: 0s", "step_limit: expected a duration longer than zero, got '0s'"),
        ("step_limit: -1s", "step_limit: expected a duration longer than zero, got '-1s'"),
        ("step_limit: no", 'step_limit: expected a duration such as "5s", got false'),
        ("step_limit: {}", 'step_limit: expected a duration such as "5s", got a mapping'),
        ("cleanup: -1s", "cleanup: expected a duration of zero or more, got '-1s'"),
        ("cleanup: false", 'cleanup: expected a duration such as "5s", got false'),
        ("step_limit: .inf", "step_limit: a duration of inf seconds has no end"),
        (
            "step_limit: soon",
            "step_limit: 'soon' is no duration: write a number with its unit, such as "
            "'100ms', '1.5s' or '1h30m' (units: ns us ms s m h)",
        ),
        ("lua: own", "lua: expected a mapping, got 'own'"),
        (
            "lua: {state: shard}",
            "lua.state: expected shared or own, got 'shard'; did you mean 'shared'?",
        ),
        ("lua: {state: [own]}", "lua.state: expected shared or own, got a list"),
        ("lua: {memory: 64MB}", f"lua.memory: {MEMORY} '64MB'"),
        ("lua: {memory: '4096'}", f"lua.memory: {MEMORY} '4096'"),
        ("lua: {shared_memory: 1GB}", f"lua.shared_memory: {MEMORY} '1GB'"),
        ("lua: {memory: true}", f"lua.memory: {MEMORY} true"),
        ("lua: {memory: 0}", "lua.memory: expected an integer of 1 or more, got 0"),
        ("lua: {memory: -64MiB}", f"lua.memory: {MEMORY} '-64MiB'"),
        ("lua: {size: 5}", "lua.size: unknown key; it can be state, memory, shared_memory, compat"),
        ("mailbx: 5", "mailbx: unknown key; did you mean 'mailbox'?"),
    ],
)
def test_a_wrong_host_option_is_named(app, option, error):
    app.declare(f"{HOST}  host:\n    {option}\n")
    assert app.error() == f"_index.yaml:7: app:processes: host.{error}"


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("host: 5", "host: expected a mapping, got 5"),
        ("lifecycle: {auto_start: 1}", "lifecycle.auto_start: expected true or false, got 1"),
        (
            "lifecycle: {autostart: 1}",
            "lifecycle.autostart: unknown key; did you mean 'auto_start'?",
        ),
        ("hots: {}", "hots: unknown key; did you mean 'host'?"),
    ],
)
def test_a_wrong_key_of_a_host_is_named(app, key, error):
    app.declare(f"{HOST}  {key}\n")
    assert app.error() == f"_index.yaml:6: app:processes: {error}"


# -- services --------------------------------------------------------------------------------

SERVICE = f"""
{HOST}
{WORKER}  python: shop:work
- name: service
  kind: process.service
"""


def test_a_service_with_all_keys(app):
    app.declare(
        f"""{SERVICE}
  process: app:worker
  host: app:processes
  input: [1, two, {{three: [3.5, null, true]}}]
  lifecycle: {{auto_start: true, requires: ["app:processes"]}}
"""
    )
    entry = app.entry("app:service")
    assert isinstance(entry, ServiceEntry)
    assert (entry.process, entry.host) == ("app:worker", "app:processes")
    assert entry.input == [1, "two", {"three": [3.5, None, True]}]
    assert entry.lifecycle == Lifecycle(auto_start=True, requires=["app:processes"])


def test_a_service_starts_when_asked_without_arguments_unless_said(app):
    app.declare(f"{SERVICE}\n  process: app:worker\n  host: app:processes\n")
    entry = app.entry("app:service")
    assert entry.input == []
    assert entry.lifecycle == Lifecycle(auto_start=False, requires=[])


def test_a_service_needs_a_process_and_a_host(app):
    app.declare("- name: service\n  kind: process.service\n")
    assert app.errors() == [
        "_index.yaml:4: app:service: process: this key is required",
        "_index.yaml:4: app:service: host: this key is required",
    ]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("input: 5", "input: expected a list, got 5"),
        ("input: {a: 1}", "input: expected a list, got a mapping"),
        ("lifecycle: yes", "lifecycle: expected a mapping, got true"),
        (
            "lifecycle: {auto_start: 'true'}",
            "lifecycle.auto_start: expected true or false, got 'true'",
        ),
        ("lifecycle: {requires: x}", "lifecycle.requires: expected a list, got 'x'"),
        (
            "lifecycle: {requires: [x/y]}",
            "lifecycle.requires[0]: expected an entry id such as app:worker, got 'x/y'",
        ),
        (
            "lifecycle: {require: []}",
            "lifecycle.require: unknown key; did you mean 'requires'?",
        ),
        ("inputs: []", "inputs: unknown key; did you mean 'input'?"),
    ],
)
def test_a_wrong_key_of_a_service_is_named(app, key, error):
    entry = "- {name: s, kind: process.service, process: 'app:worker', host: 'app:processes',"
    app.declare(f"{entry} {key}}}\n{HOST}{WORKER}  python: shop:work\n")
    assert app.error() == f"_index.yaml:4: app:s: {error}"


@pytest.mark.parametrize("reference", ["a b", "app:a b", "a-b:c", "1a:b", "app:", ":a", "a:b:c"])
def test_a_reference_is_a_name_with_or_without_a_namespace(app, reference):
    app.declare(
        f"{HOST}- {{name: s, kind: process.service, host: 'app:processes', process: '{reference}'}}"
    )
    assert app.error() == (
        f"_index.yaml:6: app:s: process: expected an entry id such as app:worker, got '{reference}'"
    )
