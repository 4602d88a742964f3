return {
  main = function()
    local messages = process.listen("value", { message = true })
    while true do
      local message = messages:receive()
      message:reply(message:payload():data())
    end
  end,
}
