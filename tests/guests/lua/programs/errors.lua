-- SEMANTICS 2.1 to 2.3.

local check = require("check")

local programs = {}

function programs.an_error_has_kind_message_retryable_and_details()
  local err = errors.new({ message = "no cart", kind = errors.NOT_FOUND, retryable = true, details = { id = 7 } })
  assert(err:kind() == "NotFound" and err:message() == "no cart" and err:retryable() == true)
  check.equal(err:details(), { id = 7 })
  assert(type(err:stack()) == "string")
  return true
end

function programs.what_an_error_does_not_say_is_unknown()
  local err = errors.new("broken")
  assert(err:message() == "broken" and err:kind() == errors.INTERNAL)
  assert(err:retryable() == nil and err:details() == nil)
  assert(errors.new({ message = "x", retryable = false }):retryable() == false)
  return true
end

function programs.every_kind_has_a_constant()
  local kinds = {
    NOT_FOUND = "NotFound",
    ALREADY_EXISTS = "AlreadyExists",
    INVALID = "Invalid",
    PERMISSION_DENIED = "PermissionDenied",
    UNAVAILABLE = "Unavailable",
    INTERNAL = "Internal",
    CANCELED = "Canceled",
    CONFLICT = "Conflict",
    TIMEOUT = "Timeout",
    RATE_LIMITED = "RateLimited",
    TERMINATED = "Terminated",
    LIMIT_EXCEEDED = "LimitExceeded",
  }
  for name, kind in pairs(kinds) do
    assert(errors[name] == kind, name)
    assert(errors.new({ message = "x", kind = kind }):kind() == kind)
  end
  return true
end

function programs.an_unknown_kind_or_field_is_refused()
  check.raises("unknown error kind", errors.new, { message = "x", kind = "Nonsense" })
  check.raises("unknown field 'mesage'", errors.new, { mesage = "x" })
  check.raises("bad argument #1 to 'new'", errors.new)
  check.raises("bad argument #1 to 'new'", errors.new, 5)
  check.raises("retryable is a boolean", errors.new, { message = "x", retryable = 1 })
  check.raises("unknown error kind", errors.is, errors.new("x"), "Nonsense")
  return true
end

function programs.an_error_may_be_made_of_a_kind_and_a_text()
  local err = errors.new(errors.CONFLICT, "changed meanwhile")
  assert(err:kind() == "Conflict" and err:message() == "changed meanwhile")
  return true
end

function programs.wrap_puts_a_context_before_the_message_and_keeps_the_rest()
  local inner = errors.new({ message = "no disk", kind = errors.UNAVAILABLE, retryable = true, details = { n = 1 } })
  local err = errors.wrap(inner, "saving")
  assert(err:message() == "saving: no disk" and err:kind() == "Unavailable" and err:retryable() == true)
  check.equal(err:details(), { n = 1 })
  assert(inner:message() == "no disk")
  assert(errors.wrap("plain", "context"):message() == "context: plain")
  check.raises("bad argument #1 to 'wrap'", errors.wrap, {}, "context")
  check.raises("bad argument #2 to 'wrap'", errors.wrap, inner, 5)
  return true
end

function programs.is_compares_the_kind()
  local err = errors.new({ message = "x", kind = errors.TIMEOUT })
  assert(errors.is(err, errors.TIMEOUT) and not errors.is(err, errors.INVALID))
  assert(not errors.is("text", errors.TIMEOUT) and not errors.is(nil, errors.TIMEOUT))
  return true
end

function programs.an_error_is_its_message_wherever_it_is_text()
  local err, other = errors.new("broken"), errors.new("too")
  assert(tostring(err) == "broken")
  assert("it is " .. err == "it is broken")
  assert(err .. ", alas" == "broken, alas")
  assert(err .. " " .. other == "broken too")
  assert(err .. other == "brokentoo")
  assert(err .. 5 == "broken5" and 5 .. err == "5broken")
  check.raises("attempt to concatenate a nil value", function()
    return err .. nil
  end)
  check.raises("attempt to concatenate a table value", function()
    return {} .. err
  end)
  return true
end

function programs.the_string_library_takes_an_error_for_its_message()
  local err = errors.new("cart not found")
  assert(string.find(err, "not found") == 6)
  assert(string.match(err, "^(%a+)") == "cart")
  assert(string.sub(err, 1, 4) == "cart" and string.len(err) == 14)
  assert(string.upper(err) == "CART NOT FOUND" and string.lower(err) == "cart not found")
  assert(string.gsub(err, "cart", "user") == "user not found")
  assert(string.byte(err) == 99 and string.reverse(err) == "dnuof ton trac")
  assert(string.rep(err, 2, "|") == "cart not found|cart not found")
  assert(string.format("%s!", err) == "cart not found!")
  assert(string.format(errors.new("%d of it"), 5) == "5 of it")
  local words = {}
  for word in string.gmatch(err, "%a+") do
    words[#words + 1] = word
  end
  check.equal(words, { "cart", "not", "found" })
  assert(table.concat({ "a", err, "b" }, ", ") == "a, cart not found, b")
  return true
end

function programs.the_stack_of_an_error_names_the_file()
  check.contains(errors.new("x"):stack(), "errors.lua:")
  local cases = {
    { process.send(process.pid(), "@internal", 1) },
    { process.send(process.pid(), "t", print) },
    { process.monitor("nobody at all") },
    { process.spawn("lua:gives", "lua:nowhere") },
    { process.spawn("lua:gives") },
    { process.exec("lua:fails", check.host()) },
    { process.set_options({ trap = 1 }) },
  }
  for i, case in ipairs(cases) do
    local stack = case[2]:stack()
    assert(stack:find("errors.lua:", 1, true), i .. ": " .. stack)
    assert(not stack:find("procession", 1, true), stack)
  end
  return true
end

function programs.the_call_stack_of_an_error_is_data()
  local function makes()
    local err = errors.new("x") -- no tail call
    return err
  end
  local stack = errors.call_stack(makes())
  local frame = stack.frames[1]
  assert(frame.source == "errors.lua" and math.type(frame.line) == "integer" and frame.name == "makes")
  assert(stack.frames[2].source == "errors.lua" and stack.frames[2].line > frame.line)
  local inbox = process.listen("t")
  process.send(process.pid(), "t", errors.new("x"))
  assert(errors.call_stack(check.receive(inbox)) == nil)
  assert(errors.call_stack("text") == nil)
  check.raises("bad argument #1 to 'call_stack' (error expected, got nil)", errors.call_stack)
  return true
end

function programs.a_method_of_an_error_wants_an_error()
  local err = errors.new("x")
  for _, name in ipairs({ "kind", "message", "retryable", "details", "stack" }) do
    check.raises("bad argument #1 to '" .. name .. "'", err[name], "text")
  end
  return true
end

function programs.an_error_that_is_raised_is_what_pcall_gives()
  local err = errors.new("raised")
  local ok, caught = pcall(error, err)
  assert(not ok and rawequal(caught, err))
  return true
end

function programs.an_error_crosses_with_all_that_it_says()
  local ch = process.listen("self")
  local sent = errors.new({ message = "no", kind = errors.CONFLICT, retryable = true, details = { list = { 1, 2 } } })
  assert(process.send(process.pid(), "self", { err = sent }))
  local got = check.receive(ch).err
  assert(got:kind() == "Conflict" and got:message() == "no" and got:retryable() == true)
  check.equal(got:details(), { list = { 1, 2 } })
  assert(not rawequal(got, sent) and errors.is(got, errors.CONFLICT))
  return true
end

return programs
