-- A bit of everything, for one short life; how it ends depends on its number.

local function later(n)
  time.sleep("1ms")
  return n
end

return {
  main = function(number, argument)
    local me = process.pid()
    local hello = process.listen("hello"):receive()
    local wrapped = coroutine.wrap(function(a)
      local b = coroutine.yield(a)
      coroutine.yield(b)
    end)
    wrapped(wrapped(1))
    local never_finished = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() end })
      coroutine.yield()
    end)
    coroutine.resume(never_finished)
    coroutine.spawn(function()
      channel.new():receive()
    end)
    process.send(me, "t", { number, argument, hello })
    process.send(me, "t" .. number % 7, "left unread")
    process.listen("t"):receive()
    local text = json.encode({ number = number, id = uuid.v4() })
    json.decode(text)
    pcall(error, { number })
    if number % 3 == 0 then
      local mine = events.subscribe("soak." .. number % 5, "*")
      events.send("soak." .. number % 5, "k", "/" .. number, { number })
      mine:channel():receive()
    end
    if number % 4 == 0 then
      process.registry.register("name-" .. number)
      local got = channel.select{ time.after("1ms"):case_receive(), channel.new(1):case_send(number) }
      later(got.ok)
    end
    if number % 10 == 0 then
      funcs.call("soak:function", number, argument)
      process.spawn_linked("soak:function", nil, number)
    end
    string["extra" .. number % 3] = function() end
    local how = number % 6
    if how == 0 then
      error("as it happens")
    elseif how == 1 then
      return nil, errors.new{ message = "as it happens", details = { number } }
    elseif how == 2 then
      process.terminate(me)
      time.sleep("1h")
    elseif how == 3 then
      process.upgrade("soak:function", { number })
    end
    return { number, argument }
  end,
}
