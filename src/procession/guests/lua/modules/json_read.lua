-- JSON text read into a value. It runs like a program's own code (see `kit.module`): a long text is read for
-- long, and meanwhile others run. So nothing here is shared between two readings.
--
-- Each `read_` gets the text and where to begin, and returns a value and the place behind it.

local kit = ...

local slow = kit.slow
local error, pcall, setmetatable, getmetatable, tonumber = error, pcall, setmetatable, getmetatable, tonumber
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local utf8_char, huge, concat = utf8.char, math.huge, table.concat

local MAX_DEPTH = 128
local MAX_TEXT = 64 << 20 -- bytes
local MAX_NUMBER = 1000 -- characters
local MAX_PARTS = 10000
local PIECE = 1 << 20 -- bytes that C may go through without a look at the clock
local CHECKED = 1 << 16 -- bytes of a string that are checked at once
local SHORT = 64 -- bytes of a string for which one look at a set is the fastest
local WINDOW = 256 -- bytes of a longer text that are looked at first

-- Thrown for a text that is no JSON.
local Problem = {}
local function refuse(reason)
  error(setmetatable({ reason = reason }, Problem), 0)
end
local function malformed(reason, at)
  refuse("JSON is malformed: " .. reason .. " (byte " .. at - 1 .. ")")
end

-- Where the first character of a set is; nil if there is none.
local function scan(text, set, at)
  if #text <= PIECE then
    return find(text, set, at)
  end
  local size = WINDOW
  while at <= #text do
    local found = find(sub(text, at, at + size - 1), set)
    if found then
      return at + found - 1
    end
    at = at + size
    if size < PIECE then
      size = 2 * size
    end
  end
end

-- As string.match, of what fits a pattern that begins at a place; of a long text the near part.
local function near(text, pattern, at)
  if #text <= PIECE then
    return match(text, pattern, at)
  end
  local found, after = match(sub(text, at, at + WINDOW - 1), pattern)
  return found, after and at + after - 1
end

-- The next character that is no space, and its place.
local function next_one(text, at)
  local c = byte(text, at)
  if c == 32 or c == 10 or c == 13 or c == 9 then
    at = scan(text, "[^ \n\r\t]", at + 1) or #text + 1
    c = byte(text, at)
  end
  if c == nil then
    refuse("Input data was truncated")
  end
  return c, at
end

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- What stands behind `\u` at a place: the character, and the place behind it.
local function escaped_unit(text, at)
  local digits = match(text, "^%x%x%x%x", at)
  if digits == nil then
    if #text < at + 4 then
      refuse("Input data was truncated")
    end
    malformed("invalid character in unicode escape", at)
  end
  return tonumber(digits, 16), at + 4
end

local function escaped(text, at)
  local unit, after = escaped_unit(text, at)
  if unit >= 0xD800 and unit <= 0xDFFF then
    local low
    if unit <= 0xDBFF and sub(text, after, after + 1) == "\\u" then
      low, after = escaped_unit(text, after + 2)
    end
    if low == nil or low < 0xDC00 or low > 0xDFFF then
      malformed("invalid utf-16 surrogate pair", after)
    end
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
  end
  return utf8_char(unit), after
end

-- What one character after a backslash stands for, and the place behind it.
local function unescaped(text, at)
  local what = sub(text, at, at)
  if what == "u" then
    return escaped(text, at + 1)
  elseif what == "" then
    refuse("Input data was truncated")
  end
  return ESCAPES[what] or malformed("invalid escape character in string", at), at + 1
end

