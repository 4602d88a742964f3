"""What the functions of Lua's own libraries say of wrong arguments: as stock Lua, at the same line.

Each function is called with its right arguments, and then with each of them left out, or replaced
by each of some values that do not belong there: here, and in stock Lua 5.4, which is right.
"""

import asyncio
import re

import pytest
from lupa import lua54

from procession import Node

OF_ONE_NUMBER = ["abs", "acos", "asin", "ceil", "cos", "deg", "exp", "floor", "modf", "rad", "sin"]
OF_ONE_NUMBER += ["sqrt", "tan", "tointeger", "type"]
OF_TWO_NUMBERS = ["atan", "fmod", "log", "max", "min", "random", "ult"]
RIGHT = {
    # base; `print` is our own
    "assert": ["true"],
    "collectgarbage": ["'count'"],
    "error": ["'text'", "1"],
    "getmetatable": ["{}"],
    "ipairs": ["{}"],
    "next": ["{}"],
    "pairs": ["{}"],
    "pcall": ["print"],
    "rawequal": ["1", "1"],
    "rawget": ["{}", "1"],
    "rawlen": ["{}"],
    "rawset": ["{}", "1", "1"],
    "select": ["1", "1"],
    "setmetatable": ["{}", "{}"],
    "tonumber": ["'1'", "10"],
    "tostring": ["1"],
    "type": ["1"],
    "xpcall": ["type", "print", "1"],
    # string
    "string.byte": ["'abc'", "1", "2"],
    "string.char": ["65", "66"],
    "string.find": ["'abc'", "'b'", "1", "true"],
    "string.format": ["'%d %s %q %c %5.1f %x %a'", "1", "'x'", "'y'", "65", "1.5", "3", "5"],
    "string.gmatch": ["'abc'", "'b'", "1"],
    "string.gsub": ["'abc'", "'b'", "'c'", "1"],
    "string.len": ["'abc'"],
    "string.lower": ["'abc'"],
    "string.match": ["'abc'", "'b'", "1"],
    "string.pack": ["'i4 s d c3 z'", "1", "'x'", "1.5", "'abc'", "'z'"],
    "string.packsize": ["'i4'"],
    "string.rep": ["'abc'", "2", "','"],
    "string.reverse": ["'abc'"],
    "string.sub": ["'abc'", "1", "2"],
    "string.unpack": ["'i1'", "'abc'", "1"],
    "string.upper": ["'abc'"],
    # table
    "table.concat": ["{'a', 'b'}", "','", "1", "2"],
    "table.insert": ["{1, 2}", "1", "3"],
    "table.move": ["{1, 2}", "1", "2", "2", "{}"],
    "table.pack": [],
    "table.remove": ["{1, 2}", "1"],
    "table.sort": ["{2, 1}", "function(a, b) return a < b end"],
    "table.unpack": ["{1, 2}", "1", "2"],
    # math
    **{f"math.{name}": ["1"] for name in OF_ONE_NUMBER},
    **{f"math.{name}": ["1", "2"] for name in OF_TWO_NUMBERS},
    "math.randomseed": ["1", "2"],
    # os
    "os.clock": [],
    "os.date": ["'!%Y'", "0"],
    "os.difftime": ["2", "1"],
    "os.time": ["{year = 2024, month = 1, day = 1}"],
    # utf8
    "utf8.char": ["65", "66"],
    "utf8.codepoint": ["'abc'", "1", "2"],
    "utf8.codes": ["'abc'"],
    "utf8.len": ["'abc'", "1", "2"],
    "utf8.offset": ["'abc'", "1", "2"],
    # coroutine
    "coroutine.close": ["coroutine.create(print)"],
    "coroutine.create": ["print"],
    "coroutine.isyieldable": ["coroutine.create(print)"],
    "coroutine.resume": ["coroutine.create(type)", "1"],
    "coroutine.running": [],
    "coroutine.status": ["coroutine.create(print)"],
    "coroutine.wrap": ["print"],
    "coroutine.yield": [],
}  # fmt: skip
"""The functions that both have, with arguments that are right."""

