local ctx = require("ctx")
local funcs = require("funcs")

local function main(target)
  local told = process.listen("context")
  assert(process.with_context({ user = "u1", n = 7 }):spawn("app:tells_context", target, process.pid()))
  local spawned = told:receive()
  local called = assert(funcs.new():with_context({ user = "u1" }):call("app:gives_context"))
  return { spawned = spawned, called = called }
end

local function tells(to)
  process.send(to, "context", ctx.all())
end

local function gives()
  return ctx.all()
end

return { main = main, tells = tells, gives = gives }
