-- SEMANTICS 3.3 and 3.4.

local check = require("check")

local programs = {}

local function to_self(v)
  assert(process.send(process.pid(), "self", v))
  return (check.receive(process.listen("self")))
end

function programs.globals_and_libraries_are_a_process_own()
  leaked = "a global"
  math.pi = 3
  string.shout = string.upper
  assert(("x"):shout() == "X")
  print = nil
  table.insert = nil
  process.spawn = nil
  errors.NOT_FOUND = "changed"
  _VERSION = "none"
  local pid = process.spawn_monitored("lua:looks_around", check.host())
  local event = check.exit(pid)
  check.equal(event.result, {
    global = "nil",
    pi = math.acos(-1),
    shout = "nil",
    method = "nil",
    print = "function",
    insert = "function",
    spawn = "function",
    kind = "NotFound",
    version = "Lua 5.4",
    second = true,
  })
  return true
end

function programs.the_tables_inside_of_a_library_are_a_process_own_too()
  process.event.MINE = "leaked"
  rawset(process.event, "OTHER", "leaked")
  process.registry.mine = "leaked"
  check.equal(check.run("looks_deeper").result, { mine = "nil", other = "nil", inner = "nil" })
  return true
end

function programs.no_table_can_be_reached_by_two_processes()
  local reports = process.listen("report")
  local seen = {}
  for _ = 1, 2 do
    check.spawn("tells_its_tables", process.pid())
    for address, path in pairs(check.receive(reports)) do
      assert(not seen[address], path .. " is shared")
      seen[address] = path
    end
  end
  assert(next(seen))
  return true
end

function programs.a_payload_is_a_copy()
  local sent = { n = 1, inner = { list = { 1, 2 } } }
  assert(process.send(process.pid(), "self", sent))
  sent.n, sent.inner.list[1], sent.more = 2, 99, true
  local got = check.receive(process.listen("self"))
  check.equal(got, { n = 1, inner = { list = { 1, 2 } } })
  got.n = 5
  assert(sent.n == 2)
  return true
end

function programs.spawn_arguments_are_copies()
  local argument = { n = 1, inner = { 1 } }
  local pid = check.spawn_monitored("gives", argument)
  argument.n, argument.inner[1] = 2, 2
  check.equal(check.exit(pid).result, { n = 1, inner = { 1 } })
  return true
end

function programs.each_monitor_gets_a_result_of_its_own()
  local reports, me = process.listen("report"), process.pid()
  local pid = check.spawn_monitored("obeys")
  for _ = 1, 2 do
    check.spawn("changes_what_it_sees", me, pid)
    check.equal(check.receive(reports), "ready")
  end
  process.send(pid, "order", { value = 1 })
  check.equal(check.receive(reports), { value = 1, seen = 1 })
  check.equal(check.receive(reports), { value = 1, seen = 1 })
  check.equal(check.exit(pid).result, { value = 1 })
  return true
end

function programs.everything_that_may_cross_comes_back_as_it_was()
  local values = {
    true,
    false,
    0,
    -1,
    math.maxinteger,
    math.mininteger,
    0.5,
    -1e300,
    1 / 0,
    "",
    "text",
    "ünï",
    "\0\1\255\254",
    ("x"):rep(100000),
    {},
    { 1, 2, 3 },
    { a = 1, ["b c"] = { true } },
    { [1] = "one", [2] = "two", x = "mixed" },
    { [-1] = 1, [0] = 2, [1.5] = 3, [true] = 4 },
    { { { { { "deep" } } } } },
    errors.new({ message = "an error", kind = errors.TIMEOUT, details = { 1 } }),
  }
  local echo, replies = check.spawn("echo"), process.listen("reply")
  for _, value in ipairs(values) do
    assert(process.send(echo, "echo", value))
    local got = check.receive(replies)
    check.equal(got, value)
  end
  assert(process.send(echo, "echo", nil))
  check.equal(check.receive(replies), nil)
  assert(process.send(echo, "echo", 0 / 0))
  local nan = check.receive(replies)
  assert(nan ~= nan)
  return true
