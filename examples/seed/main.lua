-- Runs each program of the document and tells how it ended.

local PROGRAMS = { "spawn", "listener", "inbox", "echo", "spawn_monitored", "monitor", "spawn_linked", "trap_links", "registry", "worker_pool" }

-- What the programs wait for, from somebody else.
local function help(name, pid)
  if name == "listener" then
    process.send(pid, "messages", "hello from parent")
  elseif name == "echo" then
    local replies = process.listen("reply")
    process.send(pid, "echo", { text = "hello" })
    print("Echoed:", (replies:receive()).text)
  elseif name == "inbox" then
    process.send(pid, "specific_topic", "for the listener")
    process.send(pid, "another_topic", { for_the = "inbox" })
    process.cancel(pid, "nothing more to come", "200ms") -- it runs for ever
  end
end

local function main()
  local events = process.events()
  local failed = 0
  for _, name in ipairs(PROGRAMS) do
    local pid = assert(process.spawn_monitored("app.test.process:" .. name, "app:processes"))
    help(name, pid)
    local event = events:receive()
    local expected = name == "inbox" and event.error and event.error:kind() == errors.TERMINATED
    if event.error and not expected then
      failed = failed + 1
    end
    print(name .. ":", event.error or event.result)
  end
  return failed == 0
end

return { main = main }
