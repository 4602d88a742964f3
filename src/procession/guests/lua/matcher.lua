-- The matcher of Lua in Lua: slower than in C, but interrupted and ended like the program itself.

local kit = ...

local type, tostring, tonumber, raise = type, tostring, tonumber, kit.raise
local byte, sub, find, char = string.byte, string.sub, string.find, string.char
local concat, unpack, tointeger = table.concat, table.unpack, math.tointeger

local MAX_RESULT = 64 << 20 -- bytes
local MAX_PARTS = 10000
local MAX_DEPTH = 200 -- of a match, as in C
local OPEN, POSITION = -1, -2

local function set_of(class)
  local set = {}
  for c = 0, 255 do
    set[c] = find(char(c), "^" .. class) ~= nil
  end
  return set
end

-- The end of a single-character class.
local function class_end(pattern, i)
  local c = sub(pattern, i, i)
  if c == "%" then
    if i == #pattern then
      raise("malformed pattern (ends with '%')")
    end
    return i + 1
  elseif c == "[" then
    i = i + 1
    if sub(pattern, i, i) == "^" then
      i = i + 1
    end
    repeat
      if i > #pattern then
        raise("malformed pattern (missing ']')")
      end
      if sub(pattern, i, i) == "%" then
        i = i + 1
      end
      i = i + 1
    until sub(pattern, i, i) == "]"
  end
  return i
end

local function parse(pattern, i)
  local items, n, captures, open = {}, 0, 0, 0
  local sets = {}
  local function class(first, last)
    local text = sub(pattern, first, last)
    if text == "^" then
      text = "%^"
    elseif text == "$" then
      text = "%$"
    elseif text == "]" or text == "*" or text == "+" or text == "-" or text == "?" then
      text = "%" .. text
    end
    sets[text] = sets[text] or set_of(text)
    return sets[text]
  end
  while i <= #pattern do
    local c, item = sub(pattern, i, i), nil
    local following = c == "%" and sub(pattern, i + 1, i + 1) or ""
    if c == "(" then
      captures, open = captures + 1, open + 1
      if captures > 32 then
        raise("too many captures")
      end
      item = { "open", OPEN }
      if sub(pattern, i + 1, i + 1) == ")" then
        item[2], open = POSITION, open - 1
        i = i + 1
      end
    elseif c == ")" then
      if open == 0 then
        raise("invalid pattern capture")
      end
      open = open - 1
      item = { "close" }
    elseif c == "$" and i == #pattern then
      item = { "end" }
    elseif following == "b" then
      item = { "balance", byte(pattern, i + 2, i + 3) }
      if #item < 3 then
        raise("malformed pattern (missing arguments to '%b')")
      end
      i = i + 3
    elseif following == "f" then
      if sub(pattern, i + 2, i + 2) ~= "[" then
        raise("missing '[' after '%f' in pattern")
      end
      local last = class_end(pattern, i + 2)
      item = { "frontier", class(i + 2, last) }
      i = last
    elseif find(following, "%d") then
      item = { "back", tonumber(following) }
      if item[2] == 0 or item[2] > captures then
        raise("invalid capture index %" .. following)
      end
      i = i + 1
    else
      local last = class_end(pattern, i)
      local suffix = sub(pattern, last + 1, last + 1)
      item = { "one", class(i, last) }
      i = last
      if suffix ~= "" and find("*+-?", suffix, 1, true) then
        item[1] = suffix
        i = i + 1
      end
    end
    n = n + 1
    items[n] = item
    i = i + 1
  end
  if open > 0 then
    raise("unfinished capture")
  end
  return items
end

