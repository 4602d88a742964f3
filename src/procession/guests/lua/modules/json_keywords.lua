-- The keywords of JSON Schema: what each makes of its argument.
--
-- That is a check, or nothing. What it says about values of one type, others fit. `within(schema, name)` makes a
-- check of a schema that it contains. See json_schema.lua.

local kit = ...

local type, next, rawget, rawlen, tostring, ipairs = type, next, rawget, rawlen, tostring, ipairs
local format, find, match, sub = string.format, string.find, string.match, string.sub
local floor, abs, concat, utf8_len = math.floor, math.abs, table.concat, utf8.len

local value = kit.module("json_value")
local refuse, wanted, equal, show, step = value.refuse, value.wanted, value.equal, value.show, value.step
local is_array, type_of, fits_type = value.is_array, value.type_of, value.fits_type
local sorted_keys = value.sorted_keys

local keywords = {}

-- -- any value ------------------------------------------------------------------------------------

local TYPES = { null = true, boolean = true, integer = true, number = true, string = true, array = true, object = true }

function keywords.type(argument, where)
  local names = type(argument) == "string" and { argument } or wanted(where, argument, "array")
  for _, name in ipairs(names) do
    if not TYPES[name] then
      refuse(where, show(name) .. " is no type")
    end
  end
  return function(v, path)
    for _, name in ipairs(names) do
      if fits_type(v, name) then
        return
      end
    end
    return path, "expected " .. concat(names, " or ") .. ", got " .. type_of(v)
  end
end

function keywords.enum(argument, where)
  wanted(where, argument, "array")
  return function(v, path)
    for _, one in ipairs(argument) do
      if equal(v, one, 0) then
        return
      end
    end
    return path, show(v) .. " is none of the values that it may be"
  end
end

function keywords.const(argument)
  return function(v, path)
    if not equal(v, argument, 0) then
      return path, "expected " .. show(argument) .. ", got " .. show(v)
    end
  end
end

-- -- numbers and strings --------------------------------------------------------------------------

-- What a value of one type must be: `test(v, argument)`, and in words what that is.
local function bound(name, kind, argument_kind, test, words)
  keywords[name] = function(argument, where)
    argument = wanted(where, argument, argument_kind)
    return function(v, path)
      if fits_type(v, kind) and not test(v, argument) then
        return path, format(words, tostring(argument))
      end
    end
  end
end

-- Of a string that is not UTF-8, its bytes.
local function length(s)
  return utf8_len(s) or #s
end
local function count(v)
  local n = 0
  for _ in next, v do
    n = n + 1
  end
  return n
end

bound("minimum", "number", "number", function(v, n) return v >= n end, "less than %s")
bound("maximum", "number", "number", function(v, n) return v <= n end, "more than %s")
bound("exclusiveMinimum", "number", "number", function(v, n) return v > n end, "not more than %s")
bound("exclusiveMaximum", "number", "number", function(v, n) return v < n end, "not less than %s")
bound("minLength", "string", "count", function(v, n) return length(v) >= n end, "shorter than %s")
bound("maxLength", "string", "count", function(v, n) return length(v) <= n end, "longer than %s")
bound("minItems", "array", "count", function(v, n) return rawlen(v) >= n end, "fewer items than %s")
bound("maxItems", "array", "count", function(v, n) return rawlen(v) <= n end, "more items than %s")
bound("minProperties", "object", "count", function(v, n) return count(v) >= n end, "fewer properties than %s")
bound("maxProperties", "object", "count", function(v, n) return count(v) <= n end, "more properties than %s")

function keywords.multipleOf(argument, where)
  if wanted(where, argument, "number") <= 0 then
    refuse(where, "expected a number above zero")
  end
  return function(v, path)
    if type(v) == "number" and v % argument ~= 0 then
      local nearest = floor(v / argument + 0.5) * argument -- 19.99 is a multiple of 0.01
      if abs(nearest - v) > abs(v) * 2.0 ^ -50 then
        return path, "not a multiple of " .. tostring(argument)
      end
    end
  end
end

