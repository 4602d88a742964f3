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
    return nil, kit.new_error("Invalid", message, nil, details, kit.traceback(2))
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

return json
