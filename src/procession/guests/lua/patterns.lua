-- Bounds what a pattern may cost: the matcher is C code, which nothing can interrupt.
--
-- A match costs at most the number of starts times, for each repetition that may have to give back
-- what it took, the longest run that it can take. Where that product is small in the worst case, the
-- pattern runs as it is; else the runs in the subject are measured, and a pattern that may be
-- dangerous for this very subject is matched in Lua: much slower, but it can be interrupted.

local kit = ...

local find, byte, sub = string.find, string.byte, string.sub
local match, gmatch, gsub = string.match, string.gmatch, string.gsub
local type, next, tonumber, pcall, xpcall = type, next, tonumber, pcall, xpcall
local tointeger = math.tointeger

local MAX_STEPS = 20000000 -- about a tenth of a second
local MAX_PASSED = 32 << 20 -- the same, where nothing is tried twice
local MAX_PATTERN = 4096
local MAX_RESULT = 64 << 20 -- bytes
local MAX_SEARCHED = 8 << 20 -- bytes, by a plain search
local SPECIAL = "[%^%$%*%+%?%.%(%[%%%-]"

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
      elseif following == 102 then -- %f[set]: looks at two characters
        weight = weight + 2
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

-- Whether it may take too long. To gmatch a ^ is no anchor, but a character.
local function is_costly(subject, pattern, of_gmatch)
  local length = #subject
  if #pattern > MAX_PATTERN then
    return true
  end
  local cost = cost_of(pattern)
  if of_gmatch and cost.anchored then
    cost = cost_of("%" .. pattern)
  end
  local steps = cost.weight * (cost.anchored and 1.0 or length + 0.0) -- a float: it may be huge
  local worst = steps
  for _ = 1, cost.n do
    worst = worst * length
  end
  if worst <= MAX_STEPS or (cost.n == 0 and steps <= MAX_PASSED) then
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

-- -- the functions ------------------------------------------------------------------------------

local function is_whole(v)
  return v == nil or tointeger(tonumber(v)) ~= nil
end

local finish, matcher = kit.finish, kit.matcher
local start_of = matcher.start_of
local find_handler, match_handler = kit.handler(find, "find"), kit.handler(match, "match")
local gsub_handler = kit.handler(gsub, "gsub")

local patterns = {}
kit.patterns = patterns

-- Whether C would compare for too long, which it does at each place anew.
local function is_long_search(s, text)
  return #s * (1 + #text // 32) > MAX_SEARCHED
end

function patterns.find(...)
  local s, pattern, init, plain = ...
  if type(s) ~= "string" or type(pattern) ~= "string" then
    if kit.is_error(s) or kit.is_error(pattern) then
      return patterns.find(kit.texts(...))
    end
  elseif plain then
    if #s * #pattern > MAX_SEARCHED and is_long_search(s, pattern) and is_whole(init) then
      return kit.slow.find(s, pattern, start_of(s, init))
    elseif init == nil or init == 1 then
      return find(s, pattern, 1, true) -- there is nothing to raise
    end
  elseif not cheap(s, pattern) and is_costly(s, pattern) and is_whole(init) then
    if not find(pattern, SPECIAL) then
      return kit.slow.find(s, pattern, start_of(s, init))
    end
    return matcher.find(s, pattern, init)
  end
  return finish(xpcall(find, find_handler, ...))
end

function patterns.match(...)
  local s, pattern, init = ...
  if type(s) ~= "string" or type(pattern) ~= "string" then
    if kit.is_error(s) or kit.is_error(pattern) then
      return patterns.match(kit.texts(...))
    end
  elseif not cheap(s, pattern) and is_costly(s, pattern) and is_whole(init) then
    return matcher.match(s, pattern, init)
  end
  return finish(xpcall(match, match_handler, ...))
end

-- An error in the pattern is one of the iterator, which the program calls itself.
for _, name in ipairs({ "gmatch", "gfind" }) do -- as Lua 5.1 calls it, and as 5.0 did
  local handler = kit.handler(gmatch, name)
  patterns[name] = function(...)
    local s, pattern, init = ...
    if type(s) ~= "string" or type(pattern) ~= "string" then
      if kit.is_error(s) or kit.is_error(pattern) then
        return patterns[name](kit.texts(...))
      end
    elseif not cheap(s, pattern) and is_costly(s, pattern, true) and is_whole(init) then
      return matcher.gmatch(s, pattern, init)
    end
    return finish(xpcall(gmatch, handler, ...))
  end
end

-- A table of replacements, if what it gives for a text of `length` cannot grow too large: itself, else a
-- function that looks at each. So is a table with a metatable, which may give anything.
local MAX_LOOKED_AT = 100
local function bounded(replacements, length)
  if kit.metatable_of(replacements) == nil then
    local longest, count = 0, 0
    for _, v in next, replacements do
      count = count + 1
      if count > MAX_LOOKED_AT then
        break
      elseif type(v) == "string" and #v > longest then
        longest = #v
      end
    end
    if count <= MAX_LOOKED_AT and longest * (length + 1) <= MAX_RESULT then
      return replacements
    end
  end
  local size = 0
  return function(key)
    local v = replacements[key]
    if type(v) == "string" then
      size = size + #v
      if size > MAX_RESULT then
        kit.raise("resulting string too large")
      end
    end
    return v
  end
end

local REPLACEMENTS = { string = true, number = true, table = true, ["function"] = true }

function patterns.gsub(...)
  local s, pattern, replacement, limit = ...
  local kind = type(replacement)
  if type(s) ~= "string" or type(pattern) ~= "string" or kind == "table" and kit.is_error(replacement) then
    if kit.is_error(s) or kit.is_error(pattern) or kit.is_error(replacement) then
      return patterns.gsub(kit.texts(...))
    end
  elseif not cheap(s, pattern) and is_costly(s, pattern) and is_whole(limit) and REPLACEMENTS[kind] then
    return matcher.gsub(s, pattern, replacement, limit)
  elseif kind == "string" and #replacement * #s > MAX_RESULT then
    -- Each match gives the replacement, in which every second byte may stand for the match.
    local ok, _, count = pcall(gsub, s, pattern, "", limit)
    local captured = find(replacement, "%", 1, true) and #replacement // 2 * #s or 0
    if ok and #replacement * count + captured > MAX_RESULT then
      kit.raise("resulting string too large")
    end
  end
  if kind == "table" then
    return finish(xpcall(gsub, gsub_handler, s, pattern, bounded(replacement, #s), limit))
  end
  return finish(xpcall(gsub, gsub_handler, ...))
end
