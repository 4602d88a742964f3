-- JSON Schema: whether a value of Lua, taken as JSON, is as a schema has it.
--
-- A schema is made into a function `check(v, path, depth)` that returns nothing if the value fits, else where
-- it does not and why. It runs like a program's own code (see `kit.module`): a large value, or a schema that
-- tries much, is interrupted. So nothing here is shared between two validations.
--
-- Of draft 2020-12 all keywords that can be checked alone (json_keywords.lua), with what older drafts call
-- otherwise. References lead to places in the same schema. What would be wrong to pass over is refused; any
-- other unknown keyword is only a remark, as the standard has it.

local kit = ...

local type, error, pcall, rawget, ipairs = type, error, pcall, rawget, ipairs
local getmetatable, gsub, match, sub, tointeger = getmetatable, string.gsub, string.match, string.sub, math.tointeger

local value, keywords = kit.module("json_value"), kit.module("json_keywords")
local refuse, wanted, show, step = value.refuse, value.wanted, value.show, value.step
local MAX_DEPTH = value.MAX_DEPTH

-- What a reference such as "#/$defs/item" leads to.
local function resolve(root, reference, where)
  local pointer = match(wanted(where, reference, "string"), "^#(.*)$")
  if not pointer or (pointer ~= "" and sub(pointer, 1, 1) ~= "/") then
    refuse(where, show(reference) .. " leads out of the schema: only #/... is supported")
  end
  local found = root
  for part in pointer:gmatch("/([^/]*)") do
    part = gsub(gsub(part, "~1", "/"), "~0", "~")
    if type(found) == "table" then
      local index = tointeger(part)
      found = rawget(found, part) or (index and rawget(found, index + 1))
    else
      found = nil
    end
  end
  if found == nil then
    refuse(where, show(reference) .. " leads to nothing")
  end
  return found
end

local function any() end
local function none(_, path)
  return path, "there must be nothing"
end

-- The check of a schema. `known`: the checks so far, by schema, so that one may refer to itself.
local function compile(schema, where, root, known, depth)
  if type(schema) == "boolean" then
    return schema and any or none
  elseif type(schema) ~= "table" or not value.is_object(schema) then
    refuse(where, "a schema is an object or a boolean, not " .. value.type_of(schema))
  elseif known[schema] then
    return known[schema]
  elseif depth > MAX_DEPTH then
    refuse(where, "it nests too deep")
  end
  local checks, n = {}, 0
  local function check(v, path, level)
    if level > MAX_DEPTH then
      return path, "it nests too deep for the schema"
    end
    for i = 1, n do
      local at, reason = checks[i](v, path, level + 1)
      if at then
        return at, reason
      end
    end
  end
  known[schema] = check
  for _, name in ipairs(value.sorted_keys(schema)) do
    local argument, place = rawget(schema, name), step(where, name)
    local made
    if name == "$ref" then
      made = compile(resolve(root, argument, place), place, root, known, depth + 1)
    elseif keywords[name] then
      made = keywords[name](argument, place, function(inner, key)
        return compile(inner, key == nil and place or step(place, key), root, known, depth + 1)
      end, schema)
    end
    if made then
      n = n + 1
      checks[n] = made
    end
  end
  return check
end

-- Whether a value fits: nothing, or where not and why. Or, third, what is wrong with the schema.
return function(schema, v)
  local ok, check = pcall(compile, schema, "schema", schema, {}, 0)
  if not ok then
    if getmetatable(check) ~= value.Problem then
      error(check, 0)
    end
    return nil, nil, check.where .. ": " .. check.reason
  end
  return check(v, "value", 0)
end