WRONG = ["nil", "false", "-1", "0", "1.5", "1e300", "'x'", "'7'", "{}", "print", "V"]
WRONG += ["setmetatable({}, {__name = 'Account'})"]

PARTICULAR = [
    "string.find('a', '[a')",
    "string.find('a', '%')",
    "string.find('a', '%b')",
    "string.find('a', '%fa')",
    "string.find('a', '(a')",
    "string.find('a', 'a)')",
    "string.find('a', '(%1)')",
    "string.find('a', '%2')",
    "string.match('abc', '[')",
    "for _ in string.gmatch('abc', '(') do end",
    "string.gsub('abc', '(', 'x')",
    "string.gsub('abc', '(', {})",
    "string.gsub('abc', '(', type)",
    "string.gsub('abc', 'a', '%2')",
    "string.gsub('abc', 'a', '%x')",
    "string.gsub('abc', 'a', function() return {} end)",
    "string.gsub('abc', 'a', {a = true})",
    "string.gsub('abc', 'a', function() error('mine') end)",
    "string.gsub('abc', 'a', function() error({}) end)",
    "string.format('%y', 1)",
    "string.format('%', 1)",
    "string.format('%0123d', 1)",
    "string.format('%s', setmetatable({}, {__tostring = function() error('mine') end}))",
    "string.format('%s', setmetatable({}, {__tostring = function() return 1 end}))",
    "string.format('%q', {})",
    "string.rep('x', 1 << 60)",
    "string.rep('x', 1 << 40, 'yz')",
    "string.pack('i17', 1)",
    "string.pack('i1', 1000)",
    "string.pack('y', 1)",
    "string.pack('c1', 'xyz')",
    "string.unpack('i8', 'x')",
    "string.packsize('s')",
    "('x'):rep()",
    "('x'):rep({})",
    "('x'):find()",
    "('x'):sub()",
    "('x'):byte({})",
    "('%d'):format('x')",
    "('x'):gsub('x')",
    "('x'):gsub('[')",
    "('x'):pack('y')",
    "('x'):match(nil)",
    "('x'):gmatch()",
    "('x'):upper(1)",
    "('x'):nothing()",
    "table.concat({1, {}, 3})",
    "table.concat({1, 2, 3}, ',', 1, 5)",
    "table.insert({}, 5, 1)",
    "table.insert({}, 1, 2, 3)",
    "table.insert({})",
    "table.remove({1, 2, 3}, 7)",
    "table.unpack({}, 1, 1 << 30)",
    "table.unpack({}, 1, 10000000)",
    "table.move({}, 1, 2, math.maxinteger)",
    "table.sort({1, 'x'})",
    "table.sort({{}, {}})",
    "table.sort({3, 1, 2, 5, 4, 7, 6}, function() return true end)",
    "table.sort({3, 1, 2}, function(a, b) error('mine') end)",
    "table.sort({3, 1, 2}, function(a, b) return a.x < b.x end)",
    "table.insert(setmetatable({}, {__len = function() return 'x' end}), 1)",
    "table.unpack(setmetatable({}, {__len = function() return 1 << 40 end}))",
    "setmetatable(setmetatable({}, {__metatable = 1}), {})",
    "setmetatable(1, {})",
    "tostring(setmetatable({}, {__tostring = function() return 1 end}))",
    "tostring(setmetatable({}, {__tostring = function() error('mine') end}))",
    "tostring(setmetatable({}, {__name = 1, __tostring = 5}))",
    "math.random(0, -1)",
    "math.random(1, 2, 3)",
    "math.random(-5)",
    "math.random(math.mininteger, math.maxinteger, 1)",
    "math.floor({})",
    "math.max()",
    "math.fmod(1, 0)",
    "math.tointeger()",
    "os.time({day = 1})",
    "os.time({year = 2024})",
    "os.time({year = 2024, month = 1})",
    "os.time({year = 'x', month = 1, day = 1})",
    "os.time({year = 1.5, month = 1, day = 1})",
    "os.time({year = 1 << 60, month = 1, day = 1})",
    "os.time({year = 2024, month = {}, day = 1})",
    "os.time(setmetatable({}, {__index = function() error('mine') end}))",
    "os.date('%Ez', 0)",
    "os.date('%Q', 0)",
    "os.date('*t', 1 << 60)",
    "os.date('%')",
    "os.difftime()",
    "os.difftime(1)",
    "utf8.char(-1)",
    "utf8.codepoint('\\xff')",
    "utf8.codepoint('abc', 1, 9)",
    "utf8.len('abc', 9)",
    "for _ in utf8.codes('\\xff') do end",
    "coroutine.wrap(function() error('mine') end)()",
    "coroutine.wrap(function() error({}) end)()",
    "coroutine.wrap(function() local x = nil + 1 end)()",
    "local f = coroutine.wrap(print) f = coroutine.wrap(type) pcall(f) f()",
    "coroutine.close(coroutine.running())",
    "coroutine.wrap(function() coroutine.close(coroutine.running()) end)()",
    "collectgarbage('nothing')",
    "local t = nil t.x = 1",
    "local s = 'x' s()",
    "for _ in 5 do end",
    "pcall()",
    "xpcall(print)",
    "select(0)",
    "select('x')",
    "rawset(1, 2, 3)",
    "ipairs()",
    "next({}, 1)",
    "assert(false)",
    "assert(nil, 'mine')",
    "assert(false, {})",
    "error()",
    "error('mine', 2)",
]  # fmt: skip


