"""What a hostile Lua program may do in an app that says what its programs may."""

import asyncio
import logging
from textwrap import dedent, indent

import pytest

from procession import Node
from procession.manifest.loader import load_manifest
from procession.security.permissions import is_closed, overview

HOSTS = ["processes", "own", "workers", "own_workers"]
MANIFEST = """
version: "1.0"
namespace: app
entries:
  - {name: processes, kind: process.host}
  - {name: own, kind: process.host, host: {lua: {state: own}}}
  - {name: workers, kind: process.host, host: {os_workers: 1}}
  - {name: own_workers, kind: process.host, host: {os_workers: 1, lua: {state: own}}}
  - {name: other, kind: process.host}
  - {name: mute, kind: process.host, host: {permissions: {send: [], spawn: []}}}
  - {name: main, kind: process.lua, source: "file://main.lua", modules: [funcs, env, time], %s}
  - {name: waits, kind: process.lua, source: "file://waits.lua"}
  - {name: echoes, kind: function.lua, source: "file://echoes.lua"}
  - {name: python, kind: process.py, source: "file://in_python.py", %s}
  - {name: tree, kind: process.supervisor, children: []}
"""
ADMIN = """
version: "1.0"
namespace: admin
entries:
  - {name: waits, kind: process.lua, source: "file://../waits.lua", permissions: {}}
  - {name: sum, kind: function.lua, source: "file://../echoes.lua"}
  - {name: other, kind: function.lua, source: "file://other.lua"}
"""
HEAD = """
local function denied(text, value, err)
  if value then error("it got " .. tostring(value), 2) end
  if err:kind() ~= "PermissionDenied" then error(err:kind() .. ": " .. err, 2) end
  if err:retryable() ~= false then error("it is retryable", 2) end
  if not tostring(err):find(text, 1, true) then error("no '" .. text .. "' in " .. err, 2) end
  return err
end
local function missing(value, err)
  if value or err:kind() ~= "NotFound" then error(tostring(value) .. tostring(err), 2) end
end
"""


class App:
    def __init__(self, folder):
        self.folder = folder
        (folder / "admin").mkdir()
        (folder / "admin" / "_index.yaml").write_text(ADMIN)
        (folder / "waits.lua").write_text(
            "return { main = function() process.events():receive() end }"
        )
        (folder / "echoes.lua").write_text("return { main = function(...) return {...} end }")
        (folder / "admin" / "other.lua").write_text("return { main = function() return 1 end }")
        (folder / "in_python.py").write_text("async def main(*args): return list(args)")
        self.lua("")
        self.declare()

    def declare(self, main="permissions: {}", python=""):
        (self.folder / "_index.yaml").write_text(MANIFEST % (main, python))

    def lua(self, text):
        body = indent(dedent(text), "  ")
        (self.folder / "main.lua").write_text(
            f"{HEAD}\nreturn {{ main = function(...)\n  local arg = {{...}}\n{body}\nend }}\n"
        )

    def python(self, text):
        (self.folder / "in_python.py").write_text(dedent(text))

    def run(self, host, *args, entry="app:main"):
        """Run an entry beside two processes that it is told of: one has a name."""

        async def boot():
            async with Node(self.folder, quiet_exits=True) as node:
                pid = node.spawn("app:waits", "app:processes")
                named = node.spawn("app:waits", "app:processes", name="bank")
                done = node.exec(entry, f"app:{host}", pid, named, *args)
                return await asyncio.wait_for(done, 30)

        return asyncio.run(boot())


