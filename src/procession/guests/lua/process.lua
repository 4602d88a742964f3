-- The global `process`: what the guest's Python functions do, in the conventions of Lua.

local kit = ...

local type, error, select, next, setmetatable = type, error, select, next, setmetatable
local yield, format = coroutine.yield, string.format
local pack, unpack, move = table.pack, table.unpack, table.move
local host, outcome, answered, with_flat = kit.host, kit.outcome, kit.answered, kit.with_flat
local type_name = kit.type_name
local AWAIT = kit.marks.AWAIT
local host_send, host_send_copy, host_send_flat = host.send, host.send_copy, host.send_flat

local FAILED = kit.failed

local process = {}
kit.globals.process = process

process.event = {
  EXIT = "pid.exit",
  LINK_DOWN = "pid.link.down",
  CANCEL = "pid.cancel",
  NODE_UP = "node.up",
  NODE_DOWN = "node.down",
}

local function check_string(v, n, name)
  if type(v) ~= "string" then
    if kit.is_error(v) then
      return kit.tostring(v)
    end
    error("bad argument #" .. n .. " to '" .. name .. "' (string expected, got " .. type_name(v) .. ")", 3)
  end
  return v
end

function process.pid()
  return host.pid()
end

function process.id()
  return host.id()
end

-- Say that the process has started: whoever waits for that, a supervisor or service, goes on.
function process.ready()
  host.ready()
  return true
end

-- -- messages ----------------------------------------------------------------------------------------

local copied, store, collect = kit.copied, kit.store, kit.collect

-- Who was not in this state when somebody sent to it: only a hint, which spares a copy.
local elsewhere, elsewhere_count = {}, 0
local MAX_ELSEWHERE, MAX_DEST = 256, 64

local function remember_elsewhere(dest)
  if #dest <= MAX_DEST then
    if elsewhere_count == MAX_ELSEWHERE then
      elsewhere, elsewhere_count = {}, 0
    end
    elsewhere[dest] = true
    elsewhere_count = elsewhere_count + 1
  end
end

local function send_table(dest, topic, v)
  if not elsewhere[dest] then
    local copy, err, weight = copied(v, "payload")
    if err then
      return FAILED, err
    end
    local number = store(copy, weight)
    local ok, a, b, c, d, e = host_send_copy(dest, topic, number)
    if ok == true then
      return true
    elseif ok ~= 0 then
      return outcome(FAILED, ok, a, b, c, d, e)
    end
    collect(number)
    remember_elsewhere(dest)
  end
  return outcome(FAILED, with_flat(host_send_flat, 2, "payload", dest, topic, v))
end

function process.send(dest, topic, v, w, ...)
  if type(dest) ~= "string" or type(topic) ~= "string" then
    dest, topic = check_string(dest, 1, "send"), check_string(topic, 2, "send")
  end
  if w == nil and select("#", ...) == 0 then
    local kind = type(v)
    if kind == "number" or kind == "string" or kind == "boolean" or kind == "nil" then
      local ok, a, b, c, d, e = host_send(dest, topic, v)
      if ok then
        return true
      end
      return outcome(FAILED, ok, a, b, c, d, e)
    end
  else
    v = { v, w, ... }
  end
  return send_table(dest, topic, v)
end

function process.listen(topic, options)
  topic = check_string(topic, 1, "listen")
  local message
  if options ~= nil then
    if type(options) ~= "table" then
      error("bad argument #2 to 'listen' (table expected, got " .. type_name(options) .. ")", 2)
    end
    for key in next, options do
      if key ~= "message" then
        local text = "unknown option of listen: " .. kit.tostring(key)
        return nil, kit.invalid(text)
      end
    end
    message = options.message
    if message ~= nil and type(message) ~= "boolean" then
      error("bad argument #2 to 'listen' (message is a boolean, not " .. type(message) .. ")", 2)
    end
  end
  return outcome(nil, host.listen(topic, message))
end

function process.unlisten(ch)
  if not kit.is_channel(ch) then
    return FAILED, kit.invalid("unlisten takes a channel that listen gave, not " .. type_name(ch))
  end
  return outcome(FAILED, host.unlisten(ch))
end

function process.inbox()
  return host.inbox()
end

function process.events()
  return host.events()
end

-- Send, and wait for what the receiver gives to `msg:reply`. A number of nanoseconds, or a string.
function process.call(dest, topic, v, timeout)
  dest, topic = check_string(dest, 1, "call"), check_string(topic, 2, "call")
  local seconds, err = 5.0, nil
  if timeout ~= nil then
    seconds, err = kit.seconds(timeout, 4, "call")
    if err then
      return nil, err
    end
  end
  local ok, a, b, c, d, e = with_flat(host.call, 3, "payload", dest, topic, seconds, v)
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  return answered(nil, yield(AWAIT, a))
end

-- -- spawning ----------------------------------------------------------------------------------------

