-- SEMANTICS 13.1 to 13.3; the rest of the module: test_time_module.py.

local check = require("check")
local time = require("time")

local programs = {}

function programs.a_duration_is_a_text_with_units_or_nanoseconds()
  for _, duration in ipairs({ "2ms", "2000us", "2000000ns", 2000000, 2 * time.MILLISECOND, "0.002s", "0h0m0.002s" }) do
    local start = time.now()
    time.sleep(duration)
    assert(time.now():sub(start):milliseconds() >= 1, tostring(duration))
  end
  return true
end

function programs.a_duration_without_a_unit_is_invalid()
  for _, f in ipairs({ time.sleep, time.after, time.timer, time.ticker }) do
    local ok, value, err = pcall(f, "5")
    local problem = not ok and value or err
    assert(problem ~= nil)
    check.contains(tostring(problem), "5")
  end
  return true
end

function programs.after_gives_one_moment_and_closes()
  local before = time.now()
  local ch = time.after("2ms")
  local moment, ok = check.receive(ch)
  assert(ok and not moment:before(before))
  local value, more = ch:receive()
  assert(value == nil and more == false)
  return true
end

function programs.a_timer_fires_once()
  local timer = time.timer("2ms")
  local moment, ok = check.receive(timer:channel())
  assert(ok and moment:unix() > 0)
  assert(timer:response() == timer:channel())
  check.empty(timer:channel())
  return true
end

function programs.a_timer_can_be_stopped_and_set_again()
  local timer = time.timer("1h")
  assert(timer:stop() == true and timer:stop() == false)
  check.empty(timer:channel())
  assert(timer:reset("1ms") == false)
  check.receive(timer:channel())
  timer:reset("1h")
  assert(timer:reset("1ms") == true)
  check.receive(timer:channel())
  return true
end

function programs.a_ticker_ticks_until_it_is_stopped()
  local ticker = time.ticker("1ms")
  local last
  for _ = 1, 3 do
    local moment = check.receive(ticker:channel())
    assert(last == nil or not moment:before(last))
    last = moment
  end
  ticker:stop()
  return true
end

function programs.surplus_ticks_are_dropped()
  local ticker = time.ticker("1ms")
  time.sleep("20ms")
  ticker:stop()
  local count = 0
  while not channel.select({ ticker:channel():case_receive(), default = true }).default do
    count = count + 1
  end
  assert(count <= 1, count)
  return true
end

function programs.moments_know_their_parts_and_layouts()
  local moment = time.date(2024, time.FEBRUARY, 29, 12, 30, 15, 0, time.utc)
  assert(moment:format(time.RFC3339) == "2024-02-29T12:30:15Z" and moment:year() == 2024 and moment:unix() == 1709209815)
  local parsed = check.works(time.parse("2006-01-02 15:04:05", "2024-02-29 12:30:15"))
  assert(parsed:equal(moment))
  local hour = check.works(time.parse_duration("1h30m"))
  assert(hour:minutes() == 90 and tostring(hour) == "1h30m0s")
  local _, err = time.parse_duration("soon")
  assert(err:kind() == errors.INVALID)
  return true
end

function programs.time_is_a_global_too()
  assert(_G.time ~= nil and _G.time.SECOND == time.SECOND)
  return true
end

return programs
