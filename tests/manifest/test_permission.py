"""The key `permissions` of entries and hosts."""

import pytest

from procession.manifest.permission import Permissions


@pytest.fixture
def code(app):
    app.write("code.lua", "return { main = function() end }")
    app.write("code.py", "async def main(): pass")
    return app


ENTRIES = """
- {name: host, kind: process.host}
- {name: worker, kind: process.py, source: "file://code.py"}
- {name: total, kind: function.lua, source: "file://code.lua"}
"""


def lua(permissions, kind="process.lua"):
    return ENTRIES + (
        f'- {{name: main, kind: {kind}, source: "file://code.lua", permissions: {permissions}}}\n'
    )


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("kind", ["process.lua", "function.lua"])
def test_what_is_said_is_read_and_all_else_is_left_open(code, kind):
    code.declare(lua("{spawn: [worker], hosts: [host], send: [bank], env: [HOME]}", kind))
    assert code.entry("app:main").permissions == Permissions(
        spawn=["app:worker"], hosts=["app:host"], send=["bank"], env=["HOME"]
    )


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("kind", ["process.py", "function.py"])
def test_python_entries_have_the_same_keys(code, kind):
    code.declare(
        f'- {{name: main, kind: {kind}, source: "file://code.py", permissions: {{names: [a]}}}}'
    )
    assert code.entry("app:main").permissions == Permissions(names=["a"])


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("kind", ["process.host", "terminal.host"])
def test_a_host_has_permissions_for_what_runs_there(code, kind):
    code.declare(f"- {{name: main, kind: {kind}, host: {{permissions: {{send: any, env: []}}}}}}")
    assert code.entry("app:main").permissions == Permissions(send=["*"], env=[])


def test_without_the_key_there_are_none_and_an_empty_one_is_not_none(code):
    code.declare(lua("{}") + "- {name: other, kind: process.host, host: {permissions: }}")
    assert code.entry("app:worker").permissions is None
    assert code.entry("app:host").permissions is None
    assert code.entry("app:main").permissions == Permissions()
    assert code.entry("app:other").permissions == Permissions()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("w*", "app:w*"),
        ('"*"', "app:*"),
        ('"*:*"', "*:*"),
        ("plug.*:worker", "plug.*:worker"),
        ("app:worker", "app:worker"),
    ],
)
def test_a_pattern_without_a_namespace_is_of_the_own_one(code, written, meant):
    code.declare(lua(f"{{spawn: [{written}]}}"))
    assert code.entry("app:main").permissions.spawn == [meant]


@pytest.mark.semantics("14.5")
def test_everything_that_is_wrong_is_told_at_once(code):
    code.declare(
        ENTRIES
        + """
- name: main
  kind: process.lua
  source: file://code.lua
  permissions:
    spwan: []
    spawn: [workre, total, 7, "a b*"]
    funcs: [worker]
    hosts: [hots]
    send: some
    names: ["{app:host|0x00001}", ""]
    env: ["A=B"]
- name: small
  kind: process.host
  host:
    permissions: {spawn: ["app:wroker"], send: [any]}
- {name: text, kind: library.lua, source: "file://code.lua", permissions: {}}
"""
    )
    places = [error.partition(" ")[0] + error.partition(" ")[2] for error in code.errors()]
    told = "\n".join(code.errors())
    for part in (
        "app:main: permissions.spwan: unknown key; did you mean 'spawn'?",
        "app:main: permissions.spawn[0]: there is no entry 'app:workre'; did you mean",
        "app:main: permissions.spawn[1]: expected a process, but app:total is a function.lua",
        "app:main: permissions.spawn[2]: expected a string, got 7",
        "app:main: permissions.spawn[3]: expected an entry id",
        "app:main: permissions.funcs[0]: expected a function, but app:worker is a process.py",
        "app:main: permissions.hosts[0]: there is no entry 'app:hots'; did you mean 'app:host'?",
        "app:main: permissions.send: expected a list, got 'some'",
        "app:main: permissions.names[0]: ",
        "app:main: permissions.names[1]: expected a string",
        "app:main: permissions.env[0]: 'A=B' is no name of an environment variable",
        "app:small: host.permissions.spawn[0]: there is no entry 'app:wroker'; did you mean",
        "app:small: host.permissions.send[0]: `any` stands alone: send: any",
        "app:text: permissions: unknown key",
    ):
        assert part in told, told
    assert all(place.startswith("_index.yaml:") for place in places)
    assert len(places) == 14
