-- What a program sees of Lua: an environment of its own, and libraries that it cannot harm.
--
-- The libraries exist once per state. A process reaches them through a table of its own that falls
-- back to the library ("overlay"), made when the process first touches it: what it adds or replaces
-- is its own, and the library below stays out of reach, since its metatable is locked.

local kit = ...

local type, rawset, rawget, next, select, error = type, rawset, rawget, next, select, error
local setmetatable, getmetatable, tonumber, raw_tostring = setmetatable, getmetatable, tonumber, tostring
local math_type, tointeger = math.type, math.tointeger
local format, rep, sub, gsub = string.format, string.rep, string.sub, string.gsub
local unpack, concat = table.unpack, table.concat

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

-- The functions of the string library take an error object for its message (SEMANTICS 2.3).
local methods = copied(string, "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper")
methods.gfind = methods.gmatch

function methods.rep(s, n, separator)
  if type(s) == "string" and type(n) == "number" and n > 0 then
    local length = #s + (type(separator) == "string" and #separator or 0)
    if length * n > MAX_STRING then
      error("resulting string too large", 2)
    end
  end
  return rep(s, n, separator)
end

function methods.format(pattern, ...)
  local n = select("#", ...)
  if n > 200 then
    error("too many arguments to 'format'", 2)
  end
  return format(pattern, plain_items(n, ...))
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

local table_library = copied(table, "insert pack remove unpack")

local function check_span(first, last, name)
  if type(first) == "number" and type(last) == "number" and last - first > MAX_ITEMS then
    error(format("too many items for '%s'", name), 3)
  end
end

local function length_of(t, name)
  if type(t) ~= "table" then
    bad_argument(1, name, "table expected, got " .. (t == nil and "no value" or type(t)), 3)
  end
  return #t
end

