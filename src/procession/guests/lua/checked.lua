-- Types as values: Job(v) and Job:is(v), and the casts string(v), number(v), ... See types.py.
--
-- A schema is a list of its form and its parts. A check returns nothing if the value fits; otherwise
-- where in the value it does not, what was expected there, and what is there.

local kit = ...

local type, setmetatable, math_type, raise = type, setmetatable, math.type, kit.raise
local pairs, ipairs, tostring, select = pairs, ipairs, tostring, select
local find, gsub, format, byte = string.find, string.gsub, string.format, string.byte

local MAX_DEPTH = 128
local MAX_SHOWN = 60

local SCHEMA = {} -- what a type is made of, in its metatable: see `kit.private`
local check

local function escaped(character)
  return format("\\%03d", byte(character))
end

local function quoted(v)
  if type(v) ~= "string" then
    return tostring(v)
  elseif #v > MAX_SHOWN then
    return "a string of " .. #v .. " bytes"
  end
  return '"' .. gsub(v, "%c", escaped) .. '"'
end

-- A key in a path, which says nothing of an object: its address changes from run to run.
local function step(key)
  local kind = type(key)
  if kind == "string" or kind == "number" or kind == "boolean" then
    return "[" .. quoted(key) .. "]"
  end
  return "[a " .. kind .. "]"
end

local function field_step(name)
  return find(name, "^[%a_][%w_]*$") and "." .. name or step(name)
end

local function describe(schema)
  local form = schema[1]
  if form == "literal" then
    return quoted(schema[2])
  elseif form == "optional" then
    return describe(schema[2]) .. " or nil"
  elseif form == "array" or form == "map" or form == "record" then
    return "table"
  elseif form == "union" or form == "all" then
    local text = describe(schema[2])
    for i = 3, #schema do
      text = text .. (form == "union" and " or " or " and ") .. describe(schema[i])
    end
    return text
  elseif form == "ref" then
    local known = kit.private(schema[2](), SCHEMA)
    return known and known.name or "a type"
  end
  return form
end

-- Pairs come in no order: of several flaws the one with the least key is told.
local function before(a, b)
  local kind = type(a)
  if kind ~= type(b) then
    return kind < type(b)
  end
  return (kind == "string" or kind == "number") and a < b
end

local checks = {}

for _, name in ipairs({ "nil", "boolean", "number", "string", "table", "function", "thread", "userdata" }) do
  checks[name] = function(_, v)
    local kind = type(v)
    if kind ~= name then
      return "", name, kind
    end
  end
end

function checks.error(_, v)
  if not kit.is_error(v) then
    return "", "error", type(v)
  end
end

function checks.channel(_, v)
  if not kit.is_channel(v) then
    return "", "channel", type(v)
  end
end

function checks.any() end
checks.unknown = checks.any

function checks.integer(_, v)
  local kind = math_type(v)
  if kind ~= "integer" and not (kind == "float" and v % 1 == 0) then
    return "", "integer", kind == "float" and tostring(v) or type(v)
  end
end

function checks.literal(schema, v)
  local expected = schema[2]
  if type(v) ~= type(expected) then
    return "", quoted(expected), type(v)
  elseif v ~= expected then
    return "", quoted(expected), quoted(v)
  end
end

function checks.optional(schema, v, depth, refs, memo)
  if v ~= nil then
    return check(schema[2], v, depth, refs, memo)
  end
end

function checks.union(schema, v, depth, refs, memo)
  local path, expected, got, inner, count
  count = 0
  for i = 2, #schema do
    path, expected, got = check(schema[i], v, depth, refs, memo)
    if not path then
      return
    elseif path ~= "" then
      inner, count = { path, expected, got }, count + 1
    end
  end
  if count == 1 then -- only one of them has its shape
    return inner[1], inner[2], inner[3]
  end
  return "", describe(schema), type(v) == "string" and quoted(v) or type(v)
end

function checks.all(schema, v, depth, refs, memo)
  for i = 2, #schema do
    local path, expected, got = check(schema[i], v, depth, refs, memo)
    if path then
      return path, expected, got
    end
  end
end

local NIL, NAN = {}, {} -- what stands for them as keys

-- What is found out about a value is kept until the check ends: a part of it that is met on many
-- ways, or by many alternatives of a union, would take a time that doubles with each level.
function checks.ref(schema, v, depth, refs, memo)
  local known = kit.private(schema[2](), SCHEMA)
  if not known then
    return "", "a type whose declaration has run", type(v)
  elseif refs >= MAX_DEPTH then
    return "", "a type that is not itself", type(v)
  elseif refs == 0 and type(v) ~= "table" then
    return check(known.schema, v, depth, 1, memo)
  end
  local found = memo[known]
  if not found then
    found = {}
    memo[known] = found
  end
  local key = v
  if v == nil then
    key = NIL
  elseif v ~= v then
    key = NAN
  end
  local outcome = found[key]
  if outcome == nil then
    local path, expected, got = check(known.schema, v, depth, refs + 1, memo)
    outcome = path and { path, expected, got } or true
    found[key] = outcome
  end
  if outcome ~= true then
    return outcome[1], outcome[2], outcome[3]
  end
