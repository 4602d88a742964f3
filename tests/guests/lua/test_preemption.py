"""A Lua program that computes for long: others run meanwhile, and it is ended wherever it hides."""

import asyncio
import time

import pytest

from procession import LimitExceeded, Node, ProcessTerminated, channel, process
from procession import time as virtual

SPIN = "while true do end"

LOOPS = {
    "a loop": SPIN,
    "a loop with goto": "::again:: goto again",
    "a tail call": "local function f() return f() end return f()",
    "pcall": f"pcall(function() {SPIN} end)",
    "pcall in a loop": f"while true do pcall(function() {SPIN} end) end",
    "pcall in pcall": f"while true do pcall(pcall, pcall, function() {SPIN} end) end",
    "the handler of xpcall": f"xpcall(error, function() {SPIN} end)",
    "a coroutine": f"coroutine.resume(coroutine.create(function() {SPIN} end))",
    "a coroutine by wrap": f"coroutine.wrap(function() {SPIN} end)()",
    "a coroutine three deep": f"""
        coroutine.wrap(function()
          coroutine.wrap(function() coroutine.wrap(function() {SPIN} end)() end)()
        end)()""",
    "a generator": """
        local function all() return coroutine.wrap(function()
          while true do coroutine.yield(1) end end) end
        for _ in all() do end""",
    "a coroutine of the process": f"""
        coroutine.spawn(function() {SPIN} end) process.inbox():receive()""",
    "a coroutine that another one resumes": f"""
        local co = coroutine.create(function() coroutine.yield() {SPIN} end)
        coroutine.resume(co)
        coroutine.spawn(function() coroutine.resume(co) end)
        process.inbox():receive()""",
    "an iterator": f"for _ in function() {SPIN} end do end",
    "__index": f"return setmetatable({{}}, {{ __index = function() {SPIN} end }}).x",
    "__newindex": f"setmetatable({{}}, {{ __newindex = function() {SPIN} end }}).x = 1",
    "__call": f"setmetatable({{}}, {{ __call = function() {SPIN} end }})()",
    "__eq": f"""
        local m = {{ __eq = function() {SPIN} end }}
        return setmetatable({{}}, m) == setmetatable({{}}, m)""",
    "__lt": f"""
        local m = {{ __lt = function() {SPIN} end }}
        return setmetatable({{}}, m) < setmetatable({{}}, m)""",
    "__concat": f"return setmetatable({{}}, {{ __concat = function() {SPIN} end }}) .. 'x'",
    "__len": f"return #setmetatable({{}}, {{ __len = function() {SPIN} end }})",
    "__unm": f"return -setmetatable({{}}, {{ __unm = function() {SPIN} end }})",
    "__tostring": f"print(setmetatable({{}}, {{ __tostring = function() {SPIN} end }}))",
    "__close": f"local x <close> = setmetatable({{}}, {{ __close = function() {SPIN} end }})",
    "__close while it is terminated": f"""
        local x <close> = setmetatable({{}}, {{ __close = function() {SPIN} end }})
        {SPIN}""",
    "a comparison of sort": f"table.sort({{ 3, 2, 1 }}, function() {SPIN} end)",
    "a callback of gsub": f"string.gsub('abc', '.', function() {SPIN} end)",
    "a callback of gsub in a coroutine": f"""
        coroutine.wrap(function() string.gsub('abc', '.', function() {SPIN} end) end)()""",
}

TICKER = """
return { main = function(parent, n)
  local ticker = time.ticker("10ms")
  for i = 1, n do
    ticker:channel():receive()
    process.send(parent, "tick", i)
  end
end }
"""

SUMS = """
return { main = function(n)
  local s = 0
  for i = 1, n do s = s + i end
  return s
end }
"""

LIMIT = 0.15


