-- The module `io`: the terminal, for processes on a `terminal.host`.

local kit = ...

local type, error, select, concat, yield = type, error, select, table.concat, coroutine.yield
local host, outcome, answered, tostring = kit.host, kit.outcome, kit.answered, kit.tostring
local AWAIT = kit.marks.AWAIT
local check = kit.module("check")

if not host.io_is_here() then
  kit.raise("module 'io' is for processes on a host of kind terminal.host: declare one, and run with --host")
end

local FAILED = kit.failed

local io = {}

local function line(name, ...)
  local texts, n = { ... }, select("#", ...)
  for i = 1, n do
    local text = tostring(texts[i])
    if type(text) ~= "string" then
      kit.raise("'__tostring' must return a string")
    end
    texts[i] = text
  end
  return concat(texts, "\t", 1, n) .. "\n"
end

function io.print(...)
  return outcome(FAILED, host.io_write("stdout", line("print", ...)))
end

function io.eprint(...)
  return outcome(FAILED, host.io_write("stderr", line("eprint", ...)))
end

function io.write(...)
  local texts, n = { ... }, select("#", ...)
  for i = 1, n do
    local text = texts[i]
    texts[i] = type(text) == "number" and tostring(text) or check.string(text, i, "write")
  end
  return outcome(FAILED, host.io_write("stdout", concat(texts, "", 1, n)))
end

function io.flush()
  return outcome(FAILED, host.io_flush())
end

local function wait(ok, a, b, c, d, e)
  if not ok then
    return outcome(nil, ok, a, b, c, d, e)
  end
  return answered(nil, yield(AWAIT, a))
end

-- At most `n` bytes, as soon as there are some; nil at the end.
function io.read(n)
  n = n == nil and 1024 or check.integer(n, 1, "read")
  if n < 1 then
    kit.bad_argument(1, "read", "a positive number expected")
  end
  return wait(host.io_read(n))
end

-- The next line without its end; nil at the end.
function io.readline()
  return wait(host.io_read_line())
end

function io.args()
  local ok, a, b, c, d, e = host.io_args()
  if ok then
    return kit.carried(a, b)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

return io
