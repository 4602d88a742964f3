return {
  main = function(number, other)
    process.registry.register("lua-" .. number)
    local ours = events.subscribe("talk", "**")
    events.send("talk", "a.b", "/" .. number, { number })
    process.send(other, "t", { number, { a = "\xff" } })
    process.send(other, "u", errors.new("an error"))
    process.call(other, "ask", { number }, "300ms")
    process.exec("traffic:child", "traffic:workers", number)
    process.registry.lookup("lua-1")
    ours:close()
    return { number }
  end,
}