-- The first two arguments may be missing altogether: that is the world's fault, not the type's.
local function check_entry(name, n, entry, host_id)
  if n < 2 then
    return kit.invalid(name .. " takes an entry and a host")
  end
  if type(entry) ~= "string" then
    kit.bad_argument(1, name, "string expected, got " .. type_name(entry))
  elseif host_id ~= nil and type(host_id) ~= "string" then
    kit.bad_argument(2, name, "string expected, got " .. type_name(host_id))
  end
end

local KINDS = {
  spawn = { false, false },
  spawn_monitored = { false, true },
  spawn_linked = { true, false },
  spawn_linked_monitored = { true, true },
}
KINDS.spawn_monitored_linked = KINDS.spawn_linked_monitored

local function spawn(name, n, entry, host_id, ...)
  local err = check_entry(name, n, entry, host_id)
  if err then
    return nil, err
  end
  local kind = KINDS[name]
  return outcome(nil, with_flat(host.spawn, 4, "argument", entry, host_id or false, kind[1], kind[2], ...))
end

for name in next, KINDS do
  process[name] = function(...)
    return spawn(name, select("#", ...), ...)
  end
end

function process.exec(...)
  local entry, host_id = ...
  local err = check_entry("exec", select("#", ...), entry, host_id)
  if err then
    return nil, err
  end
  local ok, a, b, c, d, e = with_flat(host.exec, 2, "argument", entry, host_id or false, select(3, ...))
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  return answered(nil, yield(AWAIT, a))
end

-- Go on as another program (nil or "": the same one, from its start), with the same PID, names, ties
-- and mailbox. Returns only if it fails.
function process.upgrade(entry, ...)
  if entry == "" then
    entry = nil
  elseif entry ~= nil then
    entry = check_string(entry, 1, "upgrade")
  end
  local ok, a, b, c, d, e = with_flat(host.upgrade, 1, "argument", entry, ...)
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  yield(kit.marks.UPGRADE, a)
end

-- Builders: each step gives a new one, so that one can be kept and used for many. What one is made of
-- is out of reach of its program, which could make it up: in a metatable of its own.
local Builder = {}
local builder_methods = {}
local EMPTY = { count = 0 }

local function new_builder(made, field, value)
  local all = { context = made.context, name = made.name, last = made.last, count = made.count, options = made.options }
  all[field] = value
  return kit.with_private({}, Builder, all, builder_methods, "process builder"), all
end

-- Its messages are a chain, the last one first: a list would have to be copied for each further one.
local MAX_MESSAGES = 10000
local function with_message(made, topic, ...)
  if made.count >= MAX_MESSAGES then
    kit.raise(format("a builder takes at most %d messages", MAX_MESSAGES))
  end
  local builder, all = new_builder(made, "last", { before = made.last, topic = topic, count = select("#", ...), values = { ... } })
  all.count = made.count + 1
  return builder
end

local function made_of(builder, name)
  local made = type(builder) == "table" and kit.private(builder, Builder)
  if not made then
    error("bad argument #1 to '" .. name .. "' (process builder expected, got " .. type_name(builder) .. ")", 3)
  end
  return made
end

-- What a function adds for its caller, the program, to what a builder or an executor has already. The keys
-- are names.
local function merged(old, new, position, name)
  if type(new) ~= "table" then
    error(format("bad argument #%d to '%s' (table expected, got %s)", position, name, type_name(new)), 3)
  end
  local all, wrong = kit.slow.merged(old, new)
  if wrong then
    error(format("bad argument #%d to '%s' (its keys are strings, not %s)", position, name, wrong), 3)
  end
  return all
end
kit.merged = merged

-- The option `timeout`, how long the result may take: as seconds, or nil. Others mean nothing here, and are
-- taken for the sake of programs that give them to other runtimes.
function kit.timeout_of(options, position, name)
  local timeout = options.timeout
  if timeout == nil then
    return nil
  elseif kit.compatible and type(timeout) == "number" then
    timeout = timeout * 1000000 -- milliseconds, there
  end
  kit.module("time")
  local ns, problem = kit.read_duration(timeout)
  if ns and ns <= 0 then
    ns, problem = nil, "it must be more than nothing"
  end
  if not ns then
    problem = problem or "duration expected, got " .. type_name(timeout)
    error(format("bad argument #%d to '%s' (timeout: %s)", position, name, problem), 3)
  end
  return ns / 1e9
end

function process.with_context(context)
  return (new_builder(EMPTY, "context", merged(nil, context, 1, "with_context")))
end

function process.with_name(name)
  return (new_builder(EMPTY, "name", check_string(name, 1, "with_name")))
end

function process.with_message(topic, ...)
  return with_message(EMPTY, check_string(topic, 1, "with_message"), ...)
end

function process.with_options(options)
  options = merged(nil, options, 1, "with_options")
  kit.timeout_of(options, 1, "with_options")
  return (new_builder(EMPTY, "options", options))
end

function builder_methods.with_context(builder, context)
  local made = made_of(builder, "with_context")
  return (new_builder(made, "context", merged(made.context, context, 2, "with_context")))
end

function builder_methods.with_name(builder, name)
  local made = made_of(builder, "with_name")
  return (new_builder(made, "name", check_string(name, 2, "with_name")))
end

