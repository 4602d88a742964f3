-- The module `events`: what happens in this node, for whoever is interested.

local kit = ...

local type, error, setmetatable = type, error, setmetatable
local host, outcome = kit.host, kit.outcome
local check = kit.module("check")

local FAILED = kit.failed

local Subscription = { __metatable = false, __name = "subscription" }
local methods = {}
Subscription.__index = methods
local channels = setmetatable({}, { __mode = "k" })

local function channel_of(subscription, name)
  if type(subscription) ~= "table" or kit.metatable_of(subscription) ~= Subscription then
    error("bad argument #1 to '" .. name .. "' (subscription expected, got " .. kit.type_name(subscription) .. ")", 3)
  end
  return channels[subscription]
end

function methods.channel(subscription)
  return channel_of(subscription, "channel")
end

function methods.close(subscription)
  return outcome(FAILED, host.close(channel_of(subscription, "close")))
end

local events = {}

function events.subscribe(system, kind)
  system = check.string(system, 1, "subscribe")
  if kind ~= nil then
    kind = check.string(kind, 2, "subscribe")
  end
  local channel, err = outcome(nil, host.events_subscribe(system, kind))
  if err then
    return nil, err
  end
  local subscription = setmetatable({}, Subscription)
  channels[subscription] = channel
  return subscription, nil
end

function events.send(system, kind, path, data)
  system = check.string(system, 1, "send")
  kind = check.string(kind, 2, "send")
  path = check.string(path, 3, "send")
  if path == "" and kit.compatible then
    return FAILED, kit.invalid("the path of an event is not empty")
  end
  return outcome(FAILED, kit.with_flat(host.events_send, 3, "data", system, kind, path, data))
end

return events
