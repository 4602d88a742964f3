-- Error objects: kind, message, retryable, details, and the stack where they were made. SEMANTICS 2.
--
-- In the compatible mode an error may be of no particular kind, and what wraps it is told apart from its
-- message: see docs/reference/lua/wippy.md.

local kit = ...

local type, error, setmetatable, rawget = type, error, setmetatable, rawget
local tostring, next, tonumber = tostring, next, tonumber
local find, gmatch, match = string.find, string.gmatch, string.match
local sub = string.sub
local compatible = kit.compatible

local MAX_NAME, MAX_TRACE = 200, 65536 -- bytes

local KINDS = {
  NOT_FOUND = "NotFound",
  ALREADY_EXISTS = "AlreadyExists",
  INVALID = "Invalid",
  PERMISSION_DENIED = "PermissionDenied",
  UNAVAILABLE = "Unavailable",
  INTERNAL = "Internal",
  CANCELED = "Canceled",
  CONFLICT = "Conflict",
  TIMEOUT = "Timeout",
  RATE_LIMITED = "RateLimited",
  TERMINATED = "Terminated",
  LIMIT_EXCEEDED = "LimitExceeded",
}
-- What differs in the compatible mode: the kind of an error that says none; what a call that fails gives
-- before its error; and what `retryable()` says of our own errors whose cause cannot go away (those of
-- Python are told by `Part.lasting`).
local UNSPECIFIED = "Internal"
kit.failed, kit.lasting = false, nil
if compatible then
  UNSPECIFIED = ""
  KINDS.UNKNOWN = UNSPECIFIED
  kit.failed, kit.lasting = nil, false
end

local KNOWN = {}
for _, kind in next, KINDS do
  KNOWN[kind] = true
end

function kit.is_kind(v)
  return KNOWN[v] == true
end

local Error = { __metatable = false, __name = "error" }
local methods = {}
Error.__index = methods

local function is_error(v)
  return type(v) == "table" and kit.metatable_of(v) == Error
end
kit.is_error = is_error

-- The fields are under numbers: a program sees the methods. `context` is what stands before the message.
local function new_error(kind, message, retryable, details, stack, context)
  return setmetatable({ kind, message, retryable, details, stack, context }, Error)
end
kit.new_error = new_error

-- An error that comes from elsewhere. What it brings along of its stack is among its details; in the
-- compatible mode those are only what its program has put there.
kit.arrived_error = new_error
if compatible then
  function kit.arrived_error(kind, message, retryable, details, stack)
    if type(details) == "table" and type(details.traceback) == "string" then
      stack, details.traceback = details.traceback, nil
    end
    return new_error(kind, message, retryable, details, stack)
  end
end

-- Of a call that can never be carried out as it is.
function kit.invalid(message, details)
  return new_error("Invalid", message, kit.lasting, details, kit.traceback(3))
end

-- What an error is made of. A program may have written anything into its own error object.
local function own_parts(err)
  local kind, message, retryable, details = rawget(err, 1), rawget(err, 2), rawget(err, 3), rawget(err, 4)
  if not KNOWN[kind] then
    kind = "Internal"
  end
  if type(message) ~= "string" then
    message = "unknown error"
  end
  if type(retryable) ~= "boolean" then
    retryable = nil
  end
  if compatible and type(details) == "table" and next(details) == nil then
    details = nil
  end
  local context = rawget(err, 6)
  return kind, message, retryable, details, type(context) == "string" and context or nil
end

-- The same for whoever has to carry it elsewhere: there its context is part of its message.
local function parts(err)
  local kind, message, retryable, details, context = own_parts(err)
  return kind, context and context .. ": " .. message or message, retryable, details
end
kit.error_parts = parts

local function check_self(err, name)
  if not is_error(err) then
    error("bad argument #1 to '" .. name .. "' (error expected, got " .. type(err) .. ")", 3)
  end
end

function methods.kind(err)
  check_self(err, "kind")
  return (parts(err))
end

function methods.message(err)
  check_self(err, "message")
  local _, message = own_parts(err)
  return message
end

function methods.retryable(err)
  check_self(err, "retryable")
  local _, _, retryable = parts(err)
  return retryable
end

function methods.details(err)
  check_self(err, "details")
  local _, _, _, details = own_parts(err)
  return details
end

function methods.stack(err)
  check_self(err, "stack")
  local stack = rawget(err, 5)
  return type(stack) == "string" and stack or ""
end

