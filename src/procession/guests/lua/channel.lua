-- Channels. A channel is a userdata, the core's own channel object: here are its methods.
--
-- Whatever waits is a yield to the guest, which answers with a tag and values (see `received`).

local kit = ...

local math_type = math.type
local type, error, select, next, setmetatable, rawget = type, error, select, next, setmetatable, rawget
local yield, metatable_of = coroutine.yield, kit.metatable_of
local host, bad_argument = kit.host, kit.bad_argument
local collect, carried, store, handed = kit.collect, kit.carried, kit.store, kit.handed
local new_error, arrived_error = kit.new_error, kit.arrived_error
local SEND, SELECT, PULL = kit.marks.SEND, kit.marks.SELECT, kit.marks.PULL
local channel_metatable = kit.object_metatable

local function is_channel(v)
  return type(v) == "userdata" and metatable_of(v) == channel_metatable and host.is_channel(v)
end
kit.is_channel = is_channel

-- -- what comes back from a wait -------------------------------------------------------------------
--
-- Each of these is a tail call of what the program has called: the program is at level 2.

-- Of an answer: the value and whether there was one.
local function received(tag, a, b, c, d, e, f, g, h, i)
  if tag == true then
    return a, true
  elseif math_type(tag) then
    return collect(tag), true
  elseif tag == false then
    return nil, false
  elseif tag == PULL then
    return received(host.answer())
  elseif tag == "flat" then
    return carried(a), true
  elseif tag == "message" then
    return kit.new_message(a, b, carried(d, e), c), true
  elseif tag == "event" then
    return kit.new_event(a, b, c, carried(d, e), carried(f, g), h, i), true
  elseif tag == "payload" then
    return kit.new_payload(carried(a, b)), true
  elseif tag == "error" then
    error(arrived_error(a, b, c, carried(d, e), kit.traceback(2)), 0)
  end
end

-- Of the answer to what either succeeds with a value or fails with an error object.
local function answered(failed, tag, a, b, c, d, e)
  if tag == "error" then
    return failed, arrived_error(a, b, c, carried(d, e), kit.traceback(2))
  elseif tag == true then
    return a, nil
  elseif tag == PULL then
    return answered(failed, host.answer())
  elseif tag == "flat" then
    return carried(a), nil
  end
  return collect(tag), nil
end
kit.answered = answered

-- Of what a plain call into Python gave: true and values; false and the parts of an error; or nil and
-- what was wrong with an argument. Returns values, or what stands for failure and an error object.
function kit.outcome(failed, ok, a, b, c, d, e)
  if ok then
    return a, b
  elseif ok == false then
    if type(a) == "table" then
      return failed, a
    end
    return failed, arrived_error(a, b, c, carried(d, e), kit.traceback(2))
  end
  error(a or "not enough memory", 2)
end

-- -- methods ---------------------------------------------------------------------------------------

local methods = {}
channel_metatable.__index = methods

local function check_self(ch, name)
  if type(ch) ~= "userdata" or metatable_of(ch) ~= channel_metatable then
    error("bad argument #1 to '" .. name .. "' (channel expected, got " .. kit.type_name(ch) .. ")", 3)
  end
end

function methods.receive(ch)
  if type(ch) ~= "userdata" then
    check_self(ch, "receive")
  end
  return received(yield(ch))
end

local function sent(tag, kind, message)
  if tag == "error" then
    error(kind == "Canceled" and message or new_error(kind, message, nil, nil, kit.traceback(2)), 2)
  elseif tag == PULL then
    return sent(host.answer())
  end
  return true
end

local LONG <const> = 128

-- Whether Python can hold a value as it is. Of any other it has a number, and the value stays here, the
-- same for who receives it. So does a long text: else it would be copied each time that it is sent, out of
-- the memory that Lua counts.
local function is_held(v)
  local kind = type(v)
  return kind == "table" or kind == "function" or kind == "thread" or kind == "string" and #v > LONG
end

function methods.send(ch, v)
  check_self(ch, "send")
  if is_held(v) then
    return sent(yield(SEND, ch, store(v), true))
  end
  return sent(yield(SEND, ch, v))
end

function methods.close(ch)
  check_self(ch, "close")
  local _, err = kit.outcome(nil, host.close(ch))
  if err then
    error(err, 2)
  end
end

local Case = { __metatable = false, __name = "case" }

