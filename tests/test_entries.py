"""What can be started, and by whom: a text from Lua, or in data, names an entry and no code."""

import asyncio
import functools
import os
import sys
from textwrap import dedent, indent

import pytest

from procession import Node, process, supervisor
from procession.core.errors import Error, Invalid, NotFound
from procession.core.order import Importable, SpawnOrder
from procession.entries import Entries
from procession.guests.importable import importable
from procession.manifest.loader import load_manifest
from procession.security import seal

MANIFEST = """
version: "1.0"
namespace: app
entries:
  - {name: processes, kind: process.host}
  - {name: own, kind: process.host, host: {lua: {state: own}}}
  - {name: workers, kind: process.host, host: {os_workers: 1}}
  - {name: own_workers, kind: process.host, host: {os_workers: 1, lua: {state: own}}}
  - {name: main, kind: process.lua, source: "file://main.lua", modules: [funcs, time]}
  - {name: quiet, kind: process.lua, source: "file://quiet.lua"}
  - {name: python, kind: process.py, source: "file://in_python.py"}
  - {name: tree, kind: process.supervisor, children: [{process: quiet}]}
  - {name: crowd, kind: process.supervisor, strategy: dynamic, children: [{process: quiet}]}
  - {name: any_tree, kind: process.py, python: "procession.supervision.supervisor:main"}
  - name: trees
    kind: process.supervisor
    strategy: dynamic
    children: [{process: any_tree}]
"""
# Whoever imports it or runs it leaves a trace.
TRACES = """
from pathlib import Path
TRACE = Path(__file__).with_name("trace")
TRACE.write_text("imported")
async def main(*args):
    TRACE.write_text("run")
"""
OF_PYTHON = """
from procession import process
async def waits(*args):
    await process.events().receive()
async def returns(*args):
    return list(args)
"""
HOSTS = ["processes", "own", "workers", "own_workers"]
SHELL = "asyncio:create_subprocess_shell"
NAMES_OF_CODE = [
    "traces:main",
    SHELL,
    "procession.supervision.supervisor:main",
    "__main__:main",
    "os:system",
    "app.main:os.system",
    "app:main:os.system",
    "..traces:main",
    "traces\0:main",
    "app:main\0",
]


class App:
    def __init__(self, folder):
        self.folder = folder
        self.trace = folder / "trace"
        (folder / "_index.yaml").write_text(MANIFEST)
        (folder / "traces.py").write_text(TRACES)
        (folder / "quiet.lua").write_text(
            "return { main = function() process.events():receive() end }"
        )
        self.python("async def main(*args): return list(args)")
        self.lua("return true")
        (folder / "of_python.py").write_text(OF_PYTHON)

    def python(self, text):
        (self.folder / "in_python.py").write_text(dedent(text))

    def lua(self, text):
        body = indent(dedent(text), "  ")
        (self.folder / "main.lua").write_text(
            f"return {{ main = function(...)\n  local arg = {{...}}\n{body}\nend }}\n"
        )

    def run(self, host, *args, entry="app:main"):
        async def boot():
            async with Node(self.folder, quiet_exits=True) as node:
                return await asyncio.wait_for(node.exec(entry, f"app:{host}", *args), 30)

        return asyncio.run(boot())


@pytest.fixture
def app(tmp_path):
    yield App(tmp_path)
    for module in ("traces", "of_python"):
        sys.modules.pop(module, None)


# -- from Lua ----------------------------------------------------------------------------------


