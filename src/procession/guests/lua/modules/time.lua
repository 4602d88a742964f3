-- The module `time`: instants, durations and zones with Go's names and layouts.
--
-- One table for all processes of a Lua state. So nothing that a program can reach through it may
-- change: metatables are locked, `time.utc` is made anew whenever it is read, and a Time names its
-- zone instead of holding a Location. What a program writes into a value of its own can only spoil
-- that value: every use checks it anew.
--
--   Time      { seconds since 1970, nanoseconds, name of the zone, fixed offset or nil }
--   Duration  { nanoseconds }
--   Location  { name, fixed offset or nil }
--   Timer, Ticker  { channel, stop, reset }
--
-- `kit.module(name)` is what another file of this folder returns.

local kit = ...
local error, ipairs, next, setmetatable =
  error, ipairs, next, setmetatable
local select, tonumber, tostring, type = select, tonumber, tostring, type
local byte, find, fmt, gsub = string.byte, string.find, string.format, string.gsub
local match, sub, upper = string.match, string.sub, string.upper
local floor, fmod, tointeger = math.floor, math.fmod, math.tointeger
local type_of_number, ult = math.type, math.ult
local metatable_of = kit.metatable_of or debug.getmetatable -- getmetatable stops at a lock
local zone_of, new_error = kit.zone, kit.new_error

local MAX, MIN = math.maxinteger, math.mininteger
local SECOND = 1000000000
local MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
local YEAR_ONE = -62135596800 -- Go's zero time
local LAST = 1 << 60 -- seconds either side of 1970: 36 billion years, and no sum overflows

local layouts = kit.module("time_layout")
local days_of, date_of, quote = layouts.days_of, layouts.date_of, layouts.quote

-- Values

local TIME, DURATION, LOCATION, TIMER, TICKER = {}, {}, {}, {}, {}
local NAMES = {
  [TIME] = "Time", [DURATION] = "Duration", [LOCATION] = "Location", [TIMER] = "Timer",
  [TICKER] = "Ticker",
}
local function typename(v)
  local metatable = metatable_of(v)
  return metatable and NAMES[metatable] or type(v)
end

local function new_duration(ns)
  return setmetatable({ ns }, DURATION)
end

local function new_location(name, offset)
  return setmetatable({ name, offset }, LOCATION)
end

local function new_time(seconds, ns, zone, offset)
  seconds = seconds < -LAST and -LAST or seconds > LAST and LAST or seconds
  return setmetatable({ seconds, ns, zone, offset }, TIME)
end

local function is_zone(name, offset)
  if offset == nil then
    return type(name) == "string" and #name <= 255 and find(name, "^[%w_+/-]+$") ~= nil
  end
  return type(name) == "string" and #name <= 255 and type_of_number(offset) == "integer"
    and offset > -86400 and offset < 86400
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

-- name, offset; nothing if v is no Location.
local function read_location(v)
  if metatable_of(v) == LOCATION and is_zone(v[1], v[2]) then
    return v[1], v[2]
  end
end

-- offset, abbreviation at an instant
local function zone_at(zone, offset, seconds)
  if offset then
    return offset, zone
  elseif zone ~= "UTC" then
    local found, abbreviation = zone_of(zone, seconds)
    if found then
      return found, abbreviation
    end
  end
  return 0, "UTC"
end

-- Durations

local UNITS = {
  ns = 1, us = 1000, ["\u{b5}s"] = 1000, ["\u{3bc}s"] = 1000, ms = 1000000, s = SECOND, m = MINUTE,
  h = HOUR,
}