function methods.case_receive(ch)
  check_self(ch, "case_receive")
  return setmetatable({ ch }, Case)
end

function methods.case_send(ch, v)
  check_self(ch, "case_send")
  if not host.can_send(ch) then
    bad_argument(1, "case_send", "a channel made by channel.new expected")
  end
  return setmetatable({ ch, true, v }, Case)
end

-- -- the global `channel` ----------------------------------------------------------------------------

local channel = {}

function channel.new(capacity)
  if capacity == nil then
    capacity = 0
  elseif math.type(capacity) ~= "integer" then
    local whole = type(capacity) == "number" and math.tointeger(capacity)
    if not whole then
      bad_argument(1, "new", "integer expected, got " .. kit.type_name(capacity))
    end
    capacity = whole
  end
  if capacity < 0 then
    bad_argument(1, "new", "a capacity is not negative")
  end
  return host.new_channel(capacity)
end

local MAX_CASES = 10000 -- to look at each of them is one step, which is not interrupted

-- `sent`: the values of the cases that send, by their places.
local function selected(sent, ch, place, ...)
  if ch == "default" then
    return { default = true, ok = true }
  elseif ch == PULL then
    return selected(sent, host.answer())
  elseif ch == "error" then
    local kind, message = place, ...
    error(kind == "Canceled" and message or new_error(kind, message, nil, nil, kit.traceback(2)), 2)
  elseif place then
    return { channel = ch, value = sent[place], ok = true }
  end
  local value, ok = received(...)
  return { channel = ch, value = value, ok = ok }
end

local function invalid_case(index, v)
  local text = "select case " .. index .. " is of type " .. kit.type_name(v) .. ": give ch:case_receive() or ch:case_send(value)"
  error(kit.invalid(text), 3)
end

function channel.select(cases)
  if type(cases) ~= "table" then
    bad_argument(1, "select", "table expected, got " .. kit.type_name(cases))
  end
  local default = cases.default
  if default ~= nil and type(default) ~= "boolean" then
    bad_argument(1, "select", "default is a boolean, not " .. type(default))
  end
  local count = #cases
  if math.type(count) ~= "integer" then
    bad_argument(1, "select", "its length is an integer, not " .. type(count))
  elseif count > MAX_CASES then
    error(kit.invalid("select takes at most " .. MAX_CASES .. " cases, not " .. count), 2)
  end
  for key, case in next, cases do
    if key ~= "default" and not (math.type(key) == "integer" and key >= 1 and key <= count) then
      invalid_case("'" .. kit.tostring(key) .. "'", case)
    end
  end
  local flat, n, sent = {}, 0, nil
  for i = 1, count do
    local case = cases[i]
    local is_send, v = false, nil
    if type(case) == "table" and metatable_of(case) == Case then
      is_send, v = rawget(case, 2), rawget(case, 3)
      case = rawget(case, 1)
    end -- a channel stands for its receive
    if type(case) ~= "userdata" or metatable_of(case) ~= channel_metatable then
      invalid_case(i, case)
    end
    if is_send then
      sent = sent or {}
      sent[i] = v
      is_send = is_held(v) and "held" or "value"
    end
    flat[n + 1], flat[n + 2], flat[n + 3] = case, is_send, v
    n = n + 3
  end
  for i = sent and 3 or n + 1, n, 3 do -- now that nothing can be refused
    if flat[i - 1] == "held" then
      flat[i] = store(flat[i])
    end
  end
  return selected(sent, yield(SELECT, default or false, handed(flat, n)))
end

kit.globals.channel = channel

-- -- time as channels, for the module `time` ---------------------------------------------------------

local AWAIT = kit.marks.AWAIT

kit.wall = host.wall
kit.after = host.after

function kit.sleep(seconds)
  yield(AWAIT, host.sleeping(seconds))
end

local function alarm(channel)
  return {
    channel = channel,
    stop = function()
      return host.stop(channel)
    end,
    reset = function(seconds)
      local value, err = kit.outcome(nil, host.reset(channel, seconds))
      if err then
        error(err, 3)
      end
      return value
    end,
  }
end

function kit.timer(seconds)
  return alarm(host.timer(seconds))
end

function kit.ticker(seconds)
  return alarm(host.ticker(seconds))
end

function kit.zone(name, seconds)
  local offset, abbreviation = host.zone(name, seconds)
  return offset, abbreviation
end