local FORMATS = {
  email = function(s)
    return find(s, "^[^%s@]+@[^%s@.]+[^%s@]*$") ~= nil
  end,
  uri = function(s)
    return find(s, "^%a[%w+.-]*:%S+$") ~= nil
  end,
  uuid = function(s)
    return #s == 36 and kit.host.uuid_validate(s)
  end,
  date = function(s)
    return kit.module("time").parse("2006-01-02", s) ~= nil
  end,
  ["date-time"] = function(s)
    return kit.module("time").parse("2006-01-02T15:04:05Z07:00", s) ~= nil
  end,
  ipv4 = function(s)
    local parts = { match(s, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
    for _, part in ipairs(parts) do
      if #part > 3 or part + 0 > 255 or (#part > 1 and sub(part, 1, 1) == "0") then
        return false
      end
    end
    return parts[1] ~= nil
  end,
}

local function pattern_of(where, expression)
  local matches, problem = kit.module("json_pattern")(wanted(where, expression, "string"))
  if not matches then
    refuse(where, "the pattern " .. show(expression) .. ": " .. problem)
  end
  return matches
end

function keywords.pattern(argument, where)
  local matches = pattern_of(where, argument)
  return function(v, path)
    if type(v) == "string" and not matches(v) then
      return path, "it does not match the pattern " .. show(argument)
    end
  end
end

function keywords.format(argument, where)
  local test = FORMATS[wanted(where, argument, "string")]
  return test and function(v, path)
    if type(v) == "string" and not test(v) then
      return path, show(v) .. " is not of the format " .. argument
    end
  end
end

-- -- arrays ---------------------------------------------------------------------------------------

function keywords.uniqueItems(argument, where)
  if not wanted(where, argument, "boolean") then
    return nil
  end
  return function(v, path)
    if not fits_type(v, "array") then
      return
    end
    local scalars, tables, n = {}, {}, 0
    for i = 1, rawlen(v) do
      local item = rawget(v, i)
      if type(item) ~= "table" then
        if scalars[item] then
          return step(path, i), "the same as another item"
        elseif item == item then
          scalars[item] = true
        end
      else
        for j = 1, n do
          if equal(item, tables[j], 0) then
            return step(path, i), "the same as another item"
          end
        end
        n = n + 1
        tables[n] = item
      end
    end
  end
end

-- `items` goes on where `prefixItems` ends; older drafts have `items` for the first ones, and
-- `additionalItems` for the others.
function keywords.items(argument, where, within, schema)
  local first, others = rawget(schema, "prefixItems"), argument
  if type(argument) == "table" and next(argument) ~= nil and is_array(argument) then
    first, others = argument, rawget(schema, "additionalItems")
  end
  local checks = {}
  for i, one in ipairs(first and wanted(where, first, "array") or {}) do
    checks[i] = within(one, i)
  end
  local check = others ~= nil and within(others)
  return function(v, path, depth)
    if not fits_type(v, "array") then
      return
    end
    for i = 1, rawlen(v) do
      local one = checks[i] or check
      if one then
        local at, reason = one(rawget(v, i), step(path, i), depth)
        if at then
          return at, reason
        end
      end
    end
  end
end

function keywords.prefixItems(_, where, within, schema)
  return rawget(schema, "items") == nil and keywords.items(nil, where, within, schema) or nil
end

function keywords.contains(argument, where, within, schema)
  local check = within(argument)
  local least = wanted(where, rawget(schema, "minContains") or 1, "count")
  local most = rawget(schema, "maxContains")
  most = most and wanted(where, most, "count")
  return function(v, path, depth)
    if not fits_type(v, "array") then
      return
    end
    local n = 0
    for i = 1, rawlen(v) do
      n = check(rawget(v, i), path, depth) and n or n + 1
    end
    if n < least or (most and n > most) then
      return path, n .. " of its items are as `contains` has it"
    end
  end
end

-- -- objects --------------------------------------------------------------------------------------

function keywords.required(argument, where)
  wanted(where, argument, "array")
  return function(v, path)
    if fits_type(v, "object") then
      for _, name in ipairs(argument) do
        if rawget(v, name) == nil then
          return path, "the property " .. show(name) .. " is missing"
        end
      end
    end
  end
end

-- The properties by name, those by pattern, and all others: together, since the last need the first.
local function properties(_, where, within, schema)
  local named, patterns = rawget(schema, "properties"), rawget(schema, "patternProperties")
  local by_name, by_pattern, n = {}, {}, 0
  for _, name in ipairs(sorted_keys(named and wanted(where, named, "object") or {})) do
    by_name[name] = within(rawget(named, name), name)
  end
  for _, expression in ipairs(sorted_keys(patterns and wanted(where, patterns, "object") or {})) do
    n = n + 1
    by_pattern[n] = { pattern_of(where, expression), within(rawget(patterns, expression), expression) }
  end
  local additional = rawget(schema, "additionalProperties")
  local check_others = additional ~= nil and within(additional)
  return function(v, path, depth)
    if not fits_type(v, "object") then
      return
    end
    for _, key in ipairs(sorted_keys(v)) do
      local name, item, at, reason = tostring(key), rawget(v, key), nil, nil
      local check = by_name[name]
      if check then
        at, reason = check(item, step(path, key), depth)
      end
      local is_known = check ~= nil
      for i = 1, n do
        if not at and by_pattern[i][1](name) then
          is_known = true
          at, reason = by_pattern[i][2](item, step(path, key), depth)
        end
      end
      if not is_known and check_others then
        if additional == false then
          return path, "the property " .. show(name) .. " is unknown"
        end
        at, reason = check_others(item, step(path, key), depth)
      end
      if at then
        return at, reason
      end
    end
  end
end
keywords.properties = properties
function keywords.patternProperties(argument, where, within, schema)
  return rawget(schema, "properties") == nil and properties(argument, where, within, schema) or nil
end
function keywords.additionalProperties(argument, where, within, schema)
  if rawget(schema, "properties") == nil and rawget(schema, "patternProperties") == nil then
    return properties(argument, where, within, schema)
  end
end

function keywords.propertyNames(argument, _, within)
  local check = within(argument)
  return function(v, path, depth)
    if fits_type(v, "object") then
      for _, key in ipairs(sorted_keys(v)) do
        local _, reason = check(tostring(key), path, depth)
        if reason then
          return path, "the name of the property " .. show(key) .. ": " .. reason
        end
      end
    end
  end
end

-- What must be there, or be so, if there is a property.
function keywords.dependencies(argument, where, within)
  local checks = {}
  for _, name in ipairs(sorted_keys(wanted(where, argument, "object"))) do
    local needs = rawget(argument, name)
    if type(needs) == "table" and next(needs) ~= nil and is_array(needs) then
      checks[name] = keywords.required(needs, where)
    else
      checks[name] = within(needs, name)
    end
  end
  local names = sorted_keys(checks)
  return function(v, path, depth)
    if fits_type(v, "object") then
      for _, name in ipairs(names) do
        if rawget(v, name) ~= nil then
          local at, reason = checks[name](v, path, depth)
          if at then
            return at, reason
          end
        end
      end
    end
  end
end
keywords.dependentRequired = keywords.dependencies
keywords.dependentSchemas = keywords.dependencies

-- -- schemas put together -------------------------------------------------------------------------

-- Of several schemas, how many fit; and of the first that does not, where and why.
local function several(argument, where, within)
  local checks = {}
  for i, one in ipairs(wanted(where, argument, "array")) do
    checks[i] = within(one, i)
  end
  return #checks, function(v, path, depth)
    local fitting, at, reason = 0, nil, nil
    for _, check in ipairs(checks) do
      local where_not, why = check(v, path, depth)
      if not where_not then
        fitting = fitting + 1
      elseif not at then
        at, reason = where_not, why
      end
    end
    return fitting, at, reason
  end
end

function keywords.allOf(argument, where, within)
  local _, try = several(argument, where, within)
  return function(v, path, depth)
    local _, at, reason = try(v, path, depth)
    return at, reason
  end
end

function keywords.anyOf(argument, where, within)
  local n, try = several(argument, where, within)
  return function(v, path, depth)
    local fitting, at, reason = try(v, path, depth)
    if fitting == 0 then
      return n == 1 and at or path, n == 1 and reason or "it fits none of the schemas of `anyOf`"
    end
  end
end

function keywords.oneOf(argument, where, within)
  local _, try = several(argument, where, within)
  return function(v, path, depth)
    local fitting = try(v, path, depth)
    if fitting ~= 1 then
      return path, "it fits " .. fitting .. " of the schemas of `oneOf`"
    end
  end
end

keywords["not"] = function(argument, _, within)
  local check = within(argument)
  return function(v, path, depth)
    if not check(v, path, depth) then
      return path, "it is as it must not be"
    end
  end
end

keywords["if"] = function(argument, _, within, schema)
  local check = within(argument)
  local positive, negative = rawget(schema, "then"), rawget(schema, "else")
  positive = positive ~= nil and within(positive)
  negative = negative ~= nil and within(negative)
  return function(v, path, depth)
    local following = negative
    if not check(v, path, depth) then
      following = positive
    end
    if following then
      return following(v, path, depth)
    end
  end
end

-- What would be a part of the check if it were known.
for _, name in ipairs({ "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef" }) do
  keywords[name] = function(_, where)
    refuse(where, "this keyword is not supported")
  end
end

return keywords
