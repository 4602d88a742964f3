-- An honest process: it gives orders of every shape to the bank and others, and compares what comes
-- back with what it gave, value by value.

local function wrong(text)
  process.send("judge", "bug", "the honest client: " .. text)
end

local function same(a, b, path)
  if type(a) ~= type(b) or math.type(a) ~= math.type(b) then
    return path .. " is of type " .. type(b) .. ", not " .. type(a)
  elseif type(a) ~= "table" then
    return a ~= b and path .. " is " .. tostring(b):sub(1, 100) .. ", not " .. tostring(a):sub(1, 100) or nil
  end
  for key, value in pairs(a) do
    local different = same(value, b[key], path .. "." .. tostring(key))
    if different then
      return different
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return path .. "." .. tostring(key) .. " is too much: " .. tostring(b[key]):sub(1, 100)
    end
  end
end

local SHAPES = {}
function SHAPES.number(n)
  return n
end
function SHAPES.text(n)
  return "honest " .. n
end
function SHAPES.bytes(n)
  return "\xff\0honest" .. n
end
function SHAPES.list(n)
  local t = {}
  for i = 1, 300 do
    t[i] = "honest" .. n .. "." .. i
  end
  return t
end
function SHAPES.long_list(n)
  local t = {}
  for i = 1, 5003 do
    t[i] = n + i
  end
  return t
end
function SHAPES.map(n)
  local t = {}
  for i = 1, 60 do
    t["honest" .. i] = { n, i, { deep = { n } } }
  end
  return t
end
function SHAPES.mixed(n)
  return { n, "honest", { a = true, b = 1.5, c = { {}, { 1 } } }, x = ("honest"):rep(2000) }
end
local NAMES = { "number", "text", "bytes", "list", "long_list", "map", "mixed" }

local function ask_bank(me, number, shape)
  local order = { client = me, number = number, data = SHAPES[shape](number) }
  local answer, err = process.call("bank", "order", order, "60s")
  if err then
    return wrong("the bank: " .. err)
  end
  local different = same({ order = order, before = number - 1, from = me }, answer, shape)
  if different then
    wrong("from the bank: " .. different)
  end
end

-- A child gets it as its arguments, and returns it.
local function have_child(_, number, shape)
  local data = SHAPES[shape](number)
  local result, err = process.exec("arena:echo", nil, number, data, data)
  if errors.is(err, errors.LIMIT_EXCEEDED) then
    return -- others have filled the host
  elseif err then
    return wrong("exec: " .. err)
  end
  local different = same({ number, data, data }, result, shape)
  if different then
    wrong("from a child: " .. different)
  end
end

local function encode(_, number, shape)
  if shape == "bytes" then
    return
  end
  local data = SHAPES[shape](number)
  local text, err = json.encode({ data, data })
  if err then
    return wrong("json.encode: " .. err)
  end
  local value
  value, err = json.decode(text)
  if err then
    return wrong("json.decode: " .. err)
  end
  if shape ~= "mixed" then -- empty tables come back as lists or maps: the same in Lua
    local different = same({ data, data }, value, shape)
    if different then
      wrong("from json: " .. different)
    end
  end
end

local function call_function(_, number, shape)
  local data = SHAPES[shape](number)
  local result, err = funcs.call("arena:echo_function", number, data, data)
  if errors.is(err, errors.LIMIT_EXCEEDED) then
    return
  elseif err then
    return wrong("funcs.call: " .. err)
  end
  local different = same({ number, data, data }, result, shape)
  if different then
    wrong("from a function: " .. different)
  end
end

local function own_channel(_, number, shape)
  local data, ch = SHAPES[shape](number), channel.new(1)
  ch:send(data)
  local got = channel.select{ ch:case_receive() }
  if got.value ~= data or got.channel ~= ch then
    wrong("from its own channel: another value")
  end
end

local CHECKS = { ask_bank, have_child, encode, call_function, own_channel }

local function main()
  local me, number = process.pid(), 0
  local stop = process.listen("stop", { message = true })
  while true do
    number = number + 1
    local shape = NAMES[number % #NAMES + 1]
    for _, check in ipairs(CHECKS) do
      check(me, number, shape)
      time.sleep("0s") -- each has a step of its own: the machine may be slow, and the limit is short
    end
    local got = channel.select{ stop:case_receive(), default = true }
    if not got.default then
      got.value:reply(number)
      return number
    end
  end
end

return { main = main }
