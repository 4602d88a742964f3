-- A station as in chaos.py: it has a name, counts what it is sent, and tells the judge what is wrong.

local function main(name)
  local ok, err = process.registry.register(name)
  if err then
    process.send("judge", "wrong", name .. ": its name is not free: " .. err)
    return nil, err
  end
  local numbers, asks = process.listen("n", { message = true }), process.listen("ask", { message = true })
  local last = {}
  while true do
    local got = channel.select{ numbers:case_receive(), asks:case_receive() }
    local message = got.value
    if got.channel == asks then
      message:reply(name)
    else
      local number, from = message:payload():data(), message:from()
      if last[from] and number <= last[from] then
        process.send("judge", "wrong", name .. ": " .. number .. " after " .. last[from] .. " from " .. from)
      end
      last[from] = number
      if number % 997 == 0 then
        error("a station fails on its own")
      end
    end
  end
end

return { main = main }
