"""Lua states with a limit: what does not fit ends a process, and never the OS process."""

import asyncio
import re

import pytest

from procession import LimitExceeded, Node, process
from procession.core.names import MAX_NAMES
from procession.guests.lua.functions import Functions

# Programs that let Python hold more and more for them.
OUTSIDE = {
    "small values in a channel": """
        local ch = channel.new(1 << 40)
        while true do ch:send(true) end""",
    "texts in a channel": """
        local ch = channel.new(1 << 40)
        while true do ch:send(("x"):rep(100)) end""",
    "channels": "local t = {} while true do t[#t + 1] = channel.new() end",
    "timers": "local t = {} while true do t[#t + 1] = time.after('1h') end",
    "tickers": "local t = {} while true do t[#t + 1] = time.ticker('1h') end",
    "subscriptions": "local t = {} while true do t[#t + 1] = events.subscribe('a') end",
    "channels in a coroutine that catches everything": """
        coroutine.wrap(function()
          local t = {}
          while true do
            pcall(function() while true do t[#t + 1] = channel.new() end end)
          end
        end)()""",
    "channels in a callback of C": """
        local t = {}
        string.gsub(("a"):rep(1000), ".", function()
          for _ = 1, 100000 do t[#t + 1] = channel.new() end
        end)""",
    "events of processes": """
        while true do
          process.spawn_monitored("app:large_result", "app:plain")
          time.sleep("1ms")
        end""",
}

PROGRAMS = {
    "gives_back": """
return { main = function()
  local ch = channel.new(100)
  for i = 1, 20000 do
    ch:send(i)
    local _ = channel.new(), time.after("1h")
    assert(ch:receive() == i)
  end
  return "done"
end }""",
    "takes_names": """
return { main = function(count)
  for i = 1, count do
    local ok, err = process.registry.register("name " .. i)
    if not ok then return i, err end
  end
end }""",
    "sends_one": """
return { main = function()
  local text, ch, size = ("x"):rep(1000000), channel.new(1000), 0
  for _ = 1, 1000 do ch:send(text) end
  for _ = 1, 1000 do
    local got = channel.select({ ch }).value
    assert(got == text)
    size = size + #got
  end
  return size
end }""",
    "large_result": "return { main = function() return ('x'):rep(100000) end }",
    "waits": "return { main = function() while true do process.inbox():receive() end end }",
    "fills": """
return { main = function()
  local kept, size = {}, 65536
  while size > 8 do
    local ok = pcall(function() kept[#kept + 1] = ("x"):rep(size) .. #kept end)
    if not ok then size = size // 2 end
  end
  while true do process.inbox():receive() end
end }""",
    "holds": """
return { main = function(parent, size)
  local kept = {}
  for i = 1, size do
    kept[i] = ("x"):rep(1000) .. i
    if i % 1000 == 0 then time.sleep("1ms") end
  end
  process.send(parent, "has it", process.pid())
  return process.inbox():receive():payload():data() .. #kept
end }""",
    "wastes": """
return { main = function()
  for i = 1, 3000 do local _ = ("x"):rep(100000) .. i end
  return "done"
end }""",
    "large": "local t = {"
    + ",".join(f"'item number {i}'" for i in range(60_000))
    + "} return { main = function() return #t end }",
}
HOSTS = {"small": "1MiB", "tiny": "1B"}

