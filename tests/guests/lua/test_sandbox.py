"""What a Lua program must not reach: each attempt by name, on both kinds of state.

An attempt that raises, or returns nothing or false, was stopped. What it returns else has escaped.
"""

import asyncio
import contextlib
import gc
import resource
from pathlib import Path

import pytest

from procession import Internal, Invalid, LimitExceeded, Node

ATTEMPTS = {
    # -- Python --
    "the table of lupa": "return python",
    "the builtins of Python": "return python and python.builtins",
    "an attribute of a channel": "return channel.new().__class__",
    "an attribute of a channel by index": "return channel.new()['__init__']",
    "an item of a channel": "return channel.new()[1]",
    "a method of the core's channel": "return channel.new().take or channel.new()._buffer",
    "setting an attribute of a channel": "local ch = channel.new() ch.closed = true return true",
    "calling a channel": "return channel.new()()",
    "the length of a channel": "return #channel.new()",
    "iterating over a channel": "for k, v in pairs(channel.new()) do return k end",
    "the metatable of a channel": "return getmetatable(channel.new())",
    "a new metatable for a channel": "return setmetatable(channel.new(), {})",
    "a channel as an index of a table that shows it": """
        local seen
        local t = setmetatable({}, { __index = function(_, key) seen = key end })
        local _ = t[channel.new()]
        return seen.__class__""",
    "the call that waits for a reply": """
        local pid = process.spawn("app:caller", process.pid():match("^{(.+)|"), process.pid())
        local message = process.listen("ask", { message = true }):receive()
        for key, value in next, message do
          if type(value) == "userdata" then
            local ok, found = pcall(function() return value.__class__ or value._reply_to end)
            if ok and found then return found end
          end
        end
        message:reply(1)""",
    "an exception of Python by a wrong argument": """
        local ok, err = pcall(process.send, process.pid(), "t", function() end)
        return type(err) == "userdata" and err""",
    "an exception of Python by a table where a string belongs": """
        for _, f in ipairs({ process.send, process.listen, process.spawn, process.monitor }) do
          local ok, err = pcall(f, {}, {}, {}, {})
          if type(err) == "userdata" then return err end
        end""",
    "an exception of Python by a huge integer": """
        local ok, err = pcall(channel.new, math.maxinteger)
        return type(err) == "userdata" and err""",
    # -- the system --
    "opening a file": "return io and io.open and io.open('/etc/passwd')",
    "running a command": "return os.execute and os.execute('true')",
    "a pipe": "return io and io.popen",
    "the environment": "return os.getenv and os.getenv('PATH')",
    "removing a file": "return os.remove or os.rename or os.tmpname",
    "ending the OS process": "return os.exit",
    "changing the locale": "return os.setlocale",
    "loading a library of C": "return package and package.loadlib",
    "requiring a file": "return require('main')",
    "requiring a module that is not declared": "return require('json')",
    "requiring by a path": "return require('../main') or require('/etc/passwd')",
    "the search path": "return package",
    # -- code and its innards --
    "compiling text": "return load and load('return 1')",
    "compiling with the old name": "return loadstring",
    "compiling a file": "return loadfile or dofile",
    "bytecode of a function": "return string.dump and string.dump(function() end)",
    "bytecode by a method": "return ('').dump",
    "the debug library": "return debug",
    "the registry": "return debug and debug.getregistry()",
    "the environment of a function": "return getfenv or setfenv",
    "a finalizer": "return setmetatable({}, { __gc = function() end })",
    "a finalizer by a metatable with a metatable": """
        local metatable = setmetatable({}, { __index = { __gc = function() end } })
        metatable.__gc = function() end
        return setmetatable({}, metatable)""",
    "stopping the collector": "return collectgarbage('stop') ~= 0 or collectgarbage('count') ~= 0",
    # -- what processes share --
    "the metatable of strings": "getmetatable('').__index = {} return true",
    "the metatable of strings without metamethods": """
        rawset(getmetatable(''), '__index', {}) return ('x').upper == nil""",
    "a metamethod of strings": "return getmetatable('').__call or getmetatable('').__name",
    "the metatable of strings through a string": "return ('').__index or ('').__metatable",
    "the library below an overlay": """
        for _, library in ipairs({ string, table, math, os, process, channel, errors, time }) do
          if getmetatable(library) then return getmetatable(library) end
        end""",
    "the metatable of globals": "return getmetatable(_G)",
    "a new metatable for globals": "return setmetatable(_G, {})",
    "the metatable of an error": "return getmetatable(errors.new('x'))",
    "the methods of an error": "return rawget(errors.new('x'), 'kind')",
    "the metatable of a time": "return getmetatable(time.now()) or getmetatable(time.utc)",
    "the metatable of a duration": "return getmetatable(time.parse_duration('1s'))",
    "the metatable of a case": "return getmetatable(channel.new():case_receive())",
    "the metatable of a builder": "return getmetatable(process.with_name('x'))",
    "the metatable of a message": """
        process.send(process.pid(), "t", { 1 })
        local message = process.inbox():receive()
        return getmetatable(message) or getmetatable(message.payload)""",
    # -- the scheduler --
    "resuming the coroutine of the process itself": """
        local co = coroutine.running()
        return (coroutine.wrap(function() return coroutine.resume(co) end)())""",
    "closing the coroutine of the process itself": """
        local co = coroutine.running()
        return coroutine.wrap(function() return coroutine.close(co) end)()""",
    "resuming a coroutine that waits for the runtime": """
        local other
        coroutine.spawn(function() other = coroutine.running() process.listen("x"):receive() end)
        return (coroutine.resume(other))""",
    "closing a coroutine that waits for the runtime": """
        local other
        coroutine.spawn(function() other = coroutine.running() process.listen("x"):receive() end)
        return coroutine.close(other)""",
    "yielding to the runtime what looks like a request": """
        return coroutine.yield(channel.new()) or coroutine.yield("done", 1)""",
    "receiving from what is no channel": "return channel.new().receive(5)",
    "receiving from a table that looks like a channel": """
        return channel.new().receive(setmetatable({}, { __index = channel.new() }))""",
    "sending to a channel of the runtime": """
        local inbox = process.inbox()
        return inbox:send(1)""",
    "closing the events of the process": "process.events():close() return true",
    "a topic of the runtime": "return (process.send(process.pid(), '@x', 1))",
    # -- memory of others --
    "a parcel that is not one's own": """
        local copied = {}
        for name, value in pairs(_G) do
          if type(value) == "table" and rawget(value, "store") then return value end
        end""",
    "the kit by the upvalues of a function": "return debug and debug.getupvalue(print, 1)",
    "the environment of another program by its functions": """
        local env = _ENV
        return env.kit or env.host or env.marks""",
}

