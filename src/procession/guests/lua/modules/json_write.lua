-- Values written as JSON text. It runs like a program's own code (see `kit.module`): a large value is written
-- for long, and meanwhile others run. So nothing here is shared between two writings.

local kit = ...

local type, next, error, pcall, setmetatable, getmetatable = type, next, error, pcall, setmetatable, getmetatable
local rawget, rawlen, tostring, tonumber = rawget, rawlen, tostring, tonumber
local find, format, gsub, sub, byte, match = string.find, string.format, string.gsub, string.sub, string.byte, string.match
local concat, sort, math_type, tointeger, utf8_len = table.concat, table.sort, math.type, math.tointeger, utf8.len
local metatable_of, is_error, plain_value = kit.metatable_of, kit.is_error, kit.plain_value

local MAX_DEPTH = 128
local MAX_TEXT = 64 << 20 -- bytes
local MAX_AT_ONCE = 100000 -- items that C puts together
local PIECE = 1 << 16 -- bytes that C goes through without a look at the clock
local SAFE = 2.0 ^ 53 -- up to here a float without a fraction is an integer, exactly

-- Thrown for what has no form in JSON. In `place` are the keys that lead to it, by their depth.
local Problem = {}
local function refuse(reason)
  error(setmetatable({ reason = reason }, Problem), 0)
end

local function check_size(size)
  if size > MAX_TEXT then
    refuse("its text is longer than " .. MAX_TEXT .. " bytes")
  end
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
for c = 0, 31 do
  local character = string.char(c)
  ESCAPES[character] = ESCAPES[character] or format("\\u%04x", c)
end

local SHORT = 64 -- bytes of a text for which one look at a set is the fastest

-- Whether nothing in a text is to be escaped. C is several times faster at one class than at a set.
local function is_plain(s)
  return match(s, "^%C*()") > #s and not find(s, '"', 1, true) and not find(s, "\\", 1, true)
end