WAYS = {
    "spawn": "local r, err = process.spawn(arg[1], arg[2])",
    "spawn_monitored": "local r, err = process.spawn_monitored(arg[1], arg[2])",
    "spawn_linked": "local r, err = process.spawn_linked(arg[1], arg[2])",
    "spawn_linked_monitored": "local r, err = process.spawn_linked_monitored(arg[1], arg[2])",
    "exec": "local r, err = process.exec(arg[1], arg[2])",
    "a builder's spawn": "local r, err = process.with_context{a = 1}:spawn(arg[1], arg[2])",
    "a builder's exec": (
        "local r, err = process.with_context{}:with_options{timeout = '5s'}:exec(arg[1], arg[2])"
    ),
    "a builder with a message": (
        "local r, err = process.with_message('go', 'now'):spawn_linked(arg[1], arg[2])"
    ),
    "funcs.call": "local r, err = require('funcs').call(arg[1])",
    "funcs.async": "local r, err = require('funcs').async(arg[1])",
    "funcs.new": "local r, err = require('funcs').new():with_context{a = 1}:call(arg[1])",
    "upgrade": "local r, err = process.upgrade(arg[1])",
}


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", HOSTS)
def test_lua_starts_no_code_by_its_name_and_none_is_imported_to_find_out(app, host):
    ways = "\n".join(f"function()\n{way}\nreturn r, err\nend," for way in WAYS.values())
    app.lua(f"""
    local told = {{}}
    for _, name in ipairs(arg[3]) do
      for i, way in ipairs{{ {ways} }} do
        arg[1] = name
        local result, err = way()
        if result then error("it got " .. tostring(result)) end
        told[#told + 1] = {{name, i, err:kind(), tostring(err)}}
      end
    end
    return told
    """)
    told = app.run(host, None, f"app:{host}", NAMES_OF_CODE)
    assert len(told) == len(NAMES_OF_CODE) * len(WAYS)
    for name, way, kind, message in told:
        assert (kind, "entry not found" in message) == ("NotFound", True), (name, way, message)
    assert not app.trace.exists()


@pytest.mark.semantics("14.3")
def test_lua_does_not_find_what_python_has_started_before(app):
    app.lua("""
    local r, err = process.spawn("traces:main", "app:processes")
    assert(not r and err:kind() == "NotFound", err)
    r, err = process.exec("traces:main", "app:processes")
    assert(not r and err:kind() == "NotFound", err)
    return "ok"
    """)

    async def boot():
        async with Node(app.folder) as node:
            await node.exec("traces:main")
            await node.wait(node.spawn("traces:main"))
            return await node.exec("app:main")

    assert asyncio.run(boot()) == "ok"


@pytest.mark.semantics("14.3")
def test_the_error_of_lua_says_which_entry_was_meant(app):
    app.lua("""
    local r, err = process.spawn("app:quite", "app:processes")
    return tostring(err)
    """)
    assert app.run("processes") == (
        "entry not found: 'app:quite' is not in the manifest; did you mean 'app:quiet'?"
    )


# -- supervisors, asked by Lua -------------------------------------------------------------------


ASK = """
local function ask(pid, request, payload)
  local reply, err = process.call(pid, "supervisor." .. request, payload, "20s")
  return reply, err
end
local function refused(text, reply, err)
  if reply ~= nil then error("it got " .. tostring(reply), 2) end
  if not tostring(err):find(text, 1, true) then error(tostring(err), 2) end
end
"""


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", HOSTS)
def test_a_supervisor_starts_no_code_that_a_request_names(app, host):
    app.lua(
        ASK
        + """
    local pid = assert(process.spawn("app:tree", arg[1]))
    for _, name in ipairs(arg[2]) do
      for _, seal in ipairs{false, "", ("0"):rep(32), 7, arg[4][name]} do
        local child = {id = "x", entry = name, args = {"touch " .. arg[3]}}
        if seal then child.seal = seal end
        refused("entry not found", ask(pid, "start_child", child))
      end
    end
    refused("a reference", ask(pid, "start_child", {id = "x", entry = {"traces:main"}}))
    assert(ask(pid, "start_child", {id = "y", entry = "app:quiet"}))
    refused("app:quite", ask(pid, "start_child", {id = "z", entry = "app:quite"}))
    local children = ask(pid, "which_children")
    assert(#children == 2, #children)
    return "ok"
    """
    )
    # It may have seen one of a Python program.
    seals = {name: seal.seal("function", name) for name in NAMES_OF_CODE}
    assert app.run(host, f"app:{host}", NAMES_OF_CODE, str(app.trace), seals) == "ok"
    assert not app.trace.exists()


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", HOSTS)
def test_a_dynamic_supervisor_takes_arguments_only(app, host):
    app.lua(
        ASK
        + """
    local pid = assert(process.spawn("app:crowd", arg[1]))
    for _, wanted in ipairs{{id = "x", entry = "traces:main"}, "traces:main", 7} do
      refused("arguments only", ask(pid, "start_child", wanted))
    end
    assert(ask(pid, "start_child", {"traces:main"}))
    return "ok"
    """
    )
    assert app.run(host, f"app:{host}") == "ok"
    assert not app.trace.exists()


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("way", ["spawned", "asked for", "nested"])
def test_a_supervisor_that_gets_its_spec_as_data_starts_entries_only(app, host, way):
    app.lua(
        ASK
        + """
    local spec = {children = {{id = "x", entry = "traces:main"}}}
    local host, way = arg[1], arg[2]
    if way == "spawned" then
      refused("entry not found", process.exec("app:any_tree", host, spec))
    elseif way == "nested" then
      local outer = {children = {
        {id = "x", entry = "app:any_tree", args = {spec}, type = "supervisor"}}}
      refused("entry not found", process.exec("app:any_tree", host, outer))
    else
      local pid = assert(process.spawn("app:trees", host))
      local child = assert(ask(pid, "start_child", {spec}))
      local reply, err = ask(child, "which_children")
      assert(reply == nil, "it started it")
    end
    local good = {children = {{id = "x", entry = "app:quiet"}}}
    local pid = assert(process.spawn("app:any_tree", host, good))
    assert(#ask(pid, "which_children") == 1)
    return "ok"
    """
    )
    assert app.run(host, f"app:{host}", way) == "ok"
    assert not app.trace.exists()


