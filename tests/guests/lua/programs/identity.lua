-- SEMANTICS 1.

local check = require("check")

local programs = {}

function programs.a_pid_is_a_plain_string_of_host_and_number()
  local pid = process.pid()
  assert(type(pid) == "string")
  local host, number = pid:match("^{(.+)|(0x%x+)}$")
  assert(host == check.host() and host:find("^lua:"))
  assert(#number >= 7 and number == number:lower())
  return true
end

function programs.the_own_pid_never_changes()
  local pid = process.pid()
  time.sleep("1ms")
  assert(process.pid() == pid)
  coroutine.wrap(function()
    assert(process.pid() == pid)
  end)()
  coroutine.spawn(function()
    assert(process.pid() == pid)
  end)
  assert(pid == check.receive((function()
    process.send(pid, "self", process.pid())
    return process.listen("self")
  end)()))
  return true
end

function programs.pids_are_never_used_again()
  local seen = { [process.pid()] = true }
  for _ = 1, 20 do
    local pid = check.spawn_monitored("gives")
    assert(not seen[pid])
    seen[pid] = true
    check.exit(pid)
  end
  return true
end

function programs.the_id_is_the_entry_reference()
  assert(process.id() == "lua:the_id_is_the_entry_reference")
  check.equal(check.run("says_its_id").result, "lua:says_its_id")
  return true
end

function programs.an_entry_name_may_hold_dots_and_dashes()
  check.equal(check.run("says.its-id").result, "lua:says.its-id")
  return true
end

return programs
