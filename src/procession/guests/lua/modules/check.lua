-- Checks of the arguments of module functions. They raise where the program has called the function.

local kit = ...

local type, format, math_type, tointeger = type, string.format, math.type, math.tointeger

local check = {}

local function wrong(n, name, expected, v)
  kit.bad_argument(n, name, format("%s expected, got %s", expected, kit.type_name(v)))
end

-- An error object stands for its message, as everywhere.
function check.string(v, n, name)
  if type(v) ~= "string" then
    if kit.is_error(v) then
      return kit.tostring(v)
    end
    wrong(n, name, "string", v)
  end
  return v
end

function check.table(v, n, name)
  if type(v) ~= "table" then
    wrong(n, name, "table", v)
  end
  return v
end

function check.integer(v, n, name)
  local whole = math_type(v) and tointeger(v)
  if not whole then
    wrong(n, name, "integer", v)
  end
  return whole
end

return check
