-- SEMANTICS 5.

local check = require("check")

local programs = {}

function programs.spawn_gives_the_pid_of_the_child()
  local pid, err = process.spawn("lua:reports", check.host(), process.pid(), "hello")
  assert(err == nil and type(pid) == "string" and pid ~= process.pid())
  local msg = check.receive(process.listen("report", { message = true }))
  assert(msg:from() == pid and msg:payload():data() == "hello")
  return true
end

function programs.arguments_arrive_in_their_places()
  check.equal(check.run("counts_its_arguments").result, 0)
  check.equal(check.run("counts_its_arguments", 1, nil, "x", nil).result, 4)
  check.equal(check.run("counts_its_arguments", {}, nil, {}, nil, nil).result, 5)
  local many = {}
  for i = 1, 250 do
    many[i] = i
  end
  check.equal(check.run("counts_its_arguments", table.unpack(many)).result, 250)
  return true
end

function programs.spawn_returns_before_the_child_has_run()
  local reports = process.listen("report")
  local pid
  for _ = 1, 20 do
    pid = check.spawn_monitored("reports", process.pid(), 1)
    if channel.select({ reports:case_receive(), default = true }).default then
      break
    end -- on a loaded machine others may run between any two lines
    check.exit(pid)
    pid = nil
  end
  assert(pid, "it had run each time")
  check.equal(check.receive(reports), 1)
  check.exit(pid)
  return true
end

function programs.messages_sent_right_after_spawn_are_kept()
  local pid = check.spawn_monitored("obeys")
  assert(process.send(pid, "order", "kept"))
  check.equal(check.exit(pid).result, "kept")
  return true
end

function programs.the_monitor_is_there_before_the_child_can_run()
  local pid = check.spawn_monitored("fails")
  check.contains(check.exit(pid).error:message(), "kaboom")
  return true
end

function programs.the_link_is_there_before_the_child_can_run()
  process.set_options({ trap_links = true })
  local pid = check.spawn_linked("fails")
  check.contains(check.link_down(pid).error:message(), "kaboom")
  check.empty(process.events())
  return true
end

function programs.a_child_can_be_both_linked_and_monitored()
  process.set_options({ trap_links = true })
  for _, name in ipairs({ "spawn_linked_monitored", "spawn_monitored_linked" }) do
    local pid = check.works(process[name]("lua:fails", check.host()))
    check.exit(pid)
    check.link_down(pid)
  end
  return true
end

function programs.fewer_than_two_arguments_are_invalid()
  for _, name in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" }) do
    check.fails(errors.INVALID, name .. " takes an entry and a host", process[name]())
    check.fails(errors.INVALID, name .. " takes an entry and a host", process[name]("lua:gives"))
  end
  return true
end

function programs.an_unknown_host_is_not_found()
  check.fails(errors.NOT_FOUND, "host not found", process.spawn("lua:gives", "lua:nowhere"))
  check.fails(errors.NOT_FOUND, "host not found", process.spawn("lua:gives", "lua:gives"))
  return true
end

function programs.an_unknown_entry_is_not_found_and_the_closest_is_named()
  local err = check.fails(errors.NOT_FOUND, "entry not found", process.spawn("lua:gvies", check.host()))
  check.contains(err:message(), "did you mean 'lua:gives'?")
  return true
end

function programs.an_entry_that_is_no_process_cannot_be_spawned()
  for _, name in ipairs({ "lua:shared", "lua:check", "lua:doubles" }) do
    check.fails(errors.NOT_FOUND, "is no process", process.spawn(name, check.host()))
  end
  return true
end

function programs.a_full_host_takes_no_more()
  local first = check.works(process.spawn_monitored("lua:obeys", "lua:tiny"))
  check.fails(errors.LIMIT_EXCEEDED, "max processes", process.spawn("lua:obeys", "lua:tiny"))
  process.send(first, "order", "stop")
  check.exit(first)
  local second = check.works(process.spawn_monitored("lua:obeys", "lua:tiny"))
  process.send(second, "order", "stop")
  check.exit(second)
  return true
end

function programs.a_source_that_cannot_start_is_an_error_of_spawn_without_a_pid()
  local host = check.host()
  local err = check.fails(errors.INTERNAL, "broken.lua:3:7:", process.spawn_monitored("lua:broken", host))
  check.contains(err:message(), "near '='")
  check.fails(errors.INTERNAL, "explodes.lua:2: no luck today", process.spawn_monitored("lua:explodes", host))
  err = check.fails(errors.NOT_FOUND, "method not found: 'gvies'", process.spawn_monitored("lua:misspelled", host))
  check.contains(err:message(), "did you mean 'gives'?")
  check.fails(errors.INTERNAL, "must not wait", process.spawn_monitored("lua:waits_too_early", host))
  check.empty(process.events())
  return true
end

function programs.children_outlive_their_parent()
  local pid = check.spawn_monitored("leaves_a_child", process.pid())
  local child = check.receive(process.listen("report"))
  check.exit(pid)
  assert(process.monitor(child))
  process.send(child, "order", "still here")
  check.equal(check.exit(child).result, "still here")
  return true
end

function programs.exec_gives_the_result_or_the_error()
  local host = check.host()
  check.equal(check.works(process.exec("lua:gives", host, { n = 1 })), { n = 1 })
  check.equal(check.works(process.exec("lua:doubles", host, 21)), 42)
  check.equal({ process.exec("lua:gives", host, nil) }, {})
  check.fails(errors.INTERNAL, "no use", process.exec("lua:returns_false_and_a_text", host, "no use"))
  check.fails(errors.INTERNAL, "helpers.lua:", process.exec("lua:fails", host))
  local err = check.fails(errors.RATE_LIMITED, "slow", process.exec("lua:fails_with_the_error", host, "RateLimited", "slow", { after = 5 }))
  check.equal(err:details().after, 5)
  check.fails(errors.NOT_FOUND, "entry not found", process.exec("lua:nothing", host))
  check.empty(process.events())
  return true
end

function programs.a_program_may_be_written_in_three_ways()
  local host = check.host()
  check.equal(process.exec("lua:is_a_function", host, 1), "function 1")
  process.exec("lua:is_its_own_main", host, process.pid(), 2)
  check.equal(check.receive(process.listen("report")), "chunk 2")
  check.equal(process.exec("lua:has_a_global_main", host, 3), "global 3")
  return true
end

return programs
