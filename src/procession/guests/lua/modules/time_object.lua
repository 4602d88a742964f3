-- What the objects of the module `time` have in common: their kinds, and checks of arguments.
--
-- The module's tables exist once per Lua state, for all processes. So nothing that a program can reach
-- through them may change: metatables are locked, and what a program writes into an object of its own
-- can only spoil that object, since every use checks it anew.

local kit = ...

local error, type, tostring, fmt = error, type, tostring, string.format
local type_of_number, tointeger = math.type, math.tointeger
local metatable_of = kit.metatable_of or debug.getmetatable -- getmetatable stops at a lock
local new_error = kit.new_error

local names = {} -- by metatable

local object = { metatable_of = metatable_of }

-- The metatable of a further kind of objects; `text_of` gives the text of one that is not spoiled.
function object.new_kind(name, text_of)
  local metatable = { __metatable = false, __name = name }
  function metatable.__tostring(v)
    return text_of(v) or "invalid " .. name
  end
  names[metatable] = name
  return metatable
end

-- Whether a value is one of these objects, spoiled or not.
function object.is_object(v)
  return names[metatable_of(v)] ~= nil
end
kit.is_time_object = object.is_object

local function typename(v)
  local metatable = metatable_of(v)
  return metatable and names[metatable] or type(v)
end

-- The checks are called by the function that the program calls: level 3 is the program. Argument 0
-- is the receiver of a method.

local function wrong(n, name, expected, v)
  local got = typename(v)
  got = got == expected and "a spoiled " .. got or got
  if n == 0 then
    return fmt("calling '%s' on bad self (%s expected, got %s)", name, expected, got)
  end
  return fmt("bad argument #%d to '%s' (%s expected, got %s)", n, name, expected, got)
end
object.wrong = wrong

-- What a function returns that cannot do what it is asked for.
function object.invalid(message)
  return nil, new_error("Invalid", message, kit.lasting)
end

function object.check_self(v, metatable, name)
  if metatable_of(v) ~= metatable then
    error(wrong(0, name, names[metatable], v), 3)
  end
end

function object.check_integer(v, n, name, default)
  if v == nil and default then
    return default
  elseif not type_of_number(v) then
    error(wrong(n, name, "integer", v), 3)
  end
  local integer = tointeger(v)
  if not integer then
    error(fmt("bad argument #%d to '%s' (number has no integer representation)", n, name), 3)
  end
  return integer
end

function object.check_string(v, n, name)
  if type(v) ~= "string" then
    error(wrong(n, name, "string", v), 3)
  end
  return v
end

local function concatenated(a, b)
  local function text(v)
    local metatable = metatable_of(v)
    if type(v) == "number" then
      return tostring(tointeger(v) or v)
    elseif type(v) == "string" or metatable and metatable.__tostring then
      return tostring(v)
    end
    error(fmt("attempt to concatenate a %s value", type(v)), 4)
  end
  local left = text(a)
  return left .. text(b)
end

-- Let objects of a kind be put together with text.
function object.concatenates(metatable)
  metatable.__concat = function(a, b)
    local text = concatenated(a, b)
    return text
  end
end

return object
