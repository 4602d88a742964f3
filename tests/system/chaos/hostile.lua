-- Lua programs that harm whoever is near, if they can: main is told how.

local kinds = {}

function kinds.loops()
  while true do
  end
end

function kinds.loops_and_catches()
  while true do
    pcall(kinds.loops)
  end
end

function kinds.eats()
  local all = {}
  for i = 1, 1 << 40 do
    all[i] = ("x"):rep(100000) .. i
  end
end

function kinds.matches()
  return (("a"):rep(30000)):find((".-"):rep(30) .. "b")
end

function kinds.replaces()
  return (("x"):rep(1 << 20)):gsub("x", ("y"):rep(1 << 10))
end

-- Ever higher numbers, as the senders send them, and far too many.
function kinds.floods(names)
  for number = 1, 5000 do
    process.send(names[number % #names + 1], "n", number * 1000 + 1)
  end
end

function kinds.sends_large()
  local large = {}
  for i = 1, 20000 do
    large[i] = { i }
  end
  for _ = 1, 20 do
    process.send(process.pid(), "large", large)
  end
end

function kinds.spawns()
  for _ = 1, 200 do
    process.spawn("chaos:hostile_lua", nil, "sleeps")
  end
end

function kinds.sleeps()
  time.sleep("5ms")
end

function kinds.nests()
  local function nest(n)
    coroutine.spawn(function()
      if n > 0 then
        nest(n - 1)
      end
    end)
  end
  nest(2000)
end

function kinds.closes()
  for _ = 1, 20 do
    coroutine.spawn(function()
      local _ <close> = setmetatable({}, { __close = kinds.loops })
      channel.new():receive()
    end)
  end
end

function kinds.selects()
  local cases = { default = true }
  for i = 1, 1000 do
    cases[i] = channel.new():case_receive()
  end
  return channel.select(cases).ok
end

function kinds.raises()
  error(setmetatable({}, { __tostring = kinds.loops, __index = kinds.loops }))
end

function kinds.recurses(n)
  return kinds.recurses(n) + 1
end

function kinds.forks_coroutines()
  local all = {}
  for i = 1, 30000 do
    all[i] = coroutine.create(kinds.loops)
  end
  channel.new():receive()
end

return {
  main = function(kind, names)
    return kinds[kind](names)
  end,
}
