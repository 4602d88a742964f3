-- SEMANTICS 8.

local check = require("check")

local programs = {}

function programs.the_kinds_of_events_have_names()
  check.equal(process.event, {
    EXIT = "pid.exit",
    LINK_DOWN = "pid.link.down",
    CANCEL = "pid.cancel",
    NODE_UP = "node.up",
    NODE_DOWN = "node.down",
  })
  return true
end

function programs.an_exit_has_kind_from_at_and_result()
  local before = time.now()
  local pid = check.spawn_monitored("gives", { n = 1 })
  local event = check.receive(process.events())
  assert(event.kind == process.event.EXIT and event.from == pid and event.error == nil)
  check.equal(event.result, { n = 1 })
  assert(not event.at:before(before) and not event.at:after(time.now()))
  return true
end

function programs.an_exit_with_an_error_has_no_result()
  local event = check.run("returns_false_and_a_text", "no")
  assert(event.result == nil and tostring(event.error) == "no" and "it said: " .. event.error == "it said: no")
  return true
end

function programs.a_link_down_has_kind_from_at_and_error()
  process.set_options({ trap_links = true })
  local pid = check.spawn_linked("returns_false_and_a_text", "no")
  local event = check.receive(process.events())
  assert(event.kind == process.event.LINK_DOWN and event.from == pid and event.result == nil)
  assert(tostring(event.error) == "no" and event.at:unix() > 0)
  return true
end

function programs.a_cancel_has_kind_from_at_reason_and_deadline()
  local me = process.pid()
  check.works(process.cancel(me, "enough", "1h"))
  local event = check.receive(process.events())
  assert(event.kind == process.event.CANCEL and event.from == me and event.reason == "enough")
  assert(event.at:unix() > 0 and event.deadline ~= nil and event.error == nil)
  check.works(process.cancel(me))
  event = check.receive(process.events())
  assert(event.reason == nil and event.deadline == nil)
  return true
end

function programs.events_wait_for_the_first_that_asks()
  local reports, pids = process.listen("report"), {}
  for i = 1, 5 do
    pids[i] = check.spawn_monitored("reports", process.pid(), i)
    check.receive(reports)
  end
  time.sleep("1ms")
  for i = 1, 5 do
    check.exit(pids[i])
  end
  check.empty(process.events())
  return true
end

function programs.exit_comes_before_link_down()
  process.set_options({ trap_links = true })
  local pid = check.spawn("obeys")
  process.link(pid)
  process.monitor(pid)
  process.send(pid, "order", "fail")
  check.exit(pid)
  check.link_down(pid)
  check.empty(process.events())
  return true
end

return programs
