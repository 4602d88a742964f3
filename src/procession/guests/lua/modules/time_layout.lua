-- The calendar, and Go's layouts: a time written as "2006-01-02 15:04:05" says how others are written and read.
--
-- Pure functions over plain fields; time_instant.lua and time_zone.lua know the rest. The rules, down to the wording
-- of the errors, are those of Go's time/format.go. Every step of a parse moves forward in the value,
-- so the cost is linear in layout and value.

local byte, find, lower, match, rep, sub = string.byte, string.find, string.lower, string.match,
  string.rep, string.sub
local fmt, gsub = string.format, string.gsub
local concat, tointeger, tonumber = table.concat, math.tointeger, tonumber

-- Calendar: days since 1970 in the proleptic Gregorian calendar

local function days_of(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
end

local function date_of(days)
  days = days + 719468
  local era = days // 146097
  local day = days - era * 146097
  local year = (day - day // 1460 + day // 36524 - day // 146096) // 365
  day = day - (365 * year + year // 4 - year // 100)
  local month = (5 * day + 2) // 153
  day = day - (153 * month + 2) // 5 + 1
  if month >= 10 then
    return year + era * 400 + 1, month - 9, day
  end
  return year + era * 400, month + 3, day
end

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local MONTH_LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_in(year, month)
  return month == 2 and is_leap(year) and 29 or MONTH_LENGTHS[month]
end

-- Layouts

local MAX_LENGTH = 4096 -- of a layout, and of a value
local MAX_QUOTED = 256 -- of a text that an error quotes

local MONTHS = {
  "January", "February", "March", "April", "May", "June", "July",
  "August", "September", "October", "November", "December",
}
local DAYS = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }

local function shortened(names)
  local short = {}
  for i, name in ipairs(names) do
    short[i] = sub(name, 1, 3)
  end
  return short
end

local SHORT_MONTHS, SHORT_DAYS = shortened(MONTHS), shortened(DAYS)

-- What may stand in a layout, by its first character; the first that fits counts.
-- "Jan" and "Mon" followed by a small letter are words ("Janet"), not names to fill in.
local ELEMENTS = {
  J = { { "January", "long_month" }, { "Jan", "month", word = true } },
  M = { { "Monday", "long_weekday" }, { "Mon", "weekday", word = true }, { "MST", "zone" } },
  ["0"] = {
    { "01", "zero_month" }, { "02", "zero_day" }, { "03", "zero_hour12" }, { "04", "zero_minute" },
    { "05", "zero_second" }, { "06", "short_year" }, { "002", "zero_yday" },
  },
  ["1"] = { { "15", "hour" }, { "1", "num_month" } },
  ["2"] = { { "2006", "year" }, { "2", "day" } },
  _ = { { "_2", "under_day" }, { "__2", "under_yday" } },
  ["3"] = { { "3", "hour12" } },
  ["4"] = { { "4", "minute" } },
  ["5"] = { { "5", "second" } },
  P = { { "PM", "PM" } },
  p = { { "pm", "pm" } },
  ["-"] = {
    { "-070000", "offset" }, { "-07:00:00", "offset" }, { "-0700", "offset" },
    { "-07:00", "offset" }, { "-07", "offset" },
  },
  Z = {
    { "Z070000", "offset" }, { "Z07:00:00", "offset" }, { "Z0700", "offset" },
    { "Z07:00", "offset" }, { "Z07", "offset" },
  },
}

local function element_at(layout, at)
  local first = sub(layout, at, at)
  if first == "." or first == "," then
    local run = match(layout, "^0+", at + 1) or match(layout, "^9+", at + 1)
    if run and not find(layout, "^%d", at + 1 + #run) then
      local code = byte(run) == 48 and "fraction" or "fraction_trimmed"
      return code, at + #run
    end
    return nil
  end
  if first == "_" and sub(layout, at, at + 4) == "_2006" then
    return nil -- a literal "_" before a year
  end
  for _, element in ipairs(ELEMENTS[first]) do
    local last = at + #element[1] - 1
    if sub(layout, at, last) == element[1] then
      if not (element.word and find(layout, "^[a-z]", last + 1)) then
        return element[2], last
      end
    end
  end
  return nil
end

local function split(layout)
  local pieces, count, literal, at = {}, 0, 1, 1
  while true do
    at = find(layout, "[JM0-5_PpZ.,-]", at)
    if not at then
      break
    end
    local code, last = element_at(layout, at)
    if code then
      count = count + 1
      pieces[count] =
        { prefix = sub(layout, literal, at - 1), code = code, text = sub(layout, at, last) }
      literal, at = last + 1, last + 1
    else
      at = at + 1
    end
  end
  pieces.rest = sub(layout, literal)
  return pieces
end

-- Layouts are few and used often. Nothing of this can be reached by a program.
local cache, cached = {}, 0

local function compile(layout)
  local pieces = cache[layout]
  if not pieces then
    pieces = split(layout)
    if #layout <= 64 then
      if cached >= 64 then
        cache, cached = {}, 0
      end
      cache[layout], cached = pieces, cached + 1
    end
  end
  return pieces
end

-- Format

local function year_text(year)
  return year < 0 and fmt("-%04d", -year) or fmt("%04d", year)
end

local function offset_text(offset, text)
  if byte(text) == 90 and offset == 0 then -- "Z…"
    return "Z"
  end
  local colon = find(text, ":", 1, true) and ":" or ""
  local with_seconds = #text == 7 or #text == 9
  local size = offset < 0 and -offset or offset
  -- Without seconds -00:00:30 is "+00:00", as in Go.
  local sign = offset <= (with_seconds and -1 or -60) and "-" or "+"
  local parts = fmt("%s%02d", sign, size // 3600)
  if #text > 3 then
    parts = fmt("%s%s%02d", parts, colon, size // 60 % 60)
  end
  return with_seconds and fmt("%s%s%02d", parts, colon, size % 60) or parts
end

local function fraction_text(f, text)
  local digits = fmt("%09d", f.ns)
  return sub(text, 1, 1) .. sub(digits, 1, #text - 1)
end

local function hour12(f)
  local hour = f.hour % 12
  return hour == 0 and 12 or hour
end

local FORMAT = {
  year = function(f) return year_text(f.year) end,
  short_year = function(f) return fmt("%02d", f.year < 0 and 0 or f.year % 100) end,
  long_month = function(f) return MONTHS[f.month] end,
  month = function(f) return SHORT_MONTHS[f.month] end,
  num_month = function(f) return fmt("%d", f.month) end,
  zero_month = function(f) return fmt("%02d", f.month) end,
  long_weekday = function(f) return DAYS[f.weekday + 1] end,
  weekday = function(f) return SHORT_DAYS[f.weekday + 1] end,
  day = function(f) return fmt("%d", f.day) end,
  under_day = function(f) return fmt("%2d", f.day) end,
  zero_day = function(f) return fmt("%02d", f.day) end,
  under_yday = function(f) return fmt("%3d", f.yday) end,
  zero_yday = function(f) return fmt("%03d", f.yday) end,
  hour = function(f) return fmt("%02d", f.hour) end,
  hour12 = function(f) return fmt("%d", hour12(f)) end,
  zero_hour12 = function(f) return fmt("%02d", hour12(f)) end,
  minute = function(f) return fmt("%d", f.min) end,
  zero_minute = function(f) return fmt("%02d", f.min) end,
  second = function(f) return fmt("%d", f.sec) end,
  zero_second = function(f) return fmt("%02d", f.sec) end,
  PM = function(f) return f.hour >= 12 and "PM" or "AM" end,
  pm = function(f) return f.hour >= 12 and "pm" or "am" end,
  offset = function(f, text) return offset_text(f.offset, text) end,
  zone = function(f) return f.zone ~= "" and f.zone or offset_text(f.offset, "-0700") end,
  fraction = fraction_text,
  fraction_trimmed = function(f, text)
    local shown = gsub(fraction_text(f, text), "0+$", "")
    return #shown > 1 and shown or ""
  end,
}

local function format(layout, f)
  local out, count = {}, 0
  local pieces = compile(layout)
  for _, piece in ipairs(pieces) do
    out[count + 1], out[count + 2] = piece.prefix, FORMAT[piece.code](f, piece.text)
    count = count + 2
  end
  out[count + 1] = pieces.rest
  return concat(out)
end

-- Parse. A reader gets what was read so far (f), the value, a position and the text of its element;
-- it returns the position behind what it took, or nil if it cannot read it. It sets f.range to the
-- name of what is out of range.

local function number(value, at, pattern)
  local digits = match(value, pattern, at)
  if digits then
    return tointeger(tonumber(digits)), at + #digits
  end
end

local TWO, ONE_OR_TWO = "^%d%d", "^%d%d?"

local function field(name, pattern, low, high, range)
  return function(f, value, at)
    local n, after = number(value, at, pattern)
    if n then
      f[name] = n
      if n < low or n > high then
        f.range = range
      end
    end
    return after
  end
end

local function name_of(key, names)
  return function(f, value, at)
    for i, name in ipairs(names) do
      if lower(sub(value, at, at + #name - 1)) == lower(name) then
        f[key] = i
        return at + #name
      end
    end
  end
end

local function half_of_day(am, pm)
  return function(f, value, at)
    local read = sub(value, at, at + 1)
    f.pm = f.pm or read == pm
    f.am = f.am or read == am
    return (read == am or read == pm) and at + 2 or nil
  end
end

local function nanoseconds(f, digits)
  digits = sub(digits, 1, 9)
  f.ns = tointeger(tonumber(digits .. rep("0", 9 - #digits)))
end

local function second(pattern)
  local read = field("sec", pattern, 0, 59, "second")
  return function(f, value, at, _, following)
    local after = read(f, value, at)
    local layout_has_fraction = following and find(following.code, "^fraction")
    if after and not f.range and not layout_has_fraction then
      local digits = match(value, "^[.,](%d+)", after)
      if digits then
        nanoseconds(f, digits)
        after = after + 1 + #digits
      end
    end
    return after
  end
end

local OFFSET_PATTERNS = {
  ["07"] = "^([+-])(%d%d)",
  ["0700"] = "^([+-])(%d%d)(%d%d)",
  ["07:00"] = "^([+-])(%d%d):(%d%d)",
  ["070000"] = "^([+-])(%d%d)(%d%d)(%d%d)",
  ["07:00:00"] = "^([+-])(%d%d):(%d%d):(%d%d)",
}

local function read_offset(f, value, at, text)
  if byte(text) == 90 and byte(value, at) == 90 then -- "Z"
    f.utc = true
    return at + 1
  end
  local sign, hours, minutes, seconds = match(value, OFFSET_PATTERNS[sub(text, 2)], at)
  if not sign then
    return nil
  end
  local h, m, s = tonumber(hours), tonumber(minutes or 0), tonumber(seconds or 0)
  local offset = (h * 60 + m) * 60 + s
  if m > 60 then
    f.range = "time zone offset minute"
  elseif s > 60 then
    f.range = "time zone offset second"
  elseif offset >= 86400 then -- Go takes 24:00 too; a datetime of Python cannot
    f.range = "time zone offset hour"
  end
  f.offset = sign == "-" and -offset or offset
  return at + #text
end

local function signed_hours(value, at)
  local sign, digits = match(value, "^([+-])0*(%d+)", at)
  if sign and #digits <= 2 and tonumber(digits) <= 23 then
    return match(value, "^[+-]%d+", at)
  end
  return ""
end

local function zone_name(value, at)
  local four = sub(value, at, at + 3)
  if four == "ChST" or four == "MeST" then
    return four
  end
  if sub(four, 1, 3) == "GMT" then
    return "GMT" .. signed_hours(value, at + 3)
  end
  if find(four, "^[+-]") then
    local hours = signed_hours(value, at)
    return #four >= 3 and hours ~= "" and hours or nil
  end
  local capitals = #match(value, "^%u?%u?%u?%u?%u?%u?", at)
  local name = sub(value, at, at + capitals - 1)
  if capitals == 3 or name == "WITA" then
    return name
  end
  return (capitals == 4 or capitals == 5) and sub(name, -1) == "T" and name or nil
end

local function read_zone(f, value, at)
  if sub(value, at, at + 2) == "UTC" then
    f.utc = true
    return at + 3
  end
  f.zone = zone_name(value, at)
  return f.zone and at + #f.zone
end

local day = field("day", ONE_OR_TWO, 0, 99)
local minute = field("min", ONE_OR_TWO, 0, 59, "minute")

local PARSE = {
  year = field("year", "^%d%d%d%d", 0, 9999),
  short_year = function(f, value, at)
    local year, after = number(value, at, TWO)
    f.year = year and (year >= 69 and 1900 or 2000) + year
    return after
  end,
  long_month = name_of("month", MONTHS),
  month = name_of("month", SHORT_MONTHS),
  num_month = field("month", ONE_OR_TWO, 1, 12, "month"),
  zero_month = field("month", TWO, 1, 12, "month"),
  long_weekday = name_of("weekday", DAYS),
  weekday = name_of("weekday", SHORT_DAYS),
  day = day,
  under_day = function(f, value, at) return day(f, value, byte(value, at) == 32 and at + 1 or at) end,
  zero_day = field("day", TWO, 0, 99),
  under_yday = function(f, value, at)
    local n, after = number(value, at + #match(value, "^ ? ?", at), "^%d%d?%d?")
    f.yday = n
    return after
  end,
  zero_yday = field("yday", "^%d%d%d", 0, 999),
  hour = field("hour", ONE_OR_TWO, 0, 23, "hour"),
  hour12 = field("hour", ONE_OR_TWO, 0, 12, "hour"),
  zero_hour12 = field("hour", TWO, 0, 12, "hour"),
  minute = minute,
  zero_minute = field("min", TWO, 0, 59, "minute"),
  second = second(ONE_OR_TWO),
  zero_second = second(TWO),
  PM = half_of_day("AM", "PM"),
  pm = half_of_day("am", "pm"),
  offset = read_offset,
  zone = read_zone,
  fraction = function(f, value, at, text)
    local digits = match(value, "^[.,](%d+)", at)
    if digits and #digits >= #text - 1 then
      nanoseconds(f, sub(digits, 1, #text - 1))
      return at + #text
    end
  end,
  fraction_trimmed = function(f, value, at)
    local digits = match(value, "^[.,](%d+)", at)
    if digits then
      nanoseconds(f, digits)
      at = at + 1 + #digits
    end
    return at
  end,
}

local function quote(text)
  if #text > MAX_QUOTED then
    text = sub(text, 1, MAX_QUOTED) .. "..."
  end
  local escaped = gsub(text, '[\0-\31"\\\128-\255]', function(c)
    return (c == '"' or c == "\\") and "\\" .. c or fmt("\\x%02x", byte(c))
  end)
  return '"' .. escaped .. '"'
end

-- Behind a literal text of the layout; or nil, where it stopped, and what it missed there.
-- Any number of spaces fits any number, except none.
local function skip(value, at, prefix)
  local i = 1
  while i <= #prefix do
    local wanted = byte(prefix, i)
    if wanted == 32 then
      if at <= #value and byte(value, at) ~= 32 then
        return nil, at
      end
      i = i + #match(prefix, "^ +", i)
      at = at + #match(value, "^ *", at)
    else
      if byte(value, at) ~= wanted then
        return nil, at
      end
      i, at = i + 1, at + 1
    end
  end
  return at
end

-- Sets month and day by the day of the year. Returns what is wrong, if something is.
local function resolve_yday(f)
  local last = is_leap(f.year) and 366 or 365
  if f.yday < 1 or f.yday > last then
    return "day-of-year out of range"
  end
  local month, rest = 1, f.yday
  while rest > days_in(f.year, month) do
    rest = rest - days_in(f.year, month)
    month = month + 1
  end
  if f.month and f.month ~= month then
    return "day-of-year does not match month"
  elseif f.day and f.day ~= rest then
    return "day-of-year does not match day"
  end
  f.month, f.day = month, rest
  return nil
end

-- The fields that a value has by a layout: year, month, day, hour, min, sec, ns, and of the zone
-- utc = true, offset, zone (its name), or none. Or nil and a message.
local function parse(layout, value)
  local f = { year = 0, hour = 0, min = 0, sec = 0, ns = 0 }
  local function cannot(rest, wanted)
    return nil, fmt("parsing time %s as %s: cannot parse %s as %s",
      quote(value), quote(layout), quote(rest), quote(wanted))
  end
  local function wrong(what)
    return nil, fmt("parsing time %s: %s", quote(value), what)
  end

  local pieces, at = compile(layout), 1
  for i, piece in ipairs(pieces) do
    local start, stopped = skip(value, at, piece.prefix)
    if not start then
      return cannot(sub(value, stopped), piece.prefix)
    end
    at = PARSE[piece.code](f, value, start, piece.text, pieces[i + 1])
    if not at then
      return cannot(sub(value, start), piece.text)
    elseif f.range then
      return wrong(f.range .. " out of range")
    end
  end
  local last, stopped = skip(value, at, pieces.rest)
  if not last then
    return cannot(sub(value, stopped), pieces.rest)
  elseif last <= #value then
    return wrong("extra text: " .. quote(sub(value, last)))
  end

  if f.pm and f.hour < 12 then
    f.hour = f.hour + 12
  elseif f.am and f.hour == 12 then
    f.hour = 0
  end
  local mismatch = f.yday and resolve_yday(f)
  if mismatch then
    return wrong(mismatch)
  end
  f.month, f.day = f.month or 1, f.day or 1
  if f.day < 1 or f.day > days_in(f.year, f.month) then
    return wrong("day out of range")
  end
  return f
end

-- Functions and one number: nothing that could be changed.
return {
  days_of = days_of, date_of = date_of, format = format, parse = parse, quote = quote,
  month_name = function(month) return MONTHS[month] end,
  weekday_name = function(weekday) return DAYS[weekday + 1] end,
  MAX_LENGTH = MAX_LENGTH,
}
