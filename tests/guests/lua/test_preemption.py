"""Lua that computes without end: others run meanwhile, and it can be ended, wherever it is."""

import asyncio

import pytest

from procession import Error, LimitExceeded, Node, ProcessTerminated

# Programs that never come to an end.
LOOPS = {
    "a plain loop": "while true do end",
    "a loop of goto": "::again:: goto again",
    "tail calls": "local function f() return f() end f()",
    "pcall": "pcall(function() while true do end end)",
    "pcall in a loop that catches everything": """
        while true do pcall(function() while true do end end) end""",
    "pcall in pcall": "pcall(pcall, function() while true do end end)",
    "an error handler": "xpcall(error, function() while true do end end)",
    "an error handler again and again": """
        while true do xpcall(error, function() while true do end end) end""",
    "a coroutine": "coroutine.resume(coroutine.create(function() while true do end end))",
    "a wrapped coroutine": "coroutine.wrap(function() while true do end end)()",
    "coroutines three deep": """
        local function nest(n)
          if n == 0 then while true do end end
          coroutine.wrap(nest)(n - 1)
        end
        nest(3)""",
    "a coroutine that catches everything": """
        coroutine.wrap(function()
          while true do pcall(function() while true do end end) end
        end)()""",
    "coroutines made again and again": """
        while true do
          local co = coroutine.create(function() end)
          coroutine.resume(co)
        end""",
    "a coroutine as an iterator": """
        for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end""",
    "an iterator": "for _ in function() return 1 end do end",
    "__index": """
        return setmetatable({}, { __index = function() while true do end end }).x""",
    "__newindex": """
        setmetatable({}, { __newindex = function() while true do end end }).x = 1""",
    "__call": "setmetatable({}, { __call = function() while true do end end })()",
    "__eq": """
        local metatable = { __eq = function() while true do end end }
        return setmetatable({}, metatable) == setmetatable({}, metatable)""",
    "__lt": "return setmetatable({}, { __lt = function() while true do end end }) < 1",
    "__le": "return 1 <= setmetatable({}, { __le = function() while true do end end })",
    "__concat": """
        return "a" .. setmetatable({}, { __concat = function() while true do end end })""",
    "__len": "return #setmetatable({}, { __len = function() while true do end end })",
    "__unm": "return -setmetatable({}, { __unm = function() while true do end end })",
    "__close": """
        local _ <close> = setmetatable({}, { __close = function() while true do end end })""",
    "a spawned coroutine": """
        coroutine.spawn(function() while true do end end)
        process.inbox():receive()""",
    "a spawned coroutine, later": """
        coroutine.spawn(function()
          time.sleep("1ms")
          while true do end
        end)
        process.inbox():receive()""",
    "a coroutine that another one has made": """
        local co = coroutine.create(function() coroutine.yield() while true do end end)
        coroutine.resume(co)
        coroutine.spawn(function() coroutine.resume(co) end)
        process.inbox():receive()""",
    "messages to itself": """
        local topic = process.listen("x")
        while true do process.send(process.pid(), "x", {}) topic:receive()
          while true do end
        end""",
}

# Where C calls back into Lua, nothing can be interrupted, only ended.
LOOPS_IN_C = {
    "a comparator of sort": """
        table.sort({ 3, 2, 1 }, function() while true do end end)""",
    "a sort that catches everything": """
        while true do
          pcall(table.sort, { 3, 2, 1 }, function() while true do end end)
        end""",
    "a replacement of gsub": """
        string.gsub("abc", ".", function() while true do end end)""",
    "a replacement of gsub in a coroutine": """
        coroutine.wrap(function()
          string.gsub("abc", ".", function() while true do end end)
        end)()""",
    "a coroutine in a replacement of gsub": """
        string.gsub("abc", ".", function()
          coroutine.wrap(function() while true do end end)()
        end)""",
    "__tostring in print": """
        print(setmetatable({}, { __tostring = function() while true do end end }))""",
    "__index for concat": """
        table.concat(setmetatable({}, {
          __len = function() return 3 end,
          __index = function() while true do end end,
        }))""",
    "__close while a coroutine is closed": """
        local co = coroutine.create(function()
          local _ <close> = setmetatable({}, { __close = function() while true do end end })
          coroutine.yield()
        end)
        coroutine.resume(co)
        coroutine.close(co)""",
}

