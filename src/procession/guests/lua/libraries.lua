-- Lua's own libraries as programs get them: without what leads out of the sandbox, and with bounds
-- on what C code, which nothing can interrupt, may do in one call.

local kit = ...

local type, rawset, rawget, next, select, error = type, rawset, rawget, next, select, error
local setmetatable, getmetatable, tonumber, raw_tostring = setmetatable, getmetatable, tonumber, tostring
local math_type, tointeger = math.type, math.tointeger
local format, rep, sub, gsub = string.format, string.rep, string.sub, string.gsub
local unpack, concat, ult = table.unpack, table.concat, math.ult
local metatable_of = kit.metatable_of

local MAX_STRING = 64 << 20 -- bytes that one call may build: it cannot be interrupted
local MAX_ITEMS = 10000000 -- items that one call may touch

-- -- values as text ---------------------------------------------------------------------------

-- As in Lua 5.1: a float without a fraction prints without one.
local function tostring(v)
  local text = raw_tostring(v)
  if math_type(v) == "float" and sub(text, -2) == ".0" then
    return sub(text, 1, -3)
  end
  return text
end
kit.tostring = tostring

local function plain(v)
  if math_type(v) == "float" then
    return tointeger(v) or v
  end
  if kit.is_error(v) then
    return raw_tostring(v)
  end
  return v
end

local function plain_items(n, v, ...)
  if n == 0 then
    return
  end
  return plain(v), plain_items(n - 1, ...)
end

-- -- libraries --------------------------------------------------------------------------------

local function copied(library, names)
  local result = {}
  for name in names:gmatch("%S+") do
    result[name] = library[name]
  end
  return result
end

local function bad_argument(n, name, text, level)
  error(format("bad argument #%d to '%s' (%s)", n, name, text), (level or 2) + 1)
end
kit.bad_argument = bad_argument

-- What takes long, or as long as a metamethod wants: in Lua, and under a name that is not ours, so
-- that it is interrupted and ended like the program itself. The same in C would hold up everyone.
local SLOW = [[
local find, sub, rawequal, next, type, math_type, rawget = ...
local slow = {}

function slow.maxn(t)
  local found = 0
  for key in next, t do
    if type(key) == "number" and key > found then
      found = key
    end
  end
  return found
end

-- How long the strings of a list are together; where an item is no text; and instead of what is
-- not to be shown as C shows it, what is.
function slow.measure(t, first, last, plain)
  local size, changed = 0.0, nil
  for i = first, last do
    local v = rawget(t, i)
    if type(v) == "string" then
      size = size + #v
    elseif math_type(v) ~= "integer" then
      local shown = plain(v)
      if type(shown) ~= "string" and type(shown) ~= "number" then
        return size, i
      end
      changed = changed or {}
      changed[i] = shown
    end
  end
  return size, nil, changed
end

function slow.shift_up(t, first, last)
  for i = last, first, -1 do
    t[i + 1] = t[i]
  end
end

function slow.shift_down(t, first, last)
  for i = first, last do
    t[i - 1] = t[i]
  end
end

function slow.move(a1, first, last, to, a2)
  if to > last or to <= first or not rawequal(a1, a2) then
    for i = 0, last - first do
      a2[to + i] = a1[first + i]
    end
  else
    for i = last - first, 0, -1 do
      a2[to + i] = a1[first + i]
    end
  end
  return a2
end

function slow.items(t, first, last)
  local items = {}
  for i = 0, last - first do
    items[i + 1] = t[first + i]
  end
  return items
end

local function less(a, b)
  return a < b
end

-- By merging, from the bottom up.
function slow.sort(t, count, before)
  before = before or less
  local from, to = slow.items(t, 1, count), {}
  local size = 1
  while size < count do
    for low = 1, count, 2 * size do
      local i, i_end = low, low + size
      local j, j_end = i_end, i_end + size
      if i_end > count + 1 then i_end = count + 1 end
      if j_end > count + 1 then j_end = count + 1 end
      local k = low
      while i < i_end and j < j_end do
        if before(from[j], from[i]) then
          to[k], j = from[j], j + 1
        else
          to[k], i = from[i], i + 1
        end
        k = k + 1
      end
      for l = i, i_end - 1 do
        to[k], k = from[l], k + 1
      end
      for l = j, j_end - 1 do
        to[k], k = from[l], k + 1
      end
    end
    from, to = to, from
    size = 2 * size
  end
  for i = 1, count do
    t[i] = from[i]
  end
end

-- Find a long text where its beginning is.
function slow.find(s, text, init)
  local head, size = sub(text, 1, 64), #text
  while true do
    local at = find(s, head, init, true)
    if not at then
      return nil
    elseif sub(s, at, at + size - 1) == text then
      return at, at + size - 1
    end
    init = at + 1
  end
end

return slow
]]
local slow = assert(load(SLOW, "=[library]", "t"))(string.find, sub, rawequal, next, type, math_type, rawget)
local quick = assert(load(SLOW, "=[procession] library", "t"))(string.find, sub, rawequal, next, type, math_type, rawget)
kit.slow = slow

