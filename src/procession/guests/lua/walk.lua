-- The walks over values that cross: a copy for a neighbour, the flat list for Python, and back.
--
-- They work on values of one program alone, and may take long. So their names are not ours: they are
-- interrupted and ended like the program itself, and whatever a walk has to know is its own.

local kit = ...

local type, next, error, setmetatable, pcall = type, next, error, setmetatable, pcall
local rawget, rawlen, select, tostring = rawget, rawlen, select, kit.tostring
local metatable_of, format, pack, move = kit.metatable_of, string.format, table.pack, table.move
local is_error, error_parts = kit.is_error, kit.error_parts
local new_error, arrived_error = kit.new_error, kit.arrived_error
local host, plain_value = kit.host, kit.plain_value
local LIST, MAP, ERROR, TIME = kit.marks.LIST, kit.marks.MAP, kit.marks.ERROR, kit.marks.TIME

local MAX_DEPTH = 128
local MAX_VALUES = 1000000 -- what is shared in a value is copied each time that it is met
local TEXT <const> = 8 -- each 256 bytes of text count as a value, where they are copied as well: for Python

local walk = {}
kit.walk = walk

-- -- refusals ------------------------------------------------------------------------------------

-- Thrown while a value is walked.
local Refused = {}

local function refuse(reason, is_whole)
  error(setmetatable({ reason = reason, is_whole = is_whole }, Refused), 0)
end

local function refuse_type(v)
  refuse("it is of type " .. (kit.is_channel(v) and "channel" or type(v)))
end

local function check_size(depth, budget)
  if depth >= MAX_DEPTH then
    refuse("it nests deeper than " .. MAX_DEPTH .. " levels, or contains itself")
  elseif budget < 0 then
    refuse("it has more than " .. MAX_VALUES .. " values, or too much text", true)
  end
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

-- -- a copy for a neighbour ------------------------------------------------------------------------
--
-- Each gives the copy, how many values may still follow, and what it weighs so far by the rules of
-- core/weight.py.

local CONTAINER <const>, ITEM <const> = 64, 64

local copy

local function copy_special(v, metatable, depth, budget, weight)
  if is_error(v) then
    local kind, message, retryable, details = error_parts(v)
    details, budget, weight = copy(details, depth + 1, budget, weight)
    return true, new_error(kind, message, retryable, details), budget, weight + CONTAINER + #message
  elseif kit.time_parts and kit.time_parts(v) then
    return true, kit.time_value_of(kit.time_parts(v)), budget, weight
  end
  local is_plain, inner = plain_value(v, metatable)
  if is_plain then
    return true, copy(inner, depth + 1, budget, weight)
  end
  return false
end

local function copy_table(v, depth, budget, weight)
  if depth >= MAX_DEPTH then
    check_size(depth, budget)
  end
  local metatable = metatable_of(v)
  if metatable ~= nil then
    local is_special, result, left, bytes = copy_special(v, metatable, depth, budget, weight)
    if is_special then
      return result, left, bytes
    end
  end
  local result = { _ = nil, _ = nil, _ = nil, _ = nil } -- with room for four, as many have: else it grows thrice
  weight = weight + CONTAINER
  for key, item in next, v do
    budget = budget - 1
    if budget < 0 then
      check_size(depth, budget)
    end
    weight = weight + ITEM
    local kind = type(key)
    if kind == "string" then
      weight = weight + #key
    elseif kind ~= "number" then
      check_key(key, v)
    end
    kind = type(item)
    if kind == "string" then
      result[key] = item
      weight = weight + #item
    elseif kind == "number" or kind == "boolean" then
      result[key] = item
    elseif kind == "table" then
      result[key], budget, weight = copy_table(item, depth + 1, budget, weight)
    else
      refuse_type(item)
    end
  end
  return result, budget, weight
end

function copy(v, depth, budget, weight)
  local kind = type(v)
  if kind == "table" then
    return copy_table(v, depth, budget, weight)
  elseif kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then
    return v, budget, weight
  end
  refuse_type(v)
end

-- -- a flat list for Python ------------------------------------------------------------------------
--
-- `flat` has `n` values already. Each gives how many it has then, and how many may still follow.

local flatten

-- Whether a table of this length has the keys 1 to n, and no others.
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
walk.is_list = is_list

local function flatten_special(v, metatable, depth, flat, n, budget)
  if is_error(v) then
    local kind, message, retryable, details = error_parts(v)
    flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = ERROR, kind, message, retryable
    return flatten(details, depth + 1, flat, n + 4, budget)
  elseif kit.time_parts then
    local seconds, nanoseconds, offset = kit.time_parts(v)
    if seconds then
      flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = TIME, seconds, nanoseconds, offset
      return n + 4, budget
    end
  end
  local is_plain, inner = plain_value(v, metatable)
  if is_plain then
    return flatten(inner, depth + 1, flat, n, budget)
  end
end

