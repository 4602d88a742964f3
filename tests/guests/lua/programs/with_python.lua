-- Lua programs whose partners are Python processes.

local check = require("check")

local programs = {}

local function spawn_monitored(name, ...)
  return check.works(process.spawn_monitored("lua:py." .. name, check.host(), ...))
end

function programs.a_python_echo_gives_back_what_it_gets()
  local pid = spawn_monitored("echo")
  local replies = process.listen("reply")
  for _, value in ipairs({
    true,
    false,
    0,
    math.maxinteger,
    math.mininteger,
    0.5,
    1.0,
    "text",
    "ünï",
    "\0\255\254",
    {},
    { 1, 2, 3 },
    { a = { b = { { c = "deep" } } } },
    { [1.5] = 1, [-1] = 2, [true] = 3 },
    errors.new({ message = "no", kind = errors.RATE_LIMITED, retryable = true, details = { after = 5 } }),
  }) do
    process.send(pid, "echo", value)
    check.equal(check.receive(replies), value)
  end
  process.send(pid, "echo")
  local value, ok = check.receive(replies)
  assert(value == nil and ok)
  local moment = time.date(2024, 2, 29, 12, 30, 15, 123456000, time.utc)
  process.send(pid, "echo", moment)
  assert(check.receive(replies):equal(moment))
  return true
end

function programs.everything_of_python_has_a_form_in_lua()
  local got = check.exit(spawn_monitored("gives_everything")).result
  assert(got.none == nil and got.flag == true and got.big == math.maxinteger and got.float == 0.5)
  assert(got.text == "ünï" and got.bytes == "\255\0")
  check.equal(got.list, { 1, { 2, { a = 3 } } })
  check.equal(got.empty, {})
  check.equal(got.tuple, { 1, 2 })
  check.equal(got.moment:format(time.RFC3339_NANO), "2024-02-29T12:30:15.123456Z")
  check.equal(got.uuid, "12345678-1234-5678-1234-567812345678")
  assert(got.error:kind() == errors.NOT_FOUND and got.error:message() == "no cart" and got.error:details().id == 7)
  check.equal(got.point, { x = 1.5, tags = { "a" } })
  return true
end

function programs.a_python_exception_is_an_error_with_its_type()
  local err = check.exit(spawn_monitored("fails")).error
  assert(err:kind() == errors.INTERNAL and err:message() == "kaboom" and err:details().type == "ValueError")
  assert(tostring(err) == "ValueError: kaboom" and "it says " .. err == "it says ValueError: kaboom")
  check.contains(err:details().traceback, "partners.py")
  return true
end

function programs.an_error_that_python_raises_keeps_what_it_says()
  local err = check.exit(spawn_monitored("fails_with_an_error")).error
  assert(err:kind() == errors.CONFLICT and err:message() == "changed meanwhile" and err:retryable() == true)
  assert(err:details().version == 7)
  err = check.fails(errors.CONFLICT, "changed meanwhile", process.exec("lua:py.fails_with_an_error", check.host()))
  assert(err:details().version == 7)
  return true
end

function programs.python_can_be_linked_terminated_and_canceled()
  process.set_options({ trap_links = true })
  local host, reports = check.host(), process.listen("report")
  local pid = check.works(process.spawn_linked("lua:py.obeys", host))
  process.send(pid, "order", "fail")
  local err = check.link_down(pid).error
  assert(err:message() == "ordered to fail" and err:details().type == "RuntimeError")
  pid = spawn_monitored("reports_its_event", process.pid())
  check.receive(reports)
  check.works(process.cancel(pid, "enough"))
  check.equal(check.receive(reports), { kind = "pid.cancel", sender = process.pid() })
  check.exit(pid)
  pid = spawn_monitored("obeys")
  process.terminate(pid)
  assert(check.exit(pid).error:kind() == errors.TERMINATED)
  return true
end

function programs.a_lua_process_takes_the_linked_python_process_along()
  local pid = check.spawn("obeys")
  local linked = spawn_monitored("links_itself", process.pid(), pid)
  check.equal(check.receive(process.listen("report")), "ready")
  process.send(pid, "order", "fail")
  local err = check.exit(linked).error
  check.contains(err:message(), "linked process failed: " .. pid .. ": ")
  check.contains(check.show(err:details()), "ordered to fail")
  return true
end

function programs.an_argument_that_does_not_fit_is_an_error_of_spawn()
  check.equal(check.exit(spawn_monitored("typed", { x = 5, tags = { "a" } })).result, { x = 5.0, tags = { "a" } })
  local err = check.fails(errors.INVALID, "point", process.spawn("lua:py.typed", check.host(), { x = "no number" }))
  check.contains(err:message(), "x")
  return true
end

function programs.python_answers_calls_of_lua()
  local pid = spawn_monitored("answers")
  check.equal(check.works(process.call(pid, "ask", { n = 1 })), { answer = { n = 1 } })
  return true
end

function programs.python_functions_can_be_executed()
  check.equal(check.works(process.exec("lua:py.gives", check.host(), 1, "two", { 3 })), { 1, "two", { 3 } })
  return true
end

return programs
