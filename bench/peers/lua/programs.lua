-- The programs of ../ours.py, in Lua. Each does `n` units and returns the seconds it took.

local HOST = "bench:processes"
local SCALAR, MAP = 7, { task_id = 1, value = 10, s = "x" }
local RING, THREAD_RING, SENDERS, WORKERS, AT_ONCE = 1000, 100, 100, 60, 1000
local CHAMENEOS, PHILOSOPHERS, ACCOUNTS, OPEN = 100, 20, 1000, 100

local function wall()
  return time.now():unix_nano() / 1e9
end

local clock

-- A program as it is called: with how much to do, and whether to count the processor's time only.
local function program(work)
  return function(n, cpu)
    clock = cpu and os.clock or wall
    return work(n)
  end
end

-- Messages -----------------------------------------------------------------------------------

local function ponger(other)
  local pings = process.listen("ping")
  while true do
    process.send(other, "pong", (pings:receive()))
  end
end

local function pings(n, other, payload)
  local pongs = process.listen("pong")
  local start = clock()
  for _ = 1, n do
    process.send(other, "ping", payload)
    pongs:receive()
  end
  return clock() - start
end

local function ping_pong(n)
  return pings(n, process.spawn_linked("bench:ponger", HOST, process.pid()), SCALAR)
end

local function ping_pong_dict(n)
  return pings(n, process.spawn_linked("bench:ponger", HOST, process.pid()), MAP)
end

local function by_name(n)
  process.registry.register("ponger", process.spawn_linked("bench:ponger", HOST, process.pid()))
  return pings(n, "ponger", SCALAR)
end

local function ring_member(following)
  local hops = process.listen("hop")
  while true do
    process.send(following, "hop", hops:receive() + 1)
  end
end

local function ring(n)
  local hops, following = process.listen("hop"), process.pid()
  for _ = 1, RING - 1 do
    following = process.spawn_linked("bench:ring_member", HOST, following)
  end
  local start = clock()
  for _ = 1, n // RING do
    process.send(following, "hop", 0)
    assert(hops:receive() == RING - 1)
  end
  return clock() - start
end

local function short_life() end

local function spawn(n)
  local events = process.events()
  local start = clock()
  for _ = 1, n // AT_ONCE do
    for _ = 1, AT_ONCE do
      process.spawn_monitored("bench:short_life", HOST)
    end
    for _ = 1, AT_ONCE do
      events:receive()
    end
  end
  return clock() - start
end

local function replier()
  local questions = process.listen("ask", { message = true })
  while true do
    local message = questions:receive()
    message:reply(message:payload():data())
  end
end

local function call(n)
  local pid = process.spawn_linked("bench:replier", HOST)
  local start = clock()
  for _ = 1, n do
    process.call(pid, "ask", SCALAR)
  end
  return clock() - start
end

local function sender(dest, count)
  for i = 1, count do
    process.send(dest, "n", i)
    if i % 100 == 0 then
      time.sleep(0)
    end
  end
end

