-- The string library. Its functions take an error object for its message (SEMANTICS 2.3), and what
-- one call may build is bounded: C code cannot be interrupted.

local kit = ...

local type, next, select, tonumber, xpcall, raw_tostring = type, next, select, tonumber, xpcall, tostring
local math_type, tointeger = math.type, math.tointeger
local byte, format, rep, sub = string.byte, string.format, string.rep, string.sub
local pack, gmatch = string.pack, string.gmatch
local finish, raise, metatable_of = kit.finish, kit.raise, kit.metatable_of
local rawget, find, unpack = rawget, string.find, table.unpack

local MAX_STRING = 64 << 20 -- bytes
local MAX_FORMATTED = 200 -- values
local MAX_QUOTED = 4 << 20 -- bytes that one call may write as Lua does, by "%q"
local MAX_LAYOUT = 1 << 20 -- bytes of the first argument of pack and its like

-- -- values as text ---------------------------------------------------------------------------

local tostring_handler = kit.handler(raw_tostring, "tostring")

-- As in Lua 5.1: a float without a fraction prints without one. What a program says to be the text of
-- its values is called here, and not by C, where it could not be interrupted.
function kit.tostring(...)
  local v = ...
  local kind = type(v)
  if kind == "number" then
    local text = raw_tostring(v)
    return math_type(v) == "float" and sub(text, -2) == ".0" and sub(text, 1, -3) or text
  elseif kind == "string" then
    return v
  elseif kind == "table" then
    local metatable = metatable_of(v)
    local convert = metatable and rawget(metatable, "__tostring")
    if type(convert) == "function" then
      local text = convert(v)
      if type(text) ~= "string" and type(text) ~= "number" then
        raise("'__tostring' must return a string")
      end
      return text
    end
  end
  local ok, text = xpcall(raw_tostring, tostring_handler, ...)
  return ok and text or finish(ok, text)
end

local function plain(v)
  if math_type(v) == "float" then
    return tointeger(v) or v
  elseif kit.is_error(v) then
    return raw_tostring(v)
  end
  return v
end
kit.plain = plain

local function plain_items(n, v, ...)
  if n == 0 then
    return
  end
  return plain(v), plain_items(n - 1, ...)
end

local function texts_of(n, v, ...)
  if n == 0 then
    return
  elseif kit.is_error(v) then
    v = raw_tostring(v)
  end
  return v, texts_of(n - 1, ...)
end

-- The arguments, with its message in place of each error object; of the functions here none takes more.
local function texts(...)
  local n = select("#", ...)
  return texts_of(n < 4 and n or 4, ...)
end
kit.texts = texts

-- -- the functions ------------------------------------------------------------------------------

local library = {}

-- They fail only if their argument is no string.
for name in ("len lower reverse upper"):gmatch("%a+") do
  local f = string[name]
  local handler = kit.handler(f, name)
  library[name] = function(...)
    local s = ...
    if type(s) == "string" then
      return f(s)
    end
    return finish(xpcall(f, handler, texts(...)))
  end
end

local sub_handler, byte_handler = kit.handler(sub, "sub"), kit.handler(byte, "byte")

function library.sub(...)
  if type((...)) == "string" then
    local ok, text = xpcall(sub, sub_handler, ...)
    return ok and text or finish(ok, text)
  end
  return finish(xpcall(sub, sub_handler, texts(...)))
end

function library.byte(...)
  if type((...)) == "string" then
    return finish(xpcall(byte, byte_handler, ...))
  end
  return finish(xpcall(byte, byte_handler, texts(...)))
end

-- As text, if it is or C makes it some.
local function length_of(v)
  if type(v) == "string" then
    return #v
  end
  return math_type(v) and #raw_tostring(v) or 0
end

local BLOCK = 1024

local rep_handler = kit.handler(rep, "rep")

