-- Bounds what a pattern may cost: the matcher is C code, which nothing can interrupt.
--
-- A match costs at most the number of starts times, for each repetition that may have to give back
-- what it took, the longest run that it can take. Where that product is small in the worst case, the
-- pattern runs as it is; else the runs in the subject are measured, and a pattern that may be
-- dangerous for this very subject is matched in Lua: much slower, but it can be interrupted.

local kit = ...

local find, byte, sub, gmatch, match = string.find, string.byte, string.sub, string.gmatch, string.match
local type, error, tonumber = type, error, tonumber
local tointeger, max = math.tointeger, math.max

local MAX_STEPS = 20000000 -- about a tenth of a second
local MAX_PATTERN = 4096
local MAX_RESULT = 64 << 20 -- bytes
local MAX_COMPARED = 1 << 30 -- bytes, by a plain search

-- The repetitions of a pattern, as single-character classes: each with the position behind it.
local function repetitions(pattern)
  local found, n, weight, items = {}, 0, 1, 0
  local i, length = 1, #pattern
  local anchored = byte(pattern, 1) == 94 -- ^
  if anchored then
    i = 2
  end
  while i <= length do
    items = items + 1
    local c = byte(pattern, i)
    local class_end
    if c == 37 then -- %
      local following = byte(pattern, i + 1)
      if following == 98 then -- %bxy
        n = n + 1
        found[n] = false -- up to all of the subject
        i = i + 4
      elseif following == 102 then -- %f[set]
        i = i + 2
      elseif following and following >= 48 and following <= 57 then -- %1
        n = n + 1
        found[n] = false
        i = i + 2
      else
        class_end = i + 1
      end
    elseif c == 91 then -- [set]
      local j = i + 1
      if byte(pattern, j) == 94 then
        j = j + 1
      end
      repeat
        if byte(pattern, j) == 37 then
          j = j + 1
        end
        j = j + 1
      until j > length or byte(pattern, j) == 93
      class_end = j
      weight = weight + (j - i) // 8
    elseif c == 40 or c == 41 then -- ( )
      i = i + 1
    else
      class_end = i
    end
    if class_end then
      local suffix = byte(pattern, class_end + 1)
      if suffix == 42 or suffix == 43 or suffix == 45 then -- * + -
        local rest = sub(pattern, class_end + 2)
        local last = suffix == 45 and (match(rest, "^%)*([%w%c%s,;:'\"<>=&#@!/~_])%)*$") or match(rest, "^%)*(%%%p)%)*$"))
        if last then -- what ends the match ends the run: `(.-)\n`
          n = n + 1
          found[n] = "[^" .. (#last == 2 and last or find(last, "%w") and last or "%" .. last) .. "]"
        elseif suffix == 45 or not find(rest, "^%)*%$?$") or find(rest, "%$$") then
          n = n + 1
          found[n] = sub(pattern, i, class_end)
        end -- else it is the last item and never gives anything back
        i = class_end + 2
      elseif suffix == 63 then -- ?
        weight = weight * 2
        i = class_end + 2
      else
        i = class_end + 1
      end
    end
  end
  if items > 8 then
    weight = weight * (items // 8) -- each start may compare that many characters
  end
  return found, n, weight, anchored
end

local function longest_run(subject, class)
  if class == false or class == "." then
    return #subject
  end
  local longest = 1
  for run in gmatch(subject, class .. "+") do
    if #run > longest then
      longest = #run
    end
  end
  return longest
end

-- How many repetitions a pattern has is known from its text; remembered for the patterns in use.
local known, known_count = {}, 0

local function cost_of(pattern)
  local cost = known[pattern]
  if cost == nil then
    local found, n, weight, anchored = repetitions(pattern)
    cost = { found = found, n = n, weight = weight, anchored = anchored }
    if known_count >= 500 then
      known, known_count = {}, 0
    end
    known[pattern] = cost
    known_count = known_count + 1
  end
  return cost
end

-- Whether it may take too long.
local function is_costly(subject, pattern)
  local length = #subject
  if #pattern > MAX_PATTERN then
    return true
  end
  local cost = cost_of(pattern)
  local steps = cost.weight * (cost.anchored and 1.0 or length + 0.0) -- a float: it may be huge
  local worst = steps
  for _ = 1, cost.n do
    worst = worst * length
  end
  if worst <= MAX_STEPS or (cost.n == 0 and steps <= MAX_COMPARED // 10) then
    return false
  end
  for i = 1, cost.n do
    steps = steps * longest_run(subject, cost.found[i])
  end
  return steps > MAX_STEPS
end

-- A short pattern without repetitions, or a short subject, needs no look.
local function cheap(subject, pattern)
  return #subject * #pattern < 200 and #subject < 20
end

-- The matcher of Lua in Lua, under a name that is not ours: it is interrupted and ended like the
-- program itself.
local matcher = assert(load([==[
local byte, sub, find, char, error, type, tostring, MAX_RESULT = ...
local concat, unpack, select = table.concat, table.unpack, select
local tointeger, tonumber = math.tointeger, tonumber
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
      error("malformed pattern (ends with '%')", 0)
    end
    return i + 1
  elseif c == "[" then
    i = i + 1
    if sub(pattern, i, i) == "^" then
      i = i + 1
    end
    repeat
      if i > #pattern then
        error("malformed pattern (missing ']')", 0)
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
        error("too many captures", 0)
      end
      item = { "open", OPEN }
      if sub(pattern, i + 1, i + 1) == ")" then
        item[2], open = POSITION, open - 1
        i = i + 1
      end
    elseif c == ")" then
      if open == 0 then
        error("invalid pattern capture", 0)
      end
      open = open - 1
      item = { "close" }
    elseif c == "$" and i == #pattern then
      item = { "end" }
    elseif following == "b" then
      item = { "balance", byte(pattern, i + 2, i + 3) }
      if #item < 3 then
        error("malformed pattern (missing arguments to '%b')", 0)
      end
      i = i + 3
    elseif following == "f" then
      if sub(pattern, i + 2, i + 2) ~= "[" then
        error("missing '[' after '%f' in pattern", 0)
      end
      local last = class_end(pattern, i + 2)
      item = { "frontier", class(i + 2, last) }
      i = last
    elseif find(following, "%d") then
      item = { "back", tonumber(following) }
      if item[2] == 0 or item[2] > captures then
        error("invalid capture index %" .. following, 0)
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
    error("unfinished capture", 0)
  end
  return items
end

-- What finds a pattern in a text: `at(i)` gives the position behind a match that starts there.
local function new(s, pattern, anchored)
  local items, n = parse(pattern, anchored and 2 or 1), #s
  local starts, lengths, level = {}, {}, 0

  local function match(i, k)
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
          local last = match(i + 1, k + 1)
          if last then
            return last
          end
        end
        k = k + 1
      elseif kind == "-" then
        while true do
          local last = match(i, k + 1)
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
          local last = match(from, k + 1)
          if last then
            return last
          end
        end
        return nil
      elseif kind == "open" then
        level = level + 1
        starts[level], lengths[level] = i, set
        local own = level
        local last = match(i, k + 1)
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
        local last = match(i, k + 1)
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
        if lengths[set] < 0 then
          error("invalid capture index %" .. set, 0)
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
    return match(i, 1)
  end
  function it.from(i)
    if i > n + 1 then
      return nil
    end
    for first = i, anchored and i or n + 1 do
      level = 0
      local last = match(first, 1)
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

local function start_of(s, init)
  init = init == nil and 1 or tointeger(tonumber(init)) or error("number expected for a position", 0)
  if init < 0 then
    init = #s + init + 1
  end
  return init < 1 and 1 or init
end

local matcher = {}

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
  elseif kind ~= "string" and kind ~= "table" and kind ~= "function" then
    error("bad argument #3 to 'gsub' (string/function/table expected, got " .. kind .. ")", 0)
  end
  limit = limit == nil and #s + 1 or tointeger(tonumber(limit)) or error("number expected for a limit", 0)

  local function filled(first, last)
    local parts, n, i = {}, 0, 1
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
          error("invalid capture index %" .. what .. " in replacement string", 0)
        end
        parts[n] = it.capture(tonumber(what))
      else
        error("invalid use of '%' in replacement string", 0)
      end
      i = at + 2
    end
  end

  local parts, n, size, count = {}, 0, 0, 0
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
        error("invalid replacement value (a " .. type(value) .. ")", 0)
      end
      parts[n + 1], parts[n + 2], n = sub(s, kept, position - 1), value, n + 2
      size = size + position - kept + #tostring(value)
      if size > MAX_RESULT then
        error("resulting string too large", 0)
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
  return concat(parts), count
end

return matcher
]==], "=[library]", "t"))(byte, sub, find, string.char, error, type, tostring, MAX_RESULT)

function kit.bound_patterns(strings)
  local gsub = string.gsub

  -- Here and not in C, which would name our line as the culprit's.
  local function check_texts(name, s, pattern)
    for i = 1, 2 do
      local kind = type(i == 1 and s or i == 2 and pattern or nil)
      if kind ~= "string" and kind ~= "number" then
        kit.bad_argument(i, name, "string expected, got " .. kind, 3)
      end
    end
  end

  function strings.find(s, pattern, init, plain)
    if type(s) == "string" and type(pattern) == "string" then
      if plain then
        if #pattern > 64 and #s * #pattern > MAX_COMPARED then
          init = tointeger(tonumber(init or 1)) or 1
          return kit.slow.find(s, pattern, init < 0 and max(#s + init + 1, 1) or init)
        end
      elseif not cheap(s, pattern) and is_costly(s, pattern) then
        return matcher.find(s, pattern, init)
      end
    else
      check_texts("find", s, pattern)
    end
    return find(s, pattern, init, plain)
  end

  function strings.match(s, pattern, init)
    if type(s) == "string" and type(pattern) == "string" then
      if not cheap(s, pattern) and is_costly(s, pattern) then
        return matcher.match(s, pattern, init)
      end
    else
      check_texts("match", s, pattern)
    end
    return match(s, pattern, init)
  end

  function strings.gmatch(s, pattern, init)
    if type(s) == "string" and type(pattern) == "string" then
      if not cheap(s, pattern) and is_costly(s, pattern) then
        return matcher.gmatch(s, pattern, init)
      end
    else
      check_texts("gmatch", s, pattern)
    end
    return gmatch(s, pattern, init)
  end
  strings.gfind = strings.gmatch

  function strings.gsub(s, pattern, replacement, limit)
    if type(s) == "string" and type(pattern) == "string" then
      if not cheap(s, pattern) and is_costly(s, pattern) then
        return matcher.gsub(s, pattern, replacement, limit)
      end
      if type(replacement) == "string" and #replacement * #s > MAX_RESULT then
        -- Each match gives the replacement, in which every second byte may stand for the match.
        local _, count = gsub(s, pattern, "", limit)
        local captured = find(replacement, "%", 1, true) and #replacement // 2 * #s or 0
        if #replacement * count + captured > MAX_RESULT then
          error("resulting string too large", 2)
        end
      end
    else
      check_texts("gsub", s, pattern)
    end
    return gsub(s, pattern, replacement, limit)
  end
end
