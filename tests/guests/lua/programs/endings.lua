-- SEMANTICS 7.

local check = require("check")

local programs = {}

local function ended(name, ...)
  local event = check.run(name, ...)
  return event.result, event.error
end

function programs.a_return_is_a_normal_end_with_that_result()
  for _, value in ipairs({ 5, 0.5, "text", true, false, { list = { 1 } } }) do
    local result, err = ended("gives", value)
    check.equal(result, value)
    assert(err == nil)
  end
  return true
end

function programs.nothing_nil_and_false_alone_are_normal_ends()
  check.equal({ ended("gives") }, {})
  check.equal({ ended("gives", nil) }, {})
  check.equal({ ended("gives", nil, nil) }, {})
  check.equal({ ended("gives", "v", nil) }, { "v" })
  check.equal({ ended("gives", false) }, { false })
  return true
end

function programs.a_text_as_second_result_is_an_error_exit()
  for _, first in ipairs({ false, true, 5, "value" }) do
    local result, err = ended("gives", first, "it went wrong")
    assert(result == nil)
    assert(err:message() == "it went wrong" and err:retryable() == false)
  end
  local result, err = ended("gives", nil, "it went wrong")
  assert(result == nil and tostring(err) == "it went wrong")
  return true
end

function programs.an_error_as_second_result_is_an_error_exit()
  local result, err = ended("returns_a_value_and_an_error")
  assert(result == nil and err:kind() == errors.CONFLICT and err:message() == "no stock")
  assert(err:details().left == 0)
  return true
end

function programs.a_raised_text_is_an_error_with_file_and_line()
  local result, err = ended("fails", "raised")
  assert(result == nil and err:kind() == errors.INTERNAL)
  assert(string.find(err, "^helpers%.lua:%d+: raised$"), err:message())
  check.contains(err:details().traceback, "helpers.lua:")
  return true
end

function programs.a_raised_error_keeps_what_it_says()
  local _, err = ended("fails_with_the_error", errors.UNAVAILABLE, "no disk", { free = 0 })
  assert(err:kind() == errors.UNAVAILABLE and err:message() == "no disk" and err:retryable() == true)
  assert(err:details().free == 0)
  return true
end

function programs.a_raised_table_is_kept_as_details()
  local _, err = ended("fails_with_a_table", { code = 5 })
  assert(err:kind() == errors.INTERNAL)
  check.equal(err:details().code, 5)
  _, err = ended("fails_with_a_table", { message = "told", kind = errors.TIMEOUT, code = 6 })
  assert(err:message() == "told" and err:kind() == errors.TIMEOUT and err:details().code == 6)
  return true
end

function programs.a_terminated_process_ends_with_that_error()
  local pid = check.spawn_monitored("waits_forever")
  assert(process.terminate(pid))
  local event = check.exit(pid)
  assert(event.result == nil and event.error:kind() == errors.TERMINATED)
  assert(event.error:message() == "process terminated")
  return true
end

function programs.a_process_that_dies_through_a_link_says_of_whom()
  local reports = process.listen("report")
  local first = check.spawn("obeys")
  local second = check.spawn_monitored("links_itself", process.pid(), first)
  check.receive(reports)
  process.send(first, "order", "fail")
  local event = check.exit(second)
  check.contains(event.error:message(), "linked process failed: " .. first .. ": ")
  check.contains(event.error:message(), "ordered to fail")
  check.contains(check.show(event.error:details()), first)
  check.contains(check.show(event.error:details()), "ordered to fail")
  return true
end

function programs.whoever_has_seen_exit_finds_the_pid_dead_and_the_name_free()
  local pid = check.spawn_monitored("owns_a_name", "free again", process.pid())
  check.receive(process.listen("report"))
  assert(process.registry.lookup("free again") == pid)
  process.send(pid, "order", "stop")
  check.exit(pid)
  check.fails(errors.NOT_FOUND, "process not found", process.send(pid, "t"))
  check.fails(errors.NOT_FOUND, "name not registered", process.registry.lookup("free again"))
  assert(process.registry.register("free again"))
  return true
end

function programs.what_is_to_be_closed_is_closed_at_termination()
  local reports = process.listen("report", { message = true })
  local pid = check.spawn_monitored("closes_what_it_opened", process.pid())
  assert(check.receive(reports):payload():data() == "ready")
  process.terminate(pid)
  check.exit(pid)
  local msg = check.receive(reports)
  assert(msg:payload():data() == "closed" and msg:from() == pid)
  return true
end

return programs