# Attempts to crash the interpreter, or to hang it. They end with an error, or well.
ASSAULTS = {
    "endless recursion": "local function f() return 1 + f() end f()",
    "endless recursion in a metamethod": """
        local t = setmetatable({}, {})
        getmetatable(t).__index = function(t, k) return t[k .. 'x'] end
        return t.a""",
    "endless recursion through tostring": """
        local t = setmetatable({}, { __tostring = function(t) return tostring(t) end })
        print(t)""",
    "endless recursion through pcall": "local function f() return pcall(f) end f()",
    "endless recursion through gsub": """
        local function f() return (string.gsub("a", "a", f)) end f()""",
    "endless recursion through sort": """
        local function f() table.sort({ 3, 2, 1 }, f) end f()""",
    "endless recursion through concat": """
        local t = setmetatable({}, {}) getmetatable(t).__concat = function(a, b) return a .. b end
        return t .. "x" """,
    "coroutines in coroutines": """
        local function f(n) return coroutine.wrap(function() return f(n + 1) end)() end f(1)""",
    "an error in the handler of an error": """
        xpcall(error, function() error("again") end, "first") error(nil)""",
    "an error that is a coroutine": "error(coroutine.create(print))",
    "an error that is a channel": "error(channel.new())",
    "an error that is nil": "error(nil)",
    "an error with a text that raises": """
        error(setmetatable({}, { __tostring = function() error("no text") end }))""",
    "an error while it is closing": """
        local a <close> = setmetatable({}, { __close = function() error("while closing") end })
        error("first")""",
    "a table that contains itself": """
        local t = {} t.t = t process.send(process.pid(), 'x', t) error('x')""",
    "a table that doubles itself": """
        local t = {} for _ = 1, 40 do t = { t, t } end
        assert(not process.send(process.pid(), 'x', t)) error('fine')""",
    "a deep table": """
        local t = {} for _ = 1, 100000 do t = { t } end
        assert(not process.send(process.pid(), "x", t)) error("fine")""",
    "a string without end": "return ('x'):rep(1 << 40)",
    "a string of strings": "local s = 'x' for _ = 1, 60 do s = s:rep(1000) end",
    "a concatenation without end": """
        return table.concat(setmetatable({}, { __len = function() return 1 << 40 end }))""",
    "more values than fit": "return table.unpack({}, 1, 1 << 30)",
    "moving without end": "return table.move({}, 1, 1 << 40, 2)",
    "a hostile format": "return string.format('%99999999d', 1)",
    "a format without arguments": "return string.format('%s %s')",
    "a hostile pack": "return string.pack('!17i17', 1)",
    "a hostile unpack": "return string.unpack('s8', string.rep('\\xff', 16))",
    "characters that do not exist": "return utf8.char(-1)",
    "a substitution that grows without end": """
        return (string.gsub(string.rep('a', 1 << 20), 'a', string.rep('b', 1 << 20)))""",
    "a pattern that takes ages": """
        return string.find(string.rep('a', 100000), '.-.-.-.-b')""",
    "a pattern with balance that takes ages": """
        return string.find(string.rep('(', 1 << 20), '%b()%b()')""",
    "a pattern that is endless": "return string.find('x', string.rep('a?', 100000))",
    "an empty string, again and again": "return error(#string.rep('', 1 << 60))",
    "an insertion before more than there is": """
        table.insert(setmetatable({}, { __len = function() return "x" end }), 1, 1)""",
    "a length that changes while it is sorted": """
        local n = 0
        table.sort(setmetatable({}, { __len = function() n = n + 1 return n * 100 end }), rawequal)
        error("fine")""",
    "a comparator that contradicts itself": """
        table.sort({ 3, 1, 2, 5, 4 }, function() return true end) error("fine")""",
    "an upgrade to what does not exist": """
        assert(not process.upgrade("app:nothing")) error("fine")""",
    "spawning while it is closed": """
        local _ <close> = setmetatable({}, { __close = function()
          process.spawn(process.id(), "app:none") coroutine.create(print) process.pid()
        end })
        error("fine")""",
    "a call object where a channel belongs": """
        local pid = process.spawn("app:caller", process.pid():match("^{(.+)|"), process.pid())
        local message = process.listen("ask", { message = true }):receive()
        local _, call
        for key, value in next, message do
          if type(key) == "table" then call = value end
        end
        pcall(process.unlisten, call)
        pcall(process.send, process.pid(), "x", call)
        for key in next, message do
          if type(key) == "table" then
            for _, fake in ipairs({ {}, 1, "x", channel.new(), print, coroutine.create(print) }) do
              rawset(message, key, fake)
              pcall(message.reply, message, 1)
            end
            rawset(message, key, call)
          end
        end
        message:reply(1)""",
    "a hundred children, one after the other": """
        for _ = 1, 100 do process.exec("app:fine") end
        error("fine")""",
    "thousands of coroutines that nobody finishes": """
        for i = 1, 20000 do
          for v in coroutine.wrap(function() coroutine.yield(i) end) do break end
        end
        error("fine")""",
}