@pytest.fixture
def app(tmp_path):
    return App(tmp_path)


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_by_default_a_program_starts_what_is_of_its_own_namespace(app, host):
    app.lua("""
    local funcs = require("funcs")
    local says = "its `permissions` would have to say "
    local text = "start admin:waits: " .. says .. "`spawn: [app:*, admin:waits]`"
    denied(text, process.spawn("admin:waits", arg[3]))
    denied(text, process.spawn_monitored("admin:waits", arg[3]))
    denied(text, process.spawn_linked("admin:waits", arg[3]))
    denied(text, process.spawn_linked_monitored("admin:waits", arg[3]))
    denied(text, process.exec("admin:waits", arg[3]))
    denied(text, process.with_context{a = 1}:spawn("admin:waits", arg[3]))
    denied(text, process.with_options{timeout = "9s"}:exec("admin:waits", arg[3]))
    denied(text, process.upgrade("admin:waits"))
    denied(text, funcs.call("admin:waits"))
    text = "call admin:sum: " .. says .. "`funcs: [app:*, admin:sum]`"
    denied(text, funcs.call("admin:sum"))
    denied(text, funcs.async("admin:sum"))
    denied(text, funcs.new():with_context{a = 1}:call("admin:sum"))
    denied(text, process.exec("admin:sum", arg[3]))
    missing(process.spawn("admin:nobody", arg[3]))
    assert(process.spawn("app:waits", arg[3]))
    assert(funcs.call("app:echoes", 7)[1] == 7)
    assert(process.spawn("app:python", arg[3]))
    return "ok"
    """)
    assert app.run(host, f"app:{host}") == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_by_default_a_program_starts_processes_on_its_own_host(app, host):
    app.lua("""
    denied("start anything on app:other", process.spawn("app:waits", "app:other"))
    denied("hosts: [app:other]", process.exec("app:echoes", "app:other"))
    denied("app:other", process.with_name("a"):spawn("app:waits", "app:other"))
    missing(process.spawn("app:waits", "app:otter"))
    assert(process.spawn("app:waits", arg[3]))
    return "ok"
    """)
    assert app.run(host, f"app:{host}") == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_by_default_a_program_reaches_pids_and_no_names(app, host):
    app.lua("""
    local pid, named = arg[1], arg[2]
    for _, value in ipairs{1, "text", {a = 1}, false} do
      denied("send to 'bank'", process.send("bank", "hello", value))
      assert(process.send(pid, "hello", value))
    end
    denied("send to 'bank'", process.send("bank", "hello"))
    denied("send to 'bank'", process.send("bank", "hello", 1, 2, {3}))
    denied("send to 'nobody'", process.send("nobody", "hello"))
    denied("call 'bank'", process.call("bank", "hello"))
    denied("monitor 'bank'", process.monitor("bank"))
    denied("link to 'bank'", process.link("bank"))
    denied("cancel 'bank'", process.cancel("bank"))
    denied("terminate 'bank'", process.terminate("bank"))
    denied("look up the name 'bank'", process.registry.lookup("bank"))
    denied("free the name 'bank'", process.registry.unregister("bank"))
    denied("register the name 'mine'", process.registry.register("mine"))
    denied("register the name 'mine'", process.registry.register("mine", pid))
    denied("register the name 'app.mine'", process.registry.register("app.mine"))
    denied("give a process the name 'mine'", process.with_name("mine"):spawn("app:waits", arg[3]))
    denied("names: [bank]", process.registry.lookup("bank"))
    assert(process.monitor(named))
    assert(process.cancel(named))
    assert(process.terminate(pid))
    return "ok"
    """)
    assert app.run(host, f"app:{host}") == "ok"


