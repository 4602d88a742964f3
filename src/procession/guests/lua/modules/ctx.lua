-- The module `ctx`: what a process was told by `process.with_context` or `funcs`.

local kit = ...

local host, outcome = kit.host, kit.outcome
local check = kit.module("check")

local ctx = {}

local function given(ok, a, b, c, d, e)
  if ok then
    return kit.carried(a, b)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

function ctx.get(key)
  key = check.string(key, 1, "get")
  if key == "" and kit.compatible then
    return nil, kit.invalid("a key of the context is not empty")
  end
  return given(host.ctx_get(key))
end

function ctx.all()
  return given(host.ctx_all())
end

return ctx
