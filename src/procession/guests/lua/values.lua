-- What crosses: from Lua to Lua as a copy, between Lua and Python as one flat list of values.
--
-- The rule is that of `core/payload.py` (SEMANTICS 3.3), for the types that Lua has. A flat list is
-- the value in reading order: a scalar as it is; a container as its mark, its number of items, and
-- the items. So one crossing carries a whole payload, whatever its shape, and Python never holds
-- anything of Lua.
--
-- No call and no yield hands over more than a few values. A longer list stays where it is, and the
-- other side pulls it, a piece at a time, as the first thing that it does. The list belongs to that
-- one call: what a call leaves behind, however it ends, no other can read.

local kit = ...

local type, select, setmetatable = type, select, setmetatable
local unpack, walk = table.unpack, kit.walk
local flat_of, built = walk.flat_of, walk.built
local FLAT = kit.marks.FLAT

kit.copied = walk.copied

-- -- from Lua to Lua -------------------------------------------------------------------------------

-- What is on its way, or waits in Python: known there by a number, a parcel. Of copies it has what
-- they weigh above its 32 bits.
local parcels, free_parcels, free_count, parcel_count = {}, {}, 0, 0
local NUMBER, HEAVIEST = 0xFFFFFFFF, 0x3FFFFFFF

local function store(v, bytes)
  local number
  if free_count > 0 then
    number = free_parcels[free_count]
    free_count = free_count - 1
  else
    number = parcel_count + 1
    parcels[number] = false -- if memory lacks, here
    parcel_count = number
  end
  parcels[number] = v
  if bytes then
    return number | (bytes < HEAVIEST and bytes or HEAVIEST) << 32
  end
  return number
end
kit.store = store

local function collect(number)
  number = number & NUMBER
  local v = parcels[number]
  parcels[number] = false
  free_parcels[free_count + 1] = number
  free_count = free_count + 1
  return v
end
kit.collect = collect

-- What is stored under a number, and stays there.
function kit.stored(number)
  return parcels[number & NUMBER]
end

-- What Python has made of a value: as it is; true and the number of a parcel; or how long the flat list
-- is that it has ready.
function kit.carried(form, v)
  if not form then
    return v
  elseif form == true then
    return collect(v)
  end
  return built(form)
end

-- -- from Lua to Python ----------------------------------------------------------------------------

local DIRECT <const> = 16 -- values that one call hands over
local PIECE <const> = 200 -- values that Python pulls at once

-- The list that the call or yield which is just being made hands over. It is set right before, and read
-- at once: nothing of any program can run in between.
local outgoing, outgoing_count

local function finished(...)
  outgoing = nil
  return ...
end

-- For Python: how long the list is, and a piece of it.
local function more(from)
  local flat, count, to = outgoing, outgoing_count, from + PIECE - 1
  if to >= count then
    outgoing = nil
    to = count
  end
  return count, unpack(flat, from, to)
end

-- What stands for a flat list: itself, if it is short, or a mark.
local function handed(flat, n)
  if n < DIRECT then
    return unpack(flat, 1, n)
  end
  outgoing, outgoing_count = flat, n
  return FLAT
end
kit.handed = handed

-- Call `f` of Python with `count` leading arguments and the flat forms of all others, one after the
-- other. If one cannot cross: false and an Invalid error, in the form that `kit.outcome` reads. `what`
-- the others are: a word, or a table of words by their places.
function kit.with_flat(f, count, what, ...)
  local n = select("#", ...)
  if n <= DIRECT then
    local is_simple = true
    for i = count + 1, n do
      local kind = type((select(i, ...)))
      is_simple = is_simple and (kind == "string" or kind == "number" or kind == "boolean" or kind == "nil")
    end
    if is_simple then
      return f(...)
    end
  end
  local arguments = { ... }
  local flat, size = flat_of(arguments, count + 1, n, what)
  if flat == nil then
    return false, size
  elseif count + size > DIRECT then
    arguments[count + 1] = FLAT
    outgoing, outgoing_count = flat, size
    return finished(f(unpack(arguments, 1, count + 1)))
  end
  for i = 1, size do
    arguments[count + i] = flat[i]
  end
  return f(unpack(arguments, 1, count + size))
end

-- Words for `with_flat`, where arguments of the program follow behind some place: only an error asks for them.
function kit.names_before(place, names)
  return setmetatable(names, {
    __index = function(_, at)
      return "argument " .. at - place
    end,
  })
end

-- A value as something that can be returned to Python; or nil and an Invalid error.
function kit.flattened(v, what)
  return flat_of({ v }, 1, 1, what)
end

kit.exports = {
  more = more,
  count = function()
    return parcel_count - free_count
  end,
  discard = function(...)
    for i = 1, select("#", ...) do
      collect((select(i, ...)))
    end
  end,
}
