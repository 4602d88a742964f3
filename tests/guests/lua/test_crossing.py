"""What crosses between Lua and Python, however much, belongs to its own call alone."""

import asyncio

import pytest

from procession import Node

pytestmark = pytest.mark.semantics("3.3")

SIZES = (1, 13, 14, 15, 16, 17, 198, 199, 200, 201, 399, 400, 401, 6000)
"""Around the numbers at which values begin to cross in pieces."""


# -- however many there are ----------------------------------------------------------------------


def test_lists_of_every_length_come_back_as_they_were(app, host):
    app.add("echo", "return ...", kind="function.lua")
    app.add_python("py", "async def main(*args):\n    return list(args)\n")
    app.add_python(
        "answers",
        "from procession import process\n"
        "async def main():\n"
        "    async for message in process.inbox():\n"
        "        message.reply(message.payload)\n",
        kind="process.py",
    )
    app.add(
        "main",
        """
        local other = process.spawn("app:answers", nil)
        local inbox = process.inbox()
        for _, size in ipairs(arg[1]) do
          local list = {}
          for i = 1, size do list[i] = "value " .. i end
          local function check(got, where)
            for i = 1, size do
              if got[i] ~= list[i] then error(where .. " " .. size .. ": " .. tostring(got[i])) end
            end
            equal(#got, size)
          end
          check(process.exec("app:echo", nil, list), "exec of Lua")
          check(process.exec("app:py", nil, table.unpack(list)), "arguments of Python")
          check(funcs.call("app:py", table.unpack(list)), "arguments of a function")
          check(process.call(other, "echo", list), "call of Python")
          process.send(process.pid(), "self", list)
          check(inbox:receive().payload:data(), "message")
          check(json.decode(json.encode(list)), "JSON")
          local _, err = process.exec("app:echo", nil, { [1] = 1, [true] = list })
          equal(err:kind(), "Invalid")
        end
        return true
        """,
    )
    assert app.run(host, SIZES) is True


def test_an_error_comes_with_all_of_its_details(app, host):
    app.add("fails", "error(errors.new{message = 'no', details = arg[1]})")
    app.add(
        "main",
        """
        local list = {}
        for i = 1, 5000 do list[i] = i end
        local _, err = process.exec("app:fails", nil, { list = list })
        equal(#err:details().list, 5000)
        process.events()
        process.spawn_monitored("app:fails", nil, { list = list })
        local event = process.events():receive()
        equal(event.error:details().list[5000], 5000)
        return true
        """,
    )
    assert app.run(host) is True


def test_more_arguments_than_a_program_takes_are_refused_with_the_number(app, host):
    app.add("main", "return select('#', ...)")
    assert app.run(host, *range(100_000)) == 100_000
    with pytest.raises(Exception, match="at most 200000 arguments, not 200001"):
        app.run(host, *range(200_001))


def test_a_coroutine_is_spawned_with_any_number_of_arguments(holds):
    assert holds("""
        local list, done = {}, channel.new(1)
        for i = 1, 20000 do list[i] = i end
        coroutine.spawn(function(...)
          done:send({ select("#", ...), (select(20000, ...)) })
        end, table.unpack(list))
        local got = done:receive()
        return got[1] == 20000 and got[2] == 20000
    """)


def test_a_builder_hands_over_each_of_its_messages(app, host):
    app.add(
        "child",
        """
        local inbox, got = process.inbox(), {}
        for i = 1, 3 do got[i] = inbox:receive().payload:data() end
        return { got, ctx.all(), arg }
        """,
    )
    app.add(
        "main",
        """
        local list = {}
        for i = 1, 1000 do list[i] = i end
        local builder = process.with_context({ who = "me", list = list }):with_message("a", list)
        builder = builder:with_message("b", nil, 2):with_message("c")
        local got = builder:exec("app:child", nil, "first", list)
        local messages, context, args = got[1], got[2], got[3]
        equal(#messages[1], 1000)
        equal(messages[2][2], 2)
        equal(context.who, "me")
        equal(#context.list, 1000)
        equal(args[1], "first")
        equal(args[2][1000], 1000)
        failed("Invalid", "context", builder:with_context({ f = print }):exec("app:child", nil))
        failed("Invalid", "payload", builder:with_message("d", 1, print):exec("app:child", nil))
        failed("Invalid", "argument 2", builder:exec("app:child", nil, 1, print))
        return true
        """,
    )
    assert app.run(host) is True