# Programs that need more and more.
GREEDY = {
    "small tables": "local t = {} while true do t[#t + 1] = { #t .. 'x' } end",
    "one array": "local t = {} for i = 1, math.maxinteger do t[i] = i end",
    "texts": "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "one text": "local s = 'x' while true do s = s .. s .. 1 end",
    "a pcall that catches everything": """
        local t = {} while true do pcall(function() while true do t[#t + 1] = { 1 } end end) end""",
    "a bit between two waits": """
        local t = {}
        while true do
          for _ = 1, 1000 do t[#t + 1] = { 1, 2, 3, 4, 5, 6, 7, 8 } end
          time.sleep("1ms")
        end""",
    "tables that are emptied": """
        local all = {}
        while true do
          local t = {}
          for i = 1, 100000 do t[i] = 1 end
          for i = 1, 100000 do t[i] = nil end
          all[#all + 1] = t
        end""",
    "a coroutine": """
        coroutine.wrap(function() local t = {} while true do t[#t + 1] = { 1 } end end)()""",
    "coroutines that wait": """
        local t = {}
        while true do
          t[#t + 1] = coroutine.create(coroutine.yield)
          coroutine.resume(t[#t])
        end""",
    "further strands": """
        while true do
          coroutine.spawn(function()
            local t = table.pack(("x"):rep(99):byte(1, -1))
            time.sleep("1h")
          end)
        end""",
    "a callback of C": """
        local t = {}
        string.gsub(("a"):rep(1000), ".", function()
          for _ = 1, 100000 do t[#t + 1] = { 1 } end
        end)""",
    "a channel": """
        local ch = channel.new(1 << 40)
        while true do ch:send({ 1, 2, 3, 4, 5, 6, 7, 8 }) end""",
    "an environment": "local i = 0 while true do i = i + 1 _G['x' .. i] = { i } end",
    "a metatable": """
        local t = {}
        setmetatable(t, { kept = {} })
        while true do local kept = getmetatable(t).kept kept[#kept + 1] = { 1 } end""",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    lines = ["namespace: app", "entries:", "  - {name: plain, kind: process.host}"]
    for name, memory in HOSTS.items():
        options = f"{{lua: {{state: own, memory: {memory}}}}}"
        lines.append(f"  - {{name: {name}, kind: process.host, host: {options}}}")
    options = "{lua: {shared_memory: 48MiB}, step_limit: 1m}"
    lines.append(f"  - {{name: shared, kind: process.host, host: {options}}}")
    greedy = {
        f"greedy{number}": f"return {{ main = function() {source} end }}"
        for number, source in enumerate(GREEDY.values())
    }
    for host, state in {"outside": "shared", "outside_own": "own"}.items():
        options = f"{{mailbox_bytes: 1MiB, step_limit: 1m, lua: {{state: {state}, memory: 4MiB}}}}"
        lines.append(f"  - {{name: {host}, kind: process.host, host: {options}}}")
    greedy |= {
        f"outside{number}": f"return {{ main = function() {source} end }}"
        for number, source in enumerate(OUTSIDE.values())
    }
    for name, source in (PROGRAMS | greedy).items():
        (folder / f"{name}.lua").write_text(source)
        entry = f"name: {name}, kind: process.lua, source: 'file://{name}.lua', modules: [events]"
        lines.append(f"  - {{{entry}}}")
    (folder / "_index.yaml").write_text("\n".join(lines))
    with asyncio.Runner() as runner:
        node = Node(folder, quiet_exits=True)
        runner.run(node.start())
        yield lambda main: runner.run(node.exec(main, "app:plain"))
        runner.run(node.stop())


TOO_LARGE = {
    "a text": "x" * 2_000_000,
    "bytes": b"x" * 2_000_000,
    "texts": [f"{i:0100}" for i in range(20_000)],
    "numbers": list(range(125_000)),
    "a map": {f"key {i}": i for i in range(40_000)},
}


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_message_that_does_not_fit_ends_its_receiver_alone(node, value):
    async def main():
        pid = process.spawn_monitored("app:waits", "app:small")
        other = process.spawn_monitored("app:waits", "app:small")
        process.send(pid, "topic", value)
        event = await process.events().receive()
        process.terminate(other)
        return event.sender == pid, event.error

    alone, error = node(main)
    assert alone
    assert isinstance(error, LimitExceeded)
    assert error.message == "out of memory"


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_argument_that_does_not_fit_ends_the_new_process(node, value):
    async def main():
        with pytest.raises(LimitExceeded, match="out of memory"):
            await process.exec("app:waits", "app:small", value)

    node(main)


def test_a_process_that_has_used_all_of_it_can_be_sent_anything(node):
    async def main():
        pid = process.spawn_monitored("app:fills", "app:small")
        for size in (1, 50, 500, 5000):
            process.send(pid, "topic", "y" * size, size)
        event = await process.events().receive()
        return event.error.message

    assert node(main) == "out of memory"


@pytest.mark.parametrize(("entry", "host"), [("app:large", "app:small"), ("app:waits", "app:tiny")])
def test_a_program_that_does_not_fit_is_refused(node, entry, host):
    async def main():
        with pytest.raises(LimitExceeded, match="out of memory"):
            process.spawn(entry, host)

    node(main)


@pytest.mark.parametrize("number", range(len(GREEDY)), ids=GREEDY)
def test_the_process_that_needs_the_memory_of_all_is_ended_and_others_go_on(node, number):
    async def main():
        has_it = process.listen("has it")
        other = process.spawn_monitored("app:holds", "app:shared", process.pid(), 3000)
        await has_it.receive()
        with pytest.raises(LimitExceeded, match=r"lua\.shared_memory") as caught:
            await process.exec(f"app:greedy{number}", "app:shared")
        process.send(other, "end", "kept ")
        event = await process.events().receive()
        return caught.value.message, event.result

    message, result = node(main)
    assert message.startswith("out of memory: the processes of app:shared share 48.0 MiB")
    assert result == "kept 3000"


def test_it_is_the_largest_that_is_ended_and_not_the_one_that_is_at_work(node):
    async def main():
        has_it = process.listen("has it")
        large = process.spawn_monitored("app:holds", "app:shared", process.pid(), 30_000)
        await has_it.receive()
        small = process.spawn_monitored("app:holds", "app:shared", process.pid(), 20_000)
        event = await process.events().receive()
        assert event.sender == large
        assert isinstance(event.error, LimitExceeded)
        await has_it.receive()
        process.send(small, "end", "kept ")
        event = await process.events().receive()
        return event.result

    assert node(main) == "kept 20000"


def test_what_is_garbage_ends_nobody(node):
    async def main():
        has_it = process.listen("has it")
        other = process.spawn_monitored("app:holds", "app:shared", process.pid(), 30_000)
        await has_it.receive()
        assert await process.exec("app:wastes", "app:shared") == "done"
        process.send(other, "end", "kept ")
        event = await process.events().receive()
        return event.result

    assert node(main) == "kept 30000"


@pytest.mark.parametrize("host", ["outside", "outside_own"])
@pytest.mark.parametrize("number", range(len(OUTSIDE)), ids=OUTSIDE)
def test_what_a_process_holds_outside_of_its_state_has_a_limit_too(node, host, number):
    async def main():
        other = process.spawn_monitored("app:waits", f"app:{host}")
        with pytest.raises(LimitExceeded) as caught:
            await process.exec(f"app:outside{number}", f"app:{host}")
        process.terminate(other)
        event = await process.events().receive()
        return caught.value.message, event.error.message

    message, other = node(main)
    assert re.match(
        r"out of memory$|out of memory: its channels, timers and other objects hold about \d+ bytes"
        r"|about \d+ bytes of events wait, and the limit is 1048576 \(mailbox_bytes\)",
        message,
    )
    assert other == "process terminated"


@pytest.mark.parametrize("host", ["outside", "outside_own"])
def test_what_was_given_back_may_be_held_again(node, host):
    async def main():
        return await process.exec("app:gives_back", f"app:{host}")

    assert node(main) == "done"


@pytest.mark.parametrize("host", ["outside", "outside_own"])
def test_a_text_in_a_channel_is_there_once(node, host):
    async def main():
        return await process.exec("app:sends_one", f"app:{host}")

    assert node(main) == 1000 * 1_000_000


def test_no_long_text_is_remembered_as_a_name():
    functions = Functions(None)
    for length in (1, 256, 257, 1_000_000):
        assert len(functions.as_text(b"x" * length)) == length
    assert {len(name) for name in functions._names} == {1, 256}


def test_a_process_has_a_bounded_number_of_names(node):
    async def main():
        await process.exec("app:takes_names", "app:outside", MAX_NAMES)
        with pytest.raises(LimitExceeded, match=f"a process can have {MAX_NAMES} names"):
            await process.exec("app:takes_names", "app:outside", MAX_NAMES + 1)

    node(main)


def test_a_channel_that_was_collected_and_is_still_a_weak_key_is_measured(app):
    app.add(
        "main",
        """
        local weak = setmetatable({}, { __mode = "k" })
        for _ = 1, 100 do weak[channel.new()] = true end
        process.inbox():receive()
        """,
    )

    async def main():
        async with Node(app.folder) as node:
            pid = node.spawn("app:main", "app:shared")
            await asyncio.sleep(0)
            state, measured = node._lua._states["app:shared"], node._kernel.processes[pid]
            state.collect()
            size, _ = state.relief._size(measured, 10_000)
            node.send(pid, "end")
            return size

    assert asyncio.run(main()) > 0