MAY_DIFFER = {
    # Of newer stock Lua, and of use here too: any number is a seed.
    "math.randomseed(1.5, 2)",
    "math.randomseed(1e300, 2)",
}


def calls_of(name):
    right = RIGHT[name]
    yield f"{name}({', '.join(right)})"
    yield f"{name}({', '.join([*right, '1', '2'])})"
    for i in range(len(right)):
        yield f"{name}({', '.join(right[:i])})"
        for wrong in WRONG:
            yield f"{name}({', '.join([*right[:i], wrong, *right[i + 1 :]])})"


CALLS = {**{name: list(calls_of(name)) for name in RIGHT}, "in particular": PARTICULAR}

TOLD = """local function told(f)
  local ok, err = pcall(f)
  if ok then return false end
  return type(err) == "string" and err or type(err)
end
local V, said = coroutine.create(type), {}
"""


def program_of(calls, before="local _ ="):
    """Each call is a statement in a line of its own; the program returns what each says."""
    lines = []
    for i, call in enumerate(calls, 1):
        text = call if call.startswith(("for ", "local ")) else f"{before} {call}"
        lines.append(f"said[{i}] = told(function() {text} end)")
    return TOLD + "\n".join(lines) + "\nreturn said"


def what_stock_says(program):
    lua = lua54.LuaRuntime(unpack_returned_tuples=True)
    lua.execute("print = type")
    said = lua.compile(program, name="@main.lua")()
    return [said[i] for i in range(1, len(said) + 1)]


MANIFEST = """
version: "1.0"
namespace: app
entries:
  - {name: shared, kind: process.host}
  - {name: own, kind: process.host, host: {lua: {state: own}}}
  - name: main
    kind: process.lua
    source: "file://main.lua"
    modules: [time, json, logger, env, uuid, ctx, funcs, events]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the text of a program; what it returns."""
    folder = tmp_path_factory.mktemp("library_errors")
    (folder / "_index.yaml").write_text(MANIFEST)

    async def boot(host):
        async with Node(folder) as node:
            return await node.exec("app:main", f"app:{host}")

    def run(text, host="own"):
        (folder / "main.lua").write_text(f"return {{ main = function() {text} end }}")
        return asyncio.run(boot(host))

    return run


