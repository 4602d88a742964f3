time.sleep("1ms")

return { main = print }
