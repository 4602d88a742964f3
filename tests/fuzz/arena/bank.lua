-- An honest process: it gives back what it is given, and remembers the last of each client.

local last = {}

local function main()
  process.registry.register("bank")
  local orders = process.listen("order", { message = true })
  local stop = process.listen("stop", { message = true })
  local served = 0
  while true do
    local got = channel.select{ orders:case_receive(), stop:case_receive() }
    if got.channel == stop then
      got.value:reply(served)
      return served
    end
    local order = got.value:payload():data()
    served = served + 1
    got.value:reply({ order = order, before = last[order.client] or 0, from = got.value:from() })
    last[order.client] = order.number
  end
end

return { main = main }