def program_of(body):
    return f"return {{ main = function()\n{body}\nend }}"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preemption")
    programs = {f"loop{i}": program_of(body) for i, body in enumerate(LOOPS.values())}
    programs |= {
        "ticker": TICKER,
        "fine": program_of("return 'fine'"),
        "toplevel": f"{SPIN}\nreturn {{ main = print }}",
        "sums": SUMS,
    }
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    for name, host in (
        ("hasty", f"{{step_limit: {LIMIT * 1000:.0f}ms}}"),
        ("own", f"{{step_limit: {LIMIT * 1000:.0f}ms, lua: {{state: own}}}}"),
        ("patient", "{step_limit: 60s}"),
    ):
        lines.append(f"  - {{name: {name}, kind: process.host, host: {host}}}")
    for name, source in programs.items():
        (folder / f"{name}.lua").write_text(source)
        lines.append(f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'}}")
    (folder / "_index.yaml").write_text("\n".join(lines))
    with asyncio.Runner() as runner:
        node = Node(folder)
        runner.run(node.start())
        yield lambda test: runner.run(test(node))
        runner.run(node.stop())


@pytest.mark.semantics("11.4")
@pytest.mark.parametrize("host", ["hasty", "own"])
@pytest.mark.parametrize("name", LOOPS)
def test_the_step_limit_ends_it_also_in(node, name, host):
    number = list(LOOPS).index(name)

    async def test(node):
        with pytest.raises(LimitExceeded, match="step limit exceeded") as raised:
            await node.exec(f"app:loop{number}", f"app:{host}")
        assert f"loop{number}.lua:" in raised.value.details["traceback"]
        return await node.exec("app:fine", f"app:{host}")  # in the same state

    assert node(test) == "fine"


@pytest.mark.semantics("5.3", "11.4")
def test_a_top_level_without_end_fails_the_spawn(node):
    async def test(node):
        with pytest.raises(LimitExceeded, match="step limit exceeded"):
            node.spawn("app:toplevel", "app:hasty")
        return await node.exec("app:fine", "app:hasty")

    assert node(test) == "fine"


async def python_ticker(n):
    ticker = virtual.ticker("10ms")
    for _ in range(n):
        await ticker.receive()


@pytest.mark.semantics("11.4")
def test_neighbours_tick_on_while_others_compute(node):
    """A ticker of 10 ms in Lua and one in Python, beside three endless loops."""

    async def watch(loops):
        ticks = process.listen("tick")
        lua = process.spawn("app:ticker", "app:patient", process.pid(), 40)
        python = process.spawn_monitored(python_ticker, None, 40)
        heard = 0
        while heard < 41:
            got = await channel.select(ticks, process.events(), virtual.after("20s"))
            assert got.value is not None, "nobody ticks any more"
            heard += 1
        for pid in loops:
            process.terminate(pid)
        return lua, python

    async def test(node):
        loops = [node.spawn("app:loop0", "app:patient") for _ in range(3)]
        ends = [asyncio.ensure_future(node.wait(pid)) for pid in loops]
        await asyncio.sleep(0)
        start = time.monotonic()
        await node.exec(watch, "app:patient", loops)
        took = time.monotonic() - start
        for end in ends:
            with pytest.raises(ProcessTerminated):
                await end
        # 40 ticks of 10 ms: without preemption each would wait for three loops, for ever.
        assert took < 15

    node(test)


@pytest.mark.parametrize("name", ["a loop", "pcall in a loop", "a generator", "__index"])
def test_terminate_ends_a_process_that_never_waits(node, name):
    async def test(node):
        pid = node.spawn(f"app:loop{list(LOOPS).index(name)}", "app:patient")
        end = asyncio.ensure_future(node.wait(pid))
        await asyncio.sleep(0.02)
        node.terminate(pid)
        with pytest.raises(ProcessTerminated):
            await end

    node(test)


def test_a_long_computation_is_interrupted_many_times_and_still_right(node):
    async def test(node):
        n = 20_000_000
        results = await asyncio.gather(
            *(node.exec("app:sums", "app:patient", n + i) for i in range(3))
        )
        assert results == [(n + i) * (n + i + 1) // 2 for i in range(3)]

    node(test)


ORDINARY = {
    "trim": ("('  ' .. ('x'):rep(10000) .. '  '):match('^%s*(.-)%s*$')", "x" * 10_000),
    "spaces": ("#(('a  b '):rep(200000):gsub('%s+', ' '))", 800_000),
    "a setting": (
        "(('k'):rep(90) .. ' = ' .. ('v '):rep(50)):match('^(%w+)%s*=%s*(.-)%s*$')",
        "k" * 90,
    ),
    "fields": (
        "(function() local n = 0 "
        "for _ in ('a,b,c,'):rep(20000):gmatch('([^,]*),') do n = n + 1 end return n end)()",
        60_000,
    ),
    "a url": (
        "('https://user@example.com:8080/a/b/c?x=1&y=2#top')"
        ":match('^(%a[%w+.-]*)://([^/?#]*)([^?#]*)%??([^#]*)#?(.*)$')",
        "https",
    ),
    "lines": ("select(2, ('line of text\\n'):rep(50000):gsub('(.-)\\n', '%1;'))", 50_000),
    "numbers": ("('x = 12.5e3 ;'):match('([%d.]+[eE]?[+-]?%d*)')", "12.5e3"),
    "plain search": ("('a'):rep(1000000):find('b', 1, true) or 'none'", "none"),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_pattern_on_ordinary_data_is_not_refused(tmp_path, name):
    expression, expected = ORDINARY[name]
    (tmp_path / "x.lua").write_text(f"return {{ main = function() return ({expression}) end }}")
    (tmp_path / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        "  - {name: processes, kind: process.host}\n"
        "  - {name: x, kind: process.lua, source: 'file://x.lua'}\n"
    )

    async def boot():
        async with Node(tmp_path) as node:
            return await node.exec("app:x")

    assert asyncio.run(boot()) == expected
