-- Processes that the programs start.

local check = require("check")

local helpers = {}

-- Sends back what it gets on "echo".
function helpers.echo()
  local ch = process.listen("echo", { message = true })
  while true do
    local msg = ch:receive()
    process.send(msg:from(), "reply", msg:payload())
  end
end

-- Sends its arguments to its parent, then ends.
function helpers.reports(parent, ...)
  process.send(parent, "report", ...)
end

-- Ends with what it is given.
function helpers.gives(...)
  return ...
end

function helpers.counts_its_arguments(...)
  return select("#", ...)
end

function helpers.fails(message)
  error(message or "kaboom")
end

function helpers.fails_with_the_error(kind, message, details)
  error(errors.new({ kind = kind, message = message, details = details, retryable = true }))
end

function helpers.fails_with_a_table(t)
  error(t)
end

function helpers.returns_false_and_a_text(text)
  return false, text
end

function helpers.returns_a_value_and_an_error()
  return { of = "no use" }, errors.new({ message = "no stock", kind = errors.CONFLICT, details = { left = 0 } })
end

function helpers.returns_a_function()
  return { deep = { inside = print } }
end

function helpers.waits_forever()
  channel.new():receive()
end

-- Does what the first message on "order" says.
function helpers.obeys()
  local order = process.listen("order"):receive()
  if order == "fail" then
    error("ordered to fail")
  end
  return order
end

function helpers.loops_forever()
  while true do
  end
end

-- A loop that no pcall keeps alive.
function helpers.loops_in_pcall()
  while true do
    pcall(function()
      while true do
      end
    end)
  end
end

-- Returns while its coroutines still wait.
function helpers.leaves_a_coroutine(parent)
  local ch = channel.new()
  coroutine.spawn(function()
    ch:receive()
    process.send(parent, "report", "the coroutine ran")
  end)
  coroutine.spawn(function()
    time.sleep("20ms")
    process.send(parent, "report", "the coroutine ran")
  end)
  return "main is over"
end

function helpers.fails_in_a_coroutine()
  coroutine.spawn(function()
    process.listen("go"):receive()
    error("the coroutine failed")
  end)
  channel.new():receive()
end

-- Says what it sees of the world that another process may have changed.
function helpers.looks_around()
  return {
    global = type(leaked),
    pi = math.pi,
    shout = type(string.shout),
    method = type(("x").shout),
    print = type(print),
    insert = type(table.insert),
    spawn = type(process.spawn),
    kind = errors.NOT_FOUND,
    version = _VERSION,
    second = time.SECOND ~= nil,
  }
end

-- The addresses of all tables that it can reach, and how.
function helpers.tells_its_tables(parent)
  local found = {}
  local function walk(v, path)
    if type(v) ~= "table" then
      return
    end
    local address = string.format("%p", v)
    if found[address] then
      return
    end
    found[address] = path
    for key, item in pairs(v) do
      walk(key, path .. ".(key)")
      walk(item, path .. "." .. tostring(key))
    end
    for key, item in next, v do
      walk(item, path .. "." .. tostring(key))
    end
  end
  walk(_G, "_G")
  walk(time, "time")
  process.send(parent, "report", found)
  channel.new():receive()
end

function helpers.looks_deeper()
  return {
    mine = type(process.event.MINE),
    other = type(process.event.OTHER),
    inner = type(process.registry.mine),
  }
end

function helpers.says_its_id()
  return process.id()
end

-- Tells its parent the first event that it gets.
function helpers.tells_its_event(parent)
  local events = process.events()
  process.send(parent, "report", "ready")
  local event = events:receive()
  process.send(parent, "report", {
    kind = event.kind,
    from = event.from,
    result = event.result,
    error = event.error,
    reason = event.reason,
    has_deadline = event.deadline ~= nil,
    is_moment = event.at:unix() > 0,
  })
  channel.new():receive()
end

-- Watches a process; changes the result that it gets, then tells it.
function helpers.changes_what_it_sees(parent, pid)
  local ok, err = process.monitor(pid)
  assert(ok, err)
  process.send(parent, "report", "ready")
  local event = process.events():receive()
  event.result.seen = (event.result.seen or 0) + 1
  process.send(parent, "report", event.result)
end

-- Links itself with the next one of a chain; the last one fails when told so.
function helpers.is_in_a_chain(parent, left)
  if left == 0 then
    process.send(parent, "report", process.pid())
    process.listen("order"):receive()
    error("the end of the chain")
  end
  local ok, err = process.spawn_linked("lua:is_in_a_chain", check.host(), parent, left - 1)
  assert(ok, err)
  channel.new():receive()
end

-- Registers a name, or fails.
function helpers.owns_a_name(name, parent)
  assert(process.registry.register(name))
  process.send(parent, "report", "ready")
  return process.listen("order"):receive()
end

