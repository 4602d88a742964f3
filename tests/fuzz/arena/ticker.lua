-- An honest process that only wants its turn.

local function main()
  local stop, ticks = process.listen("stop", { message = true }), 0
  while true do
    local got = channel.select{ stop:case_receive(), time.after("2ms"):case_receive() }
    if got.channel == stop then
      got.value:reply(ticks)
      return ticks
    end
    ticks = ticks + 1
  end
end

return { main = main }