function builder_methods.with_message(builder, topic, ...)
  local made = made_of(builder, "with_message")
  return with_message(made, check_string(topic, 2, "with_message"), ...)
end

function builder_methods.with_options(builder, options)
  local made = made_of(builder, "with_options")
  options = merged(made.options, options, 2, "with_options")
  kit.timeout_of(options, 2, "with_options")
  return (new_builder(made, "options", options))
end

-- What a builder adds to a spawn, with the arguments behind it: how many leading arguments there are,
-- their names for errors, and all of them. In order: the context, the name, how many messages there
-- are; of each its topic, how many values it has, and those.
local function with_extras(made, leading, arguments)
  local messages, message = {}, made.last
  for i = made.count, 1, -1 do
    messages[i] = message
    message = message.before
  end
  local all, names, n = { unpack(leading) }, {}, #leading
  local function add(v, name)
    n = n + 1
    all[n], names[n] = v, name
  end
  add(made.context or {}, "context")
  add(made.name or false)
  add(made.count)
  for i = 1, made.count do
    message = messages[i]
    add(message.topic)
    add(message.count)
    for place = 1, message.count do
      add(message.values[place], "payload")
    end
  end
  names = kit.names_before(n, names)
  move(arguments, 3, arguments.n, n + 1, all)
  return names, n + (arguments.n > 2 and arguments.n - 2 or 0), all
end

local function call_with_extras(f, made, leading, ...)
  local names, n, all = with_extras(made, leading, pack(...))
  return with_flat(f, #leading, names, unpack(all, 1, n))
end

-- The name and the messages are there before the child can run. If anything fails, it never ran.
for name, kind in next, KINDS do
  builder_methods[name] = function(builder, ...)
    local made = made_of(builder, name)
    local entry, host_id = ...
    local wrong = check_entry(name, select("#", ...), entry, host_id)
    if wrong then
      return nil, wrong
    end
    return outcome(nil, call_with_extras(host.spawn_with, made, { entry, host_id or false, kind[1], kind[2] }, ...))
  end
end

function builder_methods.exec(builder, ...)
  local made = made_of(builder, "exec")
  local entry, host_id = ...
  local wrong = check_entry("exec", select("#", ...), entry, host_id)
  if wrong then
    return nil, wrong
  end
  local seconds = made.options and kit.timeout_of(made.options, 1, "exec") or false
  local ok, a, b, c, d, e = call_with_extras(host.exec_with, made, { entry, host_id or false, seconds }, ...)
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  return answered(nil, yield(AWAIT, a))
end

-- -- watching, ending, names -----------------------------------------------------------------------------

for name in ("monitor unmonitor link unlink terminate"):gmatch("%a+") do
  local f = host[name]
  process[name] = function(dest)
    return outcome(FAILED, f(check_string(dest, 1, name)))
  end
end

function process.cancel(dest, reason, deadline)
  dest = check_string(dest, 1, "cancel")
  if deadline == nil and reason ~= nil and type(reason) ~= "string" then
    reason, deadline = nil, reason -- cancel(pid, deadline), as the user's other system has it
  end
  if reason ~= nil then
    reason = check_string(reason, 2, "cancel")
  end
  local seconds, err = nil, nil
  if deadline ~= nil then
    seconds, err = kit.seconds(deadline, 3, "cancel")
    if err then
      return FAILED, err
    end
  end
  return outcome(FAILED, host.cancel(dest, reason, seconds))
end

function process.set_options(options)
  if type(options) ~= "table" then
    error("bad argument #1 to 'set_options' (table expected, got " .. type_name(options) .. ")", 2)
  end
  for key, value in next, options do
    if key ~= "trap_links" and key ~= "upgradable" then
      return FAILED, kit.invalid("unknown process option '" .. kit.tostring(key) .. "'")
    elseif type(value) ~= "boolean" then
      return FAILED, kit.invalid(format("process option %s is true or false, not %s", key, kit.tostring(value)))
    end
  end
  host.set_options(options.trap_links, options.upgradable)
  return true, nil
end

-- `upgradable` is there once it was set: without it, a process can be upgraded.
function process.get_options()
  local trap_links, upgradable = host.get_options()
  return { trap_links = trap_links, upgradable = upgradable }
end

process.registry = {}

function process.registry.register(name, pid)
  name = check_string(name, 1, "register")
  if pid ~= nil then
    pid = check_string(pid, 2, "register")
  end
  return outcome(FAILED, host.register(name, pid))
end

function process.registry.lookup(name)
  return outcome(nil, host.lookup(check_string(name, 1, "lookup")))
end

-- Wait until a name is registered: the PID of its owner. A number of nanoseconds, or a string.
function process.registry.wait(name, timeout)
  name = check_string(name, 1, "wait")
  local seconds, err = 5.0, nil
  if timeout ~= nil then
    seconds, err = kit.seconds(timeout, 2, "wait")
    if err then
      return nil, err
    end
  end
  local ok, a, b, c, d, e = host.wait_for_name(name, seconds)
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  return answered(nil, yield(AWAIT, a))
end

function process.registry.unregister(name)
  return outcome(FAILED, host.unregister(check_string(name, 1, "unregister")))
end
