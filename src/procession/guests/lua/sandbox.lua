-- What a program sees: an environment of its own, and libraries that it cannot harm.
--
-- The libraries exist once per state. A process reaches them through a table of its own that falls
-- back to the library ("overlay"), made when the process first touches it: what it adds or replaces
-- is its own, and the library below stays out of reach, since its metatable is locked.

local kit = ...

local type, rawset, rawget, next, select, error = type, rawset, rawget, next, select, error
local setmetatable, getmetatable, tostring, concat = setmetatable, getmetatable, kit.tostring, table.concat
local metatable_of, libraries = kit.metatable_of, kit.libraries

-- -- globals ----------------------------------------------------------------------------------

local globals = {
  _VERSION = _VERSION,
  assert = assert,
  error = error,
  getmetatable = getmetatable,
  ipairs = ipairs,
  next = next,
  pairs = pairs,
  pcall = pcall,
  rawequal = rawequal,
  rawget = rawget,
  rawlen = rawlen,
  rawset = rawset,
  select = select,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  unpack = libraries.table.unpack,
}
for name, library in next, libraries do
  globals[name] = library
end
kit.globals = globals

function globals.setmetatable(t, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("__gc is not available: a process has no finalizers", 2)
  end
  return setmetatable(t, metatable)
end

-- The handler runs when the error has left the function, and not within it: Lua calls no hooks in the
-- handler of an error that a hook has raised, so one that loops there could never be ended.
local pcall = pcall
local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  return false, select(2, pcall(handler, ...))
end

function globals.xpcall(f, handler, ...)
  if handler == nil then
    kit.bad_argument(2, "xpcall", "function expected, got no value", 2)
  end
  return handled(handler, pcall(f, ...))
end

function globals.collectgarbage(option)
  return 0 -- what there is in the state is nobody's business in particular
end

function globals.print(...)
  local texts = { ... }
  local n = select("#", ...)
  for i = 1, n do
    local text = tostring(texts[i])
    if type(text) ~= "string" then
      error("'__tostring' must return a string", 2)
    end
    texts[i] = text
  end
  local problem = kit.host.write(concat(texts, "\t", 1, n) .. "\n")
  if problem then
    error(problem, 2)
  end
end

-- -- environments -----------------------------------------------------------------------------

local overlays = {} -- the metatable of the overlays of each library, shared by all processes

local overlay

-- What is used is kept in the overlay, so it is looked up once. A table inside of a library is one's
-- own as well.
local function overlay_metatable(library)
  local metatable = overlays[library]
  if metatable == nil then
    metatable = { __metatable = false, __library = library }
    function metatable.__index(own, key)
      local value = library[key]
      if type(value) == "table" and metatable_of(value) == nil then
        value = overlay(value)
      end
      if value ~= nil then
        rawset(own, key, value)
      end
      return value
    end
    function metatable.__pairs(own)
      for key in next, library do
        local _ = own[key]
      end
      return next, own, nil
    end
    overlays[library] = metatable
  end
  return metatable
end

function overlay(library)
  local own = setmetatable({}, overlay_metatable(library))
  if library == libraries.math then
    local random, randomseed = kit.new_random()
    rawset(own, "random", random)
    rawset(own, "randomseed", randomseed)
  end
  return own
end
kit.overlay = overlay

-- In the typed dialect `string(v)` is a checked cast, and `_TYPE` what a type is declared by.
function kit.add_casts(casts, declare)
  for name, cast in next, casts do
    local library = globals[name]
    if library == nil then
      globals[name] = cast
    else
      overlay_metatable(library).__call = function(_, v)
        return cast(v)
      end
    end
  end
  globals._TYPE = declare
end

-- What a program adds to `string` is a method of its strings too.
overlay_metatable(libraries.string).__newindex = function(own, key, value)
  rawset(own, key, value)
  kit.extensions[kit.host.extend()] = own
end
kit.extensions = {} -- by PID; the guest removes them

-- The metatable of the environments of all processes that declare the same modules. Those are
-- globals too, and `time` always is.
local function environment_metatable(modules)
  local metatable = { __metatable = false }
  function metatable.__index(env, key)
    local value = globals[key]
    if value == nil then
      if key == "_G" then
        value = env
      elseif key == "time" or modules[key] then
        value = kit.module(key)
      else
        return nil
      end
    end
    if type(value) == "table" and value ~= env then
      value = overlay(value)
    end
    rawset(env, key, value)
    return value
  end
  function metatable.__pairs(env)
    for key in next, globals do
      local _ = env[key]
    end
    return next, env, nil
  end
  return metatable
end

local environments = setmetatable({}, { __mode = "k" })

function kit.new_environment(modules)
  local metatable = environments[modules]
  if metatable == nil then
    metatable = environment_metatable(modules)
    environments[modules] = metatable
  end
  return setmetatable({}, metatable)
end

local string_metatable = getmetatable("")
setmetatable(kit.string_methods, {
  __index = function(_, key)
    local own = kit.extensions[kit.host.pid()]
    return own and rawget(own, key)
  end,
})
string_metatable.__index = kit.string_methods
string_metatable.__metatable = false
-- `msg.topic` is a string, and `msg:topic()` is that string called (SEMANTICS 6.7).
function string_metatable.__call(text, message, ...)
  if kit.is_message(message) then
    return text
  end
  error("attempt to call a string value", 2)
end
