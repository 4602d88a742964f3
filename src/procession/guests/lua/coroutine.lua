-- Coroutines that a process makes for itself.
--
-- A wait inside of one has to reach the guest, through whatever coroutines are in between. So what
-- a program yields to its own resume is marked, and everything else is passed on outward: waits, and
-- the yields without a value that the preemption hook makes.

local kit = ...

local create, resume, status, running, close, isyieldable, yield =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.running, coroutine.close, coroutine.isyieldable, coroutine.yield
local type, error, setmetatable, format, select = type, error, setmetatable, string.format, select
local getinfo = debug.getinfo
local xpcall = xpcall
local host, raise, finish = kit.host, kit.raise, kit.finish
local SPAWN = kit.marks.SPAWN
local OWN = {} -- marks what a program yields to its own resume

local library = kit.libraries.coroutine

-- Those that wait for the guest: for their program they are not suspended, and must not be resumed.
local waiting = setmetatable({}, { __mode = "k" })

-- The guest has to know the coroutines that may be running, to interrupt them. It forgets one after
-- the collector has found it: the sentinel keeps it alive until then. A finalizer cannot tell the
-- guest itself: Python may be taking the whole state apart, functions first.
local sentinels = setmetatable({}, { __mode = "k" })
local found, found_count = {}, 0
local Sentinel = {
  __gc = function(sentinel)
    found_count = found_count + 1
    found[found_count] = sentinel
  end,
}

local function forget_found()
  while found_count > 0 do
    local sentinel = found[found_count]
    found[found_count] = nil
    found_count = found_count - 1
    host.forget(sentinel[2])
  end
end

-- What is wrong with an argument is said by C.
local refuse = {}
for name in ("create wrap resume status isyieldable close"):gmatch("%a+") do
  local f = coroutine[name]
  local handler = kit.handler(f, name)
  refuse[name] = function(...)
    return finish(xpcall(f, handler, ...))
  end
end

local function new(f)
  local co = create(f)
  local pointer = format("%p", co)
  sentinels[co] = setmetatable({ co, pointer }, Sentinel)
  forget_found()
  host.remember(pointer)
  kit.watch(co)
  return co
end

function library.create(...)
  if type((...)) ~= "function" then
    return refuse.create(...)
  end
  return new((...))
end

local pass

local function after(co, ok, mark, ...)
  if not ok then
    return false, mark
  elseif mark == OWN then
    return true, ...
  elseif status(co) == "dead" then
    return true, mark, ...
  end
  waiting[co] = true
  return pass(co, yield(mark, ...))
end

function pass(co, ...)
  waiting[co] = nil
  return after(co, resume(co, ...))
end

local function resume_own(co, ...)
  if sentinels[co] == nil or waiting[co] then -- one of the guest's, or one that waits for it
    return false, "cannot resume non-suspended coroutine"
  end
  return after(co, resume(co, ...))
end

function library.resume(...)
  if type((...)) ~= "thread" then
    return refuse.resume(...)
  end
  return resume_own(...)
end

-- An error in it says where it was resumed too, as in stock Lua; not to a `pcall` right around it.
local function unwrapped(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "string" and getinfo(2, "l").currentline > 0 then
    raise(err)
  end
  error(err, 0)
end

function library.wrap(...)
  if type((...)) ~= "function" then
    return refuse.wrap(...)
  end
  local co = new((...))
  return function(...)
    return unwrapped(resume_own(co, ...))
  end
end

function library.yield(...)
  if sentinels[running()] == nil then
    raise("attempt to yield from outside a coroutine")
  end
  return yield(OWN, ...)
end

function library.status(...)
  local co = ...
  if type(co) ~= "thread" then
    return refuse.status(...)
  end
  if waiting[co] then
    return "normal"
  end
  return status(co)
end

function library.running()
  local co = running()
  return co, sentinels[co] == nil
end

function library.isyieldable(...)
  local co = ...
  if co == nil and select("#", ...) == 0 then
    co = running()
  elseif type(co) ~= "thread" then
    return refuse.isyieldable(...)
  end
  return sentinels[co] ~= nil and isyieldable(co)
end

function library.close(...)
  local co = ...
  if type(co) ~= "thread" then
    return refuse.close(...)
  end
  local how = status(co)
  if how == "running" then
    raise("cannot close a running coroutine")
  elseif sentinels[co] == nil or waiting[co] or how == "normal" then
    raise("cannot close a normal coroutine")
  end
  return close(co)
end

-- Another line of execution in the same process. It runs to its first wait before this returns.
function library.spawn(...)
  local f, n = ..., select("#", ...)
  if type(f) ~= "function" then
    kit.wrong_type(1, "spawn", "function", n, f)
  end
  if n > 1 then
    local inner, arguments = f, { ... }
    function f()
      inner(table.unpack(arguments, 2, n))
    end
  end
  yield(SPAWN, f)
end