def test_a_name_that_looks_like_a_pid_is_none(app):
    app.lua("""
    denied("send to '{bank}'", process.send("{bank}", "hello"))
    denied("link to '{bank}'", process.link("{bank}"))
    return "ok"
    """)

    async def boot():
        async with Node(app.folder) as node:
            node.spawn("app:waits", "app:processes", name="{bank}")
            return await node.exec("app:main")

    assert asyncio.run(boot()) == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_a_list_for_send_is_all_that_there_is_to_send_to(app, host):
    app.declare("permissions: {send: [bank]}")
    app.lua("""
    local pid, named = arg[1], arg[2]
    assert(process.send("bank", "hello", {1}))
    assert(process.send(named, "hello", 1))
    assert(process.registry.lookup("bank") == named)
    assert(process.send(process.pid(), "to myself", 1))
    denied("send to '" .. pid, process.send(pid, "hello"))
    denied("`send: [bank, \\"" .. pid .. "\\"]`", process.send(pid, "hello", {1}))
    denied("terminate", process.terminate(pid))
    denied("link to", process.link(pid))
    denied("monitor", process.monitor(pid))
    denied("look up the name", process.registry.lookup("other"))
    denied("send to", process.send("{app:processes|0x00fff}", "guess"))
    assert(process.with_message("hello", 1):spawn("app:waits", arg[3]))
    return "ok"
    """)
    assert app.run(host, f"app:{host}") == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_what_is_said_is_allowed(app, host, monkeypatch):
    monkeypatch.setenv("A_SECRET", "s")
    monkeypatch.setenv("APP_MODE", "m")
    app.declare(
        'permissions: {spawn: ["admin:w*"], funcs: ["*:*"], hosts: [other], send: any, '
        'names: [app.*, bank], env: ["A_*"]}'
    )
    app.lua("""
    local funcs, env = require("funcs"), require("env")
    assert(process.spawn("admin:waits", "app:other"))
    assert(funcs.call("admin:sum", 1)[1] == 1)
    denied("spawn: [admin:w*, app:waits]", process.spawn("app:waits", "app:other"))
    assert(process.send("bank", "hello"))
    missing(process.send("nobody", "hello"))
    assert(process.registry.register("app.mine"))
    assert(process.registry.lookup("app.mine") == process.pid())
    assert(process.registry.unregister("app.mine"))
    denied("'mine.app'", process.registry.register("mine.app"))
    assert(env.get("A_SECRET") == "s")
    denied("env: [", env.get("APP_MODE"))
    assert(env.get_all().A_SECRET == "s" and not env.get_all().APP_MODE)
    return "ok"
    """)
    assert app.run(host) == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_a_function_that_is_imported_is_called_by_permission_as_any_other(app, host):
    app.declare("permissions: {}, imports: {sum: 'admin:sum', echoes: echoes}")
    app.lua("""
    assert(require("echoes")(7)[1] == 7)
    denied("call admin:sum", require("sum")(7))
    return "ok"
    """)
    assert app.run(host) == "ok"


@pytest.mark.semantics("14.6")
def test_who_may_look_a_name_up_may_send_to_it(app):
    app.declare("permissions: {names: [bank]}")
    app.lua("""
    assert(process.send("bank", "hello"))
    assert(process.registry.lookup("bank") == arg[2])
    denied("send to", process.send("banker", "hello"))
    return "ok"
    """)
    assert app.run("processes") == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", ["processes", "own"])
def test_the_environment_is_closed_unless_it_is_listed(app, host, monkeypatch):
    monkeypatch.setenv("APP_MODE", "m")
    app.lua("""
    local env = require("env")
    denied("read the environment variable 'APP_MODE'", env.get("APP_MODE"))
    denied("env: [PATH]", env.get("PATH"))
    denied("env: [NOT_SET]", env.get("NOT_SET"))
    assert(next(env.get_all()) == nil)
    return "ok"
    """)
    assert app.run(host) == "ok"


@pytest.mark.semantics("14.6")
def test_an_answer_to_a_call_needs_no_permission(app):
    app.declare("permissions: {send: []}")
    app.lua("""
    local got = process.inbox():receive()
    assert(got:reply("an answer"))
    return "ok"
    """)

    async def boot():
        async with Node(app.folder) as node:
            pid = node.spawn("app:main")
            return list(await asyncio.gather(node.call(pid, "ask", 1), node.wait(pid)))

    assert asyncio.run(boot()) == ["an answer", "ok"]


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", HOSTS)
def test_a_supervisor_starts_what_the_asker_could_start_itself(app, host):
    app.lua("""
    local pid = assert(process.spawn("app:tree", arg[3]))
    local function start(child)
      return process.call(pid, "supervisor.start_child", child, "20s")
    end
    denied("start admin:waits", start{id = "a", entry = "admin:waits"})
    denied("on app:other", start{id = "a", entry = "app:waits", host = "app:other"})
    denied("the name 'mine'", start{id = "a", entry = "app:waits", name = "mine"})
    missing(start{id = "a", entry = "asyncio:create_subprocess_shell"})
    assert(start{id = "a", entry = "app:waits"})
    return #process.call(pid, "supervisor.which_children", nil, "20s")
    """)
    assert app.run(host, f"app:{host}") == 1


@pytest.mark.semantics("14.6")
def test_a_supervisor_on_another_host_starts_nothing_there_for_who_may_not(app):
    app.declare("permissions: {send: any}")
    app.lua("""
    local child = {id = "a", entry = "app:waits"}
    denied("on app:other", process.call(arg[3], "supervisor.start_child", child))
    denied("on app:other", process.call("tree", "supervisor.start_child", child))
    return "ok"
    """)

    async def boot():
        async with Node(app.folder) as node:
            tree = node.spawn("app:tree", "app:other", name="tree")
            return await node.exec("app:main", "app:processes", 1, 2, tree)

    assert asyncio.run(boot()) == "ok"


