-- The module `time`: instants, durations and zones with Go's names and layouts.
--
-- One table for all processes of a Lua state, so nothing that a program can reach through it may change
-- (see time_object.lua): `time.utc` is made anew whenever it is read.
--
--   time_object    what the objects below have in common      time_layout   layouts and the calendar
--   time_duration  Duration      time_zone     Location
--   time_instant   Time          time_alarm    Timer, Ticker
--
-- `kit.module(name)` is what another file of this folder returns.

local kit = ...

local ipairs, setmetatable, error = ipairs, setmetatable, error
local gsub, sub, upper = string.gsub, string.sub, string.upper

local object, layouts = kit.module("time_object"), kit.module("time_layout")
local durations, zones = kit.module("time_duration"), kit.module("time_zone")
local instants, alarms = kit.module("time_instant"), kit.module("time_alarm")
local check_integer, check_string, invalid = object.check_integer, object.check_string, object.invalid
local check_location, new_location, is_zone = zones.check, zones.new, zones.is_zone
local new_time, check_time = instants.new, instants.check
local check_duration, check_seconds = durations.check, durations.check_seconds

local LAST = instants.LAST
local SECOND = 1000000000

local time = {
  NANOSECOND = 1, MICROSECOND = 1000, MILLISECOND = 1000000, SECOND = SECOND, MINUTE = 60 * SECOND,
  HOUR = 3600 * SECOND,

  LAYOUT = "01/02 03:04:05PM '06 -0700",
  ANSIC = "Mon Jan _2 15:04:05 2006",
  UNIX_DATE = "Mon Jan _2 15:04:05 MST 2006",
  RUBY_DATE = "Mon Jan 02 15:04:05 -0700 2006",
  RFC822 = "02 Jan 06 15:04 MST",
  RFC822Z = "02 Jan 06 15:04 -0700",
  RFC850 = "Monday, 02-Jan-06 15:04:05 MST",
  RFC1123 = "Mon, 02 Jan 2006 15:04:05 MST",
  RFC1123Z = "Mon, 02 Jan 2006 15:04:05 -0700",
  RFC3339 = "2006-01-02T15:04:05Z07:00",
  RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00",
  KITCHEN = "3:04PM",
  STAMP = "Jan _2 15:04:05",
  STAMP_MILLI = "Jan _2 15:04:05.000",
  STAMP_MICRO = "Jan _2 15:04:05.000000",
  STAMP_NANO = "Jan _2 15:04:05.000000000",
  DATE_TIME = "2006-01-02 15:04:05",
  DATE_ONLY = "2006-01-02",
  TIME_ONLY = "15:04:05",
}
local LOCATIONS = { utc = "UTC", localtz = "Local" }
setmetatable(time, {
  __index = function(_, name)
    return LOCATIONS[name] and new_location(LOCATIONS[name])
  end,
})

for _, name in ipairs({
  "UNIX_DATE", "RUBY_DATE", "RFC3339_NANO", "STAMP_MILLI", "STAMP_MICRO", "STAMP_NANO", "DATE_TIME",
  "DATE_ONLY", "TIME_ONLY",
}) do
  time[(gsub(name, "_", ""))] = time[name] -- Go's spelling
end
for i = 1, 12 do
  time[upper(layouts.month_name(i))] = i
end
for i = 0, 6 do
  time[upper(layouts.weekday_name(i))] = i
end

local function from_wall(ns, zone)
  return new_time(ns // SECOND, ns % SECOND, zone)
end

function time.now()
  return from_wall(kit.wall(), "Local")
end

function time.unix(seconds, ns)
  seconds = check_integer(seconds, 1, "unix")
  ns = check_integer(ns, 2, "unix", 0)
  if seconds > LAST or seconds < -LAST then
    return invalid("time: seconds out of range")
  end
  return new_time(seconds + ns // SECOND, ns % SECOND, "Local")
end

function time.date(year, month, day, hour, min, sec, ns, location)
  year = check_integer(year, 1, "date")
  month = check_integer(month, 2, "date")
  day = check_integer(day, 3, "date")
  hour = check_integer(hour, 4, "date", 0)
  min = check_integer(min, 5, "date", 0)
  sec = check_integer(sec, 6, "date", 0)
  ns = check_integer(ns, 7, "date", 0)
  local zone, offset = check_location(location, 8, "date", "Local")
  local is_near = sec <= LAST and sec >= -LAST
  local shown = is_near and instants.seconds_of(year, month, day, hour, min, sec + ns // SECOND)
  if not shown then
    return invalid("time: date out of range")
  end
  return new_time(zones.instant_of(shown, zone, offset), ns % SECOND, zone, offset)
end

function time.parse(layout, value, location)
  layout = check_string(layout, 1, "parse")
  value = check_string(value, 2, "parse")
  local zone, offset = check_location(location, 3, "parse", "UTC")
  local name_zone, name_offset = zone, offset
  if location == nil then
    name_zone = "Local"
  end
  if #layout > layouts.MAX_LENGTH or #value > layouts.MAX_LENGTH then
    local what = #layout > layouts.MAX_LENGTH and "layout" or "value"
    return invalid("time: the " .. what .. " is longer than 4096 bytes")
  end
  local fields, problem = layouts.parse(layout, value)
  if not fields then
    return invalid(problem)
  end
  return instants.of_fields(fields, zone, offset, name_zone, name_offset)
end

function time.parse_duration(text)
  local ns, problem = check_duration(text, 1, "parse_duration")
  if not ns then
    return nil, problem
  end
  return durations.new(ns)
end

function time.fixed_zone(name, offset)
  name = check_string(name, 1, "fixed_zone")
  offset = check_integer(offset, 2, "fixed_zone")
  if not is_zone(name, offset) then
    return invalid("time: a zone is less than a day from UTC, with a name of at most 255 bytes")
  end
  return new_location(name, offset)
end

function time.load_location(name)
  name = check_string(name, 1, "load_location")
  if name == "" and kit.compatible then
    return invalid("time: a location has a name")
  elseif not is_zone(name) or not kit.zone(name, 0) then
    return nil, kit.new_error("NotFound", "unknown time zone " .. sub(name, 1, 255), kit.lasting)
  end
  return new_location(name)
end

function time.since(t)
  local seconds, ns = check_time(t, 1, "since")
  local now = kit.wall()
  return durations.new(instants.between(now // SECOND, now % SECOND, seconds, ns))
end

time["until"] = function(t)
  local seconds, ns = check_time(t, 1, "until")
  local now = kit.wall()
  return durations.new(instants.between(seconds, ns, now // SECOND, now % SECOND))
end

function time.sleep(d)
  local seconds, problem = check_seconds(d, "sleep")
  if not seconds then
    return nil, problem
  end
  return kit.sleep(seconds)
end

function time.after(d)
  local seconds, problem = check_seconds(d, "after")
  if not seconds then
    return nil, problem
  end
  return kit.after(seconds)
end

time.timer, time.ticker = alarms.timer, alarms.ticker

-- For the runtime

function kit.time_value(unix_ns)
  return from_wall(unix_ns, "UTC")
end

function kit.time_parts(v)
  local seconds, ns, zone, offset = instants.read(v)
  if seconds then
    return seconds, ns, (zones.at(zone, offset, seconds))
  end
end

kit.read_duration = durations.read

-- Level 3 is the program: it called a function of the runtime, which calls this.
function kit.duration_seconds(d, argument, name)
  local ns, problem = durations.read(d)
  if not ns and not problem then
    error(object.wrong(argument, name, "duration", d), 3)
  elseif not ns then
    return invalid(problem)
  end
  return ns / SECOND
end

return time
