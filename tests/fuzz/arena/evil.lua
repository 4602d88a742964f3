-- What attackers are made with: values that are hard to handle, and ways to call something with them.
--
-- Each step of a program is a function; whatever it gives or raises is looked at for what a program
-- must never see, and kept for later steps.

local evil = {}

local program, ours = "?", setmetatable({}, { __mode = "k" })
local pool, size, turn = {}, 0, 0
local POOL = 40

-- -- what a program must never see -------------------------------------------------------------------

-- Traces of Python: they are bugs of the runtime, shown to the program.
local TRACES = {
  "Traceback", ".py\", line", "lupa", "<class", "object at 0x", "NoneType", "codec can", "unhashable", "<procession",
  "RecursionError", "MemoryError", "TypeError", "AttributeError", "ValueError", "KeyError", "IndexError",
  "AssertionError", "RuntimeError", "OverflowError", "UnicodeDecodeError", "UnicodeEncodeError",
  "NameError", "StopIteration", "SystemError", "InvalidStateError", "LuaError", "ZeroDivisionError",
  "NotImplementedError", "recursion depth", "TimeoutError",
}

local function suspicious(text)
  for i = 1, #TRACES do
    if string.find(text, TRACES[i], 1, true) then
      return true
    end
  end
  return false
end

local function look_at(step, v)
  local text
  if type(v) == "string" then
    text = v
  elseif type(v) == "table" and getmetatable(v) == false and not ours[v] then
    local ok, shown = pcall(tostring, v)
    text = ok and shown or nil
  end
  if text and #text < 100000 and suspicious(text) then
    logger.error("A PROGRAM SAW " .. program .. " step " .. step .. ": " .. text:sub(1, 2000))
  end
end

-- -- steps -------------------------------------------------------------------------------------------

local function keep(step, ...)
  local n = select("#", ...)
  for i = 2, n < 6 and n or 6 do
    local v = (select(i, ...))
    look_at(step, v)
    if v ~= nil then
      turn = turn % POOL + 1
      pool[turn] = v
      size = turn > size and turn or size
    end
  end
end

function evil.begin(name)
  program = name
end

-- Have a name, and take what the others send.
function evil.talk(name)
  process.registry.register(name)
  process.set_options{ trap_links = name ~= "n1" }
  for _, topic in ipairs{ "t", "u" } do
    local messages = process.listen(topic, { message = topic == "u" })
    coroutine.spawn(function()
      while true do
        local message, ok = messages:receive()
        if not ok then
          return
        end
        keep(topic, true, message)
        if topic == "u" then
          keep(topic, pcall(message.reply, message, evil.v(size)))
        end
      end
    end)
  end
end

-- One of the values that earlier steps have given.
function evil.v(i)
  return pool[(i - 1) % (size > 0 and size or 1) + 1]
end

-- A method of a value, whatever it is.
function evil.m(object, name, ...)
  return object[name](object, ...)
end

function evil.step(n, f)
  keep(n, pcall(f))
end

-- Its error ends the process, but for `pcall`s further out.
function evil.bare(n, f)
  keep(n, true, f())
end

function evil.strand(n, f)
  keep(n, pcall(coroutine.spawn, function()
    keep(n, pcall(f))
  end))
end

function evil.inside(n, f)
  local co = coroutine.create(f)
  keep(n, coroutine.resume(co))
  keep(n, coroutine.resume(co, evil.v(n)))
  keep(n, pcall(coroutine.close, co))
end

function evil.wrapped(n, f)
  keep(n, pcall(coroutine.wrap(f)))
end

function evil.closing(n, f)
  keep(n, pcall(function()
    local _ <close> = setmetatable({}, { __close = f })
    return coroutine.isyieldable()
  end))
end

-- Never resumed again: what it has to close is closed when the process ends.
function evil.left_open(n, f)
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = f })
    coroutine.yield()
  end)
  keep(n, coroutine.resume(co))
  keep(n, true, co)
end

function evil.strand_left_open(n, f)
  keep(n, pcall(coroutine.spawn, function()
    local _ <close> = setmetatable({}, { __close = f })
    channel.new():receive()
  end))
end

function evil.in_sort(n, f)
  keep(n, pcall(table.sort, { 3, 1, 2 }, f))
end

function evil.in_gsub(n, f)
  keep(n, pcall(string.gsub, "abc", ".", f))
end

function evil.in_tostring(n, f)
  keep(n, pcall(tostring, setmetatable({}, { __tostring = f })))
end

function evil.in_index(n, f)
  local t = setmetatable({}, { __index = f })
  keep(n, pcall(function()
    return t.x
  end))
end

-- -- values ------------------------------------------------------------------------------------------

