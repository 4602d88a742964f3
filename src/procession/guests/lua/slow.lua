-- What takes long, or as long as a metamethod wants: in Lua, and under a name that is not ours, so
-- that it is interrupted and ended like the program itself. The same in C would hold up everyone.

local kit = ...

local type, next, rawequal = type, next, rawequal
local find, sub, byte, utf8_len = string.find, string.sub, string.byte, utf8.len
local collectgarbage = collectgarbage

local PIECE = 1 << 18 -- bytes that C goes through without a look at the clock

local slow = {}
kit.slow = slow

function slow.maxn(t)
  local found = 0
  for key in next, t do
    if type(key) == "number" and key > found then
      found = key
    end
  end
  return found
end

-- In pieces, between which others may run. Returns the first result of `step` that is not nil.
function slow.in_pieces(first, last, size, step)
  for from = first, last, size do
    local found = step(from, from + size - 1 < last and from + size - 1 or last)
    if found ~= nil then
      return found
    end
  end
end

function slow.shift_up(t, first, last)
  for i = last, first, -1 do
    t[i + 1] = t[i]
  end
end

function slow.shift_down(t, first, last)
  for i = first, last do
    t[i - 1] = t[i]
  end
end

function slow.move(a1, first, last, to, a2)
  if to > last or to <= first or not rawequal(a1, a2) then
    for i = 0, last - first do
      a2[to + i] = a1[first + i]
    end
  else
    for i = last - first, 0, -1 do
      a2[to + i] = a1[first + i]
    end
  end
  return a2
end

function slow.items(t, first, last)
  local items = {}
  for i = 0, last - first do
    items[i + 1] = t[first + i]
  end
  return items
end

function slow.sum(t, count)
  local sum = 0
  for i = 1, count do
    sum = sum + t[i]
  end
end

function slow.size(t, count)
  local size = 0
  for i = 1, count do
    size = size + #t[i]
  end
  return size
end

local function less(a, b)
  return a < b
end

-- By merging, from the bottom up.
function slow.sort(t, count, before)
  before = before or less
  local from, to = slow.items(t, 1, count), {}
  local size = 1
  while size < count do
    for low = 1, count, 2 * size do
      local i, i_end = low, low + size
      local j, j_end = i_end, i_end + size
      if i_end > count + 1 then i_end = count + 1 end
      if j_end > count + 1 then j_end = count + 1 end
      local k = low
      while i < i_end and j < j_end do
        if before(from[j], from[i]) then
          to[k], j = from[j], j + 1
        else
          to[k], i = from[i], i + 1
        end
        k = k + 1
      end
      for l = i, i_end - 1 do
        to[k], k = from[l], k + 1
      end
      for l = j, j_end - 1 do
        to[k], k = from[l], k + 1
      end
    end
    from, to = to, from
    size = 2 * size
  end
  for i = 1, count do
    t[i] = from[i]
  end
end

-- The place of a byte that is not UTF-8, if there is one. In pieces, none of which ends in a character.
function slow.utf8_problem(text)
  local at, size = 1, #text
  while at <= size do
    local last = at + PIECE
    for _ = 1, 3 do
      local following = byte(text, last + 1)
      if following and following & 0xC0 == 0x80 then
        last = last - 1
      end
    end
    local _, wrong = utf8_len(text, at, last < size and last or size)
    if wrong then
      return wrong
    end
    at = last + 1
  end
end

-- One table of two, whose keys are strings; or nil and the type of a key that is none.
function slow.merged(old, new)
  local all = {}
  for key, value in next, old or {} do
    all[key] = value
  end
  for key, value in next, new do
    if type(key) ~= "string" then
      return nil, type(key)
    end
    all[key] = value
  end
  return all
end

-- Find a text, in pieces; a long one where its beginning is.
function slow.find(s, text, init)
  local size, head = #text, sub(text, 1, 64)
  local last = #s - size + 1 -- where it may begin
  while init <= last do
    local piece, from = sub(s, init, init + PIECE + #head - 2), 1
    while true do
      local at = find(piece, head, from, true)
      if not at then
        break
      end
      local first = init + at - 1
      if size == #head or sub(s, first, first + size - 1) == text then
        return first, first + size - 1
      end
      from = at + 1
    end
    init = init + PIECE
  end
  return nil
end

-- All that is garbage now: what a cycle that is under way has passed is left to the next one.
function slow.collect()
  for _ = 1, 2 do
    repeat
      local is_done = collectgarbage("step", 1000)
    until is_done
  end
  return 0
end
