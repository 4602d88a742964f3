-- The module `env`: the environment variables that are meant for the program.

local kit = ...

local host, outcome = kit.host, kit.outcome
local check = kit.module("check")

local FAILED = kit.failed

local env = {}

function env.get(name, default)
  name = check.string(name, 1, "get")
  if name == "" and kit.compatible then
    return nil, kit.invalid("the name of an environment variable is not empty")
  end
  local ok, a, b, c, d, e = host.env_get(name)
  if not ok and default ~= nil then
    return default
  end
  return outcome(nil, ok, a, b, c, d, e)
end

function env.get_all()
  local ok, a, b, c, d, e = host.env_get_all()
  if ok then
    return kit.carried(a, b)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

-- Refused: it would be seen by all of the OS process.
function env.set(name, value)
  check.string(name, 1, "set")
  local text = "environment variables cannot be set by a program"
  return FAILED, kit.new_error("PermissionDenied", text, false, nil, kit.traceback(2))
end

return env
