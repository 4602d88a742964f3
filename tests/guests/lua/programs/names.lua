-- SEMANTICS 12.

local check = require("check")

local programs = {}
local registry = process.registry

function programs.a_name_leads_to_its_owner()
  check.equal({ registry.register("leads to me") }, { true })
  check.equal({ registry.lookup("leads to me") }, { process.pid() })
  assert(registry.register("leads to me") == true) -- the same pair again
  assert(registry.register("leads to me", process.pid()) == true)
  return true
end

function programs.another_process_can_be_given_a_name()
  local pid = check.spawn("echo")
  check.works(registry.register("the echo", pid))
  assert(registry.lookup("the echo") == pid)
  process.send("the echo", "echo", 5)
  check.equal(check.receive(process.listen("reply")), 5)
  return true
end

function programs.a_taken_name_already_exists()
  local pid = check.spawn("waits_forever")
  registry.register("taken", pid)
  check.fails(errors.ALREADY_EXISTS, "taken", registry.register("taken"))
  assert(registry.lookup("taken") == pid)
  return true
end

function programs.an_unknown_name_is_not_found()
  local pid, err = registry.lookup("unknown name")
  assert(pid == nil and err:kind() == errors.NOT_FOUND)
  check.contains(err:message(), "name not registered")
  check.fails(errors.NOT_FOUND, "", registry.register("for a dead one", check.dead_pid()))
  return true
end

function programs.unregister_tells_whether_there_was_a_name()
  registry.register("gone soon")
  assert(registry.unregister("gone soon") == true)
  assert(registry.unregister("gone soon") == false)
  check.fails(errors.NOT_FOUND, "name not registered", registry.lookup("gone soon"))
  return true
end

function programs.a_process_may_own_many_names()
  for i = 1, 10 do
    assert(registry.register("one of many " .. i))
  end
  for i = 1, 10 do
    assert(registry.lookup("one of many " .. i) == process.pid())
  end
  return true
end

function programs.a_pid_is_never_a_name()
  local name = "{lua:shared|0xabcde}"
  check.fails(errors.INVALID, "", registry.register(name))
  check.fails(errors.INVALID, "", registry.register(""))
  check.fails(errors.NOT_FOUND, "process not found", process.send(name, "t"))
  return true
end

function programs.names_are_released_at_the_end_of_their_owner()
  local pid = check.spawn_monitored("owns_a_name", "released", process.pid())
  check.receive(process.listen("report"))
  process.terminate(pid)
  check.exit(pid)
  assert(registry.register("released"))
  return true
end

function programs.a_name_can_be_waited_for()
  local pid = check.spawn("owns_a_name", "awaited", process.pid())
  check.equal({ registry.wait("awaited") }, { pid })
  check.equal({ registry.wait("awaited", "1s") }, { pid })
  check.fails(errors.TIMEOUT, "'never there' was not registered", registry.wait("never there", "5ms"))
  check.fails(errors.INVALID, "is a PID", registry.wait(pid))
  check.fails(errors.INVALID, "", registry.wait("awaited", "5"))
  check.raises("bad argument #1 to 'wait'", registry.wait)
  return true
end

function programs.waits_that_are_given_up_leave_nothing_behind()
  for _ = 1, 20 do
    coroutine.spawn(function()
      registry.wait("never there either", "1h")
    end)
  end
  return true
end

function programs.to_be_ready_may_be_said_at_any_time()
  check.equal({ process.ready() }, { true })
  check.equal({ process.ready() }, { true })
  return true
end

return programs
