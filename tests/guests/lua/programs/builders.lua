-- Builders: what is part of a spawn (SEMANTICS 5.1).

local check = require("check")

local programs = {}

function programs.a_builder_gives_the_child_a_name_and_its_first_messages()
  local builder = process.with_name("built by a builder"):with_message("hello", 1):with_message("list", 1, { 2 })
  local pid = check.works(builder:spawn_monitored("lua:tells_its_first_messages", check.host(), 3))
  assert(process.registry.lookup("built by a builder") == pid)
  process.send(pid, "after", "the others")
  check.equal(check.exit(pid).result, {
    got = { { "hello", 1 }, { "list", { 1, { 2 } } }, { "after", "the others" } },
    from_parent = true,
  })
  return true
end

function programs.a_builder_can_be_used_many_times()
  local builder = process.with_message("order", { n = 1 })
  for _ = 1, 3 do
    local pid = check.works(builder:spawn_monitored("lua:obeys", check.host()))
    check.equal(check.exit(pid).result, { n = 1 })
  end
  return true
end

function programs.each_step_gives_a_new_builder()
  local plain = process.with_message("order", "first")
  local named = plain:with_name("only of the second")
  local more = plain:with_message("order", "second")
  assert(plain ~= named and plain ~= more)
  local pid = check.works(plain:spawn_monitored("lua:obeys", check.host()))
  check.fails(errors.NOT_FOUND, "name not registered", process.registry.lookup("only of the second"))
  check.equal(check.exit(pid).result, "first")
  return true
end

function programs.a_taken_name_means_that_nothing_was_spawned()
  process.registry.register("taken before")
  local builder = process.with_name("taken before"):with_message("t", 1)
  check.fails(errors.ALREADY_EXISTS, "taken before", builder:spawn_monitored("lua:obeys", check.host()))
  check.fails(errors.INVALID, "", process.with_name(""):spawn_monitored("lua:obeys", check.host()))
  check.fails(errors.INVALID, "belong to the runtime", process.with_message("@x", 1):spawn_monitored("lua:obeys", check.host()))
  check.empty(process.events())
  return true
end

function programs.a_builder_refuses_what_cannot_cross()
  local err = check.fails(errors.INVALID, "cannot cross", process.with_context({ f = print }):spawn("lua:gives", check.host()))
  check.contains(err:message(), "f")
  check.fails(errors.INVALID, "cannot cross", process.with_message("t", { print }):spawn("lua:gives", check.host()))
  return true
end

function programs.what_a_builder_takes_is_copied_at_the_spawn()
  local payload = { n = 1 }
  local builder = process.with_message("order", payload)
  payload.n = 2
  local pid = check.works(builder:spawn_monitored("lua:obeys", check.host()))
  payload.n = 3
  check.equal(check.exit(pid).result, { n = 2 })
  return true
end

function programs.a_builder_links_and_monitors_like_process()
  process.set_options({ trap_links = true })
  local builder = process.with_context({ user = "u1" })
  local pid = check.works(builder:spawn_linked_monitored("lua:fails", check.host()))
  check.exit(pid)
  check.link_down(pid)
  pid = check.works(builder:spawn_linked("lua:fails", check.host()))
  check.link_down(pid)
  check.fails(errors.INVALID, "takes an entry and a host", builder:spawn("lua:fails"))
  return true
end

function programs.a_builder_checks_its_arguments()
  check.raises("bad argument #1 to 'with_context' (table expected, got string)", process.with_context, "x")
  check.raises("its keys are strings", process.with_context, { 1 })
  check.raises("bad argument #1 to 'with_name'", process.with_name, 5)
  check.raises("bad argument #1 to 'with_message'", process.with_message)
  local builder = process.with_name("x")
  check.raises("bad argument #1 to 'with_name' (process builder expected", builder.with_name, {}, "y")
  check.raises("bad argument #1 to 'spawn'", builder.spawn, "no builder")
  check.raises("bad argument #2 to 'with_message'", builder.with_message, builder)
  return true
end

return programs
