"""Lua that computes without end: others run meanwhile, and it can be ended, wherever it is."""

import asyncio
from time import process_time

import pytest
from tests.guests.lua.cost import cost_in_stock_lua

from procession import Error, LimitExceeded, Node, ProcessTerminated, process, time
from procession.guests.lua.preempt import HookGuard

# Some 50 ms of the processor.
A_WHILE = "return { main = function() for _ = 1, 30000000 do end end }"

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
    "a coroutine in which coroutines are made again and again": """
        coroutine.wrap(function()
          while true do
            coroutine.resume(coroutine.create(function() end))
          end
        end)()""",
    "a coroutine that was made before, resumed by one that computes": """
        local late = coroutine.create(function() while true do end end)
        coroutine.wrap(function()
          for _ = 1, 3000000 do end
          coroutine.resume(late)
        end)()""",
    "a coroutine in which a resume has failed": """
        local function fails(...)
          local many, count = nil, 400000
          repeat
            time.sleep("1ms")
            many = coroutine.create(function() coroutine.yield(table.unpack({}, 1, count)) end)
            count = count - 1
          until not pcall(coroutine.resume, many)
        end
        coroutine.wrap(function()
          coroutine.wrap(function()
            fails(table.unpack({}, 1, 300000))
            coroutine.yield()
          end)()
          fails(table.unpack({}, 1, 300000))
          while true do end
        end)()""",
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
    "__close of a coroutine, in a coroutine": """
        coroutine.wrap(function()
          local co = coroutine.create(function()
            local _ <close> = setmetatable({}, { __close = function() while true do end end })
            coroutine.yield()
          end)
          coroutine.resume(co)
          coroutine.close(co)
        end)()""",
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

UPGRADES = """
local function main()
  local _, err = process.upgrade("app:top")
  assert(err:kind() == "LimitExceeded")
  time.sleep("1ms")
  while true do end
end
return { main = main }
"""

