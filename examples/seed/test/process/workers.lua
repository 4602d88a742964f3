-- Workers that the document spawns by name.

local function echo(text)
  print("echo:", text)
  return text
end

local function events_exit()
  return "done"
end

local function long()
  process.listen("stop"):receive()
end

local function child()
  process.listen("stop"):receive()
end

local function error_exit()
  error("the worker gives up")
end

return { echo = echo, events_exit = events_exit, long = long, child = child, error_exit = error_exit }
