return {
  main = function(mode, value)
    if mode == "result" then
      return value
    end
    local messages = process.listen("value", { message = true })
    while true do
      local message = messages:receive()
      message:reply(message:payload():data())
    end
  end,
}