@pytest.mark.semantics("14.6")
def test_a_supervisor_that_is_being_restarted_starts_nothing_for_who_may_not(app):
    """By its name the request waits for it, and only then is it known on what host it is."""
    app.declare('permissions: {send: any, names: ["*"]}')
    with (app.folder / "_index.yaml").open("a") as manifest:
        manifest.write(
            "  - {name: kept, kind: process.service, process: tree, host: other, register: kept}\n"
        )
    app.lua("""
    assert(process.terminate("kept"))
    while process.registry.lookup("kept") do time.sleep("1ms") end
    local child = {id = "a", entry = "app:waits"}
    denied("on app:other", process.call("kept", "supervisor.start_child", child, "20s"))
    return "ok"
    """)
    text = (app.folder / "main.lua").read_text()
    (app.folder / "main.lua").write_text(f'local time = require("time")\n{text}')

    async def boot():
        async with Node(app.folder) as node:
            await node.start_services(["app:kept"])
            return await node.exec("app:main", "app:processes")

    assert asyncio.run(boot()) == "ok"


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", ["processes", "own"])
def test_a_process_may_do_what_the_program_may_that_it_runs_now(app, host):
    app.declare("permissions: {names: [bank]}")
    (app.folder / "waits.lua").write_text(
        "return { main = function(tell)\n"
        "  if not tell then process.events():receive() end\n"
        "  local ok, err = process.send('bank', 'hello')\n"
        "  return ok or tostring(err)\n"
        "end }"
    )
    app.lua("""
    assert(process.send("bank", "hello"))
    assert(process.exec("app:waits", arg[3], true):find("app:waits may not send to 'bank'"))
    process.upgrade("app:waits", true)
    """)
    assert app.run(host, f"app:{host}").startswith("app:waits may not send to 'bank'")


@pytest.mark.semantics("14.6")
def test_a_host_has_the_permissions_of_what_says_none_of_its_own(app):
    app.declare("permissions: {spawn: [waits]}")
    (app.folder / "echoes.lua").write_text(
        "return { main = function(pid)\n"
        "  local ok, err = process.send(pid, 'hello')\n"
        "  local ok, more = process.spawn('app:waits', 'app:mute')\n"
        "  return {tostring(err), tostring(more)}\n"
        "end }"
    )
    app.lua("""
    denied("send to", process.send(arg[1], "hello"))
    assert(process.spawn("app:waits", "app:mute"))
    return "ok"
    """)
    assert app.run("mute") == "ok"
    sent, spawned = app.run("mute", entry="app:echoes")
    assert "app:echoes may not send to" in sent
    assert "app:echoes may not start app:waits" in spawned


@pytest.mark.semantics("14.6")
@pytest.mark.parametrize("host", ["processes", "workers"])
def test_a_python_entry_has_permissions_if_it_says_some(app, host):
    app.declare("permissions: {}", "permissions: {spawn: [waits]}")
    app.python("""
    from procession import process
    from procession.core.errors import PermissionDenied
    async def helps(): return 5
    async def main(pid, named):
        told = []
        for attempt in (
            lambda: process.spawn("admin:waits", None),
            lambda: process.send("bank", "hello"),
            lambda: process.terminate("bank"),
            lambda: process.registry.register("mine"),
            lambda: process.registry.lookup("bank"),
            lambda: process.spawn("app:waits", None, name="mine"),
        ):
            try:
                attempt()
            except PermissionDenied as error:
                told.append(error.details["permission"])
        for attempt in (
            lambda: process.call("bank", "hello"),
            lambda: process.exec("admin:sum", None),
            lambda: process.registry.wait("bank"),
        ):
            try:
                await attempt()
            except PermissionDenied as error:
                told.append(error.details["permission"])
        process.send(pid, "hello")
        process.spawn("app:waits", None)
        for wrong in ([], 7, None):
            try:
                process.send(wrong, "hello")
            except TypeError as error:
                assert "a destination is a string" in str(error)
        return told
    """)
    assert app.run(host, entry="app:python") == [
        "spawn", "send", "send", "names", "names", "names", "send", "funcs", "names"
    ]  # fmt: skip


