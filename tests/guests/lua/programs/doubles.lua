local function main(n)
  return n * 2
end

return { main = main }
