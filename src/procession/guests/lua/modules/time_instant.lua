-- Time { seconds since 1970, nanoseconds, name of the zone, fixed offset or nil }: an instant, and the
-- zone in which it is shown. It names its zone instead of holding a Location, which might be spoiled.

local kit = ...

local error, ipairs, next, setmetatable, select = error, ipairs, next, setmetatable, select
local tonumber, match, tointeger, type_of_number = tonumber, string.match, math.tointeger, math.type

local object, layouts = kit.module("time_object"), kit.module("time_layout")
local zones, durations = kit.module("time_zone"), kit.module("time_duration")
local metatable_of, wrong, invalid = object.metatable_of, object.wrong, object.invalid
local check_integer, check_string = object.check_integer, object.check_string
local days_of, date_of = layouts.days_of, layouts.date_of
local is_zone, zone_at, instant_of = zones.is_zone, zones.at, zones.instant_of
local check_location, new_location = zones.check, zones.new
local new_duration, check_duration, check_operand = durations.new, durations.check, durations.check_operand
local is_less_than_half = durations.is_less_than_half

local MAX, MIN = math.maxinteger, math.mininteger
local SECOND = 1000000000
local YEAR_ONE = -62135596800 -- Go's zero time
local LAST = 1 << 60 -- seconds either side of 1970: 36 billion years, and no sum overflows

local TIME

local function new_time(seconds, ns, zone, offset)
  seconds = seconds < -LAST and -LAST or seconds > LAST and LAST or seconds
  return setmetatable({ seconds, ns, zone, offset }, TIME)
end

-- seconds, nanoseconds, zone, offset; nothing if v is no Time, or spoiled.
local function read_time(v)
  if metatable_of(v) == TIME then
    local seconds, ns, zone, offset = v[1], v[2], v[3], v[4]
    if type_of_number(seconds) == "integer" and seconds >= -LAST and seconds <= LAST
      and type_of_number(ns) == "integer" and ns >= 0 and ns < SECOND and is_zone(zone, offset) then
      return seconds, ns, zone, offset
    end
  end
end

-- -- the calendar and the clock -------------------------------------------------------------------

local function shifted(seconds, ns, d)
  ns = ns + d % SECOND
  return seconds + d // SECOND + ns // SECOND, ns % SECOND
end

-- The nanoseconds between two instants, as far as they go.
local function between(seconds, ns, other_seconds, other_ns)
  local s, n = seconds - other_seconds, ns - other_ns
  if n < 0 then
    s, n = s - 1, n + SECOND
  end
  if s > MAX // SECOND or (s == MAX // SECOND and n > MAX % SECOND) then
    return MAX
  elseif s < MIN // SECOND or (s == MIN // SECOND and n < MIN % SECOND) then
    return MIN
  end
  return s * SECOND + n
end

-- Seconds of a date and a clock that need not be within their ranges; nil if that is too far away.
local function seconds_of(year, month, day, hour, min, sec)
  local far = 10000000000
  for _, n in ipairs({ year, month, day, hour, min }) do
    if n > far or n < -far then
      return nil
    end
  end
  if sec > LAST or sec < -LAST then
    return nil
  end
  year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
  local seconds = (days_of(year, month, 1) + day - 1) * 86400 + hour * 3600 + min * 60 + sec
  return seconds <= LAST and seconds >= -LAST and seconds or nil
end

local function clock_of(shown)
  local second = shown % 86400
  return second // 3600, second // 60 % 60, second % 60
end

local function weekday_of(days)
  return (days + 4) % 7
end

local function format_time(seconds, ns, zone, offset, layout)
  local there, abbreviation = zone_at(zone, offset, seconds)
  local shown = seconds + there
  local days = shown // 86400
  local year, month, day = date_of(days)
  local hour, min, sec = clock_of(shown)
  return layouts.format(layout, {
    year = year, month = month, day = day, hour = hour, min = min, sec = sec, ns = ns,
    weekday = weekday_of(days), yday = days - days_of(year, 1, 1) + 1, offset = there,
    zone = abbreviation,
  })
end

local STRING, RFC3339 = "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02T15:04:05Z07:00"

