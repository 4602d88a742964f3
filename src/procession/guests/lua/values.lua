-- What crosses: from Lua to Lua as a copy, between Lua and Python as one flat list of values.
--
-- The rule is that of `core/payload.py` (SEMANTICS 3.3), for the types that Lua has. A flat list is
-- the value in reading order: a scalar as it is; a container as its mark, its number of items, and
-- the items. So one crossing carries a whole payload, whatever its shape, and Python never holds
-- a Lua table.

local kit = ...

local type, next, select, error, setmetatable = type, next, select, error, setmetatable
local rawget, rawset, rawlen, math_type, tostring = rawget, rawset, rawlen, math.type, kit.tostring
local metatable_of, format, unpack = kit.metatable_of, string.format, table.unpack
local is_error, error_parts = kit.is_error, kit.error_parts
local new_error, arrived_error = kit.new_error, kit.arrived_error
local host, plain_value = kit.host, kit.plain_value

local MAX_DEPTH = 128
-- Of a value that crosses: what is shared in it is copied each time that it is met, and our own Lua
-- is not interrupted.
local MAX_VALUES = 1000000
local budget = 0
local LIST, MAP, ERROR, TIME, BUFFERED = kit.marks.LIST, kit.marks.MAP, kit.marks.ERROR, kit.marks.TIME, kit.marks.BUFFERED

-- -- refusals ------------------------------------------------------------------------------------

-- Thrown while a value is walked.
local Refused = {}

local function refuse(reason)
  error(setmetatable({ reason = reason }, Refused), 0)
end

local function step(key)
  if type(key) == "string" then
    return format("[%q]", key)
  end
  return "[" .. tostring(key) .. "]"
end

-- Walk once more, slowly, to say where: a walk that succeeds pays nothing for that.
local function locate(v, path, depth, walk)
  if budget < 0 then
    return path -- it is the whole of it that is too much
  end
  if type(v) == "table" and depth < MAX_DEPTH and not is_error(v) then
    for key, item in next, v do
      local ok = pcall(walk, item, depth + 1)
      if not ok then
        return locate(item, path .. step(key), depth + 1, walk)
      end
    end
  end
  return path
end

-- The error for a value that a walk has thrown itself out of.
local function refusal(thrown, walk, what, v)
  if metatable_of(thrown) ~= Refused then
    error(thrown, 0)
  end
  local path = locate(v, what, 0, walk)
  if #path > 120 then
    path = path:sub(1, 60) .. " ... " .. path:sub(-40)
  end
  local text = format("%s cannot cross to another process: %s", path, thrown.reason)
  return kit.invalid(text, { path = path })
end

local function check_key(key, v)
  local kind = type(key)
  if kind == "boolean" then
    if rawget(v, key and 1 or 0) ~= nil then
      refuse("two of its keys are the same on the other side")
    end
  elseif kind ~= "string" and kind ~= "number" then
    refuse("a map key of type " .. kind)
  end
end

-- -- from Lua to Lua -------------------------------------------------------------------------------

local copy

local function check_size(depth)
  if depth >= MAX_DEPTH then
    refuse("it nests deeper than " .. MAX_DEPTH .. " levels, or contains itself")
  elseif budget < 0 then
    refuse("it has more than " .. MAX_VALUES .. " values")
  end
end

-- What a copy weighs, by the rules of core/weight.py.
local weight = 0
local CONTAINER, ITEM = 64, 64

local function copy_table(v, depth)
  if depth >= MAX_DEPTH or budget < 0 then
    check_size(depth)
  end
  local metatable = metatable_of(v)
  if metatable ~= nil then
    if is_error(v) then
      local kind, message, retryable, details = error_parts(v)
      return new_error(kind, message, retryable, copy(details, depth + 1))
    elseif kit.time_parts and kit.time_parts(v) then
      return kit.time_value_of(kit.time_parts(v))
    end
    local is_plain, inner = plain_value(v, metatable)
    if is_plain then
      return copy(inner, depth)
    end
  end
  local result, bytes = {}, CONTAINER
  for key, item in next, v do
    budget = budget - 1
    bytes = bytes + ITEM
    local kind = type(key)
    if kind == "string" then
      bytes = bytes + #key
    elseif kind ~= "number" then
      check_key(key, v)
    end
    kind = type(item)
    if kind == "string" then
      result[key] = item
      bytes = bytes + #item
    elseif kind == "number" or kind == "boolean" then
      result[key] = item
    elseif kind == "table" then
      result[key] = copy_table(item, depth + 1)
    else
      refuse("it is of type " .. (kit.is_channel(item) and "channel" or kind))
    end
  end
  weight = weight + bytes
  return result
