-- The module `json`.

local kit = ...

local type = type
local check = kit.module("check")
local read, write = kit.module("json_read"), kit.module("json_write")

local json = {}

-- The JSON text of a value; or nil and an Invalid error that names the path.
function json.encode(...)
  local text, path, reason = write((...))
  if text then
    return text
  end
  return nil, kit.invalid(path .. " cannot be encoded as JSON: " .. reason, { path = path })
end

-- The value of a JSON text; or nil and an Invalid error that names the position.
function json.decode(text)
  local value, problem = read(check.string(text, 1, "decode"))
  if problem then
    return nil, kit.invalid(problem)
  end
  return value, nil
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