end

local function inside(schema, v, depth, memo)
  if depth >= MAX_DEPTH then
    return "", "at most " .. MAX_DEPTH .. " levels", "more"
  end
  return check(schema, v, depth + 1, 0, memo)
end

function checks.array(schema, v, depth, _, memo)
  if type(v) ~= "table" then
    return "", "table", type(v)
  end
  local count = 0
  for i, item in ipairs(v) do
    local path, expected, got = inside(schema[2], item, depth, memo)
    if path then
      return step(i) .. path, expected, got
    end
    count = i
  end
  local worst, worst_key
  for key in pairs(v) do
    local is_index = math_type(key) == "integer" and key >= 1 and key <= count
    if not is_index and (worst == nil or before(key, worst_key)) then
      worst, worst_key = true, key
    end
  end
  if worst then
    return "", "an array", "the key " .. step(worst_key)
  end
end

local function check_pair(map, key, item, depth, memo)
  local path, expected, got = inside(map[2], key, depth, memo)
  if path then
    return "", "a key that is " .. expected, got
  end
  return inside(map[3], item, depth, memo)
end

-- The keys that are no fields: each has to fit one of the maps.
local function check_others(schema, v, depth, memo)
  local fields = {}
  for _, field in ipairs(schema[2]) do
    fields[field[1]] = true
  end
  local worst, worst_key
  for key, item in pairs(v) do
    local path, expected, got
    for _, map in ipairs(not fields[key] and schema[3] or {}) do
      path, expected, got = check_pair(map, key, item, depth, memo)
      if not path then
        break
      end
    end
    if path and (worst == nil or before(key, worst_key)) then
      worst, worst_key = { step(key) .. path, expected, got }, key
    end
  end
  if worst then
    return worst[1], worst[2], worst[3]
  end
end

function checks.map(schema, v, depth, _, memo)
  if type(v) ~= "table" then
    return "", "table", type(v)
  end
  local worst, worst_key
  for key, item in pairs(v) do
    local path, expected, got = check_pair(schema, key, item, depth, memo)
    if path and (worst == nil or before(key, worst_key)) then
      worst, worst_key = { step(key) .. path, expected, got }, key
    end
  end
  if worst then
    return worst[1], worst[2], worst[3]
  end
end

function checks.record(schema, v, depth, _, memo)
  if type(v) ~= "table" then
    return "", "table", type(v)
  end
  for _, field in ipairs(schema[2]) do
    local path, expected, got = inside(field[2], v[field[1]], depth, memo)
    if path then
      return field_step(field[1]) .. path, expected, got
    end
  end
  if schema[3] then
    return check_others(schema, v, depth, memo)
  end
end

function check(schema, v, depth, refs, memo)
  return checks[schema[1]](schema, v, depth, refs, memo)
end

-- What is wrong with v, in words; nil if nothing is.
local function flaw(name, schema, v)
  local path, expected, got = check(schema, v, 0, 0, {})
  if not path then
    return nil
  elseif path == "" then
    return "expected " .. name .. ", got " .. got
  end
  local where = ": at " .. path .. ": expected " .. expected .. ", got " .. got
  return "expected " .. name .. ", got " .. type(v) .. where
end

local function new_type(name, schema)
  local methods = {}

  function methods.is(...)
    if select("#", ...) < 2 then
      raise("call it as " .. name .. ":is(value)")
    end
    local v = select(2, ...)
    local message = flaw(name, schema, v)
    if message then
      return nil, message
    end
    return v, nil
  end

  return setmetatable({}, {
    [SCHEMA] = { name = name, schema = schema },
    __metatable = false,
    __name = "type",
    __index = methods,
    __newindex = function()
      raise("the type " .. name .. " cannot be changed")
    end,
    __tostring = function()
      return name
    end,
    __call = function(_, v)
      local message = flaw(name, schema, v)
      if message then
        raise(message)
      end
      return v
    end,
  })
end

local casts = {}
for _, name in ipairs({ "string", "number", "integer", "boolean", "table", "any" }) do
  local schema = { name }
  casts[name] = function(v)
    local message = flaw(name, schema, v)
    if message then
      raise(message)
    end
    return v
  end
end

kit.add_casts(casts, new_type)
