-- The first file of a state: takes what only the runtime may have, and takes it away from everyone
-- else. `kit` is what the files share: raw tools, the Python side (`host`), and what they offer
-- each other. No program ever sees it.

local python_function, marks, compatible, counting, own_state, limited, unwrapped, own_type = ...

local kit = { marks = marks, compatible = compatible, counting = counting, own_state = own_state }
local as_function = python.as_function

kit.metatable_of = debug.getmetatable
kit.modules = {}

-- What a function of Python gives where memory is limited: see state.py.
local LIFTED, FULL = marks.LIFTED, marks.FULL
local function_of = as_function(python_function)
local set_limit = as_function(function_of("set_limit"))
local function below_limit(...)
  set_limit()
  return ...
end
local function fitted(first, ...)
  if first == LIFTED then
    return below_limit(...)
  elseif first == FULL then
    error("not enough memory", 0)
  end
  return first, ...
end
local function fitting(f)
  return function(...)
    return fitted(f(...))
  end
end
if limited then
  function_of = fitting(function_of)
end

-- Coroutines, and functions that were made for us, are known to Python by their places here.
local registry = debug.getregistry()

-- Our own files take a faster `type`, if there is one; programs have Lua's.
kit.type = type
type = registry[own_type] or type

-- A coroutine that Python means: see crossing.py.
function kit.coroutine_of(handle)
  return registry[handle] or handle
end

-- What runs in a coroutine, for Python to start by this name.
function kit.add_body(name, body)
  registry[name] = body
end

-- Functions of Python, by name; wrapped when first used.
kit.host = setmetatable({}, {
  __index = function(host, name)
    local f = function_of(name)
    if f == nil then
      error("no host function " .. tostring(name))
    end
    f = registry[f] or as_function(f)
    if limited and not unwrapped[name] then
      f = fitting(f)
    end
    rawset(host, name, f)
    return f
  end,
})

-- A Python object in Lua is inert: it has no attributes, items or calls. Channels are such objects;
-- channel.lua gives them their methods.
local object_metatable = registry.POBJECT
for name in next, object_metatable do
  if name ~= "__gc" then
    object_metatable[name] = nil
  end
end
object_metatable.__metatable = false
object_metatable.__name = "channel"
kit.object_metatable = object_metatable

-- The stack of a program, without our own frames.
local raw_traceback, gsub = debug.traceback, string.gsub
local function cleaned(text)
  text = gsub(text, "\n\t%[C%]: in function 'xpcall'(\n[^\n]*%[procession%])", "%1")
  text = gsub(text, "\n\t%[C%]: in function 'xpcall'(\n\t%[library%])", "%1")
  text = gsub(text, "\n[^\n]*%[procession%][^\n]*", "")
  text = gsub(text, "\n\t%[library%][^\n]*", "")
  text = gsub(text, "\n\t%[C%]: in function 'xpcall'$", "")
  text = gsub(text, "\n\t%(%.%.%.tail calls%.%.%.%)$", "")
  return text
end
function kit.traceback(level)
  return (cleaned(raw_traceback("stack traceback:", level + 1):gsub("^stack traceback:\n", "", 1)))
end
function kit.traceback_of(co)
  return (cleaned(raw_traceback(co, nil, 0)))
end

-- An object with something that its program cannot reach, in a metatable of its own, by a key that only we
-- know. A table with weak keys would do the same, but for the collector: what is in such a table may lead to
-- other keys of it, and of a long chain of those it takes seconds, in which nothing can interrupt it.
local setmetatable, rawget = setmetatable, rawget
function kit.with_private(object, key, private, methods, name)
  return setmetatable(object, { __metatable = false, __name = name, __index = methods, [key] = private })
end
function kit.private(object, key)
  local metatable = kit.metatable_of(object)
  return metatable and rawget(metatable, key)
end

-- Modules are loaded when somebody first needs them. They may work for long, and leave nothing half done that
-- another process could meet: so they run like a program's own code, and are interrupted. Only `funcs` is not:
-- it starts calls and waits for them, and does nothing that takes long.
local function is_interrupted(name)
  return name ~= "funcs"
end
function kit.module(name)
  local module = kit.modules[name]
  if module == nil then
    local source = kit.host.module_source(name)
    if source == nil then
      return nil
    end
    local place = (is_interrupted(name) and "=[library] " or "=[procession] ") .. name
    local make = assert(load(source, place, "t"))
    -- Within a callback of C nothing yields: two processes must not load it at a time, since objects know
    -- their kind by its tables.
    gsub("x", "x", function()
      module = make(kit)
    end)
    kit.modules[name] = module
  end
  return module
end

function kit.time_value(nanoseconds)
  kit.module("time")
  return kit.time_value(nanoseconds)
end

-- Of a moment with an offset from UTC, in seconds.
function kit.time_value_of(seconds, nanoseconds, offset)
  local time = kit.module("time")
  local value = time.unix(seconds, nanoseconds)
  if offset == 0 then
    return value:utc()
  end
  return value:in_location(time.fixed_zone("", offset))
end

-- The seconds of a duration, an argument of a program; or nil and an error object.
function kit.seconds(duration, n, name)
  kit.module("time")
  return kit.duration_seconds(duration, n, name)
end

-- Without a hook from outside, each coroutine has to look itself whether its time is over. Then every
-- further instruction fails, so that no pcall keeps it alive.
local sethook, getinfo = debug.sethook, debug.getinfo
function kit.watch(co)
  if counting then
    local function look()
      if getinfo(2, "S").source:sub(1, 12) ~= "=[procession" and kit.host.overdue() then
        sethook(co, look, "", 1)
        error("step limit exceeded", 2)
      end
    end
    sethook(co, look, "", 100000)
  end
end

-- lupa looks for this name at each call: as long as it is kept, that allocates nothing.
kit.kept_name = "debug"

for _, name in ipairs({ "dofile", "loadfile", "python", "io", "package", "require" }) do
  _G[name] = nil
end

return kit
