-- Channels. A channel is a userdata, the core's own channel object: here are its methods.
--
-- Whatever waits is a yield to the guest, which answers with a tag and values (see `received`).

local kit = ...

local type, error, select, next, setmetatable, rawget = type, error, select, next, setmetatable, rawget
local yield, metatable_of = coroutine.yield, kit.metatable_of
local host, collect, bad_argument = kit.host, kit.collect, kit.bad_argument
local new_error, arrived_error = kit.new_error, kit.arrived_error
local SEND, SELECT = kit.marks.SEND, kit.marks.SELECT
local channel_metatable = kit.object_metatable

local function is_channel(v)
  return type(v) == "userdata" and metatable_of(v) == channel_metatable and host.is_channel(v)
end
kit.is_channel = is_channel

-- -- what comes back from a wait -------------------------------------------------------------------
--
-- Each of these is a tail call of what the program has called: the program is at level 2.

local function carried(is_parcel, v)
  if is_parcel then
    return collect(v)
  end
  return v
end
kit.carried = carried

-- A value that Python cannot hold as it is travels in a box.
local BOX = {}
local function boxed(v)
  local kind = type(v)
  if kind == "thread" or kind == "userdata" then
    return { [BOX] = v }
  end
  return v
end
local function unboxed(v)
  return rawget(v, BOX) or v
end

-- Of an answer: the value and whether there was one.
local function received(tag, a, b, c, d, e, f, g, h, i)
  if tag == true then
    if type(a) == "table" then
      a = unboxed(a)
    end
    return a, true
  elseif tag == false then
    return nil, false
  elseif tag == "message" then
    return kit.new_message(a, b, carried(d, e), c), true
  elseif tag == "event" then
    return kit.new_event(a, b, c, carried(d, e), carried(f, g), h, i), true
  elseif tag == "payload" then
    return kit.new_payload(carried(a, b)), true
  elseif tag == "error" then
    error(arrived_error(a, b, c, carried(d, e), kit.traceback(2)), 0)
  end
  return collect(tag), true
end

-- Of the answer to what either succeeds with a value or fails with an error object.
function kit.answered(failed, tag, a, b, c, d, e)
  if tag == "error" then
    return failed, arrived_error(a, b, c, carried(d, e), kit.traceback(2))
  elseif tag == true then
    return a, nil
  end
  return collect(tag), nil
end

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
  error(a, 2)
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
  end
  return true
end

function methods.send(ch, v)
  check_self(ch, "send")
  return sent(yield(SEND, ch, boxed(v)))
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
  return setmetatable({ ch, true, boxed(v) }, Case)
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

local function selected(ch, ...)
  if ch == "default" then
    return { default = true, ok = true }
  elseif ch == "error" then
    local kind, message = ...
    error(kind == "Canceled" and message or new_error(kind, message, nil, nil, kit.traceback(2)), 2)
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
  local flat, n = {}, 0
  local default = cases.default
  if default ~= nil and type(default) ~= "boolean" then
    bad_argument(1, "select", "default is a boolean, not " .. type(default))
  end
  local count = #cases
  for key, case in next, cases do
    if key ~= "default" and not (math.type(key) == "integer" and key >= 1 and key <= count) then
      invalid_case("'" .. kit.tostring(key) .. "'", case)
    end
  end
  for i = 1, count do
    local case = cases[i]
    if type(case) == "userdata" and metatable_of(case) == channel_metatable then
      flat[n + 1], flat[n + 2], flat[n + 3] = case, false, nil -- a channel stands for its receive
    elseif type(case) == "table" and metatable_of(case) == Case then
      flat[n + 1], flat[n + 2], flat[n + 3] = rawget(case, 1), rawget(case, 2) or false, rawget(case, 3)
    else
      invalid_case(i, case)
    end
    n = n + 3
  end
  return selected(yield(SELECT, default or false, table.unpack(flat, 1, n)))
end

kit.globals.channel = channel
kit.received = received

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