-- What finds a pattern in a text: `at(i)` gives the position behind a match that starts there.
local function new(s, pattern, anchored)
  local items, n = parse(pattern, anchored and 2 or 1), #s
  local starts, lengths, level = {}, {}, 0

  local function match(i, k, depth)
    if depth > MAX_DEPTH then
      raise("pattern too complex")
    end
    while true do
      local item = items[k]
      if item == nil then
        return i
      end
      local kind, set = item[1], item[2]
      if kind == "one" then
        if i > n or not set[byte(s, i)] then
          return nil
        end
        i, k = i + 1, k + 1
      elseif kind == "?" then
        if i <= n and set[byte(s, i)] then
          local last = match(i + 1, k + 1, depth + 1)
          if last then
            return last
          end
        end
        k = k + 1
      elseif kind == "-" then
        while true do
          local last = match(i, k + 1, depth + 1)
          if last then
            return last
          elseif i > n or not set[byte(s, i)] then
            return nil
          end
          i = i + 1
        end
      elseif kind == "*" or kind == "+" then
        local j = i
        while j <= n and set[byte(s, j)] do
          j = j + 1
        end
        if items[k + 1] == nil then
          return (kind == "*" or j > i) and j or nil
        end
        for from = j, kind == "*" and i or i + 1, -1 do
          local last = match(from, k + 1, depth + 1)
          if last then
            return last
          end
        end
        return nil
      elseif kind == "open" then
        level = level + 1
        starts[level], lengths[level] = i, set
        local own = level
        local last = match(i, k + 1, depth + 1)
        if not last then
          level = own - 1
        end
        return last
      elseif kind == "close" then
        local own = level
        while lengths[own] ~= OPEN do
          own = own - 1
        end
        lengths[own] = i - starts[own]
        local last = match(i, k + 1, depth + 1)
        if not last then
          lengths[own] = OPEN
        end
        return last
      elseif kind == "end" then
        return i == n + 1 and i or nil
      elseif kind == "balance" then
        if i > n or byte(s, i) ~= set then
          return nil
        end
        local depth, closing, j = 1, item[3], i + 1
        while depth > 0 do
          if j > n then
            return nil
          end
          local c = byte(s, j)
          if c == closing then
            depth = depth - 1
          elseif c == set then
            depth = depth + 1
          end
          j = j + 1
        end
        i, k = j, k + 1
      elseif kind == "frontier" then
        local before, here = i > 1 and byte(s, i - 1) or 0, i <= n and byte(s, i) or 0
        if set[before] or not set[here] then
          return nil
        end
        k = k + 1
      else -- back
        if lengths[set] == OPEN then
          raise("invalid capture index %" .. set)
        elseif lengths[set] == POSITION then
          return nil
        end
        local text = sub(s, starts[set], starts[set] + lengths[set] - 1)
        if sub(s, i, i + #text - 1) ~= text then
          return nil
        end
        i, k = i + #text, k + 1
      end
    end
  end

  local it = {}
  function it.at(i)
    level = 0
    return match(i, 1, 1)
  end
  function it.from(i)
    if i > n + 1 then
      return nil
    end
    for first = i, anchored and i or n + 1 do
      level = 0
      local last = match(first, 1, 1)
      if last then
        return first, last
      end
    end
  end
  function it.capture(k)
    if lengths[k] == POSITION then
      return starts[k]
    end
    return sub(s, starts[k], starts[k] + lengths[k] - 1)
  end
  function it.captures(first, last)
    if level == 0 then
      return first and sub(s, first, last - 1)
    end
    local values = {}
    for k = 1, level do
      values[k] = it.capture(k)
    end
    return unpack(values, 1, level)
  end
  function it.level()
    return level
  end
  return it
end

-- Where to begin: `init` is nothing or a whole number.
local function start_of(s, init)
  init = init == nil and 1 or tointeger(tonumber(init))
  if init < 0 then
    init = #s + init + 1
  end
  return init < 1 and 1 or init
end

local matcher = { start_of = start_of }

function matcher.find(s, pattern, init)
  local it = new(s, pattern, byte(pattern) == 94)
  local first, last = it.from(start_of(s, init))
  if first then
    if it.level() > 0 then
      return first, last - 1, it.captures()
    end
    return first, last - 1
  end
  return nil
end

function matcher.match(s, pattern, init)
  local it = new(s, pattern, byte(pattern) == 94)
  local first, last = it.from(start_of(s, init))
  if first then
    return it.captures(first, last)
  end
  return nil
end

function matcher.gmatch(s, pattern, init)
  local it, position, previous = new(s, pattern, false), start_of(s, init), nil
  return function()
    while position <= #s + 1 do
      local first, last = position, it.at(position)
      if last and last ~= previous then
        position, previous = last, last
        return it.captures(first, last)
      end
      position = position + 1
    end
    return nil
  end
end

function matcher.gsub(s, pattern, replacement, limit)
  local anchored = byte(pattern) == 94
  local it, kind = new(s, pattern, anchored), type(replacement)
  if kind == "number" then
    replacement, kind = tostring(replacement), "string"
  end
  limit = limit == nil and #s + 1 or tointeger(tonumber(limit))

  local function filled(first, last)
    local parts, n, length, i = {}, 0, 0, 1
    while true do
      local at = find(replacement, "%", i, true)
      n = n + 1
      parts[n] = sub(replacement, i, (at or 0) - 1)
      if not at then
        return concat(parts)
      end
      local what = sub(replacement, at + 1, at + 1)
      n = n + 1
      if what == "%" then
        parts[n] = "%"
      elseif what == "0" or what == "1" and it.level() == 0 then
        parts[n] = sub(s, first, last - 1)
      elseif find(what, "%d") then
        if tonumber(what) > it.level() then
          raise("invalid capture index %" .. what .. " in replacement string")
        end
        parts[n] = it.capture(tonumber(what))
      else
        raise("invalid use of '%' in replacement string")
      end
      length = length + #tostring(parts[n])
      if length > MAX_RESULT then
        raise("resulting string too large")
      end
      i = at + 2
    end
  end

  local blocks, parts, n, size, count = {}, {}, 0, 0, 0
  local position, kept, previous = 1, 1, nil
  while count < limit do
    local last = it.at(position)
    if last and last ~= previous then
      count = count + 1
      local value
      if kind == "string" then
        value = filled(position, last)
      elseif kind == "table" then
        value = replacement[(it.captures(position, last))]
      else
        value = replacement(it.captures(position, last))
      end
      if not value then
        value = sub(s, position, last - 1)
      elseif type(value) ~= "string" and type(value) ~= "number" then
        raise("invalid replacement value (a " .. type(value) .. ")")
      end
      parts[n + 1], parts[n + 2], n = sub(s, kept, position - 1), value, n + 2
      size = size + position - kept + #tostring(value)
      if size > MAX_RESULT then
        raise("resulting string too large")
      end
      if n >= MAX_PARTS then -- what C puts together at once
        blocks[#blocks + 1], n = concat(parts, "", 1, n), 0
      end
      position, kept, previous = last, last, last
    elseif position <= #s then
      position = position + 1
    else
      break
    end
    if anchored then
      break
    end
  end
  parts[n + 1] = sub(s, kept)
  blocks[#blocks + 1] = concat(parts, "", 1, n + 1)
  return concat(blocks), count
end

kit.matcher = matcher
