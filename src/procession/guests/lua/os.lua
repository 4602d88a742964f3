-- The library os: what tells the time. Now is what the node's clock says.

local kit = ...

local select, xpcall, finish = select, xpcall, kit.finish
local time, date = os.time, os.date
local time_handler, date_handler = kit.handler(time, "time"), kit.handler(date, "date")

local library = { clock = os.clock, difftime = os.difftime }
kit.libraries.os = library

local MAX_LAYOUT = 4096 -- bytes

local function now()
  return kit.host.wall() // 1000000000
end

function library.time(...)
  if (...) == nil then
    return now()
  end
  return finish(xpcall(time, time_handler, ...))
end

function library.date(...)
  local layout, when = ...
  if type(layout) == "string" and #layout > MAX_LAYOUT then
    kit.bad_argument(1, "date", "format too long")
  end
  if when == nil then
    return finish(xpcall(date, date_handler, layout, now()))
  end
  return finish(xpcall(date, date_handler, ...))
end
