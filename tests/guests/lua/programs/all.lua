-- Runs the entries that are named by its arguments, one after the other.

local check = require("check")

local function main(...)
  local failed = 0
  for _, name in ipairs({ ... }) do
    local result, err = process.exec("lua:" .. name, check.host())
    if err or result ~= true then
      failed = failed + 1
      print("failed " .. name .. ": " .. (err or tostring(result)))
    else
      print("ok " .. name)
    end
  end
  return failed == 0
end

return { main = main }
