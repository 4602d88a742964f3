-- A library with imports of its own.

local counter = require("counter")
local check = require("check")

local text = {}

function text.double(s)
  return s .. s
end

function text.counted()
  return counter.next()
end

function text.secret()
  return require("secret")
end

function text.of_a_child(v)
  time.sleep("1ms")
  return check.run("gives", v).result
end

return text