end

function copy(v, depth)
  local kind = type(v)
  if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
    return v
  elseif kind == "table" then
    return copy_table(v, depth)
  end
  refuse("it is of type " .. (kit.is_channel(v) and "channel" or kind))
end

-- A copy for another process, nil and its weight; or nil and an Invalid error.
function kit.copied(v, what)
  budget, weight = MAX_VALUES, 0
  local ok, result = pcall(copy, v, 0)
  if ok then
    return result, nil, weight
  end
  return nil, refusal(result, copy, what, v)
end

-- Copies on their way: Python knows them by number, with what they weigh above its 32 bits.
local parcels, free_parcels, free_count, parcel_count = {}, {}, 0, 0
local NUMBER, HEAVIEST = 0xFFFFFFFF, 0x3FFFFFFF

function kit.store(v, bytes)
  local number
  if free_count > 0 then
    number = free_parcels[free_count]
    free_count = free_count - 1
  else
    parcel_count = parcel_count + 1
    number = parcel_count
  end
  parcels[number] = v
  if bytes then
    return number | (bytes < HEAVIEST and bytes or HEAVIEST) << 32
  end
  return number
end

local function collect(number)
  number = number & NUMBER
  local v = parcels[number]
  parcels[number] = false
  free_count = free_count + 1
  free_parcels[free_count] = number
  return v
end
kit.collect = collect

-- -- from Lua to Python ----------------------------------------------------------------------------

local flatten

local function is_list(v, length)
  if length == 0 then
    return false
  end
  local count = 0
  for _ in next, v do
    count = count + 1
    if count > length then
      return false
    end
  end
  return count == length
end

local function flatten_table(v, depth, flat, n)
  if depth >= MAX_DEPTH or budget < 0 then
    check_size(depth)
  end
  local metatable = metatable_of(v)
  if metatable ~= nil then
    if is_error(v) then
      local kind, message, retryable, details = error_parts(v)
      flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = ERROR, kind, message, retryable
      return flatten(details, depth + 1, flat, n + 4)
    elseif kit.time_parts then
      local seconds, nanoseconds, offset = kit.time_parts(v)
      if seconds then
        flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = TIME, seconds, nanoseconds, offset
        return n + 4
      end
    end
    local is_plain, inner = plain_value(v, metatable)
    if is_plain then
      return flatten(inner, depth, flat, n)
    end
  end
  local length = rawlen(v)
  budget = budget - length
  if is_list(v, length) then
    flat[n + 1], flat[n + 2] = LIST, length
    n = n + 2
    for i = 1, length do
      n = flatten(rawget(v, i), depth + 1, flat, n)
    end
    return n
  end
  flat[n + 1] = MAP
  local count_at, count = n + 2, 0
  n = n + 2
  for key, item in next, v do
    check_key(key, v)
    count = count + 1
    budget = budget - 1
    n = flatten(item, depth + 1, flat, flatten(key, depth + 1, flat, n))
  end
  flat[count_at] = count
  return n
end

function flatten(v, depth, flat, n)
  local kind = type(v)
  if kind == "table" then
    return flatten_table(v, depth, flat, n)
  elseif kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
    flat[n + 1] = v
    return n + 1
  end
  refuse("it is of type " .. (kit.is_channel(v) and "channel" or kind))
end

local function flatten_alone(v, depth)
  return flatten(v, depth, {}, 0)
end

local CHUNK = 200 -- a call with more arguments costs by their square

