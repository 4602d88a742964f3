function main(n)
  return "global " .. n
end