local function flatten_table(v, depth, flat, n, budget)
  if depth >= MAX_DEPTH then
    check_size(depth, budget)
  end
  local metatable = metatable_of(v)
  if metatable ~= nil then
    local size, left = flatten_special(v, metatable, depth, flat, n, budget)
    if size then
      return size, left
    end
  end
  local length = rawlen(v)
  if is_list(v, length) then
    budget = budget - length
    if budget < 0 then
      check_size(depth, budget)
    end
    flat[n + 1], flat[n + 2] = LIST, length
    n = n + 2
    for i = 1, length do
      n, budget = flatten(rawget(v, i), depth + 1, flat, n, budget)
    end
    return n, budget
  end
  flat[n + 1] = MAP
  local count_at, count = n + 2, 0
  flat[count_at] = 0
  n = n + 2
  for key, item in next, v do
    check_key(key, v)
    count = count + 1
    budget = budget - 1
    if budget < 0 then
      check_size(depth, budget)
    end
    n, budget = flatten(key, depth + 1, flat, n, budget)
    n, budget = flatten(item, depth + 1, flat, n, budget)
  end
  flat[count_at] = count
  return n, budget
end

function flatten(v, depth, flat, n, budget)
  local kind = type(v)
  if kind == "table" then
    return flatten_table(v, depth, flat, n, budget)
  elseif kind == "string" then
    budget = budget - (#v >> TEXT)
    if budget < 0 then
      check_size(depth, budget)
    end
    flat[n + 1] = v
    return n + 1, budget
  elseif kind == "number" or kind == "boolean" or kind == "nil" then
    flat[n + 1] = v
    return n + 1, budget
  end
  refuse_type(v)
end

-- -- what is refused, and where --------------------------------------------------------------------

local function step(key)
  if type(key) == "string" then
    return format("[%q]", key)
  end
  return "[" .. tostring(key) .. "]"
end

local function walks(v, depth)
  copy(v, depth, MAX_VALUES, 0)
end

-- Walk once more, slowly, to say where: a walk that succeeds pays nothing for that.
local function locate(v, path, depth)
  if type(v) == "table" and depth < MAX_DEPTH and not is_error(v) then
    for key, item in next, v do
      if not pcall(walks, item, depth + 1) then
        return locate(item, path .. step(key), depth + 1)
      end
    end
  end
  return path
end

-- The error for a value that a walk has thrown itself out of.
local function refusal(thrown, what, v)
  if metatable_of(thrown) ~= Refused then
    error(thrown, 0)
  end
  local path = thrown.is_whole and what or locate(v, what, 0)
  if #path > 120 then
    path = path:sub(1, 60) .. " ... " .. path:sub(-40)
  end
  local text = format("%s cannot cross to another process: %s", path, thrown.reason)
  return kit.invalid(text, { path = path })
end

-- A copy for another process, nil and its weight; or nil and an Invalid error.
function walk.copied(v, what)
  local ok, result, _, weight = pcall(copy, v, 0, MAX_VALUES, 0)
  if ok then
    return result, nil, weight
  end
  return nil, refusal(result, what, v)
end

local function flatten_all(values, first, last, flat)
  local n, budget = 0, MAX_VALUES
  for i = first, last do
    flat.at = i
    n, budget = flatten(values[i], 0, flat, n, budget)
  end
  return n
end

-- The flat forms of some values, one after the other, and how long that is; or nil and an Invalid error.
-- `what` they are: by their places, or one word.
function walk.flat_of(values, first, last, what)
  local flat = {}
  local ok, n = pcall(flatten_all, values, first, last, flat)
  if ok then
    return flat, n
  end
  local at = flat.at
  local name = type(what) == "table" and what[at] or last > first and what .. " " .. at - first + 1 or what
  return nil, refusal(n, name, values[at])
end

-- -- from Python -----------------------------------------------------------------------------------

-- A flat list that Python has ready for this coroutine.
local more = host.more
local function pulled(count)
  local flat = pack(more())
  local n = flat.n
  while n < count do
    local piece = pack(more())
    move(piece, 1, piece.n, n + 1, flat)
    n = n + piece.n
  end
  return flat
end

-- The value that begins at a place of a flat list, and the place behind it.
local function unflatten(flat, place)
  local v = flat[place]
  if v == MAP then
    local result = {}
    local count = flat[place + 1]
    place = place + 2
    for _ = 1, count do
      local key, item
      key, place = unflatten(flat, place)
      item, place = unflatten(flat, place)
      result[key] = item
    end
    return result, place
  elseif v == LIST then
    local result = {}
    local length = flat[place + 1]
    place = place + 2
    for i = 1, length do
      result[i], place = unflatten(flat, place)
    end
    return result, place
  elseif v == ERROR then
    local details, behind = unflatten(flat, place + 4)
    return arrived_error(flat[place + 1], flat[place + 2], flat[place + 3], details), behind
  elseif v == TIME then
    return kit.time_value_of(flat[place + 1], flat[place + 2], flat[place + 3]), place + 4
  end
  return v, place + 1
end

-- The one value of a flat list that Python has ready.
function walk.built(count)
  return (unflatten(pulled(count), 1))
end

-- Its `n` values, in a table. A short one has been handed over already.
function walk.all_built(n, count, ...)
  local flat = select("#", ...) > 0 and { ... } or pulled(count)
  local values, place = {}, 1
  for i = 1, n do
    values[i], place = unflatten(flat, place)
  end
  return values
end