# -- select --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4, 5, 30, 300, 10_000])
def test_a_select_of_many_channels_finds_the_one_that_is_ready(holds, count):
    assert holds(
        """
        local cases, channels = {}, {}
        for i = 1, arg[1] do
          channels[i] = channel.new(1)
          cases[i] = i % 2 == 0 and channels[i]:case_receive() or channels[i]
        end
        cases.default = true
        equal(channel.select(cases).default, true)
        cases.default = nil
        local last, value = channels[arg[1]], {}
        last:send(value)
        local got = channel.select(cases)
        equal(got.channel, last)
        equal(got.value, value)
        coroutine.spawn(function() last:send("later") end)
        equal(channel.select(cases).value, "later")
        return true
        """,
        count,
    )


def test_what_a_case_sends_is_the_same_value_for_both(holds):
    assert holds("""
        local values, cases, ready = {}, {}, channel.new()
        for i = 1, 1000 do
          values[i] = i % 3 == 0 and i or i % 3 == 1 and { i } or function() end
          cases[i] = channel.new():case_send(values[i])
        end
        for _, place in ipairs({ 1, 2, 3, 500, 999, 1000 }) do
          local ch = channel.new(1)
          local kept = cases[place]
          cases[place] = ch:case_send(values[place])
          local got = channel.select(cases)
          equal(got.channel, ch)
          equal(got.value, values[place])
          equal(ch:receive(), values[place])
          cases[place] = kept
        end
        return true
    """)


def test_a_select_of_too_many_channels_says_how_many_it_takes(holds):
    assert holds("""
        local ch, cases = channel.new(), {}
        for i = 1, 10001 do cases[i] = ch end
        raises("select takes at most 10000 cases, not 10001", channel.select, cases)
        local odd = setmetatable({}, { __len = function() return "x" end })
        raises("length is an integer", channel.select, odd)
        return true
    """)


# -- what is refused leaves nothing --------------------------------------------------------------