function library.rep(...)
  local s, n, separator = ...
  if type(s) == "table" and kit.is_error(s) then
    return library.rep(texts(...))
  end
  local count = math_type(n) == "integer" and n or tointeger(tonumber(n))
  if count and count > 1 then
    local length = length_of(s) + (separator ~= nil and length_of(separator) or 0)
    if length * (count + 0.0) > MAX_STRING then
      raise("resulting string too large")
    elseif length == 0 then
      return finish(xpcall(rep, rep_handler, s, 1, separator)) -- it counts all the same
    end
  end
  if count and count > 2 * BLOCK and separator == nil and type(s) == "string" and #s < 64 then -- C copies each by itself
    return rep(rep(s, BLOCK), count // BLOCK) .. rep(s, count % BLOCK)
  end
  local ok, text = xpcall(rep, rep_handler, ...)
  return ok and text or finish(ok, text)
end

local format_handler = kit.handler(format, "format")

-- The arguments of a format as values that have a text already: what a program says to be the text of
-- its values is called here, not by C. Or nil, if there is nothing to do.
local function with_texts(pattern, n, ...)
  local values
  for i = 2, n do
    local v = select(i, ...)
    local metatable = type(v) == "table" and metatable_of(v)
    if metatable and rawget(metatable, "__tostring") ~= nil then
      values = values or { ... }
    end
  end
  local i = 1
  for conversion in gmatch(values and pattern or "", "%%[^%a%%]*([%a%%])") do
    if conversion ~= "%" then
      i = i + 1
      if conversion == "s" and type(values[i]) == "table" then
        values[i] = kit.tostring(values[i])
      end
    end
  end
  return values
end

function library.format(...)
  local pattern = ...
  local n = select("#", ...)
  if n - 1 > MAX_FORMATTED then
    raise("too many arguments to 'format'")
  elseif type(pattern) ~= "string" then
    if kit.is_error(pattern) then
      return library.format(raw_tostring(pattern), select(2, ...))
    end
    return finish(xpcall(format, format_handler, ...))
  end
  local size, has_texts = #pattern, false
  for i = 2, n do
    local v = select(i, ...)
    local kind = type(v)
    if kind == "string" then
      size = size + #v
    elseif kind == "table" and metatable_of(v) then
      has_texts = true
    end
  end
  if has_texts then
    local values = with_texts(pattern, n, ...)
    if values then
      return library.format(unpack(values, 1, n))
    end
  end
  if size > MAX_QUOTED and (size > MAX_STRING or find(pattern, "%%[^%a%%]*q")) then
    raise("resulting string too large")
  end
  local ok, text = xpcall(format, format_handler, pattern, plain_items(n - 1, select(2, ...)))
  return ok and text or finish(ok, text)
end

local pack_handler = kit.handler(pack, "pack")

local function check_layout(layout)
  if type(layout) == "string" and #layout > MAX_LAYOUT then
    raise("format too long")
  end
end

function library.pack(...)
  local layout = ...
  check_layout(layout)
  if type(layout) == "string" then
    local size = 0.0
    for digits in gmatch(layout, "c(%d+)") do
      size = size + tonumber(digits)
    end
    for _, v in next, { ... } do
      size = size + (type(v) == "string" and #v or 0)
    end
    if size > MAX_STRING then
      raise("resulting string too large")
    end
  end
  return finish(xpcall(pack, pack_handler, ...))
end

local packsize = string.packsize
local packsize_handler = kit.handler(packsize, "packsize")

function library.packsize(...)
  check_layout((...))
  return finish(xpcall(packsize, packsize_handler, ...))
end

for name in ("char unpack"):gmatch("%a+") do
  library[name] = string[name]
end
for name, f in next, kit.patterns do
  library[name] = f
end

-- Of a string its methods, which is one already: those of C, where nothing is bounded.
local methods = {}
for name, f in next, library do
  methods[name] = f
end
for name in ("byte len lower reverse sub upper"):gmatch("%a+") do
  methods[name] = string[name]
end

kit.libraries = { string = library }
kit.string_methods = methods
kit.raw_tostring = raw_tostring