-- Of a string with escapes, or one that does not end. 127 is a control character that may stand there.
local function read_escaped(text, at)
  local last = scan(text, '["\\%c]', at)
  local blocks, parts, n = {}, {}, 0
  while true do
    local c = last and byte(text, last)
    if c == 34 then
      parts[n + 1] = sub(text, at, last - 1)
      blocks[#blocks + 1] = concat(parts, "", 1, n + 1)
      return concat(blocks), last + 1
    elseif c == 92 then
      parts[n + 1] = sub(text, at, last - 1)
      parts[n + 2], at = unescaped(text, last + 1)
      n = n + 2
    elseif c == 127 then
      parts[n + 1] = sub(text, at, last)
      n, at = n + 1, last + 1
    elseif c == nil then
      refuse("Input data was truncated")
    else
      malformed("invalid character", last)
    end
    if n >= MAX_PARTS then -- what C puts together at once
      blocks[#blocks + 1], n = concat(parts, "", 1, n), 0
    end
    last = scan(text, '["\\%c]', at)
  end
end

-- A long string without escapes, if it is one, and the place behind it. C is several times faster at
-- one class than at a set.
local function read_plain(text, at, quote)
  for from = at, quote - 1, CHECKED do
    local piece = sub(text, from, from + CHECKED - 1 < quote and from + CHECKED - 1 or quote - 1)
    if match(piece, "^%C*()") <= #piece or find(piece, "\\", 1, true) then
      return nil
    end
  end
  return sub(text, at, quote - 1), quote + 1
end

-- Behind the opening quote.
local function read_string(text, at)
  local value, after
  local quote = #text > PIECE and find(text, '"', at, true)
  if quote and quote - at > SHORT then
    value, after = read_plain(text, at, quote)
  else
    value, after = near(text, '^([^"\\%c]*)"()', at)
  end
  if value then
    return value, after
  end
  return read_escaped(text, at)
end

local function read_number(text, at)
  if #text > PIECE and not find(sub(text, at, at + MAX_NUMBER), "[^%deE.+-]") and #text > at + MAX_NUMBER then
    refuse("a number of more than " .. MAX_NUMBER .. " characters (byte " .. at - 1 .. ")")
  end
  local digits, after = match(text, "^-?(%d+)()", at)
  if digits == nil then
    malformed("invalid number", at + 1)
  elseif byte(digits) == 48 and #digits > 1 then
    malformed("invalid number", after - #digits + 1)
  end
  local c = byte(text, after)
  if c == 46 then -- .
    after = match(text, "^%d+()", after + 1) or malformed("invalid number", after + 1)
    c = byte(text, after)
  end
  local has_exponent = c == 101 or c == 69
  if has_exponent then
    after = match(text, "^[+-]?%d+()", after + 1) or malformed("invalid number", after + 1)
  end
  local number = tonumber(sub(text, at, after - 1))
  if has_exponent and (number == huge or number == -huge) then
    refuse("Number out of range")
  end
  return number, after
end

local WORDS = { [110] = "null", [116] = "true", [102] = "false" }
local VALUES = { ["true"] = true, ["false"] = false }

local function read_word(text, at, word)
  local given = sub(text, at, at + #word - 1)
  if given == word then
    return VALUES[word], at + #word
  elseif given == sub(word, 1, #given) and #given < #word then
    refuse("Input data was truncated")
  end
  malformed("invalid character", at)
end

local read

local function read_array(text, at, depth)
  local result, n = {}, 0
  local c
  c, at = next_one(text, at)
  if c == 93 then
    return result, at + 1
  end
  while true do
    n = n + 1
    result[n], at = read(text, c, at, depth + 1)
    c = byte(text, at)
    if c ~= 44 then
      c, at = next_one(text, at)
      if c == 93 then -- ]
        return result, at + 1
      elseif c ~= 44 then
        malformed("expected ',' or ']'", at)
      end
    end
    at = at + 1
    c = byte(text, at)
    if c == nil or c <= 32 then
      c, at = next_one(text, at)
    end
    if c == 93 then
      malformed("trailing comma in array", at)
    end
  end
end

-- A key with what stands around it, and the place behind.
local function read_key(text, c, at)
  if c ~= 34 then
    malformed("object keys must be strings", at)
  end
  local key
  key, at = read_escaped(text, at + 1)
  c, at = next_one(text, at)
  if c ~= 58 then
    malformed("expected ':'", at)
  end
  return key, at + 1
end

local function read_object(text, at, depth)
  local result = {}
  local c
  c, at = next_one(text, at)
  if c == 125 then
    return result, at + 1
  end
  while true do
    local key, after = near(text, '^"([^"\\%c]*)"[ \n\r\t]*:()', at)
    if key then
      at = after
    else
      key, at = read_key(text, c, at)
    end
    c = byte(text, at)
    if c == nil or c <= 32 then
      c, at = next_one(text, at)
    end
    result[key], at = read(text, c, at, depth + 1)
    c = byte(text, at)
    if c ~= 44 then
      c, at = next_one(text, at)
      if c == 125 then -- }
        return result, at + 1
      elseif c ~= 44 then
        malformed("expected ',' or '}'", at)
      end
    end
    at = at + 1
    c = byte(text, at)
    if c == nil or c <= 32 then
      c, at = next_one(text, at)
    end
    if c == 125 then
      malformed("trailing comma in object", at)
    end
  end
end

-- `c` is the character there.
function read(text, c, at, depth)
  if c == 34 then
    return read_string(text, at + 1)
  elseif c == 123 or c == 91 then
    if depth >= MAX_DEPTH then
      refuse("JSON nests deeper than " .. MAX_DEPTH .. " levels")
    elseif c == 91 then
      return read_array(text, at + 1, depth)
    end
    return read_object(text, at + 1, depth)
  elseif c == 45 or c >= 48 and c <= 57 then
    return read_number(text, at)
  elseif WORDS[c] then
    return read_word(text, at, WORDS[c])
  end
  malformed("invalid character", at)
end

local function read_all(text)
  if #text > MAX_TEXT then
    refuse("the text is longer than " .. MAX_TEXT .. " bytes")
  end
  local wrong = slow.utf8_problem(text)
  if wrong then
    refuse("the text is not UTF-8 (byte " .. wrong - 1 .. ")")
  end
  local c, at = next_one(text, 1)
  local value
  value, at = read(text, c, at, 0)
  at = scan(text, "[^ \n\r\t]", at)
  if at then
    malformed("trailing characters", at)
  end
  return value
end

-- The value of a text; or nil and what is wrong with it.
return function(text)
  local ok, value = pcall(read_all, text)
  if ok then
    return value
  elseif getmetatable(value) ~= Problem then
    error(value, 0)
  end
  return nil, value.reason
end
