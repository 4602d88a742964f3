local function main(told)
  for _ = 1, 4 do require("funcs").async("app:stays", told) end
  time.sleep("1h")
end

local function stays(told)
  process.send(told, "inner", process.pid())
  time.sleep("1h")
end

return { main = main, stays = stays }
