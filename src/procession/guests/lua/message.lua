-- What a program gets for what it was sent: messages, their payloads, and events.

local kit = ...

local type, next, select, setmetatable = type, next, select, setmetatable
local rawget, rawlen, math_type, tostring = rawget, rawlen, math.type, kit.tostring
local metatable_of, format = kit.metatable_of, string.format
local is_error, new_error = kit.is_error, kit.new_error
local host = kit.host

-- The calls that wait for the reply to a message: not in it, where its program would find them.
local calls = setmetatable({}, { __mode = "k" })

local Payload = { __metatable = false, __name = "payload" }
Payload.__index = {
  data = function(payload)
    return rawget(payload, 1)
  end,
}
-- `msg:payload()` calls what `msg.payload` is: the payload itself.
function Payload.__call(payload)
  return payload
end

local MAX_SHOWN = 16384
local function show(v, depth, seen)
  if type(v) == "string" and depth > 0 then
    return format("%q", #v > MAX_SHOWN and v:sub(1, MAX_SHOWN) .. "..." or v)
  elseif type(v) ~= "table" or (metatable_of(v) and metatable_of(v).__tostring) then
    return tostring(v)
  elseif seen[v] or depth > 8 then
    return "{...}"
  end
  seen[v] = true
  local texts, n, size, length = {}, 0, 0, rawlen(v)
  for i = 1, length do
    n = n + 1
    texts[n] = show(rawget(v, i), depth + 1, seen)
    size = size + #texts[n]
    if size > MAX_SHOWN then
      break
    end
  end
  for key, item in next, v do
    if size > MAX_SHOWN then
      texts[n + 1], n = "...", n + 1
      break
    end
    if not (math_type(key) == "integer" and key >= 1 and key <= length) then
      n = n + 1
      key = type(key) == "string" and key:find("^[%a_][%w_]*$") and key or "[" .. show(key, depth + 1, seen) .. "]"
      texts[n] = key .. " = " .. show(item, depth + 1, seen)
      size = size + #texts[n]
    end
  end
  seen[v] = nil
  return "{" .. table.concat(texts, ", ") .. "}"
end
kit.show = show

function Payload.__tostring(payload)
  return show(rawget(payload, 1), 0, {})
end
local function payload_text(v)
  return metatable_of(v) == Payload and tostring(v) or v
end
function Payload.__concat(a, b)
  return payload_text(a) .. payload_text(b)
end

function kit.new_payload(value)
  return setmetatable({ value }, Payload)
end

-- A message has `topic`, `payload` and, if a process sent it, `from`: as fields and as methods.
local Message = { __metatable = false, __name = "message" }
local message_methods = {}
Message.__index = message_methods
function message_methods.from()
  return nil -- no process sent it
end
function message_methods.reply(message, value, err)
  local call = calls[message]
  if call == nil then
    local text = "the message on '%s' expects no reply: it was sent by send, not by call"
    return false, kit.invalid(format(text, tostring(message.topic)))
  end
  if err ~= nil then
    value = is_error(err) and err or new_error("Internal", tostring(err))
  end
  return kit.outcome(false, kit.with_flat(host.reply, 1, "reply", call, value))
end
function message_methods.wants_reply(message)
  return calls[message] ~= nil
end
function Message.__tostring(message)
  return format("message on %s from %s: %s", tostring(message.topic), tostring(rawget(message, "from")), tostring(message.payload))
end

function kit.is_message(v)
  return type(v) == "table" and metatable_of(v) == Message
end

function kit.new_message(sender, topic, value, call)
  local message = { topic = topic, payload = setmetatable({ value }, Payload), from = sender }
  if call then
    calls[message] = call
  end
  return setmetatable(message, Message)
end

function kit.new_event(kind, sender, at, result, err, reason, deadline)
  local event = { kind = kind, from = sender, at = kit.time_value(at) }
  if kind == "pid.cancel" then
    event.reason, event.deadline = reason, deadline
  end
  if kit.compatible then
    event.result = { value = result, error = err }
  else
    event.result, event.error = result, err
  end
  return event
end

-- In the compatible mode a moment or a duration is a userdata to a program.
if kit.compatible then
  function kit.globals.type(...)
    if select("#", ...) == 0 then
      kit.bad_argument(1, "type", "value expected", 2)
    end
    local kind = type((...))
    if kind == "table" and kit.is_time_object and kit.is_time_object((...)) then
      return "userdata"
    end
    return kind
  end
end

-- Its data, if it is a wrapper of ours; nil if there is no rule for it.
function kit.plain_value(v, metatable)
  if metatable == Payload then
    return true, rawget(v, 1)
  elseif metatable == Message then
    return true, { topic = rawget(v, "topic"), from = rawget(v, "from"), payload = v.payload }
  end
end
