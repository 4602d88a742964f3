-- What a program sees: an environment of its own, and libraries that it cannot harm.
--
-- The libraries exist once per state. A process reaches them through a table of its own that falls
-- back to the library ("overlay"), made when the process first touches it: what it adds or replaces
-- is its own, and the library below stays out of reach, since its metatable is locked.

local kit = ...

local type, rawset, rawget, next, select = type, rawset, rawget, next, select
local pcall, xpcall, setmetatable, getmetatable = pcall, xpcall, setmetatable, getmetatable
local tostring, concat, format, collectgarbage = kit.tostring, table.concat, string.format, collectgarbage
local getinfo = debug.getinfo
local metatable_of, libraries, raise, finish = kit.metatable_of, kit.libraries, kit.raise, kit.finish

libraries.coroutine = {} -- filled by coroutine.lua
libraries.utf8 = {}
for name in ("char charpattern codepoint codes len offset"):gmatch("%a+") do
  libraries.utf8[name] = utf8[name]
end

-- -- globals ----------------------------------------------------------------------------------

local globals = {
  _VERSION = _VERSION,
  assert = assert,
  error = error,
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
  type = kit.type,
  unpack = libraries.table.unpack,
}
for name, library in next, libraries do
  globals[name] = library
end
kit.globals = globals

local setmetatable_handler = kit.handler(setmetatable, "setmetatable")

function globals.setmetatable(...)
  local _, metatable = ...
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    raise("__gc is not available: a process has no finalizers")
  end
  local ok, t = xpcall(setmetatable, setmetatable_handler, ...)
  return ok and t or finish(ok, t)
end

-- The handler runs when the error has left the function, and not within it: Lua calls no hooks in the
-- handler of an error that a hook has raised, so one that loops there could never be ended.
local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  return false, select(2, pcall(handler, ...))
end

function globals.xpcall(...)
  local f, handler = ...
  if type(handler) ~= "function" then
    kit.wrong_type(2, "xpcall", "function", select("#", ...), handler)
  end
  return handled(handler, pcall(f, select(3, ...)))
end

-- The collector is that of the state. A process that has one to itself may use it; none can stop it.
local collectgarbage_handler = kit.handler(collectgarbage, "collectgarbage")
local OF_A_STATE = { collect = true, count = true, step = true, isrunning = true }
local NEVER = { stop = true, restart = true, setpause = true, setstepmul = true, incremental = true, generational = true }

function globals.collectgarbage(...)
  local option = ...
  if option == nil then
    option = "collect"
  end
  if NEVER[option] then
    raise(format("collectgarbage(%q) is not available: when memory is collected is up to the runtime", option))
  elseif OF_A_STATE[option] and not kit.own_state then
    local why = "the processes of this host share a Lua state; on a host with lua: {state: own} each has its own"
    raise(format("collectgarbage(%q) is not available: %s", option, why))
  elseif option == "collect" then
    return kit.slow.collect()
  end
  return finish(xpcall(collectgarbage, collectgarbage_handler, ...))
end

function globals.print(...)
  local texts = { ... }
  local n = select("#", ...)
  for i = 1, n do
    texts[i] = tostring(texts[i])
  end
  local problem = kit.host.write(concat(texts, "\t", 1, n) .. "\n")
  if problem then
    raise(problem)
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

-- Globals that each process has made for itself, when it first asks for them.
local makers = {}

function makers._G(env)
  return env
end

-- The metatable of strings is everybody's. What a process sees of it says where their methods are.
function makers.getmetatable(env)
  local view = setmetatable({}, {
    __metatable = false,
    __index = { __index = env.string },
    __newindex = function()
      raise("the metatable of strings cannot be changed")
    end,
  })
  local handler = kit.handler(getmetatable, "getmetatable")
  return function(...)
    if type((...)) == "string" then
      return view
    end
    return finish(xpcall(getmetatable, handler, ...))
  end
end

local views = setmetatable({}, { __mode = "k" })

-- A process's view of a module: the same as a global and by `require`.
local function view_of_module(env, name)
  local mine = views[env]
  if mine == nil then
    mine = {}
    views[env] = mine
  end
  local value = mine[name]
  if value == nil then
    value = kit.module(name)
    if type(value) == "table" then
      value = overlay(value)
    end
    mine[name] = value
  end
  return value
end

-- The metatable of the environments of all processes that declare the same modules. Those are
-- globals too, and `time` always is.
function kit.environment_metatable(modules)
  local metatable = { __metatable = false }
  function metatable.__index(env, key)
    local value = globals[key]
    if value == nil then
      if makers[key] then
        value = makers[key](env)
      elseif key == "time" or modules[key] then
        value = view_of_module(env, key)
        rawset(env, key, value)
        return value
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
    for key in next, makers do
      local _ = env[key]
    end
    return next, env, nil
  end
  return metatable
end

-- What `require` gives for a module: the table that the global of that name is.
function kit.required(name, env)
  if globals[name] ~= nil then
    return env[name]
  end
  return view_of_module(env, name)
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
  local called = getinfo(1, "n") -- by the name that the program has for it
  local name = called.name and format(" (%s '%s')", called.namewhat, called.name) or ""
  raise("attempt to call a string value" .. name)
end