# -- Python callers ------------------------------------------------------------------------------


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", ["processes", "workers"])
def test_a_python_process_starts_functions_and_what_can_be_imported(app, host):
    app.python("""
    from procession import process
    from of_python import returns
    async def main(host):
        one = await process.exec("of_python:returns", host, 1)
        two = await process.exec(returns, host, 2)
        return [one, two, await process.exec("app:quick", host)]
    """)
    (app.folder / "_index.yaml").write_text(
        MANIFEST + '  - {name: quick, kind: function.lua, source: "file://quick.lua"}\n'
    )
    (app.folder / "quick.lua").write_text("return { main = function() return 7 end }")
    assert app.run("processes", f"app:{host}", entry="app:python") == [[1], [2], 7]


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("host", ["processes", "workers"])
def test_a_supervisor_starts_the_functions_that_a_python_program_names(app, host):
    app.python("""
    from procession import ChildSpec, process, supervisor
    from of_python import waits

    async def main(host):
        async def kept():
            await process.events().receive()

        pid = supervisor.start([ChildSpec("a", waits, [1])], host=host)
        await supervisor.start_child(pid, ChildSpec("b", waits))
        await supervisor.start_child(pid, ChildSpec("c", "of_python:waits"))
        nested = [ChildSpec("e", waits), ChildSpec("f", "app:quiet")]
        await supervisor.start_child(pid, supervisor.child("d", nested))
        found = [one["id"] for one in await supervisor.which_children(pid)]
        mixed = supervisor.start([ChildSpec("kept", kept), ChildSpec("other", waits)])
        return [*found, len(await supervisor.which_children(mixed))]
    """)
    assert app.run("processes", f"app:{host}", entry="app:python") == ["a", "b", "c", "d", 2]


@pytest.mark.semantics("14.3")
def test_a_spec_without_the_word_of_a_python_program_names_entries_only(app):
    async def main():
        pid = supervisor.start([])
        for data in (
            {"id": "x", "entry": "traces:main"},
            {"id": "x", "entry": "traces:main", "seal": seal.seal("text", "traces:other")},
            {"id": "x", "entry": SHELL, "seal": seal.seal("function", "traces:main")},
        ):
            with pytest.raises(NotFound, match="entry not found"):
                await process.call(pid, "supervisor.start_child", data)
        return True

    async def boot():
        async with Node(app.folder) as node:
            return await node.exec(main)

    assert asyncio.run(boot())
    assert not app.trace.exists()


# -- between places ------------------------------------------------------------------------------


def test_a_place_starts_no_code_that_an_order_names_by_a_text(app):
    async def boot():
        async with Node(app.folder) as node:
            kernel = node._kernel
            for entry in NAMES_OF_CODE:
                with pytest.raises(NotFound, match="entry not found"):
                    kernel.start("{app:processes|0xfffff}", SpawnOrder(entry, "app:processes"))
            assert not app.trace.exists()
            kernel.start(
                "{app:processes|0xfffff}",
                SpawnOrder(Importable("traces:main"), "app:processes"),
            )
            await node.wait("{app:processes|0xfffff}")

    asyncio.run(boot())
    assert app.trace.read_text() == "run"


async def returns(*args):
    return list(args)


