-- The workloads of ../workloads.py, in Lua. Each does `n` units and returns the seconds it took.

local RING, WAVE = 1000, 1000
local MAP = { task_id = 1, value = 10, s = "x" }

local function seconds_since(start)
  return (time.now():sub(start)):seconds()
end

local function ping_pong(n, with_map)
  local payload = with_map and MAP or 7
  local pongs = process.listen("pong")
  local other = process.spawn_linked("bench:ponger", "bench:processes", process.pid())
  local start = time.now()
  for _ = 1, n do
    process.send(other, "ping", payload)
    pongs:receive()
  end
  return seconds_since(start)
end

local function ponger(other)
  local pings = process.listen("ping")
  while true do
    process.send(other, "pong", (pings:receive()))
  end
end

local function ring(n)
  local hops, following = process.listen("hop"), process.pid()
  for _ = 1, RING - 1 do
    following = process.spawn_linked("bench:ring_member", "bench:processes", following)
  end
  local start = time.now()
  for _ = 1, n // RING do
    process.send(following, "hop", 0)
    assert(hops:receive() == RING - 1)
  end
  return seconds_since(start)
end

local function ring_member(following)
  local hops = process.listen("hop")
  while true do
    process.send(following, "hop", hops:receive() + 1)
  end
end

local function short_life() end

local function spawn_monitor_exit(n)
  local events = process.events()
  local start = time.now()
  for _ = 1, n // WAVE do
    for _ = 1, WAVE do
      process.spawn_monitored("bench:short_life", "bench:processes")
    end
    for _ = 1, WAVE do
      events:receive()
    end
  end
  return seconds_since(start)
end

local function idle()
  process.listen("wake up"):receive()
end

-- Spawned, monitored, and all of them waiting for a message.
local function many(n)
  local start = time.now()
  for _ = 1, n do
    process.spawn_monitored("bench:idle", "bench:processes")
  end
  time.sleep(0)
  return seconds_since(start)
end

local function loop(n)
  local start, sum = time.now(), 0
  for i = 1, n do
    sum = (sum + i * 7) % 1000003
  end
  return seconds_since(start)
end

return {
  ping_pong = ping_pong,
  ponger = ponger,
  ring = ring,
  ring_member = ring_member,
  short_life = short_life,
  spawn_monitor_exit = spawn_monitor_exit,
  idle = idle,
  many = many,
  loop = loop,
}