-- The remainder of an instant by d > 0, counted from Go's zero time.
local function remainder(seconds, ns, d)
  seconds = seconds - YEAR_ONE
  if d % SECOND == 0 then
    return seconds % (d // SECOND) * SECOND + ns
  elseif seconds > -9000000000 and seconds < 9000000000 then
    return (seconds * SECOND + ns) % d
  end
  -- (seconds * SECOND) % d by doubling: no product is as large as 2 d.
  local function plus(a, b)
    return a >= d - b and a - (d - b) or a + b
  end
  local rest, step = 0, seconds % d
  for bit = 29, 0, -1 do
    rest = plus(rest, rest)
    if SECOND >> bit & 1 == 1 then
      rest = plus(rest, step)
    end
  end
  return plus(rest, ns % d)
end

-- What a parsed value says, as Go resolves it: its own zone counts, then the location.
local function time_of_fields(f, zone, offset, name_zone, name_offset)
  local shown = seconds_of(f.year, f.month, f.day, f.hour, f.min, f.sec)
  if f.utc then
    return new_time(shown, f.ns, "UTC")
  elseif f.offset then
    local seconds = shown - f.offset
    local there, abbreviation = zone_at(name_zone, name_offset, seconds)
    if there == f.offset and (not f.zone or f.zone == abbreviation) then
      return new_time(seconds, f.ns, name_zone, name_offset)
    end
    return new_time(seconds, f.ns, f.zone or "", f.offset)
  elseif f.zone then
    local there = zones.offset_of_abbreviation(f.zone, shown, name_zone, name_offset)
    if there then
      return new_time(shown - there, f.ns, name_zone, name_offset)
    end
    there = 3600 * (tointeger(tonumber(match(f.zone, "^GMT(.+)") or 0)) or 0)
    return new_time(shown - there, f.ns, f.zone, there)
  end
  return new_time(instant_of(shown, zone, offset), f.ns, zone, offset)
end

TIME = object.new_kind("Time", function(v)
  local seconds, ns, zone, offset = read_time(v)
  return seconds and format_time(seconds, ns, zone, offset, STRING)
end)
object.concatenates(TIME)

-- -- arguments: see time_object.lua -----------------------------------------------------------------

local function check_time(v, n, name)
  local seconds, ns, zone, offset = read_time(v)
  if not seconds then
    error(wrong(n, name, "Time", v), 3)
  end
  return seconds, ns, zone, offset
end

-- Days since 1970 and the second of the day as the clocks of its zone show them, and its parts.
local function check_shown(v, name)
  local seconds, ns, zone, offset = read_time(v)
  if not seconds then
    error(wrong(0, name, "Time", v), 3)
  end
  local shown = seconds + zone_at(zone, offset, seconds)
  return shown // 86400, shown, ns, zone, offset
end

-- -- operators ------------------------------------------------------------------------------------

local function order(seconds, ns, other_seconds, other_ns)
  if seconds ~= other_seconds then
    return seconds < other_seconds and -1 or 1
  end
  return ns < other_ns and -1 or ns > other_ns and 1 or 0
end

function TIME.__eq(a, b)
  local seconds, ns = read_time(a)
  local other_seconds, other_ns = read_time(b)
  return seconds ~= nil and seconds == other_seconds and ns == other_ns
end

function TIME.__lt(a, b)
  local seconds, ns = check_time(a, 1, "<")
  return order(seconds, ns, check_time(b, 2, "<")) < 0
end

function TIME.__le(a, b)
  local seconds, ns = check_time(a, 1, "<=")
  return order(seconds, ns, check_time(b, 2, "<=")) <= 0
end

-- Moved by d nanoseconds, in the same zone.
local function moved(seconds, ns, zone, offset, d)
  seconds, ns = shifted(seconds, ns, d)
  return new_time(seconds, ns, zone, offset)
end

-- Back by d nanoseconds: -d is one too many for the smallest integer.
local function moved_back(seconds, ns, zone, offset, d)
  if d == MIN then
    seconds, ns = shifted(seconds, ns, 1)
    d = d + 1
  end
  return moved(seconds, ns, zone, offset, -d)
end

function TIME.__add(a, b)
  if metatable_of(a) ~= TIME then
    a, b = b, a
  end
  local seconds, ns, zone, offset = check_time(a, 1, "+")
  return moved(seconds, ns, zone, offset, check_operand(b, 2, "+"))
end

function TIME.__sub(a, b)
  local seconds, ns, zone, offset = check_time(a, 1, "-")
  if metatable_of(b) == TIME then
    return new_duration(between(seconds, ns, check_time(b, 2, "-")))
  end
  return moved_back(seconds, ns, zone, offset, check_operand(b, 2, "-"))
end

-- A Duration and a Time are a Time, in either order.
local DURATION = durations.metatable
local sum_of_durations = DURATION.__add
function DURATION.__add(a, b)
  if metatable_of(b) == TIME then
    local seconds, ns, zone, offset = check_time(b, 2, "+")
    return moved(seconds, ns, zone, offset, check_operand(a, 1, "+"))
  end
  return sum_of_durations(a, b)
end

-- -- methods --------------------------------------------------------------------------------------

local methods = {}
TIME.__index = methods

function methods:add(d)
  local seconds, ns, zone, offset = check_time(self, 0, "add")
  local by, problem = check_duration(d, 1, "add")
  if not by then
    return nil, problem
  end
  return moved(seconds, ns, zone, offset, by)
end

function methods:sub(other)
  local seconds, ns = check_time(self, 0, "sub")
  return new_duration(between(seconds, ns, check_time(other, 1, "sub")))
end

function methods:add_date(years, months, days)
  local today, shown, ns, zone, offset = check_shown(self, "add_date")
  years = check_integer(years, 1, "add_date")
  months = check_integer(months, 2, "add_date", 0)
  days = check_integer(days, 3, "add_date", 0)
  local year, month, day = date_of(today)
  local hour, min, sec = clock_of(shown)
  for _, n in ipairs({ years, months, days }) do
    if n > LAST or n < -LAST then
      return invalid("time: date out of range")
    end
  end
  local there = seconds_of(year + years, month + months, day + days, hour, min, sec)
  if not there then
    return invalid("time: date out of range")
  end
  return new_time(instant_of(there, zone, offset), ns, zone, offset)
end

for name, answer in next, {
  after = function(how) return how > 0 end,
  before = function(how) return how < 0 end,
  equal = function(how) return how == 0 end,
  compare = function(how) return how end,
} do
  methods[name] = function(self, other)
    local seconds, ns = check_time(self, 0, name)
    local how = order(seconds, ns, check_time(other, 1, name))
    return answer(how)
  end
end

function methods:format(layout)
  local seconds, ns, zone, offset = check_time(self, 0, "format")
  layout = check_string(layout, 1, "format")
  if #layout > layouts.MAX_LENGTH then
    return invalid("time: the layout is longer than 4096 bytes")
  end
  return format_time(seconds, ns, zone, offset, layout)
end

function methods:format_rfc3339()
  local seconds, ns, zone, offset = check_time(self, 0, "format_rfc3339")
  return format_time(seconds, ns, zone, offset, RFC3339)
end

function methods:string()
  local seconds, ns, zone, offset = check_time(self, 0, "string")
  return format_time(seconds, ns, zone, offset, STRING)
end

function methods:unix()
  local seconds = check_time(self, 0, "unix")
  return seconds
end

for name, per_second in next, { unix_milli = 1000, unix_micro = 1000000, unix_nano = SECOND } do
  methods[name] = function(self)
    local seconds, ns = check_time(self, 0, name)
    if seconds < -(MAX // per_second) or seconds >= MAX // per_second then
      return invalid("time: " .. name .. " out of range")
    end
    return seconds * per_second + ns // (SECOND // per_second)
  end
end

-- What calendar and clock of its zone show, from days since 1970 and the seconds shown.
for name, shows in next, {
  date = date_of,
  clock = function(_, shown) return clock_of(shown) end,
  year = function(days) return (date_of(days)) end,
  month = function(days) return (select(2, date_of(days))) end,
  day = function(days) return (select(3, date_of(days))) end,
  hour = function(_, shown) return shown % 86400 // 3600 end,
  minute = function(_, shown) return shown // 60 % 60 end,
  second = function(_, shown) return shown % 60 end,
  weekday = weekday_of,
  year_day = function(days) return days - days_of((date_of(days)), 1, 1) + 1 end,
} do
  methods[name] = function(self)
    local days, shown = check_shown(self, name)
    return shows(days, shown)
  end
end

function methods:nanosecond()
  local _, ns = check_time(self, 0, "nanosecond")
  return ns
end

-- A week belongs to the year of its Thursday.
function methods:iso_week()
  local days = check_shown(self, "iso_week")
  local thursday = days + 3 - (weekday_of(days) + 6) % 7
  local year = date_of(thursday)
  return year, (thursday - days_of(year, 1, 1)) // 7 + 1
end

function methods:is_zero()
  local seconds, ns = check_time(self, 0, "is_zero")
  return seconds == YEAR_ONE and ns == 0
end

function methods:in_location(location)
  local seconds, ns = check_time(self, 0, "in_location")
  return new_time(seconds, ns, check_location(location, 1, "in_location"))
end

function methods:location()
  local _, _, zone, offset = check_time(self, 0, "location")
  return new_location(zone, offset)
end

function methods:utc()
  local seconds, ns = check_time(self, 0, "utc")
  return new_time(seconds, ns, "UTC")
end

function methods:in_local()
  local seconds, ns = check_time(self, 0, "in_local")
  return new_time(seconds, ns, "Local")
end

function methods:zone()
  local seconds, _, zone, offset = check_time(self, 0, "zone")
  local there, abbreviation = zone_at(zone, offset, seconds)
  return abbreviation, there
end

function methods:round(unit)
  local seconds, ns, zone, offset = check_time(self, 0, "round")
  local d, problem = check_duration(unit, 1, "round")
  if not d then
    return nil, problem
  elseif d <= 0 then
    return new_time(seconds, ns, zone, offset)
  end
  local rest = remainder(seconds, ns, d)
  return moved(seconds, ns, zone, offset, is_less_than_half(rest, d) and -rest or d - rest)
end

function methods:truncate(unit)
  local seconds, ns, zone, offset = check_time(self, 0, "truncate")
  local d, problem = check_duration(unit, 1, "truncate")
  if not d then
    return nil, problem
  end
  return moved(seconds, ns, zone, offset, d > 0 and -remainder(seconds, ns, d) or 0)
end

return {
  LAST = LAST,
  new = new_time,
  read = read_time,
  check = check_time,
  between = between,
  seconds_of = seconds_of,
  of_fields = time_of_fields,
}