-- The functions of the string library take an error object for its message (SEMANTICS 2.3).
local methods = copied(string, "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper")
methods.gfind = methods.gmatch

function methods.rep(s, n, separator)
  local count = tonumber(n)
  if count == nil then
    bad_argument(2, "rep", "number expected, got " .. (n == nil and "no value" or type(n)))
  end
  if type(s) == "number" then
    s = raw_tostring(s)
  end
  if type(s) == "string" and count > 0 then
    local length = #s
    if type(separator) == "string" or type(separator) == "number" then
      length = length + #raw_tostring(separator)
    end
    if length * (count + 0.0) > MAX_STRING then
      error("resulting string too large", 2)
    elseif length == 0 and count > 1 then
      n = 1 -- it counts all the same
    end
  end
  return rep(s, n, separator)
end

-- An error of C is told at the line of the program, and not at ours.
local function at_caller(ok, ...)
  if ok then
    return ...
  end
  error((...), 2)
end

function methods.format(pattern, ...)
  local n = select("#", ...)
  if n > 200 then
    error("too many arguments to 'format'", 2)
  end
  local size = 0
  for i = 1, n do
    local v = select(i, ...)
    if type(v) == "string" then
      size = size + #v
      if size > MAX_STRING then
        error("resulting string too large", 2)
      end
    end
  end
  return at_caller(pcall(format, pattern, plain_items(n, ...)))
end

