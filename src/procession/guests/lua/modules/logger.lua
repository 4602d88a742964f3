-- The module `logger`: what a program says to those who run it, with fields for their tools.
--
-- The functions are methods too: `logger:info(text)` and `logger.info(text)` do the same. Logging
-- never fails for its fields: what is no data is logged as its text.

local kit = ...

local type, next, setmetatable, rawget = type, next, setmetatable, rawget
local host, tostring, metatable_of = kit.host, kit.tostring, kit.metatable_of
local check = kit.module("check")

local LEVELS = { debug = 10, info = 20, warn = 30, error = 40 } -- as Python's logging numbers them

local logger = {}
local Logger = { __metatable = false, __name = "logger", __index = logger }
local NAME, FIELDS = {}, {} -- where a logger has its own

-- The logger among the arguments of a function: the module itself, a view of it, or one of ours.
local function is_logger(v)
  if type(v) ~= "table" then
    return false
  end
  local metatable = metatable_of(v)
  return v == logger or metatable == Logger or (metatable ~= nil and rawget(metatable, "__library") == logger)
end

local function arguments(first, ...)
  if is_logger(first) then
    return first, ...
  end
  return logger, first, ...
end

-- A program's own __tostring may fail.
local function text(v)
  local ok, shown = pcall(tostring, v)
  return ok and shown or type(v)
end

local function data(v)
  local kind = type(v)
  if kind == "string" or kind == "number" or kind == "boolean" then
    return v
  elseif kind == "table" and not kit.is_error(v) then
    local copy = kit.copied(v, "field")
    if copy ~= nil then
      return copy
    end
  end
  return text(v)
end

local function add_fields(to, fields)
  for key, value in next, fields do
    to[type(key) == "string" and key or text(key)] = data(value)
  end
  return to
end

for name, level in next, LEVELS do
  logger[name] = function(...)
    local self, message, fields = arguments(...)
    if type(message) == "nil" then
      kit.bad_argument(1, name, "string expected, got nil")
    end
    if fields ~= nil then
      check.table(fields, 2, name)
    end
    if host.logger_enabled(level) then
      local all = add_fields({}, rawget(self, FIELDS) or {})
      add_fields(all, fields or {})
      local own_name = rawget(self, NAME)
      local record = type(own_name) == "string" and own_name or ""
      kit.with_flat(host.logger_write, 2, "field", level, record, text(message), all)
    end
  end
end

-- A logger with fields of its own, which it adds to all that it logs.
function logger.with(...)
  local self, fields = arguments(...)
  check.table(fields, 1, "with")
  local own = add_fields(add_fields({}, rawget(self, FIELDS) or {}), fields)
  return setmetatable({ [NAME] = rawget(self, NAME), [FIELDS] = own }, Logger)
end

-- A logger with a name, below that of the one that it is made from.
function logger.named(...)
  local self, name = arguments(...)
  name = check.string(name, 1, "named")
  if name == "" and kit.compatible then
    return nil, kit.invalid("the name of a logger is not empty")
  end
  local above = rawget(self, NAME)
  if above then
    name = above .. "." .. name
  end
  return setmetatable({ [NAME] = name:sub(1, 200), [FIELDS] = rawget(self, FIELDS) }, Logger)
end

return logger
