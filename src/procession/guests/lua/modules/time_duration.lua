-- Duration { nanoseconds }: what reads as one ("1h30m", a number of nanoseconds), arithmetic, text.

local kit = ...

local error, next, setmetatable, tonumber, type = error, next, setmetatable, tonumber, type
local byte, fmt, gsub, match, sub = string.byte, string.format, string.gsub, string.match, string.sub
local floor, fmod, tointeger = math.floor, math.fmod, math.tointeger
local type_of_number, ult = math.type, math.ult

local object, layouts = kit.module("time_object"), kit.module("time_layout")
local metatable_of, wrong, invalid = object.metatable_of, object.wrong, object.invalid
local quote = layouts.quote

local MAX, MIN = math.maxinteger, math.mininteger
local SECOND = 1000000000
local MINUTE, HOUR = 60 * SECOND, 3600 * SECOND

local DURATION

local function new_duration(ns)
  return setmetatable({ ns }, DURATION)
end

-- -- reading --------------------------------------------------------------------------------------

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

-- -- arithmetic -----------------------------------------------------------------------------------

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

-- -- text -----------------------------------------------------------------------------------------

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

DURATION = object.new_kind("Duration", function(v)
  return type_of_number(v[1]) == "integer" and duration_text(v[1])
end)
object.concatenates(DURATION)

-- -- arguments: see time_object.lua -----------------------------------------------------------------

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

local function check_span(v, name)
  if metatable_of(v) ~= DURATION or type_of_number(v[1]) ~= "integer" then
    error(wrong(0, name, "Duration", v), 3)
  end
  return v[1]
end

-- Seconds, or nil and an error for the program.
local function check_seconds(v, name)
  local ns, problem = read_duration(v)
  if not ns and not problem then
    error(wrong(1, name, "duration", v), 3)
  elseif not ns then
    return invalid(problem)
  end
  return ns / SECOND
end

-- -- operators ------------------------------------------------------------------------------------

function DURATION.__add(a, b)
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

-- -- methods --------------------------------------------------------------------------------------

local methods = {}
DURATION.__index = methods

for name, unit in next, { nanoseconds = 1, microseconds = 1000, milliseconds = 1000000 } do
  methods[name] = function(self)
    local ns = check_span(self, name)
    return truncate_duration(ns, unit) // unit
  end
end
for name, unit in next, { seconds = SECOND, minutes = MINUTE, hours = HOUR } do
  methods[name] = function(self)
    local ns = check_span(self, name)
    return ns / unit
  end
end
for name, change in next, { round = round_duration, truncate = truncate_duration } do
  methods[name] = function(self, unit)
    local ns = check_span(self, name)
    local unit_ns, problem = check_duration(unit, 1, name)
    if not unit_ns then
      return nil, problem
    end
    return new_duration(change(ns, unit_ns))
  end
end

function methods:abs()
  local ns = check_span(self, "abs")
  return new_duration(ns < 0 and negated(ns) or ns)
end

function methods:string()
  return duration_text((check_span(self, "string")))
end

return {
  metatable = DURATION,
  new = new_duration,
  read = read_duration,
  check = check_duration,
  check_operand = check_operand,
  check_seconds = check_seconds,
  is_less_than_half = is_less_than_half,
}
