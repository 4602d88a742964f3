local function main(n)
  return "function " .. n
end

return main