local function fan_in(n)
  local numbers = process.listen("n")
  local start = clock()
  for _ = 1, SENDERS do
    process.spawn_linked("bench:sender", HOST, process.pid(), n // SENDERS)
  end
  for _ = 1, n do
    numbers:receive()
  end
  return clock() - start
end

local function idler()
  process.inbox():receive()
end

local function chain_member(first, left)
  if left > 0 then
    process.spawn_linked("bench:chain_member", HOST, first, left - 1)
  else
    process.send(first, "complete", process.pid())
  end
  process.listen("die"):receive()
  error("the end of the chain")
end

local function cascade(n)
  local events, complete = process.events(), process.listen("complete")
  local first = process.spawn_monitored("bench:chain_member", HOST, process.pid(), n - 1)
  local last = complete:receive()
  local start = clock()
  process.send(last, "die")
  assert(events:receive().from == first)
  return clock() - start
end

local function tree(parent, number, leaves)
  if leaves == 1 then
    process.send(parent, "sum", number)
    return
  end
  local sums, part, total = process.listen("sum"), leaves // 10, 0
  for i = 0, 9 do
    process.spawn("bench:tree", HOST, process.pid(), number + i * part, part)
  end
  for _ = 1, 10 do
    total = total + sums:receive()
  end
  process.send(parent, "sum", total)
end

local function skynet(n)
  local sums = process.listen("sum")
  local start = clock()
  process.spawn("bench:tree", HOST, process.pid(), 0, n)
  assert(sums:receive() == n * (n - 1) // 2)
  return clock() - start
end

-- Savina -------------------------------------------------------------------------------------

local function counter()
  local count, inbox = 0, process.inbox()
  while true do
    local message = inbox:receive()
    if message:topic() == "increment" then
      count = count + 1
    else
      message:reply(count)
    end
  end
end

local function counting(n)
  local pid = process.spawn_linked("bench:counter", HOST)
  local start = clock()
  for i = 1, n do
    process.send(pid, "increment")
    if i % AT_ONCE == 0 then
      time.sleep(0)
    end
  end
  assert(process.call(pid, "total") == n)
  return clock() - start
end

local function worker(count)
  local jobs = process.listen("job")
  local result
  for _ = 1, count do
    result = math.sin((jobs:receive())) ^ 2
  end
  return result
end

local function fork_join(n)
  local events, count, workers = process.events(), n // WORKERS, {}
  local start = clock()
  for i = 1, WORKERS do
    workers[i] = process.spawn_monitored("bench:worker", HOST, count)
  end
  for i = 1, count do
    for _, pid in ipairs(workers) do
      process.send(pid, "job", 37.2)
    end
    if i % 10 == 0 then
      time.sleep(0)
    end
  end
  for _ = 1, WORKERS do
    events:receive()
  end
  return clock() - start
end

local function token_holder(first)
  local tokens = process.listen("token")
  local following = process.listen("next"):receive()
  while true do
    local left = tokens:receive()
    if left == 0 then
      process.send(first, "done")
    else
      process.send(following, "token", left - 1)
    end
  end
end

local function thread_ring(n)
  local done, members = process.listen("done"), {}
  for i = 1, THREAD_RING do
    members[i] = process.spawn_linked("bench:token_holder", HOST, process.pid())
  end
  for i, pid in ipairs(members) do
    process.send(pid, "next", members[(i - 2) % THREAD_RING + 1])
  end
  local start = clock()
  process.send(members[1], "token", n)
  done:receive()
  return clock() - start
end

local function complement(one, other)
  return one == other and one or 3 - one - other
end

local function mall(n, main)
  local meetings, first = process.listen("meet", { message = true }), nil
  while true do
    local message = meetings:receive()
    if n > 0 and not first then
      first = message:from()
    elseif n > 0 then
      process.send(first, "partner", message:from(), message:payload():data())
      first, n = nil, n - 1
      if n == 0 then
        process.send(main, "done")
      end
    end
  end
end

local function chameneo(mall, colour)
  local inbox = process.inbox()
  while true do
    process.send(mall, "meet", colour)
    local message = inbox:receive()
    local got = message:payload():data()
    if message:topic() == "changed" then
      colour = got
    else
      colour = complement(colour, got[2])
      process.send(got[1], "changed", colour)
    end
  end
end

local function chameneos(n)
  local done = process.listen("done")
  local start = clock()
  local pid = process.spawn_linked("bench:mall", HOST, n, process.pid())
  for i = 0, CHAMENEOS - 1 do
    process.spawn_linked("bench:chameneo", HOST, pid, i % 3)
  end
  done:receive()
  return clock() - start
end

local function arbitrator()
  local taken, inbox = {}, process.inbox()
  while true do
    local message = inbox:receive()
    local left = message:payload():data()
    local right = (left + 1) % PHILOSOPHERS
    if message:topic() == "done" then
      taken[left], taken[right] = false, false
    elseif taken[left] or taken[right] then
      process.send(message:from(), "eat", false)
    else
      taken[left], taken[right] = true, true
      process.send(message:from(), "eat", true)
    end
  end
end

local function philosopher(arbitrator, seat, meals)
  local answers = process.listen("eat")
  for _ = 1, meals do
    repeat
      process.send(arbitrator, "hungry", seat)
    until answers:receive()
    process.send(arbitrator, "done", seat)
  end
end

local function philosophers(n)
  local events = process.events()
  local start = clock()
  local pid = process.spawn_linked("bench:arbitrator", HOST)
  for seat = 0, PHILOSOPHERS - 1 do
    process.spawn_monitored("bench:philosopher", HOST, pid, seat, n // PHILOSOPHERS)
  end
  for _ = 1, PHILOSOPHERS do
    events:receive()
  end
  return clock() - start
end

local function transfer(i)
  local source = i * 7919 % (ACCOUNTS * 8 // 10)
  return source, source + 1 + i * 104729 % (ACCOUNTS - source - 1)
end

local function account(teller)
  local balance, inbox = 0, process.inbox()
  while true do
    local message = inbox:receive()
    local got = message:payload():data()
    if message:topic() == "transfer" then
      balance = balance - got[2]
      assert(process.call(got[1], "credit", got[2]))
      process.send(teller, "done")
    else
      balance = balance + got
      message:reply(true)
    end
  end
end

local function bank(n)
  local done, accounts = process.listen("done"), {}
  for i = 0, ACCOUNTS - 1 do
    accounts[i] = process.spawn_linked("bench:account", HOST, process.pid())
  end
  local start = clock()
  for i = 0, n - 1 do
    if i >= OPEN then
      done:receive()
    end
    local source, to = transfer(i)
    process.send(accounts[source], "transfer", accounts[to], 10)
  end
  for _ = 1, math.min(n, OPEN) do
    done:receive()
  end
  return clock() - start
end

-- Of Lua alone --------------------------------------------------------------------------------

-- Spawned, monitored, and all of them waiting for a message.
local function many(n)
  local start = clock()
  for _ = 1, n do
    process.spawn_monitored("bench:idler", HOST)
  end
  time.sleep(0)
  return clock() - start
end

local function loop(n)
  local start, sum = clock(), 0
  for i = 1, n do
    sum = (sum + i * 7) % 1000003
  end
  return clock() - start
end

return {
  ping_pong = program(ping_pong), ping_pong_dict = program(ping_pong_dict), by_name = program(by_name), ponger = ponger,
  ring = program(ring), ring_member = ring_member,
  spawn = program(spawn), short_life = short_life,
  call = program(call), replier = replier,
  fan_in = program(fan_in), sender = sender,
  idler = idler, many = program(many),
  loop = program(loop),
  cascade = program(cascade), chain_member = chain_member,
  skynet = program(skynet), tree = tree,
  counting = program(counting), counter = counter,
  fork_join = program(fork_join), worker = worker,
  thread_ring = program(thread_ring), token_holder = token_holder,
  chameneos = program(chameneos), mall = mall, chameneo = chameneo,
  philosophers = program(philosophers), arbitrator = arbitrator, philosopher = philosopher,
  bank = program(bank), account = account,
}
