-- The table library. C does what it does at once and without metamethods; the rest is done in Lua,
-- where it is interrupted. What is wrong with an argument is said by C.

local kit = ...

local type, next, select, tonumber, rawget, pcall, xpcall = type, next, select, tonumber, rawget, pcall, xpcall
local setmetatable, math_type, tointeger, ult = setmetatable, math.type, math.tointeger, math.ult
local insert, remove, move, sort, concat, unpack = table.insert, table.remove, table.move, table.sort, table.concat, table.unpack
local format, maxinteger = string.format, math.maxinteger
local metatable_of, slow, finish, raise = kit.metatable_of, kit.slow, kit.finish, kit.raise
local handler, plain, wrong_type = kit.handler, kit.plain, kit.wrong_type

local MAX_STRING = 64 << 20 -- bytes that one call may build
local MAX_ITEMS = 10000000 -- items that one call may touch
local MAX_COMPARED = 16 << 20 -- bytes of the strings that C may sort
local PIECE = 100000 -- items that are touched without a look at the clock
local MAX_UNPACKED, MAX_SURELY_UNPACKED = 1000000, 200

local library = { pack = table.pack }
kit.libraries.table = library

-- A whole number; nil if it is none.
local function whole(v)
  return math_type(v) == "integer" and v or tointeger(tonumber(v))
end

local function length_of(t)
  local length = #t
  if math_type(length) == "integer" then
    return length
  end
  return tointeger(length) or raise("object length is not an integer")
end

-- Whether C may do it.
local function is_quick(t, count)
  return metatable_of(t) == nil and count <= MAX_ITEMS
end

-- In Lua: what it raises is told as that of C is.
local slowly = {}
for name, f in next, slow do
  local slow_handler = handler(f, name)
  slowly[name] = function(...)
    return finish(xpcall(f, slow_handler, ...))
  end
end

local insert_handler, remove_handler = handler(insert, "insert"), handler(remove, "remove")

function library.insert(...)
  local t, position, v = ...
  local n = select("#", ...)
  if type(t) ~= "table" or n < 2 or n > 3 then
    return finish(xpcall(insert, insert_handler, ...))
  elseif n == 2 then
    t[length_of(t) + 1] = position
    return
  end
  local count = length_of(t) + 1
  local place = whole(position)
  if is_quick(t, count) or not place or not ult(place - 1, count) then
    return finish(xpcall(insert, insert_handler, ...))
  end
  slowly.shift_up(t, place, count - 1)
  t[place] = v
end

function library.remove(...)
  local t, position = ...
  if type(t) ~= "table" then
    return finish(xpcall(remove, remove_handler, ...))
  end
  local count = length_of(t)
  local place = position == nil and count or whole(position)
  if place == count then
    local v = t[count]
    t[count] = nil
    return v
  elseif is_quick(t, count) or not place or ult(count, place - 1) then
    return finish(xpcall(remove, remove_handler, ...))
  end
  local v = t[place]
  slowly.shift_down(t, place + 1, count)
  t[place < count and count or place] = nil
  return v
end

local unpack_handler, concat_handler = handler(unpack, "unpack"), handler(concat, "concat")

function library.unpack(...)
  local t, first, last = ...
  if type(t) ~= "table" then
    return finish(xpcall(unpack, unpack_handler, ...))
  elseif metatable_of(t) == nil then
    if first == nil and last == nil and #t < MAX_SURELY_UNPACKED then
      return unpack(t)
    end
  else
    local from = first == nil and 1 or whole(first)
    local to = last == nil and length_of(t) or whole(last)
    if from and to then
      if from > to then
        return
      elseif not ult(to - from, MAX_UNPACKED) then
        raise("too many results to unpack")
      end
      return unpack(slowly.items(t, from, to), 1, to - from + 1)
    end
  end
  return finish(xpcall(unpack, unpack_handler, ...))
end

local function check_span(first, last, name)
  if not ult(last - first, MAX_ITEMS) then
    raise(format("too many items for '%s'", name))
  end
end