function table_library.concat(t, separator, first, last)
  local count = length_of(t, "concat")
  first, last = first or 1, last or count
  check_span(first, last, "concat")
  if math_type(first) and math_type(last) and getmetatable(t) == nil then
    local size, floats = 0, nil
    for i = first, last do
      local v = rawget(t, i)
      if type(v) == "string" then
        size = size + #v
      elseif math_type(v) == "float" or kit.is_error(v) then
        floats = floats or {}
        floats[i] = plain(v)
      end
      if size > MAX_STRING then
        error("resulting string too large", 2)
      end
    end
    size = size + (type(separator) == "string" and #separator or 0) * (last - first)
    if size > MAX_STRING then
      error("resulting string too large", 2)
    end
    if floats then
      t = setmetatable(floats, { __index = t })
    end
  end
  return concat(t, separator, first, last)
end

local move = table.move
function table_library.move(a1, first, last, to, a2)
  check_span(first, last, "move")
  return move(a1, first, last, to, a2)
end

local sort = table.sort
local function less(a, b)
  return a < b
end
function table_library.sort(t, comparator)
  local count = length_of(t, "sort")
  if count > MAX_ITEMS then
    error("too many items for 'sort'", 2)
  end
  -- A comparison in Lua can be interrupted, one in C cannot.
  sort(t, comparator or (count > 100000 and less) or nil)
end

function table_library.getn(t)
  return length_of(t, "getn")
end

function table_library.maxn(t)
  local found = 0
  for key in next, t do
    if type(key) == "number" and key > found then
      found = key
    end
  end
  return found
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

-- -- globals ----------------------------------------------------------------------------------

local globals = {
  _VERSION = _VERSION,
  assert = assert,
  error = error,
  getmetatable = getmetatable,
  ipairs = ipairs,
  next = next,
  pairs = pairs,
  pcall = pcall,
  rawequal = rawequal,
  rawget = rawget,
  rawlen = rawlen,
  rawset = rawset,
  select = select,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  unpack = unpack,
  coroutine = coroutine_library,
  math = math_library,
  os = os_library,
  string = string_library,
  table = table_library,
  utf8 = utf8_library,
}
kit.globals = globals

function globals.setmetatable(t, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("__gc is not available: a process has no finalizers", 2)
  end
  return setmetatable(t, metatable)
end

-- The handler runs when the error has left the function, and not within it: Lua calls no hooks in the
-- handler of an error that a hook has raised, so one that loops there could never be ended.
local pcall = pcall
local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  return false, select(2, pcall(handler, ...))
end

function globals.xpcall(f, handler, ...)
  if handler == nil then
    bad_argument(2, "xpcall", "function expected, got no value", 2)
  end
  return handled(handler, pcall(f, ...))
end

function globals.collectgarbage(option)
  return 0 -- what there is in the state is nobody's business in particular
end

function globals.print(...)
  local texts = { ... }
  local n = select("#", ...)
  for i = 1, n do
    local text = tostring(texts[i])
    if type(text) ~= "string" then
      error("'__tostring' must return a string", 2)
    end
    texts[i] = text
  end
  local problem = kit.host.write(concat(texts, "\t", 1, n) .. "\n")
  if problem then
    error(problem, 2)
  end
end

-- -- environments -----------------------------------------------------------------------------

local overlays = {} -- the metatable of the overlays of each library, shared by all processes
local metatable_of = kit.metatable_of

local overlay

-- What is used is kept in the overlay, so it is looked up once. A table inside of a library is one's
-- own as well.
local function overlay_metatable(library)
  local metatable = overlays[library]
  if metatable == nil then
    metatable = { __metatable = false, __library = library }
    function metatable.__index(own, key)
      local value = library[key]
      if type(value) == "table" and metatable_of(value) == nil then
        value = overlay(value)
      end
      if value ~= nil then
        rawset(own, key, value)
      end
      return value
    end
    function metatable.__pairs(own)
      for key in next, library do
        local _ = own[key]
      end
      return next, own, nil
    end
    overlays[library] = metatable
  end
  return metatable
end

function overlay(library)
  local own = setmetatable({}, overlay_metatable(library))
  if library == math_library then
    local random, randomseed = new_random()
    rawset(own, "random", random)
    rawset(own, "randomseed", randomseed)
  end
  return own
end
kit.overlay = overlay

-- In the typed dialect `string(v)` is a checked cast, and `_TYPE` what a type is declared by.
function kit.add_casts(casts, declare)
  for name, cast in next, casts do
    local library = globals[name]
    if library == nil then
      globals[name] = cast
    else
      overlay_metatable(library).__call = function(_, v)
        return cast(v)
      end
    end
  end
  globals._TYPE = declare
end

-- What a program adds to `string` is a method of its strings too.
overlay_metatable(string_library).__newindex = function(own, key, value)
  rawset(own, key, value)
  kit.extensions[kit.host.extend()] = own
end
kit.extensions = {} -- by PID; the guest removes them

-- The metatable of the environments of all processes that declare the same modules. Those are
-- globals too, and `time` always is.
local function environment_metatable(modules)
  local metatable = { __metatable = false }
  function metatable.__index(env, key)
    local value = globals[key]
    if value == nil then
      if key == "_G" then
        value = env
      elseif key == "time" or modules[key] then
        value = kit.module(key)
      else
        return nil
      end
    end
    if type(value) == "table" and value ~= env then
      value = overlay(value)
    end
    rawset(env, key, value)
    return value
  end
  function metatable.__pairs(env)
    for key in next, globals do
      local _ = env[key]
    end
    return next, env, nil
  end
  return metatable
end

local environments = setmetatable({}, { __mode = "k" })

function kit.new_environment(modules)
  local metatable = environments[modules]
  if metatable == nil then
    metatable = environment_metatable(modules)
    environments[modules] = metatable
  end
  return setmetatable({}, metatable)
end

local string_metatable = getmetatable("")
setmetatable(methods, {
  __index = function(_, key)
    local own = kit.extensions[kit.host.pid()]
    return own and rawget(own, key)
  end,
})
string_metatable.__index = methods
string_metatable.__metatable = false
-- `msg.topic` is a string, and `msg:topic()` is that string called (SEMANTICS 6.7).
function string_metatable.__call(text, message, ...)
  if kit.is_message(message) then
    return text
  end
  error("attempt to call a string value", 2)
end

kit.raw_tostring = raw_tostring
kit.gsub = gsub