local function quoted(s, what)
  if #s > PIECE then
    check_size(#s)
    if kit.slow.utf8_problem(s) then
      refuse("the " .. what .. " is not UTF-8")
    end
    local parts, n, size = { '"' }, 1, 0
    for at = 1, #s, PIECE do
      n = n + 1
      local piece = sub(s, at, at + PIECE - 1)
      parts[n] = is_plain(piece) and piece or gsub(piece, '[%c"\\]', ESCAPES)
      size = size + #parts[n]
      check_size(size)
    end
    parts[n + 1] = '"'
    return concat(parts)
  elseif #s < SHORT and not find(s, "[^a-~ #-Z^-`%[%]!]") then
    return '"' .. s .. '"'
  elseif not utf8_len(s) then
    refuse("the " .. what .. " is not UTF-8")
  elseif #s >= SHORT and is_plain(s) then
    return '"' .. s .. '"'
  end
  return '"' .. gsub(s, '[%c"\\]', ESCAPES) .. '"'
end

local function number_text(v)
  if math_type(v) == "integer" then
    return format("%d", v)
  elseif v ~= v or v == math.huge or v == -math.huge then
    refuse("there is no " .. (v ~= v and "nan" or tostring(v)) .. " in JSON")
  elseif v <= SAFE and v >= -SAFE and tointeger(v) then
    return format("%d", tointeger(v))
  end
  local text
  for digits = 15, 17 do
    text = format("%." .. digits .. "g", v)
    if tonumber(text) == v then
      break
    end
  end
  return (gsub(gsub(text, "e%+", "e"), "e(-?)0+", "e%1"))
end

-- The text of a moment as Python writes it, whose years are those from 1 to 9999.
local function time_text(seconds, nanoseconds, offset)
  local date_of = kit.module("time_layout").date_of
  local shown = seconds + offset
  local year, month, day = date_of(shown // 86400)
  if year > 9999 then
    return '"9999-12-31T23:59:59.999999Z"'
  elseif year < 1 then
    return '"0001-01-01T00:00:00Z"'
  end
  local rest, micro = shown % 86400, nanoseconds // 1000
  local zone = "Z"
  if offset ~= 0 then
    local size = (offset < 0 and -offset or offset) // 60
    zone = format("%s%02d:%02d", offset < 0 and "-" or "+", size // 60, size % 60)
  end
  local fraction = micro > 0 and format(".%06d", micro) or ""
  return format('"%04d-%02d-%02dT%02d:%02d:%02d%s%s"', year, month, day, rest // 3600, rest // 60 % 60, rest % 60, fraction, zone)
end

-- Put together what C may not put together at once.
local function joined(parts, n)
  if n <= MAX_AT_ONCE then
    return concat(parts, ",", 1, n)
  end
  local blocks, count = {}, 0
  for first = 1, n, MAX_AT_ONCE do
    count = count + 1
    blocks[count] = concat(parts, ",", first, first + MAX_AT_ONCE - 1 < n and first + MAX_AT_ONCE - 1 or n)
  end
  return concat(blocks, ",")
end

local write

local function write_list(v, length, depth, place)
  local parts, size = {}, 0
  for i = 1, length do
    place[depth] = i
    local text = write(rawget(v, i), depth + 1, place)
    parts[i] = text
    size = size + #text + 1
    check_size(size)
  end
  place[depth] = nil
  return "[" .. joined(parts, length) .. "]"
end

local function name_of(key)
  if type(key) == "string" then
    return key
  elseif math_type(key) == "integer" then
    return format("%d", key)
  end
  refuse("a key is a string or an integer")
end

local function write_map(v, depth, place)
  local names, keys, n, size = {}, {}, 0, 0
  for key in next, v do
    place[depth] = key
    local name = name_of(key)
    if keys[name] ~= nil then
      refuse("another key has the same text")
    end
    n = n + 1
    names[n], keys[name] = name, key
    size = size + #name
    check_size(size)
  end
  if n > MAX_AT_ONCE // 10 then
    kit.slow.sort(names, n)
  else
    sort(names)
  end
  local parts = {}
  size = 0
  for i = 1, n do
    local name = names[i]
    local key = keys[name]
    place[depth] = key
    local text = quoted(name, "key") .. ":" .. write(rawget(v, key), depth + 1, place)
    parts[i] = text
    size = size + #text + 1
    check_size(size)
  end
  place[depth] = nil
  return "{" .. joined(parts, n) .. "}"
end

local function write_table(v, depth, place)
  if depth > MAX_DEPTH then
    refuse("it nests deeper than " .. MAX_DEPTH .. " levels, or contains itself")
  end
  local metatable = metatable_of(v)
  if metatable ~= nil then
    if is_error(v) then
      local kind, message, retryable, details = kit.error_parts(v)
      kind = kind ~= "" and kind or "Internal"
      return write_map({ kind = kind, message = message, retryable = retryable, details = details }, depth, place)
    elseif kit.time_parts then
      local seconds, nanoseconds, offset = kit.time_parts(v)
      if seconds then
        return time_text(seconds, nanoseconds, offset)
      end
    end
    local is_plain, inner = plain_value(v, metatable)
    if is_plain then
      return write(inner, depth + 1, place)
    end
  end
  if next(v) == nil then
    return kit.compatible and "[]" or "{}"
  end
  local length = rawlen(v)
  if kit.walk.is_list(v, length) then
    return write_list(v, length, depth, place)
  end
  return write_map(v, depth, place)
end

function write(v, depth, place)
  local kind = type(v)
  if kind == "string" then
    return quoted(v, "string")
  elseif kind == "number" then
    return number_text(v)
  elseif kind == "table" then
    return write_table(v, depth, place)
  elseif kind == "boolean" then
    return v and "true" or "false"
  elseif kind == "nil" then
    return "null"
  end
  refuse("it is of type " .. (kit.is_channel(v) and "channel" or kind))
end

-- A text of a program as a part of an error.
local function shown(text)
  if #text > 120 then
    text = sub(text, 1, 60) .. " ... " .. sub(text, -40)
  end
  return utf8_len(text) and text or gsub(text, "[\128-\255]", function(c)
    return format("\\x%02x", byte(c))
  end)
end

local function step(key)
  return type(key) == "string" and '["' .. shown(key) .. '"]' or "[" .. tostring(key) .. "]"
end

-- The text of a value; or nil, where in the value, and why it has none.
return function(v)
  local place = {}
  local ok, text = pcall(write, v, 1, place)
  if ok then
    return text
  elseif getmetatable(text) ~= Problem then
    error(text, 0)
  end
  local path = "value"
  for depth = 1, MAX_DEPTH + 1 do
    if place[depth] ~= nil then
      path = path .. step(place[depth])
    end
  end
  return nil, shown(path), text.reason
end
