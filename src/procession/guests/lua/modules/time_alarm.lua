-- Timer and Ticker { channel, stop, reset }: channels that the clock sends to.

local kit = ...

local error, setmetatable, type, fmt = error, setmetatable, type, string.format

local object, durations = kit.module("time_object"), kit.module("time_duration")
local check_self, wrong, invalid = object.check_self, object.wrong, object.invalid
local read_duration, check_seconds = durations.read, durations.check_seconds

local SECOND = 1000000000

local TIMER = object.new_kind("Timer", function()
  return "Timer"
end)
local TICKER = object.new_kind("Ticker", function()
  return "Ticker"
end)

-- Seconds, more than none; or nil and an error for the program.
local function check_positive(v, name)
  local ns, problem = read_duration(v)
  if not ns and not problem then
    error(wrong(1, name, "duration", v), 3)
  elseif not ns then
    return invalid(problem)
  elseif ns > 0 then
    return ns / SECOND
  elseif kit.compatible then
    return invalid(fmt("time: a %s of zero or less", name))
  end
  error(fmt("bad argument #1 to '%s' (an interval longer than nothing expected)", name), 3)
end

-- What timers and tickers have in common; `check` reads the argument of reset.
local function alarm_methods(metatable, check)
  local function channel(name)
    return function(self)
      check_self(self, metatable, name)
      return self[1]
    end
  end
  local methods = { channel = channel("channel"), response = channel("response") }

  function methods:stop()
    check_self(self, metatable, "stop")
    if type(self[2]) ~= "function" then
      error(wrong(0, "stop", metatable.__name, self), 2)
    end
    return self[2]() and true or false
  end

  function methods:reset(duration)
    check_self(self, metatable, "reset")
    if type(self[3]) ~= "function" then
      error(wrong(0, "reset", metatable.__name, self), 2)
    end
    local seconds, problem = check(duration, "reset")
    if not seconds then
      return nil, problem
    end
    return self[3](seconds) and true or false
  end

  return methods
end

TIMER.__index = alarm_methods(TIMER, check_seconds)
TICKER.__index = alarm_methods(TICKER, check_positive)

local alarms = {}

-- A timer of nothing rings at once; a ticker without an interval cannot be.
local check_delay = kit.compatible and check_positive or check_seconds

local function opener(name, check, open, kind)
  return function(d)
    local seconds, problem = check(d, name)
    if not seconds then
      return nil, problem
    end
    local raw = open(seconds)
    return setmetatable({ raw.channel, raw.stop, raw.reset }, kind)
  end
end

alarms.timer = opener("timer", check_delay, kit.timer, TIMER)
alarms.ticker = opener("ticker", check_positive, kit.ticker, TICKER)

return alarms
