-- An insert whose table grows: all its keys fall together, and Lua compares each with each.
local function main()
  local keys = {}
  for i = 1, 600000 do keys[i * (2^17 - 1) * 2^17] = true end
end

return {main = main}
