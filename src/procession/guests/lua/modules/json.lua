-- The module `json`.

local kit = ...

local type, gsub = type, string.gsub
local host, with_flat, carried, outcome = kit.host, kit.with_flat, kit.carried, kit.outcome
local check = kit.module("check")

local json = {}

-- The JSON text of a value; or nil and an Invalid error that names the path.
function json.encode(...)
  local v = ...
  local ok, a, b, c, d, e = with_flat(host.json_encode, 0, "value", v)
  if ok then
    return a
  elseif ok == false and type(a) == "table" then -- it could not even cross
    local _, message, _, details = kit.error_parts(a)
    message = gsub(message, "cannot cross to another process", "cannot be encoded as JSON", 1)
    return nil, kit.invalid(message, details)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

-- The value of a JSON text; or nil and an Invalid error that names the position.
function json.decode(text)
  local ok, a, b, c, d, e = host.json_decode(check.string(text, 1, "decode"))
  if ok then
    return carried(a, b)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

-- Whether a value that JSON has fits a schema: true; or false and an Invalid error that says where not.
local function validated(schema, v, name)
  if type(schema) == "string" then
    local read, err = json.decode(schema)
    if err then
      return false, err
    end
    schema = read
  elseif type(schema) ~= "table" and type(schema) ~= "boolean" then
    -- By a tail call of what the program has called: the program is the next level.
    kit.bad_argument(1, name, "table or string expected, got " .. kit.type_name(schema), 2)
  end
  local path, reason, problem = kit.module("json_schema")(schema, v)
  if problem then
    return false, kit.invalid("bad JSON schema: " .. problem)
  elseif path then
    path = #path > 120 and path:sub(1, 60) .. " ... " .. path:sub(-40) or path
    return false, kit.invalid(path .. " does not fit the schema: " .. reason, { path = path })
  end
  return true, nil
end

-- The schema is a table or JSON text. The value is taken as `encode` writes it.
function json.validate(...)
  local schema, v = ...
  local text, err = json.encode(v)
  if err then
    return false, err
  end
  return validated(schema, json.decode(text), "validate")
end

function json.validate_string(schema, text)
  local v, err = json.decode(check.string(text, 2, "validate_string"))
  if err then
    return false, err
  end
  return validated(schema, v, "validate_string")
end

return json