@pytest.mark.semantics("14.6")
def test_a_python_entry_that_says_nothing_and_the_program_around_may_do_everything(app):
    app.python("""
    from procession import process
    async def main(pid, named):
        process.send("bank", "hello")
        process.spawn("admin:waits", "app:other", name="mine")
        return await process.exec("admin:sum", None, 1)
    """)
    assert app.run("processes", entry="app:python") == [1]

    async def boot():
        async with Node(app.folder) as node:
            node.spawn("admin:waits", "app:other", name="mine")
            node.send("mine", "hello")
            node.terminate(node.lookup("mine"))

    asyncio.run(boot())


@pytest.mark.semantics("14.6")
def test_the_error_names_entry_permission_and_where_it_could_be_given(app):
    app.lua("""
    local _, err = process.spawn("admin:waits", "app:processes")
    return {tostring(err), err:details()}
    """)
    message, details = app.run("processes")
    assert message == (
        "app:main may not start admin:waits: its `permissions` would have to say "
        "`spawn: [app:*, admin:waits]` (_index.yaml:11)"
    )
    assert details == {"entry": "app:main", "permission": "spawn", "wanted": "admin:waits"}


def test_a_name_that_is_no_word_is_quoted_in_the_error(app):
    app.lua("""
    local _, err = process.send("a\\n\\27[31m\\"", "hello")
    local _, more = process.send(("x"):rep(100000), "hello")
    return {tostring(err), #tostring(more)}
    """)
    message, length = app.run("processes")
    assert message.isprintable()
    assert length < 1000


# -- open and closed -----------------------------------------------------------------------------


OPEN = """
version: "1.0"
namespace: app
entries:
  - {name: processes, kind: process.host}
  - {name: workers, kind: process.host, host: {os_workers: 1}}
"""
LUA_ENTRY = '  - {name: main, kind: process.lua, source: "file://main.lua"}\n'


def start(folder):
    async def boot():
        async with Node(folder):
            pass

    asyncio.run(boot())


@pytest.mark.semantics("14.6")
def test_an_app_without_permissions_is_open_and_says_so_once(app, caplog):
    caplog.set_level(logging.INFO)
    (app.folder / "admin" / "_index.yaml").unlink()
    (app.folder / "_index.yaml").write_text(OPEN + LUA_ENTRY)
    app.lua("""
    assert(process.registry.register("mine"))
    assert(process.send("mine", "hello"))
    assert(process.spawn("app:main", "app:workers", true) or true)
    """)
    start(app.folder)
    (told,) = [one for one in caplog.records if one.name == "procession.security"]
    assert (told.levelname, "permissions" in told.message) == ("INFO", True)


@pytest.mark.parametrize("entries", ["", LUA_ENTRY.replace("}", ", permissions: {}}")])
def test_an_app_that_is_closed_or_has_no_lua_says_nothing(app, caplog, entries):
    caplog.set_level(logging.INFO)
    (app.folder / "admin" / "_index.yaml").unlink()
    (app.folder / "_index.yaml").write_text(OPEN + entries)
    start(app.folder)
    assert [one for one in caplog.records if one.name == "procession.security"] == []


@pytest.mark.semantics("14.6")
def test_one_key_anywhere_closes_the_app(app):
    app.declare("meta: {}")
    (app.folder / "admin" / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: admin\nentries:\n'
        '  - {name: waits, kind: process.lua, source: "file://../waits.lua"}\n'
    )
    manifest = load_manifest(app.folder)
    assert is_closed(manifest)  # by the host `mute`
    assert not is_closed(load_manifest_without(app, "mute"))


def load_manifest_without(app, host):
    file = app.folder / "_index.yaml"
    lines = [line for line in file.read_text().splitlines() if f"name: {host}" not in line]
    file.write_text("\n".join(lines))
    return load_manifest(app.folder)


def test_the_overview_says_on_which_host_something_else_holds(app):
    app.declare("permissions: {spawn: [waits], send: any}")
    told = {
        (entry.id, host): permissions and permissions.send
        for entry, host, permissions in overview(load_manifest(app.folder))
    }
    assert told[("app:main", None)] == ["*"]
    assert ("app:main", "app:mute") not in told  # it has said both itself
    assert told[("app:waits", None)] == ["{*}"]
    assert told[("app:waits", "app:mute")] == []
    assert told[("app:python", None)] is None
    assert told[("app:python", "app:mute")] == []
    assert ("app:waits", "app:other") not in told