def test_only_what_a_module_calls_by_its_name_goes_to_another_os_process():
    def decorated(function):
        @functools.wraps(function)
        async def wrapper(*args):
            return await function(*args)

        return wrapper

    async def local():
        pass

    moved = decorated(returns)
    in_source_file = decorated(returns)
    in_source_file.__module__ = "app:worker.py"
    nameless = decorated(returns)
    nameless.__module__ = None
    for wrong in (
        moved,
        local,
        in_source_file,
        nameless,
        functools.partial(returns, 1),
        lambda: None,
        App.run,
        object(),
    ):
        with pytest.raises(Invalid, match="cannot be run in another OS process"):
            importable(wrong)
    assert importable(returns) == Importable(f"{__name__}:returns")


# -- without a manifest --------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path):
    """An app without a manifest, and a way to run one of its functions."""
    (tmp_path / "bare_app").mkdir()
    (tmp_path / "bare_app" / "__init__.py").write_text(
        "from functools import partial\n"
        "from bare_app.jobs import work as again\n"
        "from asyncio import create_subprocess_shell\n"
        "run_anything = partial(create_subprocess_shell)\n"
        "work_on_it = partial(again, 'it')\n"
    )
    (tmp_path / "bare_app" / "jobs.py").write_text("async def work(*args): return list(args)\n")
    installed = tmp_path / ".venv" / "lib"
    installed.mkdir(parents=True)
    (installed / "beside_the_app.py").write_text("async def main(): return 1\n")

    def run(entry, *args):
        async def boot():
            async with Node(tmp_path) as node:
                return await node.exec(entry, None, *args)

        return asyncio.run(boot())

    run.folder = tmp_path
    yield run
    for name in [name for name in sys.modules if name.startswith("bare_app")]:
        del sys.modules[name]


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize("entry", ["bare_app.jobs:work", "bare_app:again"])
def test_without_a_manifest_functions_of_modules_in_the_app_folder_are_entries(bare, entry):
    assert bare(entry, 1, 2) == [1, 2]


@pytest.mark.semantics("14.3")
def test_without_a_manifest_a_partial_function_is_where_its_function_is(bare):
    assert bare("bare_app:work_on_it", 1) == ["it", 1]
    with pytest.raises(NotFound, match="no part of the app"):
        bare("bare_app:run_anything", "exit 1")


@pytest.mark.semantics("14.3")
@pytest.mark.parametrize(
    "entry",
    [
        SHELL,
        "bare_app:create_subprocess_shell",
        "procession.supervision.supervisor:main",
        "..bare_app:again",
        "bare_app\0:again",
        "sys:exit",
        "nobody.knows:main",
    ],
)
def test_without_a_manifest_nothing_else_is_an_entry(bare, entry):
    with pytest.raises(NotFound, match="entry not found"):
        bare(entry, "exit 1")


@pytest.mark.semantics("14.3")
def test_without_a_manifest_what_is_installed_in_the_folder_is_no_part_of_the_app(
    bare, monkeypatch
):
    monkeypatch.syspath_prepend(bare.folder / ".venv" / "lib")
    with pytest.raises(NotFound, match="is no part of it"):
        bare("beside_the_app:main")
    assert "beside_the_app" not in sys.modules


@pytest.mark.semantics("14.3")
def test_without_a_manifest_functions_from_anywhere_are_started_by_python(bare):
    assert bare(returns, 1) == [1]


def test_without_a_manifest_nothing_is_imported_to_find_out(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "traces.py").write_text(TRACES)
    monkeypatch.syspath_prepend(elsewhere)
    (tmp_path / "app").mkdir()

    async def boot():
        async with Node(tmp_path / "app") as node:
            await node.exec("traces:main")

    with pytest.raises(NotFound, match="entry not found"):
        asyncio.run(boot())
    assert not (elsewhere / "trace").exists()


# -- what is declared ----------------------------------------------------------------------------


def test_what_is_declared_is_found_without_a_look_at_any_code(app):
    entries = Entries(load_manifest(app.folder))
    entries.check_declared("app:main")
    for name in (*NAMES_OF_CODE, "app:nobody"):
        with pytest.raises(NotFound):
            entries.check_declared(name)
    for no_reference in ("", "app", ":", "app:", ":main"):
        with pytest.raises(Error, match="no entry reference"):
            entries.check_declared(no_reference)
    assert os.listdir(app.folder).count("trace") == 0
