-- The math library: that of C, what Lua 5.1 had besides, and random numbers for each process.

local kit = ...

local math, select, xpcall, finish = math, select, xpcall, kit.finish
local tointeger, math_type, exp = math.tointeger, math.type, math.exp
local bad_argument, number = kit.bad_argument, kit.number

local library = { mod = math.fmod }
kit.libraries.math = library

for name in ("abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad sin sqrt tan tointeger type ult"):gmatch("%S+") do
  library[name] = math[name]
end

-- -- of Lua 5.1 -----------------------------------------------------------------------------------

function library.pow(...)
  local x, y = ...
  local count = select("#", ...)
  return number(1, "pow", count, x) ^ number(2, "pow", count, y)
end

function library.log10(...)
  return math.log(number(1, "log10", select("#", ...), (...)), 10)
end

function library.atan2(...)
  local y, x = ...
  local count = select("#", ...)
  return math.atan(number(1, "atan2", count, y), number(2, "atan2", count, x))
end

function library.ldexp(...)
  local m, e = ...
  local count = select("#", ...)
  return number(1, "ldexp", count, m) * 2.0 ^ number(2, "ldexp", count, e)
end

function library.cosh(...)
  local x = number(1, "cosh", select("#", ...), (...))
  local half = exp(x / 2) -- in two steps: the power alone would be too large before the result is
  return half / 2 * half + 1 / half / 2 / half
end

-- Where the difference of the powers would have lost its digits.
local function sinh_of_little(x)
  local square, term, sum, n = x * x, x, x, 1
  repeat
    n = n + 2
    term = term * square / (n * (n - 1))
    sum = sum + term
  until sum + term == sum
  return sum
end

local function sinh(x)
  if x > -1 and x < 1 then
    return sinh_of_little(x)
  end
  local half = exp(x / 2)
  return half / 2 * half - 1 / half / 2 / half
end

function library.sinh(...)
  return sinh(number(1, "sinh", select("#", ...), (...)) * 1.0)
end

function library.tanh(...)
  local x = number(1, "tanh", select("#", ...), (...)) * 1.0
  if x > 20 or x < -20 then
    return x > 0 and 1.0 or -1.0
  end
  local power = exp(x)
  return sinh(x) / ((power + 1 / power) / 2)
end

-- -- random numbers -------------------------------------------------------------------------------

-- An argument as a whole number, as C takes it.
local function integer(n, name, count, v)
  if math_type(v) == "integer" then
    return v
  end
  return tointeger(number(n, name, count, v)) or bad_argument(n, name, "number has no integer representation")
end

local random_handler = kit.handler(math.random, "random")

-- Each process has random numbers of its own: a seed that one sets must not show in another's.
function kit.new_random()
  local a, b, c, d = kit.host.entropy()
  local function rotate(x, n)
    return (x << n) | (x >> (64 - n))
  end
  local function following()
    local result = rotate(b * 5, 7) * 9
    local t = b << 17
    c, d, b, a = c ~ a, d ~ b, b ~ c, a ~ d
    c, d = c ~ t, rotate(d, 45)
    return result
  end
  local function below(n) -- an integer in [0, n], without bias
    if n & (n + 1) == 0 then
      return following() & n
    end
    local mask = n
    for shift = 0, 5 do
      mask = mask | (mask >> (1 << shift))
    end
    local r
    repeat
      r = following() & mask
    until not math.ult(n, r)
    return r
  end

  local function random(...)
    local m, n = ...
    local count = select("#", ...)
    if count == 0 then
      return (following() >> 11) * 2.0 ^ -53
    end
    local low, high = 1, integer(1, "random", count, m)
    if count == 1 and high == 0 then
      return following()
    elseif count == 2 then
      low, high = high, integer(2, "random", count, n)
    elseif count > 2 then
      kit.raise("wrong number of arguments")
    end
    if low > high then
      return finish(xpcall(math.random, random_handler, ...)) -- C says so
    end
    return below(high - low) + low
  end

  local function randomseed(...)
    local x, y = ...
    local count = select("#", ...)
    if count == 0 then
      a, b, c, d = kit.host.entropy()
    else
      x = number(1, "randomseed", count, x)
      x = tointeger(x) or string.unpack("i8", string.pack("n", x))
      a, b, c, d = x, 0xff, y ~= nil and integer(2, "randomseed", count, y) or 0, 0
      for _ = 1, 16 do
        following()
      end
    end
  end

  return random, randomseed
end