-- Traps links; reports the links that break.
function helpers.traps_links(parent, other)
  assert(process.set_options({ trap_links = true }))
  assert(process.link(other))
  process.send(parent, "report", "ready")
  local event = process.events():receive()
  process.send(parent, "report", { kind = event.kind, from = event.from, error = event.error })
end

-- Links, then waits.
function helpers.links_itself(parent, other)
  assert(process.link(other))
  process.send(parent, "report", "ready")
  channel.new():receive()
end

-- Monitors, then waits for an order.
function helpers.monitors(parent, other)
  assert(process.monitor(other))
  process.send(parent, "report", "ready")
  return process.listen("order"):receive()
end

-- Leaves a child behind.
function helpers.leaves_a_child(parent)
  process.send(parent, "report", check.spawn("obeys"))
end

-- Says at its end that it is one.
function helpers.closes_what_it_opened(parent)
  local opened <close> = setmetatable({}, {
    __close = function()
      process.send(parent, "report", "closed")
    end,
  })
  process.send(parent, "report", "ready")
  channel.new():receive()
end

-- Answers calls until it is told to stop.
function helpers.answers()
  local ch = process.listen("ask", { message = true })
  while true do
    local msg = ch:receive()
    local what = msg:payload():data()
    if what == "fail" then
      msg:reply(nil, errors.new({ message = "no answer", kind = errors.NOT_FOUND }))
    elseif what ~= "be silent" then
      msg:reply({ answer = what, from = msg:from(), wants = msg:wants_reply() })
    end
  end
end

-- What the inbox has when main begins.
function helpers.tells_its_first_messages(count)
  local inbox, got = process.inbox(), {}
  for i = 1, count do
    local msg = inbox:receive()
    got[i] = { msg:topic(), msg:payload():data() }
  end
  return { got = got, from_parent = process.registry.lookup("built by a builder") == process.pid() }
end

-- Whether its first message has a sender.
function helpers.knows_no_sender()
  local msg = process.inbox():receive()
  return { has_no_sender = msg:from() == nil, is_a_function = type(msg.from) == "function", payload = msg:payload():data() }
end

-- Prints what it gets for a spawn when its node is stopping.
function helpers.spawns_too_late()
  process.events():receive()
  local pid, err = process.spawn("lua:gives", check.host())
  print(pid, err:kind(), err)
end

function helpers.counts_messages(count)
  local ch = process.listen("count")
  for i = 1, count do
    ch:receive()
  end
  return count
end

-- What an end looks like from the command line.
function helpers.ends_as(what)
  if what == "error" then
    error("kaboom")
  elseif what == "nested error" then
    (function()
      local nothing
      return nothing.field
    end)()
  elseif what == "text" then
    return false, "it said no"
  elseif what == "error object" then
    return nil, errors.new({ message = "no cart", kind = errors.NOT_FOUND })
  end
  return ({ ["true"] = true, ["false"] = false, ["3"] = 3, table = { 1 }, string = "1", ["0"] = 0, float = 1.5 })[what]
end

-- Copies what it gets many times through the state that it shares with the other one.
function helpers.asks_for_an_echo(parent, echo)
  local ch, replies = process.listen("ask"), process.listen("reply")
  while true do
    local value = ch:receive()
    process.send(echo, "echo", value)
    local back = replies:receive()
    process.send(parent, "answer", { value = back, same = check.same(value, back) })
  end
end

-- Receives only when it is told to, after its sender has gone on.
function helpers.receives_late(parent)
  process.listen("go"):receive()
  process.send(parent, "report", (process.listen("payload"):receive()))
end

-- Keeps changing what it has sent.
function helpers.changes_what_it_sent(parent)
  local payload = process.listen("payload"):receive()
  process.send(parent, "report", payload)
  payload.changed = true
  for key, item in pairs(payload) do
    if type(item) == "table" then
      item.changed = true
      payload[key] = nil
    end
  end
  return payload
end

-- Sends a function that lies at the path; tells what it was told.
function helpers.is_refused(to, path)
  local value = print
  for i = #path, 1, -1 do
    local filled = { "a", "b", "c", "d", "e", other = { 1 } }
    filled[path[i]] = value
    value = filled
  end
  local ok, err = process.send(to, "refused", value)
  assert(ok == false and string.find(err, "cannot cross", 1, true), err)
  return { path = err:details().path, kind = err:kind() }
end

-- Lets the other one receive when what was sent is no longer as it was.
function helpers.sends_then_changes(to, payload)
  process.send(to, "payload", payload)
  payload.n = 2
  payload.list[2].a = 2
  payload.list[3] = 3
  process.send(to, "go")
end

function helpers.terminates_itself(parent)
  process.terminate(process.pid())
  time.sleep("1h")
  process.send(parent, "report", "it went on")
end

function helpers.uses_the_counter()
  return require("counter").next()
end

return helpers
