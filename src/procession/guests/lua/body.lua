-- What runs in the coroutine of a process: its chunk, then its main, then how it ended.

local kit = ...

local type, error, select, next, setmetatable = type, error, select, next, setmetatable
local xpcall, load, byte, gsub, format = xpcall, load, string.byte, string.gsub, string.format
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
local close, status = coroutine.close, coroutine.status
local host, is_error = kit.host, kit.is_error
local READY, PULL = kit.marks.READY, kit.marks.PULL

-- -- chunks ------------------------------------------------------------------------------------------

-- A chunk is compiled once per state, as a function of the environment; each process calls it with
-- its own. Python knows it by its number. The wrapper is on the first line, so lines stay as they are.
local chunks = {}

local HEAD = "return function(_ENV, require, ...) "

-- Whether a word stands in a text, and not only as part of another.
local function has_word(text, word)
  return text:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil
end

-- A program gives its main in the table that it returns. One that returns nothing at its end may
-- just have a function of that name; and if it never speaks of one, it is itself its main.
-- What runs is `kept` (see tail_calls.py), unless that has too many local variables.
local function compile(source, kept, name, method, modules, imports)
  local _, problem = load(source, "@" .. name, "t")
  if problem then
    return false, problem
  elseif load(kept, "@" .. name, "t") then
    source = kept
  end
  local make, refused, is_main
  if method then
    make = load(HEAD .. source .. "\nreturn {" .. method .. "=" .. method .. "} end", "@" .. name, "t")
    is_main = make ~= nil and not has_word(source, method)
  end
  if make == nil or is_main then
    make, refused = load(HEAD .. source .. "\nend", "@" .. name, "t")
  end
  if not make then
    return false, refused
  end
  local chunk = { run = make(), name = name, method = method, is_main = is_main, modules = {}, imports = {} }
  chunk.requires = has_word(source, "require")
  for module in modules:gmatch("[^\n]+") do
    chunk.modules[module] = true
  end
  for alias, reference in imports:gmatch("([^\n\t]+)\t([^\n]+)") do
    chunk.imports[alias] = reference
  end
  chunk.metatable = kit.environment_metatable(chunk.modules)
  chunks[#chunks + 1] = chunk
  return #chunks
end

-- -- modules -----------------------------------------------------------------------------------------

local LOADING = {}
local run_chunk

-- A module whose loading fails is not loaded: the next `require` tries again.
local Attempt = {
  __close = function(attempt)
    if attempt.loaded[attempt.key] == LOADING then
      attempt.loaded[attempt.key] = nil
    end
  end,
}

-- `require` for a chunk: what its entry declares, made once per process.
local function new_require(chunk, env, loaded)
  return function(...)
    local name = ...
    if type(name) ~= "string" then
      kit.wrong_type(1, "require", "string", select("#", ...), name)
    end
    local reference = chunk.imports[name]
    local key = reference or name
    if reference == nil and not chunk.modules[name] then
      kit.raise("module '" .. name .. "' not found" .. host.module_hint(name, chunk.name))
    end
    local value = loaded[key]
    if value == LOADING then
      kit.raise("module '" .. name .. "' requires itself")
    elseif value == nil then
      loaded[key] = LOADING
      local attempt <close> = setmetatable({ loaded = loaded, key = key }, Attempt)
      if reference then
        local id, kind, message = host.library(reference)
        if not id then
          error(kit.new_error(kind, message), 2)
        end
        if id == true then
          kit.module("funcs")
          value = kit.imported_function(reference)
        else
          value = run_chunk(chunks[id], env, loaded)
        end
        if value == nil then
          value = true
        end
      else
        value = kit.required(name, env)
      end
      loaded[key] = value
    end
    return value
  end
end

-- Most programs never speak of `require`: then there is none to be made.
function run_chunk(chunk, env, loaded, ...)
  return chunk.run(env, chunk.requires and new_require(chunk, env, loaded or {}) or nil, ...)
end

-- -- how it ended ------------------------------------------------------------------------------------

local Traced = {}

local function with_traceback(err)
  return setmetatable({ err, kit.finished_traceback() or kit.traceback(2) }, Traced)
end

-- For Python: kind, message, retryable, traceback, and the flat values of the details.
local function failure(err, traceback)
  local kind, message, retryable, details = "Internal", nil, nil, nil
  if is_error(err) then
    kind, message, retryable, details = kit.error_parts(err)
    if traceback == nil then
      traceback = err:stack()
    end
  elseif type(err) == "table" then
    details = err
    message = type(err.message) == "string" and err.message or kit.tostring(err)
    if kit.metatable_of(err) == nil and type(err.message) ~= "string" then
      message = "error object " .. kit.show(err, 0, {})
    end
    if kit.is_kind(err.kind) then
      kind = err.kind
    end
    if type(err.retryable) == "boolean" then
      retryable = err.retryable
    end
  elseif type(err) == "string" then
    message = err
  else
    message = "error value: " .. kit.tostring(err)
  end
  if type(message) ~= "string" then
    message = "error"
  end
  if details ~= nil then
    local flat, n = kit.flattened(details, "details")
    if flat then
      return "failed", kind, message, retryable, traceback, kit.handed(flat, n)
    end
  end
  return "failed", kind, message, retryable, traceback
end

local function ended(ok, ...)
  if not ok then
    local err, traceback = ..., nil
    if kit.metatable_of(err) == Traced then
      err, traceback = err[1], err[2]
    end
    return failure(err, traceback)
  end
  local value, err = ...
  if type(err) == "string" then
    return "failed", "Internal", err, false, nil
  elseif is_error(err) then
    return failure(err, nil)
  end
  local kind = type(value)
  if kind == "table" or kind == "function" or kind == "userdata" or kind == "thread" then
    local flat, n = kit.flattened(value, "result")
    if flat == nil then
      return failure(n, nil)
    end
    return "flat", kit.handed(flat, n)
  end
  return "done", value
end

local MAX_ARGUMENTS = 200000 -- Lua's own stack has room for a million values in all

local function arguments(form, ...)
  if form == PULL then
    return arguments(host.answer())
  elseif form then
    local n = ...
    if n > MAX_ARGUMENTS then
      local text = "a Lua program takes at most " .. MAX_ARGUMENTS .. " arguments, not " .. n
      error(kit.new_error("LimitExceeded", text, false), 0)
    end
    return table.unpack(kit.walk.all_built(n, form, select(2, ...)), 1, n)
  end
  return ...
end

local MAX_HINTS = 200 -- names that are compared with the one that is missing

-- It yields that main is about to run, for its arguments.
local function start(number)
  if kit.counting then
    kit.watch(running())
  end
  local chunk = chunks[number]
  local method = chunk.method
  local env = setmetatable({}, chunk.metatable)
  if chunk.is_main then
    return run_chunk(chunk, env, nil, arguments(yield(READY)))
  end
  local exports = run_chunk(chunk, env)
  local main
  if type(exports) == "table" then
    main = exports[method]
  elseif type(exports) == "function" and method == "main" then
    main = exports
  end
  if type(main) ~= "function" then
    local names = {}
    if type(exports) == "table" then
      for name, value in next, exports do
        if type(name) == "string" and type(value) == "function" and #name <= 100 then
          names[#names + 1] = name
          if #names == MAX_HINTS then
            break
          end
        end
      end
    end
    error(kit.new_error("NotFound", format("method not found: '%s' in %s%s", method, chunk.name, host.hint(method, table.concat(names, "\n")))), 0)
  end
  return main(arguments(yield(READY)))
end

-- What a body does is known by a number, which needs no memory to be handed over. It comes with the first
-- resume, or with the second: see `new` in crossing.py.
--
-- A coroutine whose program has simply returned can run another one: nothing of the program is left in it.
-- But one that its program has got hold of is to be dead for whatever the program leaves to be closed.
local function over(tag, ...)
  if tag == "done" and not kit.is_known(running()) then
    return true, yield("over", ...)
  end
  return false, tag, ...
end

local function run(goes_on, ...)
  if goes_on then
    return run(over(ended(xpcall(start, with_traceback, ...))))
  end
  return ...
end

kit.add_body("process body", function(number)
  return run(true, number or yield())
end)

-- A coroutine that the program spawned.
local function strand_start(number)
  if number == PULL then
    number = host.answer()
  end
  local f = kit.collect(number)
  kit.watch(running())
  f()
end

kit.add_body("strand body", function(number)
  return ended(xpcall(strand_start, with_traceback, number or yield()))
end)

-- -- from outside ----------------------------------------------------------------------------------------

local exports = kit.exports
exports.compile = compile

-- A coroutine that has been resumed once, and its address.
function exports.new(name)
  local co = create(kit.coroutine_of(name))
  resume(co)
  return co, format("%p", co)
end

function exports.traceback_of(handle)
  return kit.traceback_of(kit.coroutine_of(handle))
end

-- End a suspended coroutine: its to-be-closed variables are closed.
function exports.close(handle)
  local co = kit.coroutine_of(handle)
  if status(co) == "suspended" then
    close(co)
  end
end

-- Forget what a process left in the state.
function exports.release(pid)
  kit.extensions[pid] = nil
end

_G.debug = nil -- each of our files has taken what it needs

return exports