local behaviours = {}
evil.f = behaviours

function behaviours.raise()
  error("evil")
end
function behaviours.raise_nil()
  error(nil)
end
function behaviours.raise_table()
  error(setmetatable({}, { __tostring = behaviours.raise }))
end
function behaviours.loop()
  while true do
  end
end
function behaviours.loop_catching()
  while true do
    pcall(behaviours.loop)
  end
end
function behaviours.yields()
  coroutine.yield(1, 2)
end
function behaviours.waits()
  channel.new():receive()
end
function behaviours.sleeps()
  time.sleep("1ms")
end
function behaviours.recurse(...)
  return behaviours.recurse(...) + 1
end
function behaviours.nothing() end
function behaviours.me(v)
  return v
end
function behaviours.huge()
  return ("x"):rep(1 << 22)
end
function behaviours.many()
  return table.unpack({}, 1, 5000)
end
function behaviours.ends()
  process.terminate(process.pid())
end
function behaviours.wrong()
  return {}
end

local function evil_table(t, metatable)
  setmetatable(t, metatable)
  ours[t] = true
  return t
end

-- A table with one metamethod that behaves in this way.
function evil.meta(event, f, t)
  return evil_table(t or { 1, 2, a = 1 }, { [event] = f })
end

-- All of them at once.
function evil.all(f)
  local metatable = {}
  for name in ("index newindex call len eq lt le concat unm add mul close tostring name pairs metatable mode idiv"):gmatch("%a+") do
    metatable["__" .. name] = f
  end
  return evil_table({}, metatable)
end

function evil.deep(n, inner)
  local t = inner
  for _ = 1, n do
    t = { t }
  end
  return t
end

function evil.deep_keys(n)
  local t = {}
  for _ = 1, n do
    t = { a = t, b = 1 }
  end
  return t
end

function evil.cyclic()
  local t = { 1 }
  t.me, t[2] = t, { t }
  return t
end

-- Each level twice: few tables, a huge copy.
function evil.shared(n)
  local t = { 1 }
  for _ = 1, n do
    t = { t, t }
  end
  return t
end

function evil.list(n, v)
  local t = {}
  for i = 1, n do
    t[i] = v == nil and i or v
  end
  return t
end

function evil.map(n)
  local t = {}
  for i = 1, n do
    t["key" .. i] = i
  end
  return t
end

-- Keys that are the same for Python.
function evil.equal_keys()
  return { [1] = "a", [true] = "b", [0] = "c", [false] = "d", [2^53] = "e", ["1"] = "f" }
end

-- An object of the libraries with other things inside, as far as it lets itself be changed.
function evil.forge(object, v)
  local keys = {}
  pcall(function()
    for key in next, object do
      keys[#keys + 1] = key
    end
  end)
  for i = 1, 4 do
    keys[#keys + 1] = i
  end
  for _, key in ipairs(keys) do
    pcall(rawset, object, key, v)
  end
  return object
end

function evil.chain(n)
  local t = {}
  for _ = 1, n do
    t = evil_table({}, { __index = t })
  end
  return t
end

function evil.own_index()
  local t = {}
  t.__index = t
  return evil_table(t, t)
end

function evil.channels(n)
  local t = {}
  for i = 1, n do
    t[i] = channel.new(i % 2)
  end
  return t
end

function evil.cases(n, default)
  local t = { default = default }
  for i = 1, n do
    local ch = channel.new(i % 2)
    t[i] = i % 3 == 0 and ch:case_send(i) or ch:case_receive()
  end
  return t
end

function evil.closed()
  local ch = channel.new(3)
  ch:send("last")
  ch:close()
  return ch
end

function evil.dead()
  local co = coroutine.create(behaviours.nothing)
  coroutine.resume(co)
  return co
end

function evil.suspended()
  local co = coroutine.create(function()
    coroutine.yield(1)
    channel.new():receive()
  end)
  coroutine.resume(co)
  return co
end

-- Coroutines within coroutines, with a call at the innermost.
function evil.nested(n, f)
  if n <= 0 then
    return f()
  end
  return coroutine.wrap(function()
    return evil.nested(n - 1, f)
  end)()
end

function evil.nested_strands(n, f)
  coroutine.spawn(function()
    if n <= 0 then
      f()
    else
      evil.nested_strands(n - 1, f)
    end
  end)
end

function evil.nested_calls(n, f)
  if n <= 0 then
    return f()
  end
  return (evil.nested_calls(n - 1, f))
end

function evil.nested_pcalls(n, f)
  if n <= 0 then
    return f()
  end
  return pcall(evil.nested_pcalls, n - 1, f)
end

return evil
