-- What the programs share: expectations, waits, and children on the own host.

local check = {}

-- The host that this process runs on.
function check.host()
  return (process.pid():match("^{(.+)|0x%x+}$"))
end

local function show(v)
  if type(v) ~= "table" or tostring(v):sub(1, 6) ~= "table:" then
    return tostring(v)
  end
  local texts = {}
  for key, item in pairs(v) do
    texts[#texts + 1] = tostring(key) .. " = " .. show(item)
  end
  table.sort(texts)
  return "{" .. table.concat(texts, ", ") .. "}"
end
check.show = show

-- Equal by content, floats and integers apart.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  elseif a == b then
    return true
  elseif type(a.kind) == "function" and type(b.kind) == "function" then -- errors
    return a:kind() == b:kind() and a:message() == b:message() and a:retryable() == b:retryable() and same(a:details(), b:details())
  end
  for key, item in pairs(a) do
    if not same(item, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end
check.same = same

function check.equal(got, expected)
  if not same(got, expected) then
    error("got " .. show(got) .. ", expected " .. show(expected), 2)
  end
  return got
end

function check.contains(text, part)
  if not string.find(text, part, 1, true) then
    error("'" .. text .. "' does not contain '" .. part .. "'", 2)
  end
end

-- The error that a call raises, with the text in it.
function check.raises(text, f, ...)
  local ok, err = pcall(f, ...)
  if ok then
    error("nothing was raised", 2)
  elseif not string.find(tostring(err), text, 1, true) then
    error("'" .. tostring(err) .. "' does not contain '" .. text .. "'", 2)
  end
  return err
end

-- The error that a call gave: `check.fails(errors.INVALID, "text", process.send(...))`.
function check.fails(kind, text, value, err)
  if value or err == nil then
    error("no error, but " .. show(value), 2)
  elseif err:kind() ~= kind or not string.find(err, text, 1, true) then
    error(err:kind() .. ": '" .. err .. "' is not " .. kind .. ": '" .. text .. "'", 2)
  end
  return err
end

-- What a call gives that must not fail.
function check.works(value, err)
  if err ~= nil then
    error("failed: " .. err, 2)
  end
  return value
end

-- The next value of a channel, and whether there was one.
function check.receive(ch)
  return ch:receive()
end

-- Nothing is there to receive.
function check.empty(ch)
  local result = channel.select({ ch:case_receive(), default = true })
  if not result.default then
    error("there is " .. show(result.value), 2)
  end
end

-- The next event, which is of this kind and from this process.
function check.event(kind, pid)
  local event = check.receive(process.events())
  if event.kind ~= kind or event.from ~= pid then
    error("got " .. event.kind .. " from " .. tostring(event.from) .. ": " .. tostring(event.error or ""), 2)
  end
  return event
end

function check.exit(pid)
  return check.event(process.event.EXIT, pid)
end

function check.link_down(pid)
  return check.event(process.event.LINK_DOWN, pid)
end

function check.spawn(name, ...)
  return check.works(process.spawn("lua:" .. name, check.host(), ...))
end

function check.spawn_monitored(name, ...)
  return check.works(process.spawn_monitored("lua:" .. name, check.host(), ...))
end

function check.spawn_linked(name, ...)
  return check.works(process.spawn_linked("lua:" .. name, check.host(), ...))
end

-- A child that has ended: its EXIT.
function check.run(name, ...)
  return check.exit(check.spawn_monitored(name, ...))
end

-- A PID that is dead.
function check.dead_pid()
  local pid = check.spawn_monitored("gives")
  check.exit(pid)
  return pid
end

return check