-- Call `f` of Python with `count` leading arguments and the flat forms of all others, one after the
-- other. If one cannot cross: false and an Invalid error, in the form that `kit.outcome` reads.
function kit.with_flat(f, count, what, ...)
  local n = select("#", ...)
  local simple = n <= CHUNK
  for i = count + 1, n do
    local kind = type((select(i, ...)))
    simple = simple and (kind == "string" or kind == "number" or kind == "boolean" or kind == "nil")
  end
  if simple then
    return f(...)
  end
  local arguments, flat, size = { ... }, {}, 0
  budget = MAX_VALUES
  for i = count + 1, n do
    local ok, result = pcall(flatten, arguments[i], 0, flat, size)
    if not ok then
      local name = n > count + 1 and what .. " " .. i - count or what
      return false, refusal(result, flatten_alone, name, arguments[i])
    end
    size = result
  end
  if size > CHUNK then
    for i = 1, size, CHUNK do
      host.feed(unpack(flat, i, i + CHUNK - 1 < size and i + CHUNK - 1 or size))
    end
    arguments[count + 1] = BUFFERED
    return f(unpack(arguments, 1, count + 1))
  end
  for i = 1, size do
    arguments[count + i] = flat[i]
  end
  return f(unpack(arguments, 1, count + size))
end

-- The flat form for Python that asks for it; a long one in pieces, by `more`.
local pending, pending_count
local function more(from)
  local to = from + 4999
  if to >= pending_count then
    local flat = pending
    pending = nil
    return unpack(flat, from, pending_count)
  end
  return unpack(pending, from, to)
end

local function give(flat, n)
  pending, pending_count = flat, n
  return n
end

-- Of a value: the number of flat values; or nil and an Invalid error.
local function flat_of(v, what)
  local flat = {}
  budget = MAX_VALUES
  local ok, n = pcall(flatten, v, 0, flat, 0)
  if ok then
    return give(flat, n)
  end
  return nil, refusal(n, flatten_alone, what, v)
end
kit.flat_of = flat_of

local function flat_of_parcel(number)
  return (flat_of(collect(number), "payload"))
end

-- -- from Python to Lua ----------------------------------------------------------------------------

local source, place

local function unflatten()
  local v = source[place]
  place = place + 1
  if v == MAP then
    local result = {}
    place = place + 1
    for _ = 1, source[place - 1] do
      local key = unflatten()
      result[key] = unflatten()
    end
    return result
  elseif v == LIST then
    local length = source[place]
    place = place + 1
    local result = {}
    for i = 1, length do
      result[i] = unflatten()
    end
    return result
  elseif v == ERROR then
    local kind, message, retryable = source[place], source[place + 1], source[place + 2]
    place = place + 3
    return arrived_error(kind, message, retryable, unflatten())
  elseif v == TIME then
    place = place + 3
    return kit.time_value_of(source[place - 3], source[place - 2], source[place - 1])
  end
  return v
end

local fed, fed_count = {}, 0
local function feed(...)
  local n = select("#", ...)
  local values = { ... }
  for i = 1, n do
    fed[fed_count + i] = values[i]
  end
  fed_count = fed_count + n
end

local function build(...)
  if ... == BUFFERED then
    source, place, fed, fed_count = fed, 1, {}, 0
  else
    source, place = { ... }, 1
  end
  local v = unflatten()
  source = nil
  return v
end

-- `n` values, one after the other.
function kit.build_all(n, ...)
  if ... == BUFFERED then
    source, place, fed, fed_count = fed, 1, {}, 0
  else
    source, place = { ... }, 1
  end
  local values = {}
  for i = 1, n do
    values[i] = unflatten()
  end
  source = nil
  return unpack(values, 1, n)
end

-- For Python: a value built from its flat form and stored as a parcel.
local function build_parcel(...)
  return kit.store(build(...))
end

local function discard(...)
  for i = 1, select("#", ...) do
    collect((select(i, ...)))
  end
end

kit.exports = {
  more = more,
  flat_of_parcel = flat_of_parcel,
  feed = feed,
  build_parcel = build_parcel,
  discard = discard,
}