end

function programs.a_moment_crosses_as_a_moment()
  local moment = time.date(2024, 2, 29, 12, 30, 15, 123456000, time.utc)
  local echo = check.spawn("echo")
  process.send(echo, "echo", { at = moment })
  local got = check.receive(process.listen("reply")).at
  assert(got:equal(moment) and got:format(time.RFC3339_NANO) == "2024-02-29T12:30:15.123456Z")
  return true
end

function programs.what_cannot_cross_is_refused_with_its_path_and_nothing_is_delivered()
  local me, ch = process.pid(), process.listen("self")
  local cases = {
    { "payload", print },
    { "payload", channel.new() },
    { "payload", coroutine.create(print) },
    { 'payload["a"]', { a = print } },
    { 'payload["a"][2]["b c"]', { a = { 1, { ["b c"] = channel.new() } } } },
    { "payload[3]", { 1, 2, coroutine.create(print), 4 } },
    { "payload", { [{}] = 1 } },
    { 'payload["err"]', { err = errors.new({ message = "x", details = print }) } },
  }
  for i, case in ipairs(cases) do
    local ok, err = process.send(me, "self", case[2])
    assert(ok == false, "case " .. i)
    assert(err:kind() == errors.INVALID, "case " .. i)
    check.contains(err:message(), "cannot cross to another process")
    assert(err:details().path == case[1], "case " .. i .. ": " .. tostring(err:details().path))
  end
  check.empty(ch)
  check.fails(errors.INVALID, "payload[2] cannot cross", process.send(me, "self", 1, print))
  check.empty(ch)
  return true
end

function programs.a_table_that_contains_itself_is_refused()
  local round = {}
  round.self = round
  check.fails(errors.INVALID, "contains itself", process.send(process.pid(), "self", round))
  check.empty(process.listen("self"))
  return true
end

function programs.a_spawn_argument_that_cannot_cross_is_refused_and_nothing_is_spawned()
  local err = check.fails(errors.INVALID, "cannot cross", process.spawn_monitored("lua:gives", check.host(), 1, { f = print }))
  check.contains(err:message(), 'argument 2["f"]')
  check.empty(process.events())
  return true
end

function programs.a_result_that_cannot_cross_is_an_error_exit()
  local event = check.run("returns_a_function")
  assert(event.result == nil and event.error:kind() == errors.INVALID)
  check.contains(event.error:message(), 'result["deep"]["inside"] cannot cross')
  return true
end

function programs.a_payload_wrapper_crosses_as_its_data()
  local me = process.pid()
  local messages = process.listen("wrapped", { message = true })
  process.send(me, "wrapped", { n = 1 })
  local msg = check.receive(messages)
  check.equal(to_self(msg:payload()), { n = 1 })
  check.equal(to_self({ inside = msg.payload }), { inside = { n = 1 } })
  check.equal(check.run("gives", msg:payload()).result, { n = 1 })
  return true
end

function programs.a_metatable_of_the_program_stays_behind()
  local got = to_self(setmetatable({ n = 1 }, {
    __index = { other = 2 },
    __pairs = function()
      error("is not asked")
    end,
  }))
  assert(got.n == 1 and got.other == nil and getmetatable(got) == nil)
  return true
end

function programs.one_table_in_two_places_becomes_two()
  local shared = { 1 }
  local got = to_self({ a = shared, b = shared })
  check.equal(got, { a = { 1 }, b = { 1 } })
  assert(got.a ~= got.b)
  return true
end

function programs.random_numbers_are_a_process_own()
  math.randomseed(42)
  local first = { math.random(1000), math.random(1000), math.random(1000) }
  math.randomseed(42)
  check.equal({ math.random(1000), math.random(1000), math.random(1000) }, first)
  return true
end

return programs