function methods.pack(layout, ...)
  if type(layout) == "string" then
    local size = 0.0
    for digits in string.gmatch(layout, "c(%d+)") do
      size = size + tonumber(digits)
    end
    for _, v in next, { ... } do
      size = size + (type(v) == "string" and #v or 0)
    end
    if size > MAX_STRING then
      error("resulting string too large", 2)
    end
  end
  return string.pack(layout, ...)
end

kit.bound_patterns(methods)

local string_library = {}
for name, f in next, methods do
  string_library[name] = f
end
for name in ("byte find gmatch gfind gsub len lower match rep reverse sub upper format"):gmatch("%S+") do
  local f = methods[name]
  string_library[name] = function(s, ...)
    if type(s) == "table" and kit.is_error(s) then
      s = raw_tostring(s)
    end
    return f(s, ...)
  end
end

local table_library = { pack = table.pack }

local function length_of(t, name)
  if type(t) ~= "table" then
    bad_argument(1, name, "table expected, got " .. (t == nil and "no value" or type(t)), 3)
  end
  local length = #t
  if math_type(length) ~= "integer" then
    length = tointeger(length) or error("object length is not an integer", 3)
  end
  return length
end

-- An argument that is to be an integer. Without `default` it must be there.
local function integer(v, n, name, default)
  if v == nil and default then
    return default
  end
  local whole = math_type(v) == "integer" and v or tointeger(tonumber(v))
  if not whole then
    local expected = tonumber(v) and "number has no integer representation"
    bad_argument(n, name, expected or "number expected, got " .. (v == nil and "no value" or type(v)), 3)
  end
  return whole
end

-- Whether C may do it: at once, and without metamethods.
local function is_quick(t, count)
  return metatable_of(t) == nil and count <= MAX_ITEMS
end

local insert, remove, move, sort = table.insert, table.remove, table.move, table.sort

function table_library.insert(t, ...)
  local count, n = length_of(t, "insert") + 1, select("#", ...)
  if n == 1 then
    t[count] = ...
    return
  elseif n ~= 2 then
    error("wrong number of arguments to 'insert'", 2)
  end
  local position, v = ...
  position = integer(position, 2, "insert")
  if not ult(position - 1, count) then
    bad_argument(2, "insert", "position out of bounds")
  elseif is_quick(t, count) then
    insert(t, position, v)
  else
    slow.shift_up(t, position, count - 1)
    t[position] = v
  end
end

function table_library.remove(t, ...)
  local count = length_of(t, "remove")
  local position = integer((...), 2, "remove", count)
  if position ~= count and ult(count, position - 1) then
    bad_argument(2, "remove", "position out of bounds")
  elseif position ~= count and is_quick(t, count) then
    return remove(t, position)
  end
  local v = t[position]
  slow.shift_down(t, position + 1, count)
  t[position < count and count or position] = nil
  return v
end

function table_library.unpack(t, first, last)
  if type(t) == "table" and metatable_of(t) == nil then
    return unpack(t, first, last)
  end
  first = integer(first, 2, "unpack", 1)
  last = last ~= nil and integer(last, 3, "unpack") or length_of(t, "unpack")
  if first > last then
    return
  elseif not ult(last - first, 1000000) then
    error("too many results to unpack", 2)
  end
  return unpack(slow.items(t, first, last), 1, last - first + 1)
end

local function check_span(first, last, name)
  if first <= last and not ult(last - first, MAX_ITEMS) then
    error(format("too many items for '%s'", name), 3)
  end
end

function table_library.concat(t, separator, first, last)
  local count = last == nil and length_of(t, "concat") or 0
  if type(t) ~= "table" then
    length_of(t, "concat")
  end
  first, last = integer(first, 3, "concat", 1), integer(last, 4, "concat", count)
  if first > last then
    return ""
  end
  check_span(first, last, "concat")
  local measure = quick.measure
  if metatable_of(t) ~= nil or last - first > 100000 then
    t, first, last = slow.items(t, first, last), 1, last - first + 1
    measure = slow.measure
  end
  local size, wrong, changed = measure(t, first, last, plain)
  if wrong then
    error(format("invalid value (at index %d) in table for 'concat'", wrong), 2)
  elseif type(separator) == "string" then
    size = size + #separator * (last - first + 0.0)
  end
  if size > MAX_STRING then
    error("resulting string too large", 2)
  end
  if changed then
    t = setmetatable(changed, { __index = t })
  end
  return concat(t, separator, first, last)
end

function table_library.move(a1, first, last, to, a2)
  local target = a2 == nil and a1 or a2
  if type(a1) ~= "table" or type(target) ~= "table" then
    return move(a1, first, last, to, a2)
  end
  first, last, to = integer(first, 2, "move"), integer(last, 3, "move"), integer(to, 4, "move")
  if first > last then
    return target
  end
  check_span(first, last, "move")
  if metatable_of(a1) == nil and metatable_of(target) == nil then
    return move(a1, first, last, to, target)
  elseif to > math.maxinteger - (last - first) then
    bad_argument(4, "move", "destination wrap around")
  end
  return slow.move(a1, first, last, to, target)
end

function table_library.sort(t, before)
  local count = length_of(t, "sort")
  if before ~= nil and type(before) ~= "function" then
    bad_argument(2, "sort", "function expected, got " .. type(before))
  elseif count > MAX_ITEMS then
    error("too many items for 'sort'", 2)
  elseif is_quick(t, count * 100) then
    return sort(t, before)
  end
  slow.sort(t, count, before)
end

function table_library.getn(t)
  return length_of(t, "getn")
end

function table_library.maxn(t)
  length_of(t, "maxn")
  return slow.maxn(t)
end

local math_library = copied(
  math,
  "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad sin sqrt tan tointeger type ult"
)
math_library.mod = math.fmod
function math_library.pow(x, y)
  return x ^ y
end
function math_library.log10(x)
  return math.log(x, 10)
end
function math_library.atan2(y, x)
  return math.atan(y, x)
end
function math_library.ldexp(m, e)
  return m * 2.0 ^ e
end

-- Each process has random numbers of its own: a seed that one sets must not show in another's.
local function new_random()
  local a, b, c, d = kit.host.entropy()
  local function rotate(x, n)
    return (x << n) | (x >> (64 - n))
  end
  local function following()
    local result = rotate(b * 5, 7) * 9
    local t = b << 17
    c, d, b, a = c ~ a, d ~ b, b ~ c, a ~ d
    c, d = c ~ t, rotate(d, 45)
    return result
  end
  local function below(n) -- an integer in [0, n], without bias
    if n & (n + 1) == 0 then
      return following() & n
    end
    local mask = n
    for shift = 0, 5 do
      mask = mask | (mask >> (1 << shift))
    end
    local r
    repeat
      r = following() & mask
    until not math.ult(n, r)
    return r
  end
  local function random(m, n)
    if m == nil then
      return (following() >> 11) * 2.0 ^ -53
    end
    local low, high = 1, tointeger(m)
    if n ~= nil then
      low, high = tointeger(m), tointeger(n)
    end
    if not low or not high then
      bad_argument(1, "random", "number has no integer representation")
    end
    if n == nil and high == 0 then
      return following()
    end
    if low > high then
      bad_argument(n == nil and 1 or 2, "random", "interval is empty")
    end
    return below(high - low) + low
  end
  local function randomseed(x, y)
    if x == nil then
      a, b, c, d = kit.host.entropy()
    else
      a, b, c, d = tointeger(x) or string.unpack("i8", string.pack("n", x)), 0xff, tointeger(y) or 0, 0
      for _ = 1, 16 do
        following()
      end
    end
  end
  return random, randomseed
end

local os_library = {}
local os_time, os_date = os.time, os.date
function os_library.time(when)
  if when == nil then
    return kit.host.wall() // 1000000000
  end
  return os_time(when)
end
function os_library.date(layout, when)
  if when == nil then
    when = kit.host.wall() // 1000000000
  end
  return os_date(layout, when)
end
os_library.clock = os.clock
function os_library.difftime(late, early)
  return late - (early or 0.0)
end

local coroutine_library = {} -- filled by coroutine.lua
kit.coroutine_library = coroutine_library

local utf8_library = copied(utf8, "char charpattern codepoint codes len offset")

kit.libraries = {
  coroutine = coroutine_library,
  math = math_library,
  os = os_library,
  string = string_library,
  table = table_library,
  utf8 = utf8_library,
}
kit.string_methods = methods
kit.new_random = new_random
kit.raw_tostring = raw_tostring
kit.gsub = gsub
