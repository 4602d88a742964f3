-- Programs that need memory in every way that ours takes it: see allocations_child.py.

local programs = {}

function programs.strings(partner, big)
  local s = "x"
  for _ = 1, 40 do
    s = s .. s:sub(1, 2000)
  end
  return #s + #("%s%s"):format(s, s) + #s:rep(3, ",") + #s:gsub("x", "yy") + #table.concat({ s, s }) + #s:upper()
end

function programs.tables(partner, big)
  local t = {}
  for i = 1, 3000 do
    t[i] = { i }
  end
  table.sort(t, function(a, b)
    return a[1] > b[1]
  end)
  return select("#", table.unpack(t, 1, 200)), table.move(t, 1, 1000, 2000)
end

function programs.takes_arguments(partner, big)
  return { big, big }
end

function programs.gives_back(partner, big)
  return big
end

function programs.sends(partner, big)
  for i = 1, 5 do
    assert(process.send(partner, "value", { i, big }))
    assert(process.send(partner, "value", "text"))
    assert(process.send(process.pid(), "t", big, i))
  end
  return process.listen("t"):receive()
end

function programs.calls(partner, big)
  local results = {}
  for i = 1, 4 do
    results[i] = process.call(partner, "value", { big, i }, "5s")
  end
  return results
end

function programs.inbox(partner, big)
  assert(process.send(process.pid(), "a", big))
  local messages = process.inbox()
  local message = messages:receive()
  return message:payload():data(), tostring(message.payload)
end

function programs.json(partner, big)
  local text = json.encode({ big, big })
  local value = json.decode(text)
  return json.validate({ type = "array" }, value)
end

function programs.coroutines(partner, big)
  local made = {}
  for i = 1, 60 do
    made[i] = coroutine.wrap(function()
      coroutine.yield(i)
      error({ big })
    end)
    made[i]()
  end
  for i = 1, 60 do
    pcall(made[i])
    coroutine.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() end })
      time.sleep("1ms")
    end)
  end
  time.sleep("2ms")
end

function programs.errors(partner, big)
  local e = errors.new({ message = "m", kind = errors.TIMEOUT, details = { big } })
  for i = 1, 20 do
    e = errors.wrap(e, "context " .. i)
  end
  return nil, e
end

function programs.raises(partner, big)
  local t = setmetatable({}, {
    __tostring = function()
      return ("x"):rep(5000)
    end,
  })
  pcall(error, t)
  error({ message = "m", big })
end

function programs.channels(partner, big)
  local cases, all = {}, {}
  for i = 1, 60 do
    all[i] = channel.new(2)
    all[i]:send({ i, big })
    cases[i] = all[i]:case_receive()
  end
  for _ = 1, 60 do
    channel.select(cases)
  end
  local first = channel.select{ time.after("1ms"), time.ticker("1ms"):channel() }
  return first.ok
end

function programs.spawns(partner, big)
  local events = process.events()
  for i = 1, 5 do
    process.with_context({ big = big, i = i }):with_message("m", big):spawn_monitored("memory:echo", nil, big, i)
  end
  for _ = 1, 5 do
    events:receive()
  end
  return process.exec("memory:echo", nil, big)
end

function programs.functions(partner, big)
  local future = funcs.async("memory:function", big)
  local result = funcs.call("memory:function", big, 1)
  future:await()
  return result
end

function programs.bus(partner, big)
  local mine = assert(events.subscribe("bus", "**"))
  for i = 1, 5 do
    assert(events.send("bus", "a.b", "/x", { big, i }))
  end
  local got = mine:channel():receive()
  mine:close()
  return got.data
end

function programs.patterns(partner, big)
  local s = ("ab"):rep(3000)
  local found = {}
  for word in s:gmatch("a(b)") do
    found[#found + 1] = word
  end
  return s:sub(1, 30):find((".-"):rep(3) .. "c"), s:gsub("(a)(b)", "%2%1"), #found
end

function programs.upgrades(partner, big)
  if type(big) == "number" then
    return big
  end
  return process.upgrade(nil, "upgrades", partner, 1)
end

function programs.prints(partner, big)
  print(big)
  logger:info("from here", { big = big, text = ("x"):rep(3000) })
  return uuid.v4(), time.now():format("2006-01-02"), os.date("%c"), ctx.all()
end

return {
  main = function(name, ...)
    return programs[name](...)
  end,
}
