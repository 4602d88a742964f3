-- Regular expressions of JSON Schema: whether one matches anywhere in a text.
--
-- All ways through an expression are followed at once (Thompson's construction), so a match takes a time
-- in proportion to the text, whatever the expression. What cannot be done so (back-references, looking
-- ahead or behind) is refused. It runs like a program's own code (see `kit.module`), so a long match is
-- interrupted. The syntax is that of ECMA-262, over code points.

local type, ipairs, tonumber, error, pcall = type, ipairs, tonumber, error, pcall
local setmetatable, getmetatable = setmetatable, getmetatable
local codepoint, utf8_len, char, codes = utf8.codepoint, utf8.len, utf8.char, utf8.codes
local byte, max = string.byte, math.max

local MAX_STATES = 10000 -- of an expression with its repetitions written out
local MAX_REPEAT = 1000
local MAX_DEPTH = 100 -- of groups

-- Thrown while an expression is read.
local Problem = {}
local function refuse(reason)
  error(setmetatable({ reason = reason }, Problem), 0)
end

-- -- characters -----------------------------------------------------------------------------------

local function code_points(text)
  local points, n = {}, 0
  if utf8_len(text) then
    for _, point in codes(text) do
      n = n + 1
      points[n] = point
    end
  else -- each byte is a character
    for i = 1, #text do
      points[i] = byte(text, i)
    end
  end
  return points
end

local function is_word(c)
  return c ~= nil and (c >= 48 and c <= 57 or c >= 65 and c <= 90 or c == 95 or c >= 97 and c <= 122)
end
local function is_digit(c)
  return c >= 48 and c <= 57
end
local function is_space(c)
  return c == 32 or c >= 9 and c <= 13 or c == 0xa0 or c == 0x2028 or c == 0x2029 or c == 0xfeff
end
local function is_not(test)
  return function(c)
    return not test(c)
  end
end
local function is_any(c)
  return c ~= 10 and c ~= 13 and c ~= 0x2028 and c ~= 0x2029
end
local CLASSES = {
  d = is_digit, D = is_not(is_digit), w = is_word, W = is_not(is_word), s = is_space, S = is_not(is_space),
}
local CONTROLS = { t = 9, n = 10, v = 11, f = 12, r = 13, ["0"] = 0 }

-- -- reading --------------------------------------------------------------------------------------
--
-- A node is { form, ... }: "one" with a code point or a test; "start", "end", "edge" (and whether there must
-- be one); "all" and "any of" with nodes; "repeat" with a node, and how often at least and at most.

local Reader = {}
Reader.__index = Reader

function Reader.peek(reader)
  local point = reader.points[reader.at]
  return point and char(point)
end

function Reader.take(reader)
  local taken = reader:peek()
  reader.at = reader.at + 1
  return taken
end

function Reader.hex(reader, count)
  local digits = ""
  for _ = 1, count do
    digits = digits .. (reader:take() or "")
  end
  return digits:find("^%x+$") and #digits == count and tonumber(digits, 16) or refuse("a bad escape of a character")
end

-- What stands behind a backslash, within a set or not: a code point or a test.
function Reader.escape(reader)
  local c = reader:take()
  if c == nil then
    refuse("a backslash at its end")
  elseif CLASSES[c] or CONTROLS[c] then
    return CLASSES[c] or CONTROLS[c]
  elseif c == "x" then
    return reader:hex(2)
  elseif c == "u" then
    return reader:hex(4)
  elseif c:find("^[%w]$") then
    refuse("\\" .. c .. " is not supported")
  end
  return codepoint(c)
end

-- A set, behind its `[`.
function Reader.set(reader)
  local negated = reader:peek() == "^"
  if negated then
    reader:take()
  end
  local tests, n = {}, 0
  while reader:peek() ~= "]" do
    local c = reader:take() or refuse("a [ without ]")
    local low = c == "\\" and (reader:peek() == "b" and reader:take() and 8 or reader:escape()) or codepoint(c)
    local following = reader.points[reader.at + 1]
    if type(low) == "number" and reader:peek() == "-" and following and following ~= 93 then
      reader:take()
      c = reader:take()
      local high = c == "\\" and reader:escape() or codepoint(c)
      if type(high) ~= "number" or high < low then
        refuse("a range that is out of order")
      end
      n = n + 1
      tests[n] = { low, high }
    else
      n = n + 1
      tests[n] = type(low) == "number" and { low, low } or low
    end
  end
  reader:take()
  return function(c)
    for _, test in ipairs(tests) do
      if type(test) == "table" then
        if c >= test[1] and c <= test[2] then
          return not negated
        end
      elseif test(c) then
        return not negated
      end
    end
    return negated
  end
end

-- The two numbers of {2}, {2,} or {2,4}; nil if the brace is only a character.
function Reader.braces(reader)
  local at, text = reader.at, ""
  while reader:peek() and reader:peek() ~= "}" and #text < 20 do
    text = text .. reader:take()
  end
  local low, comma, high = text:match("^(%d+)(,?)(%d*)$")
  if reader:peek() ~= "}" or not low or (comma == "" and high ~= "") then
    reader.at = at
    return nil
  end
  reader:take()
  low = tonumber(low)
  high = comma == "" and low or tonumber(high)
  if max(low, high or 0) > MAX_REPEAT then
    refuse("a repetition of more than " .. MAX_REPEAT)
  elseif high and high < low then
    refuse("a range that is out of order")
  end
  return low, high
end

function Reader.group(reader, depth)
  if depth > MAX_DEPTH then
    refuse("too many groups within each other")
  elseif reader:peek() == "?" then
    reader:take()
    local kind = reader:take()
    if kind == "<" and reader:peek() ~= "=" and reader:peek() ~= "!" then
      repeat -- a name
        local c = reader:take() or refuse("a name without >")
      until c == ">"
    elseif kind ~= ":" then
      refuse("looking ahead or behind is not supported")
    end
  end
  local inner = reader:alternatives(depth + 1)
  if reader:take() ~= ")" then
    refuse("a ( without )")
  end
  return inner
end

function Reader.atom(reader, depth)
  local c = reader:take()
  if c == "(" then
    return reader:group(depth)
  elseif c == "[" then
    return { "one", reader:set() }
  elseif c == "." then
    return { "one", is_any }
  elseif c == "^" then
    return { "start" }
  elseif c == "$" then
    return { "end" }
  elseif c == "\\" and (reader:peek() == "b" or reader:peek() == "B") then
    return { "edge", reader:take() == "b" }
  elseif c == "\\" then
    return { "one", reader:escape() }
  elseif c == "*" or c == "+" or c == "?" then
    refuse("nothing to repeat before " .. c)
  end
  return { "one", codepoint(c) }
end

function Reader.sequence(reader, depth)
  local nodes, n = { "all" }, 1
  while reader:peek() and reader:peek() ~= "|" and reader:peek() ~= ")" do
    local node = reader:atom(depth)
    local c = reader:peek()
    local low, high
    if c == "*" or c == "+" or c == "?" then
      reader:take()
      low, high = c == "+" and 1 or 0, c == "?" and 1 or nil
    elseif c == "{" then
      reader:take()
      low, high = reader:braces()
      if not low then
        n = n + 1
        nodes[n] = node
        node = { "one", 123 }
      end
    end
    if low then
      node = { "repeat", node, low, high }
      if reader:peek() == "?" then
        reader:take() -- whether it takes much or little does not matter for whether it matches
      end
    end
    n = n + 1
    nodes[n] = node
  end
  return nodes
end

function Reader.alternatives(reader, depth)
  local nodes = { "any of", reader:sequence(depth) }
  while reader:peek() == "|" do
    reader:take()
    nodes[#nodes + 1] = reader:sequence(depth)
  end
  return nodes[3] and nodes or nodes[2]
end

-- -- states ---------------------------------------------------------------------------------------
--
-- A state is { form, argument, next, other }: "one", "start", "end", "edge", "split" and "match".

local function new_state(program, form, argument, following, other)
  local n = #program + 1
  if n > MAX_STATES then
    refuse("it is too large with its repetitions written out")
  end
  program[n] = { form, argument, following, other }
  return n
end

-- Build what leads to the state `following`; the first state of it.
local function build(program, node, following)
  local form = node[1]
  if form == "all" then
    for i = #node, 2, -1 do
      following = build(program, node[i], following)
    end
    return following
  elseif form == "any of" then
    local first = build(program, node[#node], following)
    for i = #node - 1, 2, -1 do
      first = new_state(program, "split", nil, build(program, node[i], following), first)
    end
    return first
  elseif form == "repeat" then
    local inner, low, high = node[2], node[3], node[4]
    if high then
      local last = following
      for _ = low + 1, high do
        following = new_state(program, "split", nil, build(program, inner, following), last)
      end
    else
      local split = new_state(program, "split", nil, nil, following)
      program[split][3] = build(program, inner, split)
      following = split
    end
    for _ = 1, low do
      following = build(program, inner, following)
    end
    return following
  end
  return new_state(program, form, node[2], following)
end

-- Add a state, and all that are reached from it without a character, to the set of those that are next.
local function add(program, states, state, points, at)
  local stack, top = { state }, 1
  while top > 0 do
    state = stack[top]
    top = top - 1
    if not states[state] then
      states[state] = true
      local one = program[state]
      local form, passes = one[1], nil
      if form == "one" or form == "match" then
        states.n = states.n + 1
        states.list[states.n] = state
      elseif form == "split" then
        stack[top + 1], stack[top + 2] = one[4], one[3]
        top = top + 2
      elseif form == "start" then
        passes = at == 1
      elseif form == "end" then
        passes = at == #points + 1
      else
        passes = (is_word(points[at - 1]) ~= is_word(points[at])) == one[2]
      end
      if passes then
        top = top + 1
        stack[top] = one[3]
      end
    end
  end
end

local function matches(program, first, text)
  local points = code_points(text)
  local states = { n = 0, list = {} }
  for at = 1, #points + 1 do
    add(program, states, first, points, at) -- it may start anywhere
    local following, c = { n = 0, list = {} }, points[at]
    for i = 1, states.n do
      local one = program[states.list[i]]
      if one[1] == "match" then
        return true
      end
      local wanted = one[2]
      if c and (wanted == c or type(wanted) == "function" and wanted(c)) then
        add(program, following, one[3], points, at + 1)
      end
    end
    states = following
  end
  return false
end

-- A function that says whether a text matches; or nil and why the expression cannot be used.
return function(expression)
  if #expression > 4096 then
    return nil, "it is longer than 4096 bytes"
  elseif not utf8_len(expression) then
    return nil, "it is not UTF-8"
  end
  local reader = setmetatable({ points = code_points(expression), at = 1 }, Reader)
  local program = {}
  local ok, first = pcall(function()
    local node = reader:alternatives(0)
    if reader:peek() then
      refuse("a ) without (")
    end
    return build(program, node, new_state(program, "match"))
  end)
  if not ok then
    if getmetatable(first) ~= Problem then
      error(first, 0)
    end
    return nil, first.reason
  end
  return function(text)
    return matches(program, first, text)
  end
end