-- The digits of a text as a negative number (there is one more of them); nil if it is too large.
local function negative(digits)
  local n = 0
  for i = 1, #digits do
    local digit = byte(digits, i) - 48
    if n < -(MAX // 10) or (n == -(MAX // 10) and digit > 8) then
      return nil
    end
    n = n * 10 - digit
  end
  return n
end

-- Nanoseconds of a text as "1h30m"; or nil and what is wrong.
local function parse_duration(text)
  local function invalid(what)
    return nil, fmt("time: %s duration %s", what, quote(text))
  end
  local sign, at = match(text, "^([+-]?)()")
  if #text > layouts.MAX_LENGTH or at > #text then
    return invalid("invalid")
  elseif sub(text, at) == "0" then
    return 0
  end
  local total = 0
  while at <= #text do
    local whole, point, fraction, unit, after = match(text, "^(%d*)(%.?)(%d*)([^%d.]*)()", at)
    if whole == "" and fraction == "" then
      return invalid("invalid")
    elseif unit == "" then
      return invalid("missing unit in")
    elseif not UNITS[unit] then
      return invalid("unknown unit " .. quote(unit) .. " in")
    end
    local scale = UNITS[unit]
    local n = negative((gsub(whole, "^0+", "")))
    if not n or (scale > 1 and n < -(MAX // scale)) then
      return invalid("invalid")
    end
    n = n * scale
    if point ~= "" and fraction ~= "" then
      local digits = sub(fraction, 1, 19) -- more are below a nanosecond
      local part = floor(tonumber(digits) * (scale / 10.0 ^ #digits))
      if n < MIN + part then
        return invalid("invalid")
      end
      n = n - part
    end
    if total < MIN - n then
      return invalid("invalid")
    end
    total, at = total + n, after
  end
  if sign == "-" then
    return total
  elseif total == MIN then
    return invalid("invalid")
  end
  return -total
end

-- A float as nanoseconds: towards zero, and as far as they go.
local function truncated(n)
  if n >= 0x1p63 then
    return MAX
  elseif n <= -0x1p63 then
    return MIN
  end
  return tointeger(n < 0 and -floor(-n) or floor(n))
end

-- Nanoseconds of what may stand for a duration; or nil, and what is wrong if its type is right.
local function read_duration(v)
  local kind = type_of_number(v)
  if kind == "integer" then
    return v
  elseif kind == "float" then
    if v ~= v then
      return nil, "time: a duration must be a number, not NaN"
    end
    return truncated(v)
  elseif type(v) == "string" then
    return parse_duration(v)
  elseif metatable_of(v) == DURATION and type_of_number(v[1]) == "integer" then
    return v[1]
  end
  return nil
end

-- Sums and products that stay at the ends instead of wrapping around.

local function added(a, b)
  local sum = a + b
  if a >= 0 and b >= 0 and sum < 0 then
    return MAX
  elseif a < 0 and b < 0 and sum >= 0 then
    return MIN
  end
  return sum
end

local function negated(a)
  return a == MIN and MAX or -a
end

local function multiplied(a, n)
  if type_of_number(n) == "integer" then
    local product = a * n
    local is_exact = n == 0 or (product // n == a and product % n == 0)
    if is_exact and not (a == MIN and n == -1) then
      return product
    end
    return (a < 0) == (n < 0) and MAX or MIN
  end
  local product = a * n
  return product == product and truncated(product) or nil -- nil: not a number
end

-- 0 <= rest < d, and twice the rest may be too large for a signed integer.
local function is_less_than_half(rest, d)
  return ult(rest + rest, d)
end

local function truncate_duration(ns, unit)
  return unit <= 0 and ns or ns - fmod(ns, unit)
end

local function round_duration(ns, unit)
  if unit <= 0 then
    return ns
  end
  local rest = fmod(ns, unit)
  if is_less_than_half(rest < 0 and -rest or rest, unit) then
    return ns - rest
  end
  return added(ns - rest, ns < 0 and -unit or unit)
end

local function trimmed(whole, rest, digits, unit)
  local fraction = gsub(fmt("%0" .. digits .. "d", rest), "0+$", "")
  return fmt("%d%s%s%s", whole, fraction == "" and "" or ".", fraction, unit)
end

local function duration_text(ns)
  if ns == MIN then
    return "-2562047h47m16.854775808s"
  elseif ns < 0 then
    return "-" .. duration_text(-ns)
  elseif ns == 0 then
    return "0s"
  elseif ns < 1000 then
    return fmt("%dns", ns)
  elseif ns < 1000000 then
    return trimmed(ns // 1000, ns % 1000, 3, "\u{b5}s")
  elseif ns < SECOND then
    return trimmed(ns // 1000000, ns % 1000000, 6, "ms")
  end
  local seconds = trimmed(ns // SECOND % 60, ns % SECOND, 9, "s")
  if ns < MINUTE then
    return seconds
  elseif ns < HOUR then
    return fmt("%dm%s", ns // MINUTE, seconds)
  end
  return fmt("%dh%dm%s", ns // HOUR, ns // MINUTE % 60, seconds)
end

-- Instants

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

-- The instant at which clocks in a zone show that many seconds since 1970. In a gap, and in the
-- hour that comes twice, it is what Go takes.
local function instant_of(shown, zone, offset)
  local there = zone_at(zone, offset, shown)
  if there ~= 0 then
    there = zone_at(zone, offset, shown - there)
  end
  return shown - there
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

local function text_of(v)
  local seconds, ns, zone, offset = read_time(v)
  if seconds then
    return format_time(seconds, ns, zone, offset, STRING)
  elseif metatable_of(v) == DURATION and type_of_number(v[1]) == "integer" then
    return duration_text(v[1])
  end
  return read_location(v) or "invalid " .. typename(v)
end

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

-- The zone of an abbreviation in a location: the offset it stands for near that time, or nil.
local function offset_of_abbreviation(name, shown, zone, offset)
  local found
  for _, days in ipairs({ 0, -1, 1, -91, 91, -182, 182, -273, 273 }) do
    local there, abbreviation = zone_at(zone, offset, shown + days * 86400)
    if abbreviation == name then
      local _, then_valid = zone_at(zone, offset, shown - there)
      if then_valid == name then
        return there
      end
      found = found or there
    end
  end
  return found
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
    local there = offset_of_abbreviation(f.zone, shown, name_zone, name_offset)
    if there then
      return new_time(shown - there, f.ns, name_zone, name_offset)
    end
    there = 3600 * (tointeger(tonumber(match(f.zone, "^GMT(.+)") or 0)) or 0)
    return new_time(shown - there, f.ns, f.zone, there)
  end
  return new_time(instant_of(shown, zone, offset), f.ns, zone, offset)
end

-- Arguments. The checks are called by the function that the program calls: level 3 is the program.
-- Argument 0 is the receiver of a method.

local function wrong(n, name, expected, v)
  local got = typename(v)
  got = got == expected and "a spoiled " .. got or got
  if n == 0 then
    return fmt("calling '%s' on bad self (%s expected, got %s)", name, expected, got)
  end
  return fmt("bad argument #%d to '%s' (%s expected, got %s)", n, name, expected, got)
end

local function invalid(message)
  return nil, new_error("Invalid", message)
end

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

local function check_location(v, n, name, default)
  if v == nil and default then
    return default
  end
  local zone, offset = read_location(v)
  if not zone then
    error(wrong(n, name, "Location", v), 3)
  end
  return zone, offset
end

-- Nanoseconds, or nil and an error for the program.
local function check_duration(v, n, name)
  local ns, problem = read_duration(v)
  if ns then
    return ns
  elseif not problem then
    error(wrong(n, name, "duration", v), 3)
  end
  return invalid(problem)
end

-- Nanoseconds of an operand: an operator has no second result for an error.
local function check_operand(v, n, name)
  local ns, problem = read_duration(v)
  if not ns then
    error(problem or wrong(n, name, "duration", v), 3)
  end
  return ns
end

local function check_self(v, metatable, name)
  if metatable_of(v) ~= metatable then
    error(wrong(0, name, NAMES[metatable], v), 3)
  end
end

local function check_span(v, name)
  if metatable_of(v) ~= DURATION or type_of_number(v[1]) ~= "integer" then
    error(wrong(0, name, "Duration", v), 3)
  end
  return v[1]
end

local function check_integer(v, n, name, default)
  if v == nil and default then
    return default
  elseif not type_of_number(v) then
    error(wrong(n, name, "integer", v), 3)
  end
  local integer = tointeger(v)
  if not integer then
    error(fmt("bad argument #%d to '%s' (number has no integer representation)", n, name), 3)
  end
  return integer
end

local function check_string(v, n, name)
  if type(v) ~= "string" then
    error(wrong(n, name, "string", v), 3)
  end
  return v
end

local function check_seconds(v, name)
  local ns, problem = read_duration(v)
  if not ns and not problem then
    error(wrong(1, name, "duration", v), 3)
  elseif not ns then
    return invalid(problem)
  end
  return ns / SECOND
end

local function check_interval(v, name)
  local ns, problem = read_duration(v)
  if not ns and not problem then
    error(wrong(1, name, "duration", v), 3)
  elseif not ns then
    return invalid(problem)
  elseif ns <= 0 then
    error(fmt("bad argument #1 to '%s' (an interval longer than nothing expected)", name), 3)
  end
  return ns / SECOND
end

-- Operators and text

local function concatenated(a, b)
  local function text(v)
    local metatable = metatable_of(v)
    if type(v) == "number" then
      return tostring(tointeger(v) or v)
    elseif type(v) == "string" or metatable and metatable.__tostring then
      return tostring(v)
    end
    error(fmt("attempt to concatenate a %s value", type(v)), 4)
  end
  local left = text(a)
  return left .. text(b)
end

for metatable, name in next, NAMES do
  metatable.__metatable = false
  metatable.__name = name
  metatable.__tostring = text_of
end
for _, metatable in ipairs({ TIME, DURATION, LOCATION }) do
  metatable.__concat = function(a, b)
    local text = concatenated(a, b)
    return text
  end
end
TIMER.__tostring = function() return "Timer" end
TICKER.__tostring = function() return "Ticker" end

function LOCATION.__eq(a, b)
  local name, offset = read_location(a)
  local other_name, other_offset = read_location(b)
  return name ~= nil and name == other_name and offset == other_offset
end

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

function DURATION.__add(a, b)
  if metatable_of(b) == TIME then
    local seconds, ns, zone, offset = check_time(b, 2, "+")
    return moved(seconds, ns, zone, offset, check_operand(a, 1, "+"))
  end
  return new_duration(added(check_operand(a, 1, "+"), check_operand(b, 2, "+")))
end

function DURATION.__sub(a, b)
  local ns, other = check_operand(a, 1, "-"), check_operand(b, 2, "-")
  if other == MIN then
    return new_duration(added(added(ns, 1), MAX))
  end
  return new_duration(added(ns, -other))
end

function DURATION.__unm(a)
  return new_duration(negated(check_operand(a, 1, "-")))
end

function DURATION.__mul(a, b)
  if type(a) == "number" then
    a, b = b, a
  end
  if type(b) ~= "number" then
    error(wrong(2, "*", "number", b), 2)
  end
  local product = multiplied(check_operand(a, 1, "*"), b)
  if not product then
    error("a Duration times this is not a number", 2)
  end
  return new_duration(product)
end

-- A Duration by a number is a Duration, by a Duration it is a number.
function DURATION.__div(a, b)
  local ns = check_span(a, "/")
  if metatable_of(b) == DURATION then
    return ns / check_operand(b, 2, "/")
  elseif type(b) ~= "number" then
    error(wrong(2, "/", "number", b), 2)
  elseif b == 0 or b ~= b then
    error("attempt to divide a Duration by zero", 2)
  elseif type_of_number(b) == "float" then
    return new_duration(truncated(ns / b))
  elseif b == -1 then
    return new_duration(negated(ns))
  end
  return new_duration((ns - fmod(ns, b)) // b)
end

function DURATION.__eq(a, b)
  return metatable_of(a) == DURATION and metatable_of(b) == DURATION and a[1] == b[1]
end

function DURATION.__lt(a, b)
  return check_operand(a, 1, "<") < check_operand(b, 2, "<")
end

function DURATION.__le(a, b)
  return check_operand(a, 1, "<=") <= check_operand(b, 2, "<=")
end

-- Methods of Duration, Location, Timer and Ticker

local span = {}
DURATION.__index = span

for name, unit in next, { nanoseconds = 1, microseconds = 1000, milliseconds = 1000000 } do
  span[name] = function(self)
    local ns = check_span(self, name)
    return truncate_duration(ns, unit) // unit
  end
end
for name, unit in next, { seconds = SECOND, minutes = MINUTE, hours = HOUR } do
  span[name] = function(self)
    local ns = check_span(self, name)
    return ns / unit
  end
end
for name, change in next, { round = round_duration, truncate = truncate_duration } do
  span[name] = function(self, unit)
    local ns = check_span(self, name)
    local unit_ns, problem = check_duration(unit, 1, name)
    if not unit_ns then
      return nil, problem
    end
    return new_duration(change(ns, unit_ns))
  end
end

function span:abs()
  local ns = check_span(self, "abs")
  return new_duration(ns < 0 and negated(ns) or ns)
end

function span:string()
  return duration_text((check_span(self, "string")))
end

LOCATION.__index = {
  string = function(self)
    local name = check_location(self, 0, "string")
    return name
  end,
}

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
      error(wrong(0, "stop", NAMES[metatable], self), 2)
    end
    return self[2]() and true or false
  end

  function methods:reset(duration)
    check_self(self, metatable, "reset")
    if type(self[3]) ~= "function" then
      error(wrong(0, "reset", NAMES[metatable], self), 2)
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
TICKER.__index = alarm_methods(TICKER, check_interval)

-- Methods of Time

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

-- The module

local time = {
  NANOSECOND = 1, MICROSECOND = 1000, MILLISECOND = 1000000, SECOND = SECOND, MINUTE = MINUTE,
  HOUR = HOUR,

  LAYOUT = "01/02 03:04:05PM '06 -0700",
  ANSIC = "Mon Jan _2 15:04:05 2006",
  UNIX_DATE = "Mon Jan _2 15:04:05 MST 2006",
  RUBY_DATE = "Mon Jan 02 15:04:05 -0700 2006",
  RFC822 = "02 Jan 06 15:04 MST",
  RFC822Z = "02 Jan 06 15:04 -0700",
  RFC850 = "Monday, 02-Jan-06 15:04:05 MST",
  RFC1123 = "Mon, 02 Jan 2006 15:04:05 MST",
  RFC1123Z = "Mon, 02 Jan 2006 15:04:05 -0700",
  RFC3339 = RFC3339,
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
  local shown = is_near and seconds_of(year, month, day, hour, min, sec + ns // SECOND)
  if not shown then
    return invalid("time: date out of range")
  end
  return new_time(instant_of(shown, zone, offset), ns % SECOND, zone, offset)
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
  return time_of_fields(fields, zone, offset, name_zone, name_offset)
end

function time.parse_duration(text)
  local ns, problem = check_duration(text, 1, "parse_duration")
  if not ns then
    return nil, problem
  end
  return new_duration(ns)
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
  if not is_zone(name) or not zone_of(name, 0) then
    return nil, new_error("NotFound", "unknown time zone " .. sub(name, 1, 255))
  end
  return new_location(name)
end

function time.since(t)
  local seconds, ns = check_time(t, 1, "since")
  local now = kit.wall()
  return new_duration(between(now // SECOND, now % SECOND, seconds, ns))
end

time["until"] = function(t)
  local seconds, ns = check_time(t, 1, "until")
  local now = kit.wall()
  return new_duration(between(seconds, ns, now // SECOND, now % SECOND))
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

local function new_alarm(metatable, raw, problem)
  if not raw then
    return nil, problem
  end
  return setmetatable({ raw.channel, raw.stop, raw.reset }, metatable)
end

function time.timer(d)
  local seconds, problem = check_seconds(d, "timer")
  if not seconds then
    return nil, problem
  end
  return new_alarm(TIMER, kit.timer(seconds))
end

function time.ticker(d)
  local seconds, problem = check_interval(d, "ticker")
  if not seconds then
    return nil, problem
  end
  return new_alarm(TICKER, kit.ticker(seconds))
end

-- For the runtime

function kit.time_value(unix_ns)
  return from_wall(unix_ns, "UTC")
end

function kit.time_parts(v)
  local seconds, ns, zone, offset = read_time(v)
  if seconds then
    return seconds, ns, (zone_at(zone, offset, seconds))
  end
end

-- Level 3 is the program: it called a function of the runtime, which calls this.
function kit.duration_seconds(d, argument, name)
  local ns, problem = read_duration(d)
  if not ns and not problem then
    error(wrong(argument, name, "duration", d), 3)
  elseif not ns then
    return invalid(problem)
  end
  return ns / SECOND
end

return time