-- The message; of an exception of Python's with its type before: `KeyError: 'b'`. As in core/errors.py.
function Error.__tostring(err)
  local kind, message, _, details = parts(err)
  if (kind == "Internal" or kind == "Canceled") and type(details) == "table" then
    local name, trace = rawget(details, "type"), rawget(details, "traceback") or rawget(err, 5)
    if type(name) == "string" and type(trace) == "string" and name ~= kind and name ~= message and #name <= MAX_NAME then
      local shown = name .. ": "
      -- A trace ends with what it was.
      if find(sub(trace, -MAX_TRACE), shown, 1, true) and not find(sub(message, 1, MAX_TRACE), shown, 1, true) then
        return shown .. message
      end
    end
  end
  return message
end

local function text(v)
  if is_error(v) or type(v) == "number" then
    return kit.tostring(v)
  elseif type(v) == "string" then
    return v
  end
  error("attempt to concatenate a " .. type(v) .. " value", 3)
end

function Error.__concat(a, b)
  return text(a) .. text(b)
end

function Error.__eq(a, b)
  local kind, message, retryable = parts(a)
  local other_kind, other_message, other_retryable = parts(b)
  return kind == other_kind
    and message == other_message
    and retryable == other_retryable
    and rawget(a, 4) == rawget(b, 4)
end

-- -- the global `errors` ------------------------------------------------------------------------

local errors = {}
for name, kind in next, KINDS do
  errors[name] = kind
end

local function check_kind(kind, level)
  if compatible and KINDS[kind] then
    return KINDS[kind] -- the name of the constant, "NOT_FOUND"
  elseif kind ~= nil and not KNOWN[kind] then
    error("unknown error kind " .. tostring(kind) .. ": use a constant such as errors.NOT_FOUND", level + 1)
  end
  return kind
end

function errors.new(what, message)
  local kind, retryable, details
  if type(what) == "table" and not is_error(what) then
    for key in next, what do
      if key ~= "message" and key ~= "kind" and key ~= "retryable" and key ~= "details" then
        error("bad argument #1 to 'new' (unknown field '" .. tostring(key) .. "')", 2)
      end
    end
    kind, message, retryable, details = what.kind, what.message, what.retryable, what.details
  elseif message ~= nil then
    kind = what -- errors.new(errors.NOT_FOUND, "no such cart")
  else
    message = is_error(what) and tostring(what) or what
  end
  if type(message) ~= "string" then
    error("bad argument #1 to 'new' (a message or {message = ...} expected, got " .. type(what) .. ")", 2)
  end
  if retryable ~= nil and type(retryable) ~= "boolean" then
    error("bad argument #1 to 'new' (retryable is a boolean, not " .. type(retryable) .. ")", 2)
  end
  return new_error(check_kind(kind, 2) or UNSPECIFIED, message, retryable, details, kit.traceback(2))
end

function errors.wrap(err, context)
  if context ~= nil and type(context) ~= "string" then
    error("bad argument #2 to 'wrap' (string expected, got " .. type(context) .. ")", 2)
  end
  local kind, message, retryable, details, before = UNSPECIFIED, nil, nil, nil, nil
  if is_error(err) then
    kind, message, retryable, details, before = own_parts(err)
  elseif type(err) == "string" then
    message = err
  else
    error("bad argument #1 to 'wrap' (error or string expected, got " .. type(err) .. ")", 2)
  end
  if context and compatible then
    before = before and context .. ": " .. before or context
  elseif context then
    message = context .. ": " .. message
  end
  return new_error(kind, message, retryable, details, kit.traceback(2), before)
end

function errors.is(err, kind)
  kind = check_kind(kind, 2)
  return is_error(err) and (parts(err)) == kind
end

-- One line of a stack as Lua writes it, `main.lua:5: in local 'f'` or `[C]: in function 'error'`.
local function frame(line)
  local place, what = match(line, "^(.-): in (.*)$")
  if not place then
    return { source = line }
  end
  local source, number = match(place, "^(.*):(%d+)$")
  return { source = source or place, line = tonumber(number), name = match(what, "'(.*)'") }
end

local MAX_FRAMES = 200

-- Where an error was made, as data: `{frames = {{source=, line=, name=}, ...}}`, the innermost first; nil if
-- that is not known, as of what another process has sent.
function errors.call_stack(err)
  if type(err) == "string" then
    return nil
  elseif not is_error(err) then
    error("bad argument #1 to 'call_stack' (error expected, got " .. type(err) .. ")", 2)
  end
  local frames, n = {}, 0
  for line in gmatch(sub(methods.stack(err), 1, MAX_TRACE), "[^\n]+") do
    if n == MAX_FRAMES then
      break
    elseif line ~= "stack traceback:" then
      n = n + 1
      frames[n] = frame(match(line, "^%s*(.-)%s*$"))
    end
  end
  return n > 0 and { frames = frames } or nil
end

kit.globals.errors = errors