@pytest.fixture(scope="module", params=["local _ =", "return"])
def said(run, request):
    """What stock Lua says of each call, and what we say; also of tail calls."""
    calls = list(dict.fromkeys(call for some in CALLS.values() for call in some))
    program = program_of(calls, request.param)
    answers = zip(what_stock_says(program), run(program), strict=True)
    said = dict(zip(calls, answers, strict=True))
    if request.param == "return":  # only calls by the names that Lua has for its functions
        said = {call: told for call, told in said.items() if re.match(r"[\w.]+\(", call)}
    return said


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_told_as_by_stock_lua(said, name):
    told = 0
    for call in CALLS[name]:
        if call in MAY_DIFFER or call not in said:
            continue
        stock, ours = said[call]
        told += bool(stock)
        if stock and ours and not stock.startswith("main.lua:"):
            # What C raises without a place, such as "attempt to compare", has one here.
            assert ours.removeprefix("main.lua:").lstrip("0123456789").removeprefix(": ") == stock
        else:
            assert ours == stock, call
    assert told or not RIGHT.get(name) or name in NEVER_WRONG


NEVER_WRONG = {"collectgarbage"}


def test_each_function_of_the_sandbox_that_stock_lua_has_is_compared(run):
    ours = run(
        """
        local names = {}
        for name, value in pairs(_G) do
          if type(value) == "function" then
            names[#names + 1] = name
          elseif type(value) == "table" and value ~= _G then
            for inner, f in pairs(value) do
              if type(f) == "function" then names[#names + 1] = name .. "." .. inner end
            end
          end
        end
        return names"""
    )
    lua = lua54.LuaRuntime()
    has = lua.eval(
        "function(name) local v = _G for word in name:gmatch('%w+') do v = v and v[word] end "
        "return v ~= nil end"
    )
    assert {name for name in ours if has(name)} - {"print"} == set(RIGHT)


# -- what stock Lua does not have -----------------------------------------------------------------

OURS = ["print", "require", "unpack", "string.gfind", "coroutine.spawn", "time['until']"]
OURS += ["table.create", "table.getn", "table.maxn", "math.atan2", "math.cosh", "math.ldexp"]
OURS += ["math.log10", "math.mod", "math.pow", "math.sinh", "math.tanh"]
TABLES = ["process", "process.registry", "channel", "errors", "time", "json", "logger", "env"]
TABLES += ["uuid", "ctx", "funcs", "events"]
ARGUMENTS = ["", "{}", "V", "'x', V", "{}, {}, {}, {}", "'x', {}, V", "'x', 'y', V, V", "5, V, V"]
NO_ERROR = {"channel.select({})", "channel.select({}, {}, {}, {})"}  # they wait
NO_ERROR |= {"process.upgrade()"}  # the same program again


def test_a_wrong_argument_of_our_own_functions_is_told_at_the_line_of_the_program(run):
    listed = "".join(f"['{name}'] = {name}, " for name in TABLES)
    functions = run(
        f"""
        local names = {{}}
        for name, table in pairs({{ {listed} }}) do
          for inner, f in pairs(table) do
            if type(f) == "function" then names[#names + 1] = name .. "." .. inner end
          end
        end
        return names"""
    )
    names = sorted({*functions, *OURS} - {"time.until"})  # that is a word of Lua
    calls = [f"{name}({given})" for name in names for given in ARGUMENTS]
    calls = [call for call in calls if call not in NO_ERROR]
    told = set()
    for line, (call, text) in enumerate(zip(calls, run(program_of(calls)), strict=True), 7):
        name = re.split(r"[.']", call.partition("(")[0].strip("]'"))[-1]
        if text and text != "table":
            assert text.startswith(f"main.lua:{line}: "), call
            assert f"'{name}'" in text or "bad argument" not in text, call
            told.add(call.partition("(")[0])
    assert len(told) > 40