TOP_LEVELS = {
    "top": "while true do end\nreturn { main = function() end }",
    "top_pcall": """
        while true do pcall(function() while true do end end) end
        return { main = function() end }""",
    "top_coroutine": """
        coroutine.wrap(function() while true do end end)()
        return { main = function() end }""",
    "top_library": 'local l = require("library")\nreturn { main = function() end }',
}

TICKER = """
local function main(ticks)
  local tick = time.ticker("10ms")
  for _ = 1, ticks do
    tick:channel():receive()
  end
  tick:stop()
  return ticks
end
return { main = main }
"""

CLOSER = """
local function main(parent)
  local _ <close> = setmetatable({}, { __close = function() while true do end end })
  process.inbox():receive()
end
return { main = main }
"""

FINE = """
local function main(...)
  local co = coroutine.wrap(function(...) coroutine.yield(...) end)
  local t = { 3, 1, 2 }
  table.sort(t, function(a, b) return a < b end)
  assert(pcall(error) == false and ("x"):rep(3) == "xxx" and table.concat(t, ",") == "1,2,3")
  return co("fine")
end
return { main = main }
"""

HOLDER = """
local function main(entry)
  local pid = process.spawn_linked_monitored(entry, "app:short")
  process.set_options({ trap_links = true })
  local event = process.events():receive()
  return event.kind
end
return { main = main }
"""


def program_of(body):
    return f"return {{ main = function(...)\n{body}\nend }}"


def name_of(group, title):
    return f"{group}{list(GROUPS[group]).index(title)}"


GROUPS = {"loop": LOOPS, "inside": LOOPS_IN_C}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Run an `async def test(node)` on a node with all of them."""
    folder = tmp_path_factory.mktemp("preemption")
    programs = {"ticker": TICKER, "closer": CLOSER, "fine": FINE, "holder": HOLDER, **TOP_LEVELS}
    for group, bodies in GROUPS.items():
        programs |= {name_of(group, title): program_of(body) for title, body in bodies.items()}
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    lines.append("  - {name: short, kind: process.host, host: {step_limit: 300ms}}")
    lines.append("  - {name: long, kind: process.host, host: {step_limit: 60s}}")
    lines.append("  - {name: library, kind: library.lua, source: 'file://library.lua'}")
    (folder / "library.lua").write_text("while true do end")
    for name, source in programs.items():
        (folder / f"{name}.lua").write_text(source)
        more = ", imports: {library: 'app:library'}" if name == "top_library" else ""
        lines.append(
            f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'{more}}}"
        )
    (folder / "_index.yaml").write_text("\n".join(lines))
    with asyncio.Runner() as runner:
        node = Node(folder)
        runner.run(node.start())
        yield lambda test: runner.run(asyncio.wait_for(test(node), 60))
        runner.run(node.stop())


def exceeded(error, file):
    """Whether that is the error of the step limit, with a stack that leads to the program."""
    assert isinstance(error, LimitExceeded), error
    assert error.message.startswith("step limit exceeded")
    assert f"{file}:" in error.details["traceback"], error.details
    return True


@pytest.mark.parametrize(("group", "title"), [pytest.param(g, t, id=t) for g in GROUPS for t in GROUPS[g]])
def test_the_step_limit_ends_a_loop_in(node, group, title):
    name = name_of(group, title)

    async def test(node):
        with pytest.raises(LimitExceeded) as caught:
            await node.exec(f"app:{name}", "app:short")
        assert exceeded(caught.value, f"{name}.lua")
        return await node.exec("app:fine", "app:short")

    assert node(test) == "fine"


@pytest.mark.parametrize("title", LOOPS)
def test_others_run_and_terminate_ends_a_loop_in(node, title):
    async def test(node):
        pid = node.spawn(f"app:{name_of('loop', title)}", "app:long")
        end = asyncio.ensure_future(node.wait(pid))
        assert await node.exec("app:ticker", "app:long", 2) == 2
        assert not end.done()
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end
        return await node.exec("app:fine", "app:long")

    assert node(test) == "fine"


@pytest.mark.parametrize("name", TOP_LEVELS)
def test_a_program_whose_top_level_never_ends_is_not_spawned(node, name):
    async def test(node):
        with pytest.raises(Error) as caught:
            await node.exec(f"app:{name}", "app:short")
        file = "library.lua" if name == "top_library" else f"{name}.lua"
        assert exceeded(caught.value, file)
        return await node.exec("app:fine", "app:short")

    assert node(test) == "fine"
