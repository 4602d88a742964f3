-- Three Python workers; one that fails is started again, until each has done its part.

local function main()
  local events, results = process.events(), process.listen("result")
  local workers, left = {}, 3

  local function start(number, try)
    local pid = assert(process.spawn_monitored("mixed:python_worker", "mixed:processes", { number = number, try = try }))
    workers[pid] = { number = number, try = try }
    process.send(pid, "work", number)
  end

  for number = 1, 3 do
    start(number, 1)
  end
  while left > 0 do
    local event = events:receive()
    local worker = workers[event.from]
    if event.error then
      print("Python worker " .. worker.number .. " failed on try " .. worker.try .. ": " .. event.error)
      start(worker.number, worker.try + 1)
    else
      print("Python worker " .. worker.number .. ":", (results:receive()).square)
      left = left - 1
    end
  end
end

return { main = main }
