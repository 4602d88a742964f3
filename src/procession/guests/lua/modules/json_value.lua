-- Values as JSON has them, for the check of schemas: types, equality, places in them; and the refusal of
-- what is no schema. It runs like a program's own code, as json_schema.lua.

local type, next, error, rawget, rawlen, tostring = type, next, error, rawget, rawlen, tostring
local setmetatable, format, tointeger = setmetatable, string.format, math.tointeger
local math_type, sort = math.type, table.sort

local MAX_DEPTH = 500 -- of values and schemas within each other

-- Thrown for a schema that is none.
local Problem = {}
local function refuse(where, reason)
  error(setmetatable({ where = where, reason = reason }, Problem), 0)
end

-- As `json.encode` takes tables: the keys 1 to n make an array. An empty one may be either.
local function is_array(v)
  local length, count = rawlen(v), 0
  for _ in next, v do
    count = count + 1
  end
  return count == length
end

local function is_object(v)
  return next(v) == nil or not is_array(v)
end

local function type_of(v)
  local kind = type(v)
  if kind == "nil" then
    return "null"
  elseif kind == "number" then
    return tointeger(v) and "integer" or "number"
  elseif kind == "table" then
    return next(v) ~= nil and is_array(v) and "array" or "object"
  end
  return kind
end

local function fits_type(v, name)
  local kind = type(v)
  if name == "array" then
    return kind == "table" and is_array(v)
  elseif name == "object" then
    return kind == "table" and is_object(v)
  elseif name == "number" then
    return kind == "number"
  end
  return type_of(v) == name
end

local function equal(a, b, depth)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  elseif depth > MAX_DEPTH then
    return false
  end
  for key, item in next, a do
    if not equal(item, rawget(b, key), depth + 1) then
      return false
    end
  end
  for key in next, b do
    if rawget(a, key) == nil then
      return false
    end
  end
  return true
end

local function show(v)
  if type(v) == "string" then
    return #v > 60 and "a string of " .. #v .. " bytes" or format("%q", v)
  elseif type(v) == "table" then
    return type_of(v)
  end
  return v == nil and "null" or tostring(v)
end

local function step(path, key)
  return path .. (type(key) == "string" and format("[%q]", key) or "[" .. tostring(key) .. "]")
end

-- The keys in an order that does not depend on where they are in memory.
local function sorted_keys(v)
  local keys, n = {}, 0
  for key in next, v do
    n = n + 1
    keys[n] = key
  end
  sort(keys, function(a, b)
    local kind, other = type(a), type(b)
    if kind ~= other then
      return kind < other
    elseif kind == "string" or kind == "number" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

-- An argument of a keyword as what it must be.
local function wanted(where, argument, kind)
  if kind == "count" then
    argument = math_type(argument) and tointeger(argument)
    if not argument or argument < 0 then
      refuse(where, "expected a whole number, not negative")
    end
  elseif kind == "array" then
    if type(argument) ~= "table" or not is_array(argument) then
      refuse(where, "expected an array")
    end
  elseif kind == "object" then
    if type(argument) ~= "table" or not is_object(argument) then
      refuse(where, "expected an object")
    end
  elseif type(argument) ~= kind then
    refuse(where, "expected a " .. kind)
  end
  return argument
end

return {
  MAX_DEPTH = MAX_DEPTH,
  Problem = Problem,
  refuse = refuse,
  wanted = wanted,
  is_array = is_array,
  is_object = is_object,
  type_of = type_of,
  fits_type = fits_type,
  equal = equal,
  show = show,
  step = step,
  sorted_keys = sorted_keys,
}
