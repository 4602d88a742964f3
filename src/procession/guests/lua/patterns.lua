-- Bounds what a pattern may cost: the matcher is C code, which nothing can interrupt.
--
-- A match costs at most the number of starts times, for each repetition that may have to give back
-- what it took, the longest run that it can take. Where that product is small in the worst case, the
-- pattern runs as it is; else the runs in the subject are measured, and only a pattern that is
-- dangerous for this very subject is refused.

local kit = ...

local find, byte, sub, gmatch, match = string.find, string.byte, string.sub, string.gmatch, string.match
local type, error, format, tonumber = type, error, string.format, tonumber
local tointeger, max = math.tointeger, math.max

local MAX_STEPS = 100000000 -- about half a second
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

local function check(subject, pattern, name)
  local length = #subject
  if #pattern > MAX_PATTERN then
    error(format("pattern too long for '%s': %d bytes, %d at most", name, #pattern, MAX_PATTERN), 3)
  end
  local cost = cost_of(pattern)
  local steps = cost.weight * (cost.anchored and 1.0 or length + 0.0) -- a float: it may be huge
  local worst = steps
  for _ = 1, cost.n do
    worst = worst * length
  end
  if worst <= MAX_STEPS then
    return
  end
  for i = 1, cost.n do
    steps = steps * longest_run(subject, cost.found[i])
    if steps > MAX_STEPS and i == cost.n then
      error(
        format(
          "pattern too costly for '%s': it may take %.0e steps on these %d bytes; simplify it, or match a shorter string",
          name,
          steps,
          length
        ),
        3
      )
    end
  end
  if steps > MAX_STEPS then
    error(format("subject too long for '%s': %d bytes", name, length), 3)
  end
end

-- A short pattern without repetitions, or a short subject, needs no look.
local function cheap(subject, pattern)
  return #subject * #pattern < 200 and #subject < 20
end

function kit.bound_patterns(strings)
  local gsub = string.gsub

  function strings.find(s, pattern, init, plain)
    if plain and type(s) == "string" and type(pattern) == "string" and #pattern > 64 and #s * #pattern > MAX_COMPARED then
      init = tointeger(tonumber(init or 1)) or 1
      return kit.slow.find(s, pattern, init < 0 and max(#s + init + 1, 1) or init)
    end
    if type(s) == "string" and type(pattern) == "string" and not plain and not cheap(s, pattern) then
      check(s, pattern, "find")
    end
    return find(s, pattern, init, plain)
  end

  function strings.match(s, pattern, init)
    if type(s) == "string" and type(pattern) == "string" and not cheap(s, pattern) then
      check(s, pattern, "match")
    end
    return match(s, pattern, init)
  end

  function strings.gmatch(s, pattern, init)
    if type(s) == "string" and type(pattern) == "string" and not cheap(s, pattern) then
      check(s, pattern, "gmatch")
    end
    return gmatch(s, pattern, init)
  end
  strings.gfind = strings.gmatch

  function strings.gsub(s, pattern, replacement, limit)
    if type(s) == "string" and type(pattern) == "string" then
      if not cheap(s, pattern) then
        check(s, pattern, "gsub")
      end
      if type(replacement) == "string" and #replacement * #s > MAX_RESULT then
        -- Each match gives the replacement, in which every second byte may stand for the match.
        local _, count = gsub(s, pattern, "", limit)
        local captured = find(replacement, "%", 1, true) and #replacement // 2 * #s or 0
        if #replacement * count + captured > MAX_RESULT then
          error("resulting string too large", 2)
        end
      end
    end
    return gsub(s, pattern, replacement, limit)
  end
end