CALLER = """
local function main(parent)
  process.call(parent, "ask", 1, "1h")
end
return { main = main }
"""


def write_app(folder, programs, hosts):
    lines = ['version: "1.0"', "namespace: app", "entries:"]
    lines += [f"  - {{name: {name}, kind: process.host, host: {it}}}" for name, it in hosts.items()]
    for name, source in programs.items():
        (folder / f"{name}.lua").write_text(source)
        lines.append(f"  - {{name: {name}, kind: process.lua, source: 'file://{name}.lua'}}")
    (folder / "_index.yaml").write_text("\n".join(lines))


HOSTS = {
    "shared": "{step_limit: 700ms}",
    "own": "{step_limit: 700ms, lua: {state: own, memory: 64MiB}}",
    "small": "{step_limit: 5s, lua: {state: own, memory: 8MiB}}",
}


def program_of(body):
    return f"return {{ main = function(...)\n{body}\nend }}"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node with all of them; run one by its number."""
    folder = tmp_path_factory.mktemp("sandbox")
    programs = {"caller": CALLER, "fine": program_of("return 'fine'")}
    for group, bodies in (("attempt", ATTEMPTS), ("assault", ASSAULTS)):
        programs |= {f"{group}{i}": program_of(body) for i, body in enumerate(bodies.values())}
    programs["vandal"], programs["victim"] = VANDAL, VICTIM
    programs["glutton"] = program_of(
        "local t = {} while true do t[#t + 1] = ('x'):rep(10000) .. #t end"
    )
    write_app(folder, programs, HOSTS)
    with asyncio.Runner() as runner:
        node = Node(folder)
        runner.run(node.start())
        yield lambda test: runner.run(test(node))
        runner.run(node.stop())


@pytest.mark.parametrize("host", ["shared", "own"])
@pytest.mark.parametrize("name", ATTEMPTS)
def test_out_of_reach(node, name, host):
    async def test(node):
        number = list(ATTEMPTS).index(name)
        try:
            return await node.exec(f"app:attempt{number}", f"app:{host}")
        except (Internal, Invalid):
            return None

    assert node(test) in (None, False, 0)


@pytest.mark.parametrize("host", ["shared", "own"])
@pytest.mark.parametrize("name", ASSAULTS)
def test_survived(node, name, host):
    async def test(node):
        number = list(ASSAULTS).index(name)
        with contextlib.suppress(Internal, Invalid, LimitExceeded):
            await node.exec(f"app:assault{number}", f"app:{host}")
        return await node.exec("app:fine", f"app:{host}")

    assert node(test) == "fine"


# Writes into every table that it can get hold of.
VANDAL = """
local rawset, pcall, next, type = rawset, pcall, next, type
local pairs, ipairs, getmetatable = pairs, ipairs, getmetatable
local function main()
  local seen, places = {}, 0
  local function walk(value, depth)
    if depth > 12 or seen[value] then return end
    local kind = type(value)
    if kind == "string" then return end
    seen[value] = true
    local metatable = getmetatable(value)
    if type(metatable) == "table" then walk(metatable, depth + 1) end
    if kind ~= "table" then return end
    local keys = {}
    pcall(function() for key in pairs(value) do keys[#keys + 1] = key end end)
    for key in next, value do keys[#keys + 1] = key end
    for _, key in ipairs(keys) do
      walk(key, depth + 1)
      local ok, item = pcall(function() return value[key] end)
      if ok and item ~= nil then walk(item, depth + 1) end
    end
    for _, key in ipairs(keys) do
      pcall(rawset, value, key, "vandalised")
    end
    pcall(rawset, value, "vandal", "was here")
    pcall(function() value.vandal = "was here" end)
    places = places + 1
  end
  local strings = { "x", errors.new("x"), time.now(), time.utc, channel.new() }
  strings[#strings + 1] = time.parse_duration("1s")
  process.send(process.pid(), "t", { 1 })
  strings[#strings + 1] = process.inbox():receive()
  strings[#strings + 1] = process.with_name("x")
  walk(strings, 1)
  walk(_G, 1)
  return places
end
return { main = main }
"""

VICTIM = """
local function check()
  assert(vandal == nil and string.vandal == nil and table.vandal == nil and process.vandal == nil)
  assert(("x").vandal == nil and process.registry.vandal == nil)
  assert(string.upper("a") == "A" and ("a"):upper() == "A" and table.concat({ 1, 2 }) == "12")
  assert(tostring(errors.new("text")) == "text" and errors.new("text"):kind() == "Internal")
  assert(errors.NOT_FOUND == "NotFound" and errors.new("x").vandal == nil)
  assert(time.SECOND == 1000000000 and time.now().vandal == nil and time.utc.vandal == nil)
  assert(tostring(time.parse_duration("1s")) == "1s" and channel.new().vandal == nil)
  local ch = channel.new(1)
  ch:send(5)
  assert(ch:receive() == 5 and select("#", 1, 2) == 2 and math.max(1, 2) == 2)
  process.send(process.pid(), "t", { a = 1 })
  local message = process.inbox():receive()
  assert(message.topic == "t" and message:payload():data().a == 1 and message.vandal == nil)
end

local function main(...)
  local go = process.listen("go")
  check()
  go:receive()
  check()
  return "unharmed"
end
return { main = main }
"""


def test_a_process_that_writes_wherever_it_can_harms_nobody_else(node):
    async def test(node):
        before = node.spawn("app:victim", "app:shared")
        end = asyncio.ensure_future(node.wait(before))
        await asyncio.sleep(0.05)
        assert await node.exec("app:vandal", "app:shared") > 20
        after = node.spawn("app:victim", "app:shared")
        other = asyncio.ensure_future(node.wait(after))
        await asyncio.sleep(0)  # it has to wait before the process can end
        for pid in (before, after):
            node.send(pid, "go")
        return await end, await other

    assert node(test) == ("unharmed", "unharmed")


def test_memory_is_a_hard_limit_of_one_process_and_comes_back(node):
    def resident():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    async def test(node):
        async def gorge():
            with pytest.raises(LimitExceeded, match="out of memory"):
                await node.exec("app:glutton", "app:small")

        neighbour = node.spawn("app:victim", "app:small")
        end = asyncio.ensure_future(node.wait(neighbour))
        for _ in range(5):
            await gorge()
        before = resident()
        for _ in range(30):
            await gorge()
        assert resident() - before < 30 * 2**20  # each of them had 8 MiB
        node.send(neighbour, "go")
        return await end

    assert node(test) == "unharmed"
