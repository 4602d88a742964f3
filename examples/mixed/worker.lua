-- Squares a number. The second worker needs a second try.

local function main(task)
  local work = process.listen("work", { message = true }):receive()
  if task.number == 2 and task.try == 1 then
    return nil, errors.new{ message = "not today", kind = errors.UNAVAILABLE, retryable = true }
  end
  local n = work:payload():data()
  process.send(work:from(), "result", { square = n * n })
end

return { main = main }
