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

-- In the compatible mode a result is a payload, and `error` says whether there is one.
local compatible = kit.compatible

function methods.result(future)
  local call = call_of(future, "result")
  local value, err = given(host.funcs_outcome(call))
  if compatible and err == nil and host.funcs_is_complete(call) then
    return kit.new_payload(value), nil
  end
  return value, err
end

function methods.error(future)
  local _, err = given(host.funcs_outcome(call_of(future, "error")))
  if compatible then
    return err, err ~= nil
  end
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

-- Start a function: the core's call; or nil and an error. `settings`: `context` and `seconds`, or nil.
local function start(settings, reference, ...)
  if settings and next(settings.context) ~= nil then
    local names = kit.names_before(3, { [3] = "context" })
    return outcome(nil, with_flat(host.funcs_start_with, 2, names, reference, settings.seconds or false, settings.context, ...))
  end
  return outcome(nil, with_flat(host.funcs_start, 2, "argument", reference, settings and settings.seconds or false, ...))
end

local function call(settings, reference, ...)
  local started, err = start(settings, reference, ...)
  if err then
    return nil, err
  end
  return await(started)
end

local function async(settings, reference, ...)
  local started, err = start(settings, reference, ...)
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

local Executor = {}
local executor_methods = {}

local function new_executor(context, options, seconds)
  local settings = { context = context, options = options, seconds = seconds }
  return kit.with_private({}, Executor, settings, executor_methods, "executor")
end

local function settings_of(executor, name)
  local settings = type(executor) == "table" and kit.private(executor, Executor)
  if not settings then
    kit.bad_argument(1, name, "executor expected, got " .. kit.type_name(executor))
  end
  return settings
end

function funcs.new()
  return new_executor({}, {})
end

-- Another executor, whose functions find this in their `ctx`, too.
function executor_methods.with_context(executor, context)
  local own = settings_of(executor, "with_context")
  return new_executor(kit.merged(own.context, context, 2, "with_context"), own.options, own.seconds)
end

-- Another executor, whose calls have these options, too: `timeout` bounds each.
function executor_methods.with_options(executor, options)
  local own = settings_of(executor, "with_options")
  options = kit.merged(own.options, options, 2, "with_options")
  local seconds = kit.timeout_of(options, 2, "with_options")
  return new_executor(own.context, options, seconds)
end

function executor_methods.call(executor, reference, ...)
  return call(settings_of(executor, "call"), check.string(reference, 2, "call"), ...)
end

function executor_methods.async(executor, reference, ...)
  return async(settings_of(executor, "async"), check.string(reference, 2, "async"), ...)
end

-- What `require` gives for a function that an entry imports.
function kit.imported_function(reference)
  return function(...)
    return call(nil, reference, ...)
  end
end

return funcs
