-- Coroutines that a process makes for itself.
--
-- A wait inside of one has to reach the guest, through whatever coroutines are in between. So what
-- a program yields to its own resume is marked, and everything else is passed on outward: waits, and
-- the yields without a value that the preemption hook makes.

local kit = ...

local create, resume, status, running, close, isyieldable, yield =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.running, coroutine.close, coroutine.isyieldable, coroutine.yield
local type, error, setmetatable, format, select = type, error, setmetatable, string.format, select
local host, bad_argument = kit.host, kit.bad_argument
local SPAWN = kit.marks.SPAWN
local OWN = {} -- marks what a program yields to its own resume

local library = kit.coroutine_library

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

local function check_coroutine(co, name)
  if type(co) ~= "thread" then
    bad_argument(1, name, "coroutine expected", 3)
  end
end

function library.create(f)
  if type(f) ~= "function" then
    bad_argument(1, "create", "function expected", 2)
  end
  local co = create(f)
  local pointer = format("%p", co)
  sentinels[co] = setmetatable({ co, pointer }, Sentinel)
  forget_found()
  host.remember(pointer)
  kit.watch(co)
  return co
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

function library.resume(co, ...)
  check_coroutine(co, "resume")
  return resume_own(co, ...)
end

local function unwrapped(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

function library.wrap(f)
  if type(f) ~= "function" then
    bad_argument(1, "wrap", "function expected", 2)
  end
  local co = library.create(f)
  return function(...)
    return unwrapped(resume_own(co, ...))
  end
end

function library.yield(...)
  if sentinels[running()] == nil then
    error("attempt to yield from outside a coroutine", 2)
  end
  return yield(OWN, ...)
end

function library.status(co)
  check_coroutine(co, "status")
  if waiting[co] then
    return "normal"
  end
  return status(co)
end

function library.running()
  local co = running()
  return co, sentinels[co] == nil
end

function library.isyieldable()
  return sentinels[running()] ~= nil and isyieldable()
end

function library.close(co)
  check_coroutine(co, "close")
  if sentinels[co] == nil or waiting[co] then
    error("cannot close a normal coroutine", 2)
  end
  return close(co)
end

-- Another line of execution in the same process. It runs to its first wait before this returns.
function library.spawn(f, ...)
  if type(f) ~= "function" then
    bad_argument(1, "spawn", "function expected, got " .. kit.type_name(f), 2)
  end
  local arguments, n = { ... }, select("#", ...)
  if n > 0 then
    local inner = f
    function f()
      inner(table.unpack(arguments, 1, n))
    end
  end
  yield(SPAWN, f)
end
