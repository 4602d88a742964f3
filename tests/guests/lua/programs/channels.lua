-- SEMANTICS 4.1 to 4.4.

local check = require("check")

local programs = {}

function programs.a_send_without_room_waits_for_a_receiver()
  local ch, steps = channel.new(), {}
  coroutine.spawn(function()
    ch:send("value")
    steps[#steps + 1] = "sent"
  end)
  steps[#steps + 1] = "not yet"
  check.equal(check.receive(ch), "value")
  time.sleep("1ms")
  check.equal(steps, { "not yet", "sent" })
  return true
end

function programs.a_send_to_a_waiting_receiver_does_not_wait()
  local ch, got = channel.new(), nil
  coroutine.spawn(function()
    got = ch:receive()
  end)
  ch:send(5)
  time.sleep("1ms")
  check.equal(got, 5)
  return true
end

function programs.a_buffer_takes_as_much_as_its_capacity()
  local ch = channel.new(2)
  ch:send(1)
  ch:send(2)
  local result = channel.select({ ch:case_send(3), default = true })
  assert(result.default)
  check.equal({ (ch:receive()), (ch:receive()) }, { 1, 2 })
  return true
end

function programs.a_closed_channel_drains_then_says_so()
  local ch = channel.new(2)
  ch:send("a")
  ch:send("b")
  ch:close()
  check.equal({ ch:receive() }, { "a", true })
  check.equal({ ch:receive() }, { "b", true })
  for _ = 1, 3 do
    local value, ok = ch:receive()
    assert(value == nil and ok == false)
  end
  return true
end

function programs.a_send_on_a_closed_channel_raises()
  local ch = channel.new(1)
  ch:close()
  local err = check.raises("send on closed channel", function()
    ch:send(1)
  end)
  check.contains(err, "channels.lua:59: send on closed channel")
  return true
end

function programs.close_wakes_all_that_wait_to_receive()
  local ch, woken = channel.new(), channel.new(3)
  for _ = 1, 3 do
    coroutine.spawn(function()
      local value, ok = ch:receive()
      woken:send(value == nil and ok == false)
    end)
  end
  ch:close()
  for _ = 1, 3 do
    check.equal(check.receive(woken), true)
  end
  return true
end

function programs.close_wakes_all_that_wait_to_send()
  local ch, woken = channel.new(), channel.new(3)
  for i = 1, 3 do
    coroutine.spawn(function()
      local ok, err = pcall(ch.send, ch, i)
      woken:send(not ok and string.find(err, "send on closed channel", 1, true) ~= nil)
    end)
  end
  ch:close()
  for _ = 1, 3 do
    check.equal(check.receive(woken), true)
  end
  check.equal({ ch:receive() }, { nil, false })
  return true
end

function programs.a_second_close_does_nothing()
  local ch = channel.new(1)
  ch:send(1)
  ch:close()
  ch:close()
  check.equal({ ch:receive() }, { 1, true })
  check.equal({ ch:receive() }, { nil, false })
  return true
end

function programs.nil_and_false_can_be_sent()
  local ch = channel.new(2)
  ch:send(nil)
  ch:send(false)
  local value, ok = ch:receive()
  assert(value == nil and ok == true)
  value, ok = ch:receive()
  assert(value == false and ok == true)
  return true
end

function programs.anything_can_be_sent_inside_a_process()
  local ch = channel.new(1)
  local other, co = channel.new(), coroutine.create(print)
  for _, value in ipairs({ {}, print, other, co, errors.new("x"), setmetatable({}, {}), { { print } } }) do
    ch:send(value)
    assert(rawequal(ch:receive(), value))
  end
  return true
end

function programs.waiting_senders_are_served_in_their_order()
  local ch = channel.new(1)
  for i = 1, 5 do
    coroutine.spawn(function()
      ch:send(i)
    end)
  end
  local got = {}
  for i = 1, 5 do
    got[i] = check.receive(ch)
  end
  check.equal(got, { 1, 2, 3, 4, 5 })
  return true
end

function programs.waiting_receivers_are_served_in_their_order()
  local ch, got = channel.new(), {}
  for i = 1, 5 do
    coroutine.spawn(function()
      got[i] = ch:receive()
    end)
  end
  for i = 1, 5 do
    ch:send(i * 10)
  end
  time.sleep("1ms")
  check.equal(got, { 10, 20, 30, 40, 50 })
  return true
end

function programs.a_channel_is_equal_to_itself_alone()
  local a, b = channel.new(), channel.new()
  local names = { [a] = "a", [b] = "b" }
  assert(a == a and a ~= b and names[a] == "a" and names[b] == "b")
  local carrier = channel.new(1)
  carrier:send(a)
  assert(carrier:receive() == a)
  return true
end

function programs.a_channel_of_the_mailbox_cannot_be_sent_to()
  for _, ch in ipairs({ process.listen("t"), process.inbox(), process.events(), (time.after("1h")) }) do
    local ok = pcall(ch.send, ch, 1)
    assert(not ok)
    ok = pcall(ch.case_send, ch, 1)
    assert(not ok)
  end
  return true
end

return programs
