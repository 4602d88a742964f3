-- Errors that functions of ours raise, told as stock Lua tells them: at the line of the program, and
-- under the name that the program knows.
--
-- A function of C that ours calls would blame our line, and call itself by our name for it. So ours
-- calls it by `xpcall`, whose handler sees who has raised while the stack is still there:
--
--     local handler = kit.handler(sub, "sub")
--     return finish(xpcall(sub, handler, ...))
--
-- or, where there is one result, without a call for it:
--
--     local ok, result = xpcall(sub, handler, ...)
--     return ok and result or finish(ok, result)
--
-- An error of a callback or metamethod of the program passes as it is, with the stack that it had.

local kit = ...

local getinfo, error, type, rawget, tonumber = debug.getinfo, error, type, rawget, tonumber
local format, match, sub = string.format, string.match, string.sub

-- Also what is called "[library]": Lua of ours that works on values of the program alone, and is
-- interrupted and ended like the program itself. Under the other name it never is.
local function is_ours(source) -- that of a file begins with "@"
  return sub(source, 1, 12) == "=[procession" or sub(source, 1, 10) == "=[library]"
end

-- The line of the program that has called us, as the beginning of an error; and whether it did so by
-- `:`. After a tail call there is no such line: then it is that of whoever called the caller.
local function place()
  local level = 3
  while true do
    local info = getinfo(level, "Sl")
    if info == nil then
      return "", false
    elseif info.currentline > 0 and not is_ours(info.source) then
      local name = getinfo(level - 1, "n")
      return format("%s:%d: ", info.short_src, info.currentline), name.namewhat == "method"
    end
    level = level + 1
  end
end

-- An error at the line of the program.
local function raise(text)
  error(place() .. text, 0)
end
kit.raise = raise

function kit.bad_argument(n, name, text)
  error(format("%sbad argument #%d to '%s' (%s)", place(), n, name, text), 0)
end

-- What `v` is, in the words of an error.
function kit.type_name(v)
  local metatable = kit.metatable_of(v)
  local name = metatable and rawget(metatable, "__name")
  if type(v) == "userdata" and not kit.is_channel(v) then
    return "userdata"
  end
  return type(name) == "string" and name or type(v)
end

-- `count` is how many arguments there were.
function kit.wrong_type(n, name, expected, count, v)
  local got = count < n and "no value" or kit.type_name(v)
  error(format("%sbad argument #%d to '%s' (%s expected, got %s)", place(), n, name, expected, got), 0)
end

-- The argument as a number, as C takes it.
function kit.number(n, name, count, v)
  return tonumber(v) or kit.wrong_type(n, name, "number", count, v)
end

-- -- around functions of C ----------------------------------------------------------------------

-- What the handler says of an error, for `finish`: a string is what to raise.
local Passed = {} -- the error of somebody else, and the stack that it had

local MAX_TEXT = 65536 -- bytes: it may quote an argument

-- The text of C, which does not know how it was called.
local function retold(text, name)
  local where, is_method = place()
  text = sub(text, 1, MAX_TEXT)
  local n, problem = match(text, "^bad argument #(%d+) to '.-' (%(.*)$")
  if n == nil then
    return where .. text
  elseif is_method then
    n = n - 1
    if n == 0 then
      return format("%scalling '%s' on bad self %s", where, name, problem)
    end
  end
  return format("%sbad argument #%d to '%s' %s", where, n, name, problem)
end

function kit.handler(f, name)
  return function(err)
    local raiser = getinfo(2, "Sf")
    if type(err) == "string" then
      if raiser.func == f then
        return retold(err, name)
      elseif sub(raiser.source, 1, 10) == "=[library]" then -- "attempt to compare two nil values (local 'a')"
        local text = match(err, "^%[library%][^:]*:%d+: (.*)$") or err
        return place() .. (match(text, "^(.*) %([a-z ]+ '[^']*'%)$") or text)
      end
    end
    return { Passed, err, kit.finished_traceback() or kit.traceback(2) }
  end
end

local traceback

local function finish(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "table" and rawget(err, 1) == Passed then
    traceback = err[3]
    error(err[2], 0)
  end
  error(err, 0)
end
kit.finish = finish

-- For the handler of an error that `finish` has raised again: the stack that it had at first.
function kit.finished_traceback()
  local kept = traceback
  traceback = nil
  local raiser = getinfo(4, "f")
  return raiser and raiser.func == finish and kept or nil
end