-- How long the strings of a list are together; where an item is no text; and instead of what is
-- not to be shown as C shows it, what is.
local function measure(t, first, last)
  local size, changed = 0.0, nil
  for i = first, last do
    local v = rawget(t, i)
    if type(v) == "string" then
      size = size + #v
    elseif math_type(v) ~= "integer" then
      local shown = plain(v)
      if type(shown) ~= "string" and type(shown) ~= "number" then
        return size, i
      end
      changed = changed or {}
      changed[i] = shown
      size = size + (type(shown) == "string" and #shown or 0)
    end
  end
  return size, nil, changed
end

-- The same of a long list: in pieces, between which others may run.
local function measure_long(t, first, last)
  local size, changed = 0.0, nil
  local wrong = slow.in_pieces(first, last, PIECE, function(from, to)
    local more, at, other = measure(t, from, to)
    size = size + more
    for i, shown in next, other or {} do
      changed = changed or {}
      changed[i] = shown
    end
    return at
  end)
  return size, wrong, changed
end

function library.concat(...)
  local t, separator, from, to = ...
  local first, last = from == nil and 1 or whole(from), to ~= nil and whole(to) or nil
  local joins = type(separator)
  if type(t) ~= "table" or not first or to ~= nil and not last or joins ~= "string" and joins ~= "number" and joins ~= "nil" then
    return finish(xpcall(concat, concat_handler, kit.texts(...)))
  end
  last = last or length_of(t)
  if first > last then
    return ""
  end
  check_span(first, last, "concat")
  local offset, size, wrong, changed = 0, nil, nil, nil
  if metatable_of(t) ~= nil or last - first > PIECE then
    t, offset, first, last = slowly.items(t, first, last), first - 1, 1, last - first + 1
    size, wrong, changed = measure_long(t, first, last)
  else
    size, wrong, changed = measure(t, first, last)
  end
  if separator ~= nil then
    size = size + #kit.raw_tostring(separator) * (last - first + 0.0)
  end
  if size > MAX_STRING then
    raise("resulting string too large")
  elseif wrong then -- C says so, and where
    return finish(xpcall(concat, concat_handler, { [wrong + offset] = t[wrong] }, "", wrong + offset, wrong + offset))
  elseif changed then
    t = setmetatable(changed, { __index = t })
  end
  return concat(t, separator, first, last)
end

-- Whether C may compare the items: it does so without a look at the clock. Numbers can be added, and
-- strings have a length; what else is among them has an order that the program gives.
local function compares_quickly(t, count)
  local kind = type(t[1])
  if kind == "number" then
    return (pcall(slow.sum, t, count))
  elseif kind == "string" then
    local ok, size = pcall(slow.size, t, count)
    return ok and math_type(size) == "integer" and size <= MAX_COMPARED
  end
  return count < 2
end

local move_handler, sort_handler = handler(move, "move"), handler(sort, "sort")

function library.move(...)
  local a1, from, to, at, a2 = ...
  local first, last, position = whole(from), whole(to), whole(at)
  local target = a1
  if a2 ~= nil then
    target = a2
  end
  local kind = type(a1)
  local is_listed = kind == "table" or kind == "string" or kind == "userdata" -- what can be indexed
  if is_listed and type(target) == "table" and first and last and position and first <= last then
    check_span(first, last, "move")
    local wraps = position > maxinteger - (last - first)
    local is_plain = kind == "table" and metatable_of(a1) == nil and metatable_of(target) == nil
    if not wraps and not is_plain then
      return slowly.move(a1, first, last, position, target)
    end
  end
  return finish(xpcall(move, move_handler, ...))
end

function library.sort(...)
  local t, before = ...
  if type(t) == "table" and (before == nil or type(before) == "function") then
    local count = length_of(t)
    if count > MAX_ITEMS then
      raise("too many items for 'sort'")
    elseif not is_quick(t, count * 100) or not before and not compares_quickly(t, count) then
      slowly.sort(t, count, before)
      return
    end
  end
  return finish(xpcall(sort, sort_handler, ...))
end

-- How many items there will be: a hint, which is checked.
local function check_hint(n, count, v)
  local size = whole(v)
  if not size then
    kit.number(n, "create", count, v)
    kit.bad_argument(n, "create", "number has no integer representation")
  elseif not ult(size, 1 << 31) then
    kit.bad_argument(n, "create", "out of range")
  end
end

function library.create(...)
  local items, more = ...
  check_hint(1, select("#", ...), items)
  if more ~= nil then
    check_hint(2, 2, more)
  end
  return {}
end

-- -- of Lua 5.1 -----------------------------------------------------------------------------------

function library.getn(...)
  local t = ...
  if type(t) ~= "table" then
    wrong_type(1, "getn", "table", select("#", ...), t)
  end
  return length_of(t)
end

function library.maxn(...)
  local t = ...
  if type(t) ~= "table" then
    wrong_type(1, "maxn", "table", select("#", ...), t)
  end
  return slow.maxn(t)
end
