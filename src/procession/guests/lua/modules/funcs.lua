-- The module `funcs`: functions of the manifest, called as processes on the caller's host.

local kit = ...

local type, next, setmetatable, error = type, next, setmetatable, error
local yield = coroutine.yield
local host, outcome, with_flat = kit.host, kit.outcome, kit.with_flat
local AWAIT = kit.marks.AWAIT
local check = kit.module("check")

-- -- futures -----------------------------------------------------------------------------------------

local Future = { __metatable = false, __name = "future" }
local methods = {}
Future.__index = methods
local calls = setmetatable({}, { __mode = "k" }) -- the core's own object, by future

local function call_of(future, name)
  if type(future) ~= "table" or kit.metatable_of(future) ~= Future then
    error("bad argument #1 to '" .. name .. "' (future expected, got " .. kit.type_name(future) .. ")", 3)
  end
  return calls[future]
end

local function given(ok, a, b, c, d, e)
  if ok then
    return kit.carried(a, b), nil
  end
  return outcome(nil, ok, a, b, c, d, e)
end

local function await(call)
  local ok, wait = host.funcs_waiting(call)
  if ok then
    yield(AWAIT, wait)
  end
  return given(host.funcs_outcome(call))
end

function methods.await(future)
  return await(call_of(future, "await"))
end

function methods.result(future)
  return given(host.funcs_outcome(call_of(future, "result")))
end

function methods.error(future)
  local _, err = given(host.funcs_outcome(call_of(future, "error")))
  return err
end

function methods.is_complete(future)
  return host.funcs_is_complete(call_of(future, "is_complete"))
end

function methods.is_canceled(future)
  return host.funcs_is_canceled(call_of(future, "is_canceled"))
end

for _, name in next, { "response", "channel" } do
  methods[name] = function(future)
    return host.funcs_channel(call_of(future, name))
  end
end

function methods.cancel(future)
  return outcome(false, host.funcs_cancel(call_of(future, "cancel")))
end

-- -- calls -------------------------------------------------------------------------------------------

-- Start a function: the core's call; or nil and an error.
local function start(context, reference, ...)
  local parcel = false
  if context then
    local copy, err = kit.copied(context, "context")
    if err then
      return nil, err
    end
    parcel = kit.store(copy)
  end
  local ok, a, b, c, d, e = with_flat(host.funcs_start, 2, "argument", reference, parcel, ...)
  if ok == false and type(a) == "table" and parcel then -- Python never got it
    kit.collect(parcel)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

local function call(context, reference, ...)
  local started, err = start(context, reference, ...)
  if err then
    return nil, err
  end
  return await(started)
end

local function async(context, reference, ...)
  local started, err = start(context, reference, ...)
  if err then
    return nil, err
  end
  local future = setmetatable({}, Future)
  calls[future] = started
  return future, nil
end

local funcs = {}

function funcs.call(reference, ...)
  return call(nil, check.string(reference, 1, "call"), ...)
end

function funcs.async(reference, ...)
  return async(nil, check.string(reference, 1, "async"), ...)
end

-- -- executors ---------------------------------------------------------------------------------------

local Executor = { __metatable = false, __name = "executor" }
local executor_methods = {}
Executor.__index = executor_methods
local contexts = setmetatable({}, { __mode = "k" })

local function new_executor(context)
  local executor = setmetatable({}, Executor)
  contexts[executor] = context
  return executor
end

function funcs.new()
  return new_executor({})
end

-- Another executor, whose functions find this in their `ctx`, too.
function executor_methods.with_context(executor, context)
  check.self(executor, Executor, "with_context")
  check.table(context, 2, "with_context")
  local merged = {}
  for key, value in next, contexts[executor] do
    merged[key] = value
  end
  for key, value in next, context do
    if type(key) ~= "string" then
      kit.bad_argument(2, "with_context", "its keys are strings, not " .. kit.type_name(key))
    end
    merged[key] = value
  end
  return new_executor(merged)
end

function executor_methods.call(executor, reference, ...)
  check.self(executor, Executor, "call")
  return call(contexts[executor], check.string(reference, 2, "call"), ...)
end

function executor_methods.async(executor, reference, ...)
  check.self(executor, Executor, "async")
  return async(contexts[executor], check.string(reference, 2, "async"), ...)
end

-- What `require` gives for a function that an entry imports.
function kit.imported_function(reference)
  return function(...)
    return call(nil, reference, ...)
  end
end

return funcs
