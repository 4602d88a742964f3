-- SEMANTICS 6.

local check = require("check")

local programs = {}

function programs.send_goes_to_a_pid_or_a_name()
  local ch = process.listen("t")
  assert(process.registry.register("receives by name"))
  check.equal({ process.send(process.pid(), "t", "by pid") }, { true })
  check.equal({ process.send("receives by name", "t", "by name") }, { true })
  check.equal({ (check.receive(ch)), (check.receive(ch)) }, { "by pid", "by name" })
  return true
end

function programs.the_errors_of_send()
  local me, dead = process.pid(), check.dead_pid()
  for _, case in ipairs({
    { me, "@x", errors.INVALID, "belong to the runtime" },
    { me, "", errors.INVALID, "empty" },
    { "nobody at all", "t", errors.NOT_FOUND, "could not resolve" },
    { dead, "t", errors.NOT_FOUND, "process not found" },
    { "{lua:shared|0xfffff}", "t", errors.NOT_FOUND, "process not found" },
  }) do
    for _, payload in ipairs({ 1, { "a table" } }) do
      local ok, err = process.send(case[1], case[2], payload)
      assert(ok == false and err:kind() == case[3], case[4])
      check.contains(err:message(), case[4])
    end
    local ok = process.send(case[1], case[2])
    assert(ok == false)
  end
  return true
end

function programs.messages_of_one_sender_keep_their_order()
  local me, odd = process.pid(), process.listen("odd")
  for i = 1, 100 do
    process.send(me, i % 2 == 1 and "odd" or "topic " .. i % 3, i % 5 == 0 and { i } or i)
  end
  local inbox = process.inbox()
  for i = 1, 99, 2 do
    check.equal(check.receive(odd), i % 5 == 0 and { i } or i)
  end
  for i = 2, 100, 2 do
    local msg = check.receive(inbox)
    check.equal(msg:payload():data(), i % 5 == 0 and { i } or i)
    assert(msg:topic() == "topic " .. i % 3)
  end
  return true
end

function programs.listen_gives_nothing_one_or_a_list()
  local ch, me = process.listen("t"), process.pid()
  process.send(me, "t")
  process.send(me, "t", { one = 1 })
  process.send(me, "t", 1, "two", { 3 })
  process.send(me, "t", nil, 2)
  check.equal({ check.receive(ch) }, { nil, true })
  check.equal(check.receive(ch), { one = 1 })
  check.equal(check.receive(ch), { 1, "two", { 3 } })
  check.equal(check.receive(ch), { nil, 2 })
  return true
end

function programs.the_same_topic_gives_the_same_channel()
  assert(process.listen("t") == process.listen("t"))
  assert(process.inbox() == process.inbox() and process.events() == process.events())
  local messages = process.listen("m", { message = true })
  assert(process.listen("m", { message = true }) == messages)
  check.fails(errors.CONFLICT, "in another way", process.listen("m", { message = false }))
  check.fails(errors.INVALID, "unknown option of listen: mesage", process.listen("x", { mesage = true }))
  return true
end

function programs.a_message_knows_sender_topic_and_payload()
  local pid = check.spawn("reports", process.pid(), { n = 1 })
  local msg = check.receive(process.listen("report", { message = true }))
  assert(msg:from() == pid and msg:topic() == "report")
  check.equal(msg:payload():data(), { n = 1 })
  return true
end

function programs.a_message_can_be_read_by_fields_and_printed()
  process.send(process.pid(), "t", { n = 1 })
  local msg = check.receive(process.inbox())
  assert(msg.topic == "t" and tostring(msg.payload) == "{n = 1}")
  check.equal(msg.payload:data(), { n = 1 })
  assert("got " .. msg.payload == "got {n = 1}")
  check.contains(tostring(msg), "message on t from {lua:")
  for _, case in ipairs({ { nil, "nil" }, { 5, "5" }, { "text", "text" }, { { 1, "a" }, '{1, "a"}' } }) do
    process.send(process.pid(), "t", case[1])
    assert(tostring(check.receive(process.inbox()):payload()) == case[2])
  end
  return true
end

function programs.the_inbox_gets_what_nobody_listens_to()
  local me, inbox, ch = process.pid(), process.inbox(), process.listen("mine")
  process.send(me, "mine", 1)
  process.send(me, "other", 2)
  process.send(me, "mine", 3)
  local msg = check.receive(inbox)
  assert(msg:topic() == "other" and msg:from() == me)
  check.empty(inbox)
  check.equal({ (check.receive(ch)), (check.receive(ch)) }, { 1, 3 })
  return true
end

function programs.a_message_that_came_before_listen_is_given_to_it()
  local me = process.pid()
  local inbox = process.inbox()
  process.send(me, "late", 1)
  process.send(me, "other", 2)
  local ch = process.listen("late")
  check.equal(check.receive(ch), 1)
  assert(check.receive(inbox):topic() == "other")
  check.empty(inbox)
  return true
end

function programs.a_message_waits_until_somebody_asks_for_it()
  local me = process.pid()
  process.send(me, "a", 1)
  process.send(me, "b", 2)
  check.equal(check.receive(process.listen("b")), 2)
  check.equal(check.receive(process.inbox()):topic(), "a")
  return true
end

function programs.unlisten_closes_and_later_messages_go_to_the_inbox()
  local me, ch = process.pid(), process.listen("t")
  check.works(process.unlisten(ch))
  local value, ok = ch:receive()
  assert(value == nil and ok == false)
  process.send(me, "t", 1)
  assert(check.receive(process.inbox()):topic() == "t")
  local again = process.listen("t")
  assert(again ~= ch)
  process.send(me, "t", 2)
  check.equal(check.receive(again), 2)
  return true
end

function programs.a_full_mailbox_is_told_to_the_sender()
  local pid = check.works(process.spawn_monitored("lua:waits_forever", "lua:tiny"))
  for i = 1, 3 do
    assert(process.send(pid, "t", i % 2 == 0 and {} or i))
  end
  check.fails(errors.LIMIT_EXCEEDED, "mailbox full", process.send(pid, "t", 4))
  check.fails(errors.LIMIT_EXCEEDED, "mailbox full", process.send(pid, "t", { 4 }))
  process.terminate(pid)
  check.exit(pid)
  return true
end

function programs.an_echo_comes_back_to_its_sender()
  local pid = check.spawn("echo")
  local replies = process.listen("reply", { message = true })
  for _, value in ipairs({ 1, "two", { 3 }, true }) do
    process.send(pid, "echo", value)
    local msg = check.receive(replies)
    assert(msg:from() == pid)
    check.equal(msg:payload():data(), value)
  end
  return true
end

function programs.a_call_gives_what_the_receiver_replies()
  local pid = check.spawn("answers")
  local got = check.works(process.call(pid, "ask", { n = 1 }))
  check.equal(got, { answer = { n = 1 }, from = process.pid(), wants = true })
  check.fails(errors.NOT_FOUND, "no answer", process.call(pid, "ask", "fail"))
  check.fails(errors.TIMEOUT, "", process.call(pid, "ask", "be silent", "10ms"))
  check.fails(errors.NOT_FOUND, "process not found", process.call(check.dead_pid(), "ask", 1))
  return true
end

function programs.a_message_that_was_sent_wants_no_reply()
  process.send(process.pid(), "t", 1)
  local msg = check.receive(process.inbox())
  assert(msg:wants_reply() == false)
  check.fails(errors.INVALID, "expects no reply", msg:reply(1))
  return true
end

return programs