SAYS_GOODBYE = """
local function main(parent)
  local _ <close> = setmetatable({}, { __close = function() process.send(parent, "goodbye") end })
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

TORN = """
local function main()
  local seen = {}
  string.gsub("abc", ".", function(c)
    seen[#seen + 1] = coroutine.wrap(function() for i = 1, 3000000 do end return c end)()
  end)
  return table.concat(seen, ",")
end
return { main = main }
"""

# A long tail makes a pattern costly, and changes nothing of what it gives before it.
SAME = """
local tail = ("\\n"):rep(20000)
local function same(f, s, pattern, ...)
  local short, long = { f(s, pattern, ...) }, { f(s .. tail, pattern .. "\\n-\\n-", ...) }
  for i, v in ipairs(short) do
    assert(v == long[i], pattern)
  end
end
local function main()
  same(string.match, "key = value", "(%w+)%s*=%s*(%w+)")
  same(string.find, "  a(b(c))d", "()%b()()")
  same(string.match, "THE (quick) fox", "%f[%a]%a+%f[%A]")
  same(string.match, [["it's" 'x']], [[(["'])(.-)%1]])
  same(string.match, "a-b]c^d", "[]^%-a-c]+")
  same(string.find, "abc", "b", 2)
  same(string.match, "12.5", "^[+-]?%d+%.?%d*")
  local s = ("ab "):rep(3)
  assert(s:gsub("%w-%s", "<%0>") == "<ab ><ab ><ab >")
  local costly = ("ab "):rep(10000)
  local out, count = costly:gsub("(%w-.-.-)%s", "<%1>")
  assert(count == 10000 and out == ("<ab>"):rep(10000))
  out, count = costly:gsub("(%w-.-.-)%s", { ab = "x" }, 2)
  assert(count == 2 and out:sub(1, 7) == "xxab ab")
  out = costly:gsub("(%w-.-.-)%s", string.upper)
  assert(out == ("AB"):rep(10000))
  local n = 0
  for word in costly:gmatch("(%w-.-.-)%s") do n = n + 1 assert(word == "ab") end
  assert(n == 10000)
  for _, bad in ipairs({ ".-.-.-(a", ".-.-.-%", ".-.-.-[a", ".-.-.-a)", ".-.-.-%f", ".-.-.-%1" }) do
    assert(not pcall(string.find, costly, bad))
  end
  return "same"
end
return { main = main }
"""

HOLDER = """
local function main(entry)
  local pid = process.spawn_linked_monitored(entry, "app:short")
  process.set_options({ trap_links = true })
  local event = process.events():receive()
  return event.error:kind()
end
return { main = main }
"""


def program_of(body):
    many = "local s, many = ('x'):rep(4000000), {} for i = 1, 100 do many[i] = s end\n" * (
        "many" in body
    )
    return f"return {{ main = function(...)\n{many}{body}\nend }}"


def groups():
    return {"loop": LOOPS, "inside": LOOPS_IN_C, "costly": COSTLY, "refused": REFUSED}


def name_of(group, title):
    return f"{group}{list(groups()[group]).index(title)}"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Run an `async def test(node)` on a node with all of them."""
    folder = tmp_path_factory.mktemp("preemption")
    programs = {"ticker": TICKER, "closer": CLOSER, "fine": FINE, "holder": HOLDER, **TOP_LEVELS}
    programs |= {
        "says_goodbye": SAYS_GOODBYE,
        "torn": TORN,
        "same": SAME,
        "everyday": EVERYDAY,
        "crowd": CROWD,
    }
    programs["upgrades"] = UPGRADES
    for group, bodies in groups().items():
        programs |= {name_of(group, title): program_of(body) for title, body in bodies.items()}
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    lines.append("  - {name: short, kind: process.host, host: {step_limit: 150ms}}")
    lines.append("  - {name: long, kind: process.host, host: {step_limit: 1h}}")
    lines.append(
        "  - {name: own, kind: process.host, host: {step_limit: 150ms, lua: {state: own}}}"
    )
    lines.append("  - {name: library, kind: library.lua, source: 'file://library.lua'}")
    (folder / "library.lua").write_text("while true do end")
    for name, source in programs.items():
        (folder / f"{name}.lua").write_text(source)
        more = ", imports: {library: 'app:library'}" if name == "top_library" else ""
        lines.append(f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'{more}}}")
    (folder / "_index.yaml").write_text("\n".join(lines))
    with asyncio.Runner() as runner:
        node = Node(folder)
        runner.run(node.start())
        yield lambda test: runner.run(test(node))
        runner.run(node.stop())


def exceeded(error, file):
    """Whether that is the error of the step limit, with a stack that leads to the program."""
    assert isinstance(error, LimitExceeded), error
    assert error.message.startswith("step limit exceeded")
    assert f"{file}:" in error.details["traceback"], error.details
    return True


@pytest.mark.parametrize(
    ("group", "title"),
    [("loop", title) for title in LOOPS] + [("inside", title) for title in LOOPS_IN_C],
)
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


def test_a_loop_is_ended_after_the_failure_of_an_upgrade_whose_top_level_never_ends(node):
    async def test(node):
        with pytest.raises(LimitExceeded) as caught:
            await node.exec("app:upgrades", "app:short")
        return exceeded(caught.value, "upgrades.lua")

    assert node(test)


@pytest.mark.parametrize("kind", ["lua", "python"])
def test_a_neighbour_keeps_its_pace_beside_a_loop(node, kind):
    async def ticker(ticks):
        every = time.ticker("10ms")
        for _ in range(ticks):
            await every.channel.receive()
        every.stop()
        return ticks

    async def test(node):
        pid = node.spawn(f"app:{name_of('loop', 'a plain loop')}", "app:long")
        end = asyncio.ensure_future(node.wait(pid))
        entry = "app:ticker" if kind == "lua" else ticker
        started = process_time()
        assert await node.exec(entry, "app:long", 30) == 30
        # All that the loop was given meanwhile: some 10 ms of the processor for each tick.
        assert process_time() - started < 60 * cost_in_stock_lua(A_WHILE)
        assert not end.done()
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end

    node(test)


def test_two_loops_share_the_time_and_a_third_runs_beside_them(node):
    async def test(node):
        entry = f"app:{name_of('loop', 'a coroutine that catches everything')}"
        pids = [node.spawn(entry, "app:long") for _ in range(2)]
        ends = [asyncio.ensure_future(node.wait(pid)) for pid in pids]
        assert await node.exec("app:ticker", "app:long", 5) == 5
        for pid in pids:
            node.terminate(pid)
        for end in ends:
            with pytest.raises(ProcessTerminated):
                await end

    node(test)


def test_a_loop_in_a_state_of_its_own_is_ended_too(node):
    async def test(node):
        for group, title in [("loop", "coroutines three deep"), ("inside", "a comparator of sort")]:
            name = name_of(group, title)
            with pytest.raises(LimitExceeded) as caught:
                await node.exec(f"app:{name}", "app:own")
            assert exceeded(caught.value, f"{name}.lua")
        return await node.exec("app:fine", "app:own")

    assert node(test) == "fine"


def test_what_is_to_be_closed_at_termination_cannot_loop_for_ever(node):
    async def test(node):
        pid = node.spawn("app:closer", "app:short")
        end = asyncio.ensure_future(node.wait(pid))
        assert await node.exec("app:ticker", "app:short", 1) == 1  # it waits by now
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end
        return await node.exec("app:fine", "app:short")

    assert node(test) == "fine"


def test_many_that_loop_when_they_are_closed_do_not_keep_another_from_its_close(node):
    async def test(node):
        heard = []

        async def judge():
            heard.append((await process.inbox().receive()).topic)

        listening = asyncio.ensure_future(node.wait(node.spawn(judge, name="judge")))
        pids = [node.spawn("app:closer", "app:long") for _ in range(40)]
        pids.append(node.spawn("app:says_goodbye", "app:long", "judge"))
        ends = [asyncio.ensure_future(node.wait(pid)) for pid in pids]
        assert await node.exec("app:ticker", "app:long", 1) == 1  # they wait by now
        started = process_time()
        for pid in pids:
            node.terminate(pid)
        for end in ends:
            with pytest.raises(ProcessTerminated):
                await end
        await listening
        assert process_time() - started < 60 * cost_in_stock_lua(A_WHILE)
        return heard

    assert node(test) == ["goodbye"]


def test_whoever_watches_a_process_learns_that_the_step_limit_ended_it(node):
    async def test(node):
        entry = f"app:{name_of('loop', 'a plain loop')}"
        return await node.exec("app:holder", "app:short", entry)

    assert node(test) == "LimitExceeded"


def test_a_coroutine_inside_a_callback_of_c_is_not_torn_by_an_interruption(node):
    async def test(node):
        return await node.exec("app:torn", "app:long")

    assert node(test) == "a,b,c"


# Each takes ages, or would, if C did it.
COSTLY = {
    "find with many lazy repetitions": "string.find(('a'):rep(100000), '.-.-.-.-b')",
    "match with greedy repetitions": "string.match(('a'):rep(100000), 'a*a*a*a*b')",
    "gmatch": "for _ in string.gmatch(('a'):rep(1000000), 'a-b') do end",
    "gsub": "string.gsub(('a'):rep(1000000), 'a-b', '')",
    "gsub of balanced brackets": "string.gsub(('('):rep(1000000), '%b()', '')",
    "a back reference": "string.find(('a'):rep(100000), '(.-)%1b')",
    "optional characters": "string.find(('a'):rep(40), ('a?'):rep(40) .. 'b')",
    "a long pattern": "string.find(('a'):rep(50000000), ('a'):rep(4000) .. '[b]')",
    "a plain search": "string.find(('a'):rep(32000000), ('a'):rep(1000000) .. 'b', 1, true)",
    "an insertion in front": """
        table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 1)""",
    "a removal in front": """
        table.remove(setmetatable({}, { __len = function() return 1 << 40 end }), 1)""",
    "sorting": "while true do local t = {} for i = 1, 200000 do t[i] = -i end table.sort(t) end",
    "moving along a chain of tables": """
        local t = {} for _ = 1, 1900 do t = setmetatable({}, { __index = t }) end
        table.move(t, 1, 9000000, 1, {})""",
}


@pytest.mark.parametrize("title", COSTLY)
def test_others_run_and_terminate_ends_what_takes_ages(node, title):
    async def test(node):
        pid = node.spawn(f"app:{name_of('costly', title)}", "app:long")
        end = asyncio.ensure_future(node.wait(pid))
        assert await node.exec("app:ticker", "app:long", 2) == 2
        assert not end.done(), end.exception() or "it was no work"
        started = process_time()
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end
        assert process_time() - started < 60 * cost_in_stock_lua(A_WHILE)

    node(test)


# Calls that C would make without an end, or with all of the memory.
REFUSED = {
    "string.rep": "return string.rep('x', 1 << 40)",
    "string.rep of a text": "return string.rep('x', '5000000000')",
    "string.rep of a number": "return string.rep(1, 1 << 33)",
    "string.rep with a separator": "return string.rep('', 1 << 40, 'x')",
    "string.format": "return string.format(('%s'):rep(100), unpack(many))",
    "string.pack": "return string.pack('c9000000000', '')",
    "string.pack of texts": "return string.pack(('s'):rep(100), unpack(many))",
    "table.concat": "return table.concat(many)",
    "table.concat by texts": "return table.concat({}, '', '1', '9000000000')",
    "table.concat behind a metatable": """
        return table.concat(setmetatable({}, { __index = many }), '', 1, 100)""",
    "table.move": "return table.move({}, 1, 1 << 40, 2)",
    "table.move by texts": "return table.move({}, '1', '900000000000', 2)",
    "table.unpack": "return table.unpack({}, 1, 1 << 40)",
    "table.unpack behind a metatable": "return unpack(setmetatable({}, {}), 1, 1 << 40)",
    "gsub": "return string.gsub(('a'):rep(1 << 20), 'a', ('b'):rep(1 << 20))",
}


@pytest.mark.parametrize("title", REFUSED)
def test_a_call_that_would_fill_the_memory_is_refused(node, title):
    async def test(node):
        with pytest.raises(Error, match=r"too (large|many)"):
            await node.exec(f"app:{name_of('refused', title)}", "app:long")

    node(test)


# Everyday patterns on everyday data, and what they give: the last check is that they are quick.
EVERYDAY = """
local function main()
  local padded = (" "):rep(5000) .. "some  text" .. (" "):rep(5000)
  assert(padded:match("^%s*(.-)%s*$") == "some  text" and #padded:gsub("%s+$", "") == 5010)
  assert((" "):rep(10000):match("^%s*(.-)%s*$") == "")
  assert(#("word   "):rep(150000):gsub("%s+", " ") == 750000)
  local line = "key" .. (" "):rep(40) .. "= " .. ("v"):rep(100) .. (" "):rep(50)
  local key, value = line:match("^(%w+)%s*=%s*(.-)%s*$")
  assert(key == "key" and value == ("v"):rep(100))
  local count = select(2, ('"abc","d e f","g,h",'):rep(4000):gsub('"(.-)",', "%1;"))
  assert(count == 12000)
  local fields = {}
  for field in ("abc,def,,ghi,"):rep(1000):gmatch("([^,]*),") do fields[#fields + 1] = field end
  assert(#fields == 4000 and fields[3] == "")
  local url = "https://user:pw@example.com:8080/path/to/thing?query=1&b=2#" .. ("x"):rep(200)
  local scheme, host, path, query = url:match("^(%a[%w+.-]*)://([^/?#]*)([^?#]*)%??([^#]*)#?(.*)$")
  assert(scheme == "https" and host == "user:pw@example.com:8080" and path == "/path/to/thing")
  assert(query == "query=1&b=2")
  assert(select(2, ("<b>text</b> more "):rep(6000):gsub("<b>(.-)</b>", "%1")) == 6000)
  assert(select(2, ("a line of text\\r\\n"):rep(7000):gsub("(.-)\\r?\\n", "")) == 7000)
  assert(select(2, ("f(a(b)c) text "):rep(1500):gsub("%b()", "")) == 1500)
  assert(("/a/b/c/file.tar.gz"):match("^.*%.(.-)$") == "gz")
  return "fine"
end
return { main = main }
"""


def test_everyday_patterns_are_not_refused(node):
    async def test(node):
        started = process_time()
        answer = await node.exec("app:everyday", "app:long")
        return answer, process_time() - started

    answer, ours = node(test)
    assert answer == "fine"
    assert ours < 60 * cost_in_stock_lua(EVERYDAY)  # mostly it is 13 times


def test_a_costly_pattern_gives_what_a_cheap_one_gives(node):
    async def test(node):
        return await node.exec("app:same", "app:long")

    assert node(test) == "same"


# Makes a coroutine that waits, `count` times, and computes for a while.
CROWD = """
local function main(count)
  local all = {}
  for i = 1, count do
    all[i] = coroutine.create(coroutine.yield)
    coroutine.resume(all[i])
  end
  coroutine.wrap(function() for _ = 1, 20000000 do end end)()
  return #all
end
return { main = main }
"""


def test_coroutines_that_do_not_run_are_nothing_to_the_guard(node, monkeypatch):
    looked_at = []
    arm_all = HookGuard._arm

    def arm(guard, strand):
        looked_at.append(len(strand.state.chain.pointers()))
        arm_all(guard, strand)

    monkeypatch.setattr(HookGuard, "_arm", arm)

    async def test(node):
        return await node.exec("app:crowd", "app:long", 100_000)

    assert node(test) == 100_000
    assert max(looked_at) == 1


def test_the_guard_looks_after_ever_different_numbers_of_instructions():
    """Else a loop whose rounds have a divisor of that number is met in the same place for ever."""
    guard = HookGuard()
    counts = []
    guard._sethook = lambda state, hook, mask, count: counts.append(count)
    for _ in range(64):
        guard._look_again(0, 20_000)
    assert len(set(counts)) == 64
    assert min(counts) >= 20_000
    assert max(counts) < 20_100
