-- How much memory a process has: when all have too much together, the one that has most is ended.
--
-- What is reached from its coroutines is walked, as far as a budget goes; what our Lua has for all is left
-- out. Python adds up the tables (`host.table_bytes`), since Lua cannot say how large one is that was
-- emptied, and gives what channels have buffered.

local kit = ...

local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue
local type, next, format, concat, select, pcall = type, next, string.format, table.concat, select, pcall
local metatable_of, host, collectgarbage = kit.metatable_of, kit.host, collectgarbage

local LARGE <const> = 1024 -- a text of this size is counted once, however often it is met
local STRING <const>, FUNCTION <const>, COROUTINE <const>, FRAME <const>, OBJECT <const> = 24, 40, 1024, 80, 64
local PIECE <const> = 400

local ours = {} -- not weak: it would cost each round of the collector, and all of it stays anyway
local seen, todo, count, bytes, budget, tables

local function add(v)
  local kind = type(v)
  if kind == "string" then
    if #v >= LARGE then
      local place = format("%p", v)
      if seen[place] then
        return
      end
      seen[place] = true
    end
    bytes = bytes + STRING + #v
  elseif kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then
    if not seen[v] and not ours[v] then
      seen[v] = true
      budget = budget - 2
      count = count + 1
      todo[count] = v
    end
  end
end

local function add_coroutines(...)
  for i = 1, select("#", ...) do
    add(kit.coroutine_of((select(i, ...))))
  end
end

local function add_stored(...)
  local n = select("#", ...)
  for i = 1, n do
    add(kit.stored((select(i, ...))))
  end
  return n > 0
end

local function add_tables()
  bytes = bytes + host.table_bytes(concat(tables, " "))
  tables = {}
end

local walk = {}

walk["table"] = function(t)
  tables[#tables + 1] = format("%p", t)
  if #tables == PIECE then
    add_tables()
  end
  add(metatable_of(t))
  for key, value in next, t do
    add(key)
    add(value)
    budget = budget - 1
    if budget < 0 then
      return
    end
  end
end

walk["function"] = function(f)
  bytes = bytes + FUNCTION
  for i = 1, 255 do
    local name, value = getupvalue(f, i)
    if name == nil then
      return
    end
    add(value)
  end
end

function walk.thread(co)
  bytes = bytes + COROUTINE
  local level = 0
  local info = getinfo(co, level, "f")
  while info and budget >= 0 do
    bytes = bytes + FRAME
    add(info.func)
    for direction = 1, -1, -2 do -- local variables and temporary values, then further arguments
      local i = direction
      local name, value = getlocal(co, level, i)
      while name and budget >= 0 do
        add(value)
        i = i + direction
        name, value = getlocal(co, level, i)
      end
    end
    level = level + 1
    info = getinfo(co, level, "f")
  end
end

local function add_contents(object)
  local more = add_stored(host.contents(object))
  while more and budget >= 0 do
    more = add_stored(host.contents(nil))
  end
end

-- A channel that was collected is a key of a weak table for one round more, and Python knows it no longer:
-- then this fails, and there is nothing to add.
function walk.userdata(object)
  bytes = bytes + OBJECT
  pcall(add_contents, object)
end

local function walk_all()
  while count > 0 and budget >= 0 do
    local v = todo[count]
    todo[count] = nil
    count = count - 1
    walk[type(v)](v)
  end
  add_tables()
end

-- What is made here is garbage at the end; to look for it meanwhile would take longer than the walk. Python
-- has the collector go on when it has measured all.
local function begin(new_budget)
  collectgarbage("stop")
  seen, todo, count, bytes, budget, tables = {}, {}, 0, 0, new_budget, {}
end

local exports = kit.exports

-- What there is now is ours. Called once, before there are processes.
function exports.mark_ours()
  begin(1 << 40)
  add(kit)
  add(kit.exports)
  add(getinfo(1, "f").func)
  add(metatable_of(""))
  add(_G)
  walk_all()
  ours, seen = seen, nil
  collectgarbage("restart")
end

exports.begin_measure = begin

-- Add coroutines of the process.
exports.measure = add_coroutines

-- The bytes, and what is left of the budget.
function exports.measured()
  walk_all()
  seen, todo = nil, nil
  return bytes, budget
end
