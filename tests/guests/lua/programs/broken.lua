local function main()
  local a = 1
  a = = 2
end

return { main = main }
