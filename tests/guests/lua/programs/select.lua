-- SEMANTICS 4.5 to 4.8.

local check = require("check")

local programs = {}

function programs.the_first_ready_case_in_listed_order_wins()
  local a, b, c = channel.new(1), channel.new(1), channel.new(1)
  b:send("b")
  c:send("c")
  local result = channel.select({ a:case_receive(), b:case_receive(), c:case_receive() })
  assert(result.channel == b and result.value == "b" and result.ok == true and not result.default)
  result = channel.select({ c:case_receive(), a:case_send("a"), b:case_receive() })
  assert(result.channel == c and result.value == "c")
  return true
end

function programs.a_select_waits_until_a_case_is_ready()
  local a, b = channel.new(), channel.new()
  coroutine.spawn(function()
    time.sleep("1ms")
    b:send({ some = "table" })
  end)
  local result = channel.select({ a:case_receive(), b:case_receive() })
  assert(result.channel == b and result.ok)
  check.equal(result.value, { some = "table" })
  return true
end

function programs.a_select_with_default_never_waits()
  local ch = channel.new()
  check.equal(channel.select({ ch:case_receive(), ch:case_send(1), default = true }), { default = true, ok = true })
  check.equal(channel.select({ default = true }), { default = true, ok = true })
  local buffered = channel.new(1)
  local result = channel.select({ buffered:case_send(5), default = true })
  assert(not result.default and result.channel == buffered and result.ok)
  check.equal(buffered:receive(), 5)
  return true
end

function programs.a_send_case_hands_its_value_over()
  local ch, got = channel.new(), nil
  coroutine.spawn(function()
    got = ch:receive()
  end)
  local result = channel.select({ ch:case_send("handed") })
  assert(result.channel == ch and result.ok == true and result.value == "handed")
  time.sleep("1ms")
  check.equal(got, "handed")
  return true
end

function programs.the_result_of_a_send_case_has_the_value_that_was_sent()
  local ch, t, f = channel.new(9), { 1 }, function() end
  for _, value in ipairs({ 5, "text", false, t, f, ch, coroutine.create(f) }) do
    local result = channel.select({ ch:case_send(value) })
    assert(result.channel == ch and result.ok and rawequal(result.value, value), tostring(value))
    assert(rawequal(ch:receive(), value))
  end
  local result = channel.select({ ch:case_send(nil) })
  assert(result.channel == ch and result.ok and result.value == nil)
  return true
end

function programs.a_closed_channel_is_a_ready_case_that_is_not_ok()
  local ch = channel.new(1)
  ch:send("last")
  ch:close()
  local result = channel.select({ ch:case_receive() })
  assert(result.value == "last" and result.ok == true)
  for _ = 1, 2 do
    result = channel.select({ ch:case_receive() })
    assert(result.channel == ch and result.value == nil and result.ok == false)
  end
  return true
end

function programs.a_select_that_waits_sees_the_close()
  local a, b = channel.new(), channel.new()
  coroutine.spawn(function()
    time.sleep("1ms")
    b:close()
  end)
  local result = channel.select({ a:case_receive(), b:case_receive() })
  assert(result.channel == b and result.value == nil and result.ok == false)
  return true
end

function programs.a_bare_channel_stands_for_its_receive_case()
  local ch = channel.new(1)
  ch:send(1)
  assert(channel.select({ ch }).value == 1)
  return true
end

function programs.a_case_can_be_used_again()
  local ch = channel.new(3)
  for i = 1, 3 do
    ch:send(i)
  end
  local case, sum = ch:case_receive(), 0
  for _ = 1, 3 do
    sum = sum + channel.select({ case }).value
  end
  assert(sum == 6)
  return true
end

function programs.the_other_cases_are_withdrawn()
  local a, b, c = channel.new(), channel.new(), channel.new()
  coroutine.spawn(function()
    a:send("first")
  end)
  local result = channel.select({ b:case_receive(), a:case_receive(), c:case_send("never") })
  assert(result.value == "first")
  -- Nobody receives from b or sends to c any longer.
  assert(channel.select({ b:case_send(1), default = true }).default)
  assert(channel.select({ c:case_receive(), default = true }).default)
  local waiter = channel.new(1)
  coroutine.spawn(function()
    local woken = channel.select({ a:case_receive(), b:case_receive() })
    waiter:send(woken.channel == b and woken.value)
  end)
  b:send("for the waiter")
  check.equal(check.receive(waiter), "for the waiter")
  assert(channel.select({ a:case_send(1), default = true }).default)
  return true
end

function programs.an_entry_that_is_no_case_is_invalid()
  for _, cases in ipairs({ { 5 }, { "x" }, { {} }, { print }, { channel.new(1), false }, { other = channel.new() } }) do
    local err = check.raises("select case", channel.select, cases)
    assert(err:kind() == errors.INVALID)
  end
  check.raises("default is a boolean", channel.select, { default = "yes" })
  return true
end

function programs.a_send_case_on_a_closed_channel_raises()
  local ch = channel.new(1)
  ch:close()
  check.raises("send on closed channel", channel.select, { ch:case_send(1) })
  check.raises("send on closed channel", channel.select, { ch:case_send(1), default = true })
  return true
end

function programs.a_waiting_send_case_raises_when_the_channel_closes()
  local ch = channel.new()
  coroutine.spawn(function()
    time.sleep("1ms")
    ch:close()
  end)
  check.raises("send on closed channel", channel.select, { ch:case_send(1) })
  return true
end

function programs.polling_sees_what_has_arrived()
  local me = process.pid()
  local topic, inbox, events = process.listen("polled"), process.inbox(), process.events()
  check.empty(topic)
  check.empty(inbox)
  check.empty(events)
  process.send(me, "polled", 1)
  process.send(me, "other", 2)
  check.works(process.cancel(me, "polled too"))
  assert(channel.select({ topic:case_receive(), default = true }).value == 1)
  assert(channel.select({ inbox:case_receive(), default = true }).value:payload():data() == 2)
  assert(channel.select({ events:case_receive(), default = true }).value.reason == "polled too")
  return true
end

function programs.a_select_of_the_mailbox_tells_which_channel()
  local me = process.pid()
  local inbox, topic = process.inbox(), process.listen("specific")
  process.send(me, "any", "a")
  process.send(me, "specific", "s")
  local got = {}
  for _ = 1, 2 do
    local result = channel.select({ topic:case_receive(), inbox:case_receive() })
    if result.channel == topic then
      got[#got + 1] = result.value
    elseif result.channel == inbox then
      got[#got + 1] = result.value:topic()
    end
  end
  check.equal(got, { "s", "any" })
  return true
end

return programs
