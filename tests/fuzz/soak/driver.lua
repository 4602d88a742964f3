-- Starts as many as it is told, some at a time, and hears of the end of each.

return {
  main = function(host, first, count, at_once)
    local ended, endings = process.events(), { done = 0, failed = 0 }
    local started, running = 0, 0
    while endings.done + endings.failed < count do
      while running < at_once and started < count do
        local builder = process.with_context({ number = first + started }):with_message("hello", "from the driver", started)
        local pid, err = builder:spawn_monitored("soak:mixed", host, first + started, { "an", "argument" })
        if err then
          return nil, err
        end
        started, running = started + 1, running + 1
      end
      local event = ended:receive()
      running = running - 1
      local how = event.error and "failed" or "done"
      endings[how] = endings[how] + 1
    end
    return endings
  end,
}
