-- SEMANTICS 10 and 11.4.

local check = require("check")

local programs = {}

local function listener()
  local pid = check.spawn_monitored("tells_its_event", process.pid())
  check.equal(check.receive(process.listen("report")), "ready")
  return pid
end

function programs.a_cancel_without_a_deadline_is_advice()
  local pid = listener()
  check.works(process.cancel(pid, "please"))
  local event = check.receive(process.listen("report"))
  assert(event.kind == process.event.CANCEL and event.from == process.pid() and event.reason == "please")
  assert(event.has_deadline == false and event.is_moment)
  check.works(process.cancel(pid)) -- it is still alive
  check.empty(process.events())
  process.terminate(pid)
  check.exit(pid)
  return true
end

function programs.a_cancel_with_a_deadline_ends_in_termination()
  for _, deadline in ipairs({ "5ms", 5000000, 5 * time.MILLISECOND }) do
    local pid = check.spawn_monitored("waits_forever")
    check.works(process.cancel(pid, "now", deadline))
    assert(check.exit(pid).error:kind() == errors.TERMINATED)
  end
  return true
end

function programs.a_process_that_ends_in_time_is_not_terminated()
  local pid = check.spawn_monitored("obeys")
  check.works(process.cancel(pid, "soon", "10s"))
  process.send(pid, "order", "done")
  local event = check.exit(pid)
  assert(event.error == nil and event.result == "done")
  return true
end

function programs.the_reason_of_a_cancel_may_be_left_out()
  local pid = listener()
  check.works(process.cancel(pid, nil, "1h"))
  local event = check.receive(process.listen("report"))
  assert(event.reason == nil and event.has_deadline)
  return true
end

function programs.a_deadline_without_a_unit_is_invalid()
  local pid = listener()
  check.fails(errors.INVALID, "", process.cancel(pid, "now", "5"))
  check.empty(process.events())
  return true
end

function programs.terminate_ends_a_process_at_its_wait()
  local pid = check.spawn_monitored("waits_forever")
  check.works(process.terminate(pid))
  assert(check.exit(pid).error:kind() == errors.TERMINATED)
  return true
end

function programs.a_process_may_terminate_itself()
  local event = check.run("terminates_itself", process.pid())
  assert(event.error:kind() == errors.TERMINATED)
  check.empty(process.listen("report"))
  return true
end

function programs.terminate_before_the_first_step_means_it_never_runs()
  local reports = process.listen("report")
  for _ = 1, 20 do
    local pid = check.spawn_monitored("reports", process.pid(), "ran")
    process.terminate(pid)
    check.exit(pid)
    if channel.select({ reports:case_receive(), default = true }).default then
      return true
    end -- on a loaded machine others may run between any two lines
  end
  error("it ran each time")
end

function programs.a_dead_target_is_not_found()
  local dead = check.dead_pid()
  check.fails(errors.NOT_FOUND, "process not found", process.cancel(dead))
  check.fails(errors.NOT_FOUND, "process not found", process.cancel(dead, "reason", "1s"))
  check.fails(errors.NOT_FOUND, "process not found", process.terminate(dead))
  return true
end

function programs.a_computation_beyond_the_step_limit_is_ended_and_others_go_on()
  local events = process.events()
  for _, name in ipairs({ "loops_forever", "loops_in_pcall" }) do
    local turns, hosts = 0, { "lua:patient", "lua:patient", "lua:hasty" }
    while turns < 2 do -- on a loaded machine its time may be over before others have had any
      local host = assert(table.remove(hosts), "nobody else ran")
      local pid = check.works(process.spawn_monitored("lua:" .. name, host))
      local event
      turns = 0
      repeat
        time.sleep("1ms") -- goes by while the other one computes
        turns = turns + 1
        local result = channel.select({ events:case_receive(), default = true })
        event = result.value
        assert(turns < 5000)
      until event
      assert(event.from == pid)
      assert(event.error:kind() == errors.LIMIT_EXCEEDED)
      check.contains(event.error:message(), "step limit exceeded")
      check.contains(check.show(event.error:details()), "helpers.lua:")
    end
  end
  return true
end

function programs.terminate_ends_a_process_that_is_looping()
  local pid = check.spawn_monitored("loops_forever")
  time.sleep("5ms")
  process.terminate(pid)
  local event = check.exit(pid)
  assert(event.error:kind() == errors.TERMINATED)
  return true
end

return programs
