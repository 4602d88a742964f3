-- Coroutines that a process makes for itself.
--
-- A wait inside of one has to reach the guest, through whatever coroutines are in between. So what
-- a program yields to its own resume is marked, and everything else is passed on outward: waits, and
-- the yields without a value that the preemption hook makes.

local kit = ...

local create, resume, status, running, close, isyieldable, yield =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.running, coroutine.close, coroutine.isyieldable, coroutine.yield
local type, error, setmetatable, format, select = type, error, setmetatable, string.format, select
local getinfo, unpack = debug.getinfo, table.unpack
local xpcall = xpcall
local host, raise, finish = kit.host, kit.raise, kit.finish
local SPAWN = kit.marks.SPAWN
local OWN = {} -- marks what a program yields to its own resume

local library = kit.libraries.coroutine

-- Those that must not be resumed by their program, to which they are not suspended: the ones that wait
-- for the guest (WAITS), and the guest's own (GUEST), as far as a program has got hold of them.
local WAITS <const>, GUEST <const> = 1, 2
local barred = setmetatable({}, { __mode = "k" })

-- -- the chain of those that run -----------------------------------------------------------------
--
-- Each has been resumed by the one before it, and has not returned: only these can be executing. The
-- guard reads this table from its thread, in memory, while Lua runs; so it never grows, and it holds
-- whether the guard asks for it, then coroutines: NONE where there is none.
--
-- Whoever leaves the chain looks whether the guard asks, and waits until it is done: what the guard has
-- found there is held until then, by the chain or by the stack of who resumed it.
--
-- If a resume fails between its return and its leaving, with too many values for the stack, the
-- coroutine stays in the chain. That does no harm: no place is taken twice, `settle` takes out what does
-- not run, and no running coroutine is ever missing.

local ASKED <const>, SIZE <const> = 1, 250
local NONE = create(function() end)
local chain = {}
for place = 2, SIZE do
  chain[place] = NONE
end
chain = { 0, unpack(chain, 2, SIZE) } -- exactly as large as it has to be
local last = ASKED -- the place of the coroutine that was resumed last

-- Take out those that do not run.
local function settle()
  local length, taken = ASKED, {}
  for place = ASKED + 1, SIZE do
    local co = chain[place]
    local how = status(co)
    if how == "running" or how == "normal" then
      length = place
    elseif co ~= NONE then
      taken[place] = co
      chain[place] = NONE
    end
  end
  last = length
  if chain[ASKED] ~= 0 then
    host.wait_for_guard()
  end
end

-- Why a coroutine cannot be resumed, or nil; asked only if there may be a reason.
local function obstacle(co)
  if barred[co] then
    return "cannot resume non-suspended coroutine"
  end
  settle()
  return chain[last + 1] ~= NONE and "C stack overflow" or nil
end

-- Whether a coroutine that runs is one that the program has made.
local function is_nested(co)
  for place = last, ASKED + 1, -1 do
    if chain[place] == co then
      return true
    end
  end
  return false
end

function kit.chain_length()
  return last
end

kit.exports.chain_length = kit.chain_length
kit.exports.settle = settle
kit.exports.chain = function()
  return format("%p", chain), format("%p", NONE)
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

local function after(place, co, ok, mark, ...)
  local chain = chain
  chain[place] = NONE
  last = place - 1
  if chain[ASKED] ~= 0 then
    host.wait_for_guard()
  end
  if not ok then
    return false, mark
  elseif mark == OWN then
    return true, ...
  elseif status(co) == "dead" then
    return true, mark, ...
  elseif mark == nil and not isyieldable() then
    return pass(co) -- interrupted where nothing can be passed on, in a callback of C: it goes on
  end
  barred[co] = WAITS
  return pass(co, yield(mark, ...))
end

-- The three that resume are alike but for what comes before and after: this is the hot path.
function pass(co, ...)
  barred[co] = nil
  local chain, place = chain, last + 1
  if chain[place] ~= NONE then
    local problem = obstacle(co)
    if problem then
      return false, problem
    end
    place = last + 1
  end
  chain[place], last = co, place
  return after(place, co, resume(co, ...))
end

function library.resume(...)
  local co, chain, place = ..., chain, last + 1
  if type(co) ~= "thread" then
    return refuse.resume(...)
  elseif barred[co] or chain[place] ~= NONE then
    local problem = obstacle(co)
    if problem then
      return false, problem
    end
    place = last + 1
  end
  chain[place], last = co, place
  return after(place, co, resume(...))
end

-- An error in it says where it was resumed too, as in stock Lua; not to a `pcall` right around it.
local function unwrapped(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  local caller = getinfo(2, "l") -- none, if what it gave is the body of a coroutine itself
  if type(err) == "string" and caller and caller.currentline > 0 then
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
    local chain, place = chain, last + 1
    if barred[co] or chain[place] ~= NONE then
      local problem = obstacle(co)
      if problem then
        return unwrapped(false, problem)
      end
      place = last + 1
    end
    chain[place], last = co, place
    return unwrapped(after(place, co, resume(co, ...)))
  end
end

function library.yield(...)
  if last == ASKED then
    raise("attempt to yield from outside a coroutine")
  end
  return yield(OWN, ...)
end

function library.status(...)
  local co = ...
  if type(co) ~= "thread" then
    return refuse.status(...)
  end
  local how = status(co)
  if how == "suspended" and barred[co] then
    return "normal"
  end
  return how
end

function library.running()
  local co = running()
  if chain[last] == co or is_nested(co) then
    return co, false
  end
  barred[co] = GUEST
  return co, true
end

-- Whether a program may have got hold of its own coroutine.
function kit.is_known(co)
  return barred[co] ~= nil
end

function library.isyieldable(...)
  local co = ...
  if co == nil and select("#", ...) == 0 then
    co = running()
    return is_nested(co) and isyieldable(co)
  elseif type(co) ~= "thread" then
    return refuse.isyieldable(...)
  end
  return barred[co] ~= GUEST and isyieldable(co)
end

local function closed(place, co, ...)
  chain[place], last = NONE, place - 1
  if chain[ASKED] ~= 0 then
    host.wait_for_guard()
  end
  return ...
end

function library.close(...)
  local co = ...
  if type(co) ~= "thread" then
    return refuse.close(...)
  end
  local how = status(co)
  if how == "running" then
    raise("cannot close a running coroutine")
  elseif barred[co] or how == "normal" then
    raise("cannot close a normal coroutine")
  end
  local problem = chain[last + 1] ~= NONE and obstacle(co)
  if problem then
    raise(problem)
  end
  last = last + 1
  chain[last] = co -- what it has to close runs in it
  return closed(last, co, close(co))
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
  yield(SPAWN, kit.store(f))
end
