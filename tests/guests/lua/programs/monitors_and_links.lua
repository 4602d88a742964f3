-- SEMANTICS 9.

local check = require("check")

local programs = {}

local function other(name, ...)
  local pid = check.spawn(name, process.pid(), ...)
  check.equal(check.receive(process.listen("report")), "ready")
  return pid
end

function programs.a_monitor_fires_once_on_every_kind_of_exit()
  for _, way in ipairs({ "return", "fail", "terminate" }) do
    local pid = check.spawn("obeys")
    check.works(process.monitor(pid))
    if way == "terminate" then
      process.terminate(pid)
    else
      process.send(pid, "order", way)
    end
    local event = check.exit(pid)
    assert((event.error == nil) == (way == "return"), way)
    check.empty(process.events())
  end
  return true
end

function programs.a_monitor_is_one_way()
  local watched = check.spawn("obeys")
  local watcher = other("monitors", watched)
  assert(process.monitor(watcher) and process.monitor(watched))
  process.terminate(watcher)
  check.exit(watcher)
  process.send(watched, "order", "alive")
  check.equal(check.exit(watched).result, "alive")
  return true
end

function programs.a_second_monitor_of_the_same_already_exists()
  local pid = check.spawn("obeys")
  check.works(process.monitor(pid))
  check.fails(errors.ALREADY_EXISTS, "", process.monitor(pid))
  process.send(pid, "order", "stop")
  check.exit(pid)
  check.empty(process.events())
  return true
end

function programs.a_monitor_or_link_of_a_dead_pid_is_not_found()
  local dead = check.dead_pid()
  check.fails(errors.NOT_FOUND, "process not found", process.monitor(dead))
  check.fails(errors.NOT_FOUND, "process not found", process.link(dead))
  return true
end

function programs.unmonitor_succeeds_also_without_a_monitor()
  local pid = check.spawn("obeys")
  assert(process.unmonitor(pid) == true)
  process.monitor(pid)
  assert(process.unmonitor(pid) == true)
  check.works(process.unmonitor(check.dead_pid()))
  process.link(pid)
  process.set_options({ trap_links = true })
  process.send(pid, "order", "fail")
  check.link_down(pid) -- and no EXIT before it
  return true
end

function programs.a_link_is_two_way()
  process.set_options({ trap_links = true })
  local pid = check.spawn("obeys")
  check.works(process.link(pid))
  process.send(pid, "order", "fail")
  check.contains(check.link_down(pid).error:message(), "ordered to fail")
  local linking = other("links_itself", process.pid())
  process.terminate(linking)
  check.link_down(linking)
  return true
end

function programs.a_second_link_changes_nothing()
  process.set_options({ trap_links = true })
  local pid = check.spawn_linked("obeys")
  assert(process.link(pid) and process.link(pid))
  process.send(pid, "order", "fail")
  check.link_down(pid)
  check.empty(process.events())
  return true
end

function programs.a_link_with_oneself_has_no_effect()
  assert(process.link(process.pid()) and process.unlink(process.pid()))
  assert(process.link(process.pid()))
  check.empty(process.events())
  return true
end

function programs.unlink_always_succeeds_from_either_side()
  local pid = check.spawn("obeys")
  assert(process.unlink(pid) == true and process.unlink(check.dead_pid()) == true)
  local linking = other("links_itself", process.pid())
  assert(process.unlink(linking) == true)
  assert(process.monitor(linking))
  process.terminate(linking)
  check.exit(linking)
  check.empty(process.events())
  return true
end

function programs.a_normal_exit_delivers_nothing_over_a_link()
  process.set_options({ trap_links = true })
  local pid = check.spawn_linked("obeys")
  process.monitor(pid)
  process.send(pid, "order", "done")
  check.exit(pid)
  check.empty(process.events())
  return true
end

function programs.an_error_exit_takes_the_linked_process_along()
  local first = check.spawn("obeys")
  local second = other("links_itself", first)
  process.monitor(second)
  process.send(first, "order", "fail")
  local event = check.exit(second)
  check.contains(event.error:message(), "linked process failed: " .. first .. ": ")
  return true
end

function programs.a_process_that_traps_links_gets_an_event()
  local first = check.spawn("obeys")
  other("traps_links", first)
  process.send(first, "order", "fail")
  local event = check.receive(process.listen("report"))
  assert(event.kind == process.event.LINK_DOWN and event.from == first)
  check.contains(event.error:message(), "ordered to fail")
  return true
end

function programs.a_cascade_runs_along_a_chain_of_links()
  process.set_options({ trap_links = true })
  local first = check.spawn_linked("is_in_a_chain", process.pid(), 200)
  local last = check.receive(process.listen("report"))
  assert(last ~= first)
  process.send(last, "order", "fail")
  local event = check.link_down(first)
  check.contains(event.error:message(), "linked process failed: ")
  check.contains(event.error:message(), " because of " .. last .. ": ")
  check.fails(errors.NOT_FOUND, "process not found", process.send(last, "t"))
  return true
end

function programs.the_flag_counts_when_the_link_breaks()
  local pid = check.spawn_linked("obeys")
  process.set_options({ trap_links = true })
  process.send(pid, "order", "fail")
  check.link_down(pid)
  return true
end

function programs.the_options_of_a_process()
  check.equal(process.get_options(), { trap_links = false })
  check.equal({ process.set_options({ trap_links = true }) }, { true })
  assert(process.get_options().trap_links == true)
  check.fails(errors.INVALID, "unknown process option 'trap_link'", process.set_options({ trap_links = false, trap_link = true }))
  check.fails(errors.INVALID, "true or false", process.set_options({ trap_links = 0 }))
  assert(process.get_options().trap_links == true)
  assert(process.set_options({}) and process.get_options().trap_links == true)
  assert(process.set_options({ trap_links = false }) and process.get_options().trap_links == false)
  return true
end

function programs.a_process_says_whether_it_can_be_upgraded()
  check.equal({ process.set_options({ upgradable = true }) }, { true })
  check.equal(process.get_options(), { trap_links = false, upgradable = true })
  check.fails(errors.NOT_FOUND, "", process.upgrade("lua:nowhere"))
  check.equal({ process.set_options({ upgradable = false, trap_links = true }) }, { true })
  check.equal(process.get_options(), { trap_links = true, upgradable = false })
  check.fails(errors.CONFLICT, "upgradable to false", process.upgrade("lua:gives"))
  check.fails(errors.INVALID, "upgradable is true or false, not yes", process.set_options({ upgradable = "yes" }))
  return true
end

return programs
