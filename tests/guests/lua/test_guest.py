"""The guest itself: compiling, its guard, its states. What programs see is in test_programs.py."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from procession import Error, Internal, LimitExceeded, Node, NotFound, ProcessTerminated
from procession.guests.lua import preempt
from procession.guests.lua.state import LuaState

PROCESSION = Path(sys.executable).parent / "procession"


@pytest.fixture
def app(tmp_path):
    """Write Lua entries, by name, and run an `async def test(node)` on a node with them."""

    def app(sources, test, host="{}", **options):
        lines = ['version: "1.0"', "namespace: app", "entries:"]
        lines.append(f"  - {{name: processes, kind: process.host, host: {host}}}")
        for name, source in sources.items():
            (tmp_path / f"{name}.lua").write_bytes(
                source if isinstance(source, bytes) else source.encode()
            )
            lines.append(f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'}}")
        (tmp_path / "_index.yaml").write_text("\n".join(lines))

        async def boot():
            async with Node(tmp_path, **options) as node:
                return await test(node)

        return asyncio.run(boot())

    app.path = tmp_path
    return app


def test_ten_thousand_spawns_of_an_entry_compile_it_once(app, monkeypatch):
    compiled = []
    call_compile = LuaState._call_compile

    def count(state, source):
        compiled.append(source.name)
        return call_compile(state, source)

    monkeypatch.setattr(LuaState, "_call_compile", count)
    parent = """
    local function main()
      for _ = 1, 10000 do
        process.spawn_monitored("app:child", "app:processes")
      end
      local events = process.events()
      for _ = 1, 10000 do
        assert(events:receive().error == nil)
      end
      return true
    end
    return { main = main }
    """

    async def test(node):
        return await node.exec("app:parent")

    assert app({"parent": parent, "child": "return { main = function() end }"}, test) is True
    assert sorted(compiled) == ["child.lua", "parent.lua"]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("local y = 1\n  local x = = 3", "bad.lua:2:13: unexpected symbol near '='"),
        ("local x = 1 +", "bad.lua:1:14: unexpected symbol near <eof>"),
        ("local s = 'ü' print('a' 'b')", "bad.lua:1:25: ')' expected near ''b''"),
        ("local x: {number = 5", "bad.lua:1:18: "),
        (b"\x1bLua", "bad.lua: this is compiled Lua"),
    ],
)
def test_a_syntax_error_points_at_line_and_column(app, source, place):
    async def test(node):
        with pytest.raises(Internal) as raised:
            node.spawn("app:bad")
        return raised.value.message

    assert app({"bad": source}, test).startswith(place)
    done = subprocess.run([PROCESSION, "check", app.path], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"app:bad: source: {place}" in done.stderr


def test_a_line_for_the_shell_is_no_error(app):
    async def test(node):
        return await node.exec("app:script")

    assert (
        app({"script": "#!/usr/bin/env lua\nreturn { main = function() return 5 end }"}, test) == 5
    )


def test_a_missing_method_is_told_with_the_nearest(app):
    async def test(node):
        with pytest.raises(
            NotFound, match=r"method not found: 'main' in x.lua; did you mean 'maim'"
        ):
            node.spawn("app:x")

    app({"x": "return { maim = function() end }"}, test)


LOOPS = {
    "loop": "return { main = function() while true do end end }",
    "caught": """
    return { main = function()
      while true do
        pcall(function() while true do end end)
      end
    end }""",
    "nested": """
    return { main = function()
      coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()
    end }""",
    "fine": "return { main = function() return 'fine' end }",
}


@pytest.mark.parametrize("entry", ["app:loop", "app:caught", "app:nested"])
def test_without_the_hook_of_the_platform_a_loop_is_ended_all_the_same(
    app, monkeypatch, caplog, entry
):
    def missing(self):
        raise AttributeError("lua_sethook")

    monkeypatch.setattr(preempt.HookGuard, "__init__", missing)

    async def test(node):
        with pytest.raises(LimitExceeded, match="step limit exceeded"):
            await node.exec(entry)
        return await node.exec("app:fine")

    assert app(LOOPS, test, host="{step_limit: 200ms}") == "fine"
    assert "Lua cannot be preempted on this platform (lua_sethook)" in caplog.text


UPGRADED = """
local co = coroutine.create(function() while true do end end)
return { main = function(again)
  if again then
    coroutine.resume(co)
  end
  process.upgrade(process.id(), true)
end }
"""


def test_a_coroutine_that_an_upgraded_program_has_made_before_its_main_is_in_reach(app):
    async def test(node):
        with pytest.raises(LimitExceeded, match="step limit exceeded"):
            await node.exec("app:upgraded")
        return await node.exec("app:fine")

    assert app({"upgraded": UPGRADED, **LOOPS}, test, host="{step_limit: 200ms}") == "fine"


def test_the_coroutines_of_an_upgraded_process_are_forgotten_without_harm(app):
    upgraded = """
    local kept = {}
    for i = 1, 50 do kept[i] = coroutine.create(print) end
    return { main = function(n)
      if n == 20 then return "done" end
      for i = 1, 50 do kept[i] = coroutine.create(print) end
      process.upgrade(process.id(), n + 1)
    end }
    """
    neighbour = """
    return { main = function()
      for i = 1, 20000 do
        local co = coroutine.create(print)
      end
      return "unharmed"
    end }
    """

    async def test(node):
        assert await node.exec("app:upgraded", None, 1) == "done"
        return await node.exec("app:neighbour")

    assert app({"upgraded": upgraded, "neighbour": neighbour}, test) == "unharmed"


def test_what_closes_at_the_end_may_still_spawn_and_send(app):
    closing = """
    local function main(parent)
      local _ <close> = setmetatable({}, { __close = function()
        process.send(parent, "closing", process.spawn("app:fine", "app:processes") ~= nil)
      end })
      process.listen("never"):receive()
    end
    return { main = main }
    """
    parent = """
    local function main()
      local said = process.listen("closing")
      local pid = process.spawn("app:closing", "app:processes", process.pid())
      time.sleep("1ms")
      process.terminate(pid)
      return (said:receive())
    end
    return { main = main }
    """

    async def test(node):
        return await node.exec("app:parent")

    assert app({"closing": closing, "parent": parent, **LOOPS}, test) is True


def test_an_error_of_a_function_in_c_names_the_line_of_the_program(app):
    program = """
    return { main = function()
      local texts = {}
      for _, f in ipairs({
        function() local _ = string.format("%d", "x") end,
        function() local _ = string.find(nil, "x") end,
        function() local _ = ("x"):match({}) end,
        function() local _ = string.gsub("x") end,
        function() local _ = string.rep() end,
        function() local _ = table.concat(5) end,
      }) do
        texts[#texts + 1] = select(2, pcall(f))
      end
      return texts
    end }
    """

    async def test(node):
        return await node.exec("app:x")

    texts = app({"x": program}, test)
    assert [text.split(": ")[0] for text in texts] == [f"x.lua:{line}" for line in range(5, 11)]


def test_the_thread_of_the_guard_ends_with_its_node(app):
    async def test(node):
        with pytest.raises(Error):
            await node.exec("app:loop")
        return [one.name for one in threading.enumerate()]

    assert "procession-lua-guard" in app(LOOPS, test, host="{step_limit: 100ms}")
    assert "procession-lua-guard" not in [one.name for one in threading.enumerate()]


def test_parcels_that_nobody_receives_are_forgotten(app):
    """A payload between neighbours waits in their state: also for one that dies first."""
    parent = """
    local function main()
      for round = 1, 30 do
        local pid = process.spawn_monitored("app:child", "app:processes")
        for i = 1, 100 do
          process.send(pid, "never read", { i })
        end
        process.terminate(pid)
        process.events():receive()
      end
      return true
    end
    return { main = main }
    """

    async def test(node):
        assert await node.exec("app:parent") is True
        state = node._lua._states["app:processes"]
        state.discard_dropped()
        return state.kept()

    child = "return { main = function() process.inbox() process.listen('x'):receive() end }"
    assert app({"parent": parent, "child": child}, test) == 0


def test_coroutines_of_processes_that_have_ended_leave_nothing_behind(app):
    """Finished, left waiting, made by an iterator or waiting for the guest: they are collected."""
    child = """
    local function numbers()
      for i = 1, 3 do coroutine.yield(i) end
    end
    return { main = function()
      for i in coroutine.wrap(numbers) do if i == 2 then break end end
      for _ in coroutine.wrap(numbers) do end
      coroutine.resume(coroutine.create(numbers))
      coroutine.spawn(function()
        coroutine.wrap(function() process.listen("x"):receive() end)()
      end)
      coroutine.wrap(function() time.sleep("1ms") end)()
    end }
    """
    parent = """
    return { main = function()
      for _ = 1, 10 do
        for _ = 1, 200 do
          assert(process.spawn_monitored("app:child", "app:processes"))
        end
        for _ = 1, 200 do
          process.events():receive()
        end
      end
    end }
    """

    async def test(node):
        sizes = []
        for _ in range(4):
            await node.exec("app:parent")
            collect = node._lua._states["app:processes"].collect
            collect()
            collect()
            sizes.append(collect(b"count"))
        return sizes

    first, *_, last = app({"child": child, "parent": parent}, test)
    assert last < first * 1.1


@pytest.mark.parametrize(
    "asking",
    [
        "channel.select({ ch:case_receive(), default = true })",
        "coroutine.spawn(function() end)",
        "ch:send(1) ch:receive()",
        "pcall(ch.receive, nil)",
        "time.sleep(0)",
        "process.send(process.pid(), 'x', 1) process.listen('x'):receive()",
    ],
)
def test_a_program_that_only_asks_for_what_is_there_lets_others_run(app, asking):
    asker = f"""
    local function main()
      local ch = channel.new(1)
      while true do {asking} end
    end
    return {{ main = main }}
    """

    async def test(node):
        pid = node.spawn("app:asker")
        end = asyncio.ensure_future(node.wait(pid))
        for _ in range(5):
            assert await node.exec("app:fine") == "fine"
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end

    app({"asker": asker, **LOOPS}, test)


def test_spawning_without_end_is_interrupted_too(app):
    """Each new process is Lua entered anew, in the middle of a step that goes on."""
    spawner = """
    return { main = function()
      while true do process.spawn("app:fails", "app:processes") end
    end }
    """

    async def test(node):
        pid = node.spawn("app:spawner")
        end = asyncio.ensure_future(node.wait(pid))
        for _ in range(3):
            assert await node.exec("app:fine") == "fine"
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end

    app({"spawner": spawner, "fails": "error('no')", **LOOPS}, test)


def test_a_guard_can_be_closed_at_any_moment(monkeypatch):
    """Also when its thread is just about to sleep."""
    monkeypatch.setattr(preempt, "_IDLE_TICKS", 1)
    monkeypatch.setattr(preempt, "TICK", 0.0005)
    for pause in range(200):
        guard = preempt.HookGuard()
        guard.rouse()
        time.sleep(preempt.TICK * 5 * pause / 200)
        guard.close()