REFUSED = {
    "an event for nobody": 'events.send("*", "kind", "path", list)',
    "two keys that are one": 'process.exec("app:echo", nil, { [1] = 1, [true] = list })',
    "a name that nobody has": 'process.send("nobody", "topic", list)',
    "a name that nobody has, called": 'process.call("nobody", "topic", list)',
    "an entry that is none": 'process.spawn("app:none", nil, list)',
    "a function that is none": 'funcs.call("app:none", list)',
    "an executor": 'funcs.new():with_context({ l = list }):call("app:none", list)',
    "a builder": 'process.with_message("x", list):spawn("app:none", nil, list)',
    "a function among them": 'process.spawn("app:echo", nil, list, list, print)',
    "no topic": 'process.send(process.pid(), "@none", list)',
    "no reply": 'process.send(process.pid(), "x", 1) process.inbox():receive():reply(list)',
    "an upgrade": 'process.upgrade("app:none", list)',
    "JSON that is none": "json.encode({ list, 0/0 })",
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_refused_call_leaves_nothing_for_the_next_one(app, host, call):
    app.add("echo", "return ...", kind="function.lua")
    app.add("attacker", f"\n  local list = arg[1]\n  {call}")
    app.add(
        "main",
        """
        local function list_of(text)
          local list = {}
          for i = 1, 300 do list[i] = text .. i end
          return list
        end
        for _ = 1, 2 do
          process.exec("app:attacker", nil, list_of("evil"))
          for _, size in ipairs({ 1, 2, 300 }) do
            local mine = list_of("mine")
            for i = #mine, size + 1, -1 do mine[i] = nil end
            equal(json.encode(mine), json.encode(json.decode(json.encode(mine))))
            local got = process.exec("app:echo", nil, mine)
            equal(#got, size)
            for i = 1, size do equal(got[i], mine[i]) end
            got = process.with_message("x", mine):exec("app:echo", nil, mine)
            for i = 1, size do equal(got[i], mine[i]) end
          end
        end
        return true
        """,
    )
    assert app.run(host) is True


def test_of_many_spawns_with_many_values_each_gets_its_own(app, host):
    app.add("child", "return { ... }")
    app.add(
        "main",
        """
        local events, wanted = process.events(), {}
        for n = 1, 5 do
          local list = {}
          for i = 1, 6000 do list[i] = n * 10000 + i end
          wanted[process.spawn_monitored("app:child", nil, list, n)] = n
        end
        for _ = 1, 5 do
          local event = events:receive()
          local n = wanted[event.from]
          equal(event.result[2], n)
          equal(#event.result[1], 6000)
          for i = 1, 6000 do equal(event.result[1][i], n * 10000 + i) end
        end
        return true
        """,
    )
    assert app.run(host) is True


RANDOM = """
local seed, tag, partners = ...
math.randomseed(seed)
local SIZES = { 1, 3, 14, 15, 16, 17, 60, 199, 200, 201, 1000 }
local function value(depth)
  local kind = math.random(depth > 2 and 3 or 6)
  if kind == 1 then return tag .. math.random(1000) end
  if kind == 2 then return math.random(1000) end
  if kind == 3 then return true end
  local size, result = SIZES[math.random(depth > 0 and 4 or #SIZES)], {}
  for i = 1, size do
    result[kind == 4 and tag .. i or i] = value(depth + 1)
  end
  return result
end
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end
local function check(what, sent, got, err)
  if not same(sent, got) then
    local shown = json.encode({ sent = sent, got = got, err = tostring(err) })
    error(tag .. " " .. what .. ": " .. shown)
  end
end
local function refused(_, err)
  assert(err, "it was not refused")
end
local acts = {
  function(v) check("call of Lua", v, process.call(partners[1], "echo", v)) end,
  function(v) check("call of Python", v, process.call(partners[2], "echo", v)) end,
  function(v) check("call elsewhere", v, process.call(partners[3], "echo", v)) end,
  function(v) check("exec", { v, 1, v }, process.exec("app:list", nil, v, 1, v)) end,
  function(v) check("exec of Python", { v, v }, process.exec("app:pylist", nil, v, v)) end,
  function(v) check("function", { v, tag }, funcs.call("app:list", v, tag)) end,
  function(v)
    local got = process.with_context({ tag = v }):with_message("x", v, tag):exec("app:told", nil, v)
    check("builder", { v, { v, tag }, v }, got)
  end,
  function(v) check("context", v, funcs.new():with_context({ v = v }):call("app:context").v) end,
  function(v)
    process.send(process.pid(), "to me", v)
    check("message", v, process.inbox():receive().payload:data())
  end,
  function(v)
    local ch = channel.new(1)
    assert(channel.select({ channel.new(), ch:case_send(v), channel.new() }).value == v)
    assert(ch:receive() == v)
  end,
  function(v) if type(v) == "table" then check("JSON", v, json.decode(json.encode(v))) end end,
  function(v) refused(events.send("*", "kind", "path", v)) end,
  function(v) refused(process.send("nobody", "topic", v)) end,
  function(v) refused(process.send(process.pid(), "@topic", { v })) end,
  function(v) refused(process.spawn("app:none", nil, v, v)) end,
  function(v) refused(process.spawn("app:list", nil, v, { print })) end,
  function(v) refused(process.spawn("app:list", nil, { [1] = 1, [true] = v })) end,
  function(v) refused(process.with_context({ v = v }):spawn("app:none", nil, v)) end,
  function(v) refused(funcs.new():with_context({ v = v }):call("app:none", v)) end,
  function(v) refused(process.upgrade("app:none", v)) end,
  function(v) refused(json.encode({ v, print })) end,
}
for i = 1, 60 do
  acts[math.random(#acts)](value(0))
end
return true
"""


@pytest.mark.parametrize("seed", range(8))
def test_in_any_sequence_of_calls_each_process_gets_exactly_its_own(app, host, seed):
    answers = """
        local inbox = process.inbox()
        while true do
          local message = inbox:receive()
          message:reply(message.payload:data())
        end
    """
    app.add("answers", answers)
    app.add_python(
        "pyanswers",
        "from procession import process\n"
        "async def main():\n"
        "    async for message in process.inbox():\n"
        "        message.reply(message.payload)\n",
        kind="process.py",
    )
    app.add("list", "return { ... }", kind="function.lua")
    app.add("context", "return ctx.all()", kind="function.lua")
    app.add(
        "told",
        "return { ctx.get('tag'), process.inbox():receive().payload:data(), arg[1] }",
        kind="function.lua",
    )
    app.add_python("pylist", "async def main(*args):\n    return args\n")
    app.add("random", RANDOM)
    app.add(
        "main",
        """
        local partners = {
          process.spawn("app:answers", nil),
          process.spawn("app:pyanswers", nil),
          process.spawn("app:answers", "app:own"),
        }
        local events = process.events()
        for i = 1, 4 do
          local tag = "process " .. i .. " "
          process.spawn_monitored("app:random", nil, arg[1] * 10 + i, tag, partners)
        end
        for i = 1, 4 do
          local event = events:receive()
          if event.error then error(event.error) end
        end
        return true
        """,
    )
    assert app.run(host, seed) is True


# -- what Lua keeps for others -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "for i = 1, 50 do process.send('nobody', 'x', { i }) end",
        "for i = 1, 50 do process.send(process.pid(), '@x', { i }) end",
        "for i = 1, 50 do process.with_context({ i }):spawn('app:none', nil, { i }) end",
        "for i = 1, 50 do funcs.new():with_context({ f = print }):call('app:none', { i }) end",
        "for i = 1, 50 do channel.new(1):send({ i }) end",
        "for i = 1, 50 do coroutine.spawn(function() channel.new():send({ i }) end) end",
        "for i = 1, 50 do channel.select({ channel.new(1):case_send({ i }), default = true }) end",
        "for i = 1, 50 do channel.select({ channel.new():case_send({ i }), default = true }) end",
        "for i = 1, 50 do process.send(process.pid(), 'x', { i }) end",
        """
        process.listen("a") process.listen("b")
        for i = 1, 50 do process.send(process.pid(), "a", { i }) end
        process.unlisten(process.listen("a"))
        """,
    ],
)
def test_what_nobody_takes_any_more_is_forgotten(app, text):
    app.add("child", text)
    app.add(
        "main",
        """
        process.spawn_monitored("app:child", nil)
        process.events():receive()
        return true
        """,
    )

    async def boot():
        async with Node(app.folder, quiet_exits=True) as node:
            assert await node.exec("app:main", "app:shared") is True
            state = node._lua._states["app:shared"]
            for _ in range(3):
                state.collect()
            state.discard_dropped()
            return state.kept()

    assert asyncio.run(boot()) == 0


def test_a_payload_that_contains_itself_is_refused(holds):
    assert holds("""
        process.send(process.pid(), "x", {})
        local message = process.inbox():receive()
        local payload = message.payload
        payload[1] = payload
        failed("Invalid", "contains itself", process.send(process.pid(), "x", payload))
        failed("Invalid", "contains itself", process.exec("app:main", nil, payload))
        message.payload = message
        failed("Invalid", "contains itself", process.send(process.pid(), "x", message))
        return true
    """)


def test_a_table_may_have_a_million_values_and_no_more(holds):
    assert holds("""
        local list = {}
        for i = 1, 1000001 do list[i] = i end
        failed("Invalid", "more than 1000000 values", process.send(process.pid(), "x", list))
        failed("Invalid", "more than 1000000 values", process.exec("app:main", nil, list))
        list[#list] = nil
        equal(process.send(process.pid(), "x", list), true)
        equal(#process.inbox():receive().payload:data(), 1000000)
        return true
    """)
