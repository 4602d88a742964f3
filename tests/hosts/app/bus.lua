local events = require("events")

local function subscriber(told)
  local sub = events.subscribe("bus.*")
  local ch = sub:channel()
  process.send(told, "subscribed", process.pid())
  local got = {}
  while true do
    local event = ch:receive()
    got[#got + 1] = event.data
    if #got == 50 then
      process.send(told, process.pid(), got)
      got = {}
    end
  end
end

local function publisher(n)
  for i = 1, n do assert(events.send("bus.test", "tick", "/", i)) end
end

return { subscriber = subscriber, publisher = publisher }
