-- SEMANTICS 3.1 and 3.2.

local check = require("check")

local programs = {}

function programs.a_spawned_coroutine_runs_to_its_first_wait_before_its_creator_goes_on()
  local steps, ch = {}, channel.new()
  coroutine.spawn(function()
    steps[#steps + 1] = "coroutine"
    ch:receive()
    steps[#steps + 1] = "coroutine again"
  end)
  steps[#steps + 1] = "creator"
  ch:send(1)
  time.sleep("1ms")
  check.equal(steps, { "coroutine", "creator", "coroutine again" })
  return true
end

function programs.a_spawned_coroutine_gets_its_arguments()
  local got
  coroutine.spawn(function(...)
    got = { n = select("#", ...), ... }
  end, 1, nil, "three", nil)
  check.equal(got, { n = 4, [1] = 1, [3] = "three" })
  return true
end

function programs.one_piece_of_code_runs_at_a_time()
  local running, done = 0, channel.new(3)
  for _ = 1, 3 do
    coroutine.spawn(function()
      for _ = 1, 20 do
        running = running + 1
        assert(running == 1)
        for _ = 1, 1000 do
        end
        running = running - 1
        time.sleep("0s")
      end
      done:send(true)
    end)
  end
  for _ = 1, 3 do
    check.receive(done)
  end
  return true
end

function programs.a_coroutine_that_computes_for_long_is_not_seen_half_way()
  local busy, seen = false, {}
  coroutine.spawn(function()
    time.sleep("1ms")
    seen[#seen + 1] = busy
  end)
  busy = true
  local limit = os.clock() + 0.05 -- long enough to be interrupted for other processes
  repeat
  until os.clock() > limit
  busy = false
  time.sleep("5ms")
  check.equal(seen, { false })
  return true
end

function programs.a_creator_waits_also_for_a_long_computation_before_the_first_wait()
  local steps = {}
  coroutine.spawn(function()
    local limit = os.clock() + 0.05
    repeat
    until os.clock() > limit
    steps[#steps + 1] = "coroutine"
  end)
  steps[#steps + 1] = "creator"
  check.equal(steps, { "coroutine", "creator" })
  return true
end

function programs.coroutines_talk_through_channels()
  local numbers, squares = channel.new(), channel.new()
  coroutine.spawn(function()
    while true do
      local n, ok = numbers:receive()
      if not ok then
        squares:close()
        return
      end
      squares:send(n * n)
    end
  end)
  coroutine.spawn(function()
    for i = 1, 5 do
      numbers:send(i)
    end
    numbers:close()
  end)
  local got = {}
  while true do
    local square, ok = check.receive(squares)
    if not ok then
      break
    end
    got[#got + 1] = square
  end
  check.equal(got, { 1, 4, 9, 16, 25 })
  return true
end

function programs.coroutines_spawn_coroutines()
  local done = channel.new()
  local function nest(level)
    if level == 0 then
      done:send("bottom")
      return
    end
    coroutine.spawn(nest, level - 1)
  end
  coroutine.spawn(nest, 10)
  check.equal(check.receive(done), "bottom")
  return true
end

function programs.when_main_returns_the_other_coroutines_are_dropped()
  local reports = process.listen("report")
  local pid = check.spawn_monitored("leaves_a_coroutine", process.pid())
  check.equal(check.exit(pid).result, "main is over")
  time.sleep("30ms") -- longer than its coroutine would have slept
  check.empty(reports)
  return true
end

function programs.an_error_in_a_coroutine_ends_the_process_with_it()
  local pid = check.spawn_monitored("fails_in_a_coroutine")
  process.send(pid, "go")
  local event = check.exit(pid)
  assert(event.error:kind() == errors.INTERNAL)
  check.contains(event.error:message(), "helpers.lua:")
  check.contains(event.error:message(), "the coroutine failed")
  return true
end

function programs.an_error_that_a_coroutine_catches_is_its_own_business()
  local caught
  coroutine.spawn(function()
    local ok, err = pcall(function()
      time.sleep("1ms")
      error("caught", 0)
    end)
    caught = not ok and err
  end)
  time.sleep("5ms")
  check.equal(caught, "caught")
  return true
end

function programs.plain_coroutines_are_those_of_lua()
  local co = coroutine.create(function(a, b)
    local c = coroutine.yield(a + b)
    local d, e = coroutine.yield(c * 2)
    return d .. e
  end)
  check.equal({ coroutine.resume(co, 1, 2) }, { true, 3 })
  assert(coroutine.status(co) == "suspended")
  check.equal({ coroutine.resume(co, 5) }, { true, 10 })
  check.equal({ coroutine.resume(co, "x", "y") }, { true, "xy" })
  assert(coroutine.status(co) == "dead")
  check.equal({ coroutine.resume(co) }, { false, "cannot resume dead coroutine" })
  local count = 0
  for n in coroutine.wrap(function()
    for i = 1, 3 do
      coroutine.yield(i)
    end
  end) do
    count = count + n
  end
  assert(count == 6)
  return true
end

function programs.a_plain_coroutine_knows_where_it_is()
  local main, is_main = coroutine.running()
  assert(is_main and not coroutine.isyieldable() and coroutine.status(main) == "running")
  local co
  co = coroutine.create(function()
    local inner, inner_is_main = coroutine.running()
    assert(inner == co and not inner_is_main and coroutine.isyieldable())
    assert(coroutine.status(main) == "normal" and coroutine.status(co) == "running")
    check.equal({ coroutine.resume(main) }, { false, "cannot resume non-suspended coroutine" })
  end)
  assert(coroutine.resume(co))
  check.raises("outside a coroutine", coroutine.yield, 1)
  return true
end

function programs.an_error_in_a_plain_coroutine_comes_out_of_its_resume()
  local co = coroutine.create(function()
    error("inner", 0)
  end)
  check.equal({ coroutine.resume(co) }, { false, "inner" })
  check.equal(check.raises("wrapped", coroutine.wrap(function()
    error("wrapped", 0)
  end)), "wrapped")
  local wrapped = coroutine.wrap(coroutine.wrap(function()
    error("wrapped twice")
  end))
  check.contains(check.raises("wrapped twice", wrapped), "coroutines.lua:")
  return true
end

function programs.a_plain_coroutine_can_be_closed()
  local closed = false
  local co = coroutine.create(function()
    local guard <close> = setmetatable({}, {
      __close = function()
        closed = true
      end,
    })
    coroutine.yield()
  end)
  coroutine.resume(co)
  assert(coroutine.close(co) and closed and coroutine.status(co) == "dead")
  return true
end

function programs.a_plain_coroutine_may_wait()
  local ch = channel.new()
  local generator = coroutine.wrap(function()
    for _ = 1, 3 do
      coroutine.yield(ch:receive())
    end
    time.sleep("1ms")
    coroutine.yield(check.run("gives", "of a child").result)
  end)
  coroutine.spawn(function()
    for i = 1, 3 do
      ch:send(i)
    end
  end)
  check.equal({ (generator()), (generator()), (generator()), (generator()) }, { 1, 2, 3, "of a child" })
  return true
end

function programs.a_wait_passes_through_nested_coroutines()
  local function nest(level)
    if level == 0 then
      time.sleep("1ms")
      local pid = check.spawn("echo")
      process.send(pid, "echo", "from below")
      return check.receive(process.listen("reply"))
    end
    return coroutine.wrap(nest)(level - 1)
  end
  check.equal(nest(20), "from below")
  return true
end

function programs.a_coroutine_that_waits_cannot_be_resumed_by_another()
  local ch, waiting = channel.new(), nil
  coroutine.spawn(function()
    waiting = coroutine.create(function()
      return ch:receive()
    end)
    local ok, value = coroutine.resume(waiting)
    assert(ok and value == "sent")
    ch:send("done")
  end)
  local ok, err = coroutine.resume(waiting)
  assert(not ok and err == "cannot resume non-suspended coroutine")
  ch:send("sent")
  check.equal(check.receive(ch), "done")
  return true
end

function programs.pcall_may_wait_inside()
  local ok, value = pcall(function()
    return check.run("gives", 5).result
  end)
  assert(ok and value == 5)
  local failed, err = pcall(function()
    time.sleep("1ms")
    error(errors.new("after a wait"))
  end)
  assert(not failed and err:message() == "after a wait")
  return true
end

return programs
