import pytest
from lupa import lua54
from tests.guests.lua.cost import cost, filled

from procession.guests.lua.tail_calls import keep_callers

COMPILE = lua54.LuaRuntime(encoding=None).eval(
    b"function(s) local f, problem = load(s, '=test', 't') return problem end"
)
KEPT = b"local _caller <close> = nil "


@pytest.mark.parametrize(
    "source",
    [
        "return string.rep(s, n)",
        "return  process.registry . lookup (n)",
        "return setmetatable({}, {})",
        "local string = string return string.upper(s)",
        "local json = require('json')\nreturn json.decode(s)",
        "if x then return print(1) else return tostring(x), 2 end",
        "return math.random(1, 2)",
        "local f = function() return errors.new('x') end",
        "map(t, tostring) return tostring(x)",
        "repeat return time.now() until x",
        "return os.time()",
    ],
)
def test_a_tail_call_of_a_library_function_becomes_a_call(source):
    kept = keep_callers(source.encode())
    assert kept.replace(KEPT, b"") == source.encode()
    assert kept.count(KEPT) == source.count("return")
    assert COMPILE(kept) is None


@pytest.mark.parametrize(
    "source",
    [
        "return f(x)",
        "return math.floor(x)",
        "return self.string.rep(x)",
        "return string",
        "return string:rep(x)",
        "local print = f return print(x)",
        "function print(x) return print(x) end",
        "function string.loop(s) return string.loop(s) end",
        "string.loop = function(s) return string.loop(s) end",
        "local events = {} function events.loop() return events.loop() end",
        "local time, x return time.loop()",
        "local function f(process) return process.loop() end",
        "for _, string in x do return string.rep() end",
        "local s = 'return string.rep(s)' -- return string.rep(s)",
    ],
)
def test_any_other_one_stays_a_tail_call(source):
    assert keep_callers(source.encode()) == source.encode()
    assert COMPILE(source.encode()) is None


def test_a_program_calls_itself_without_end(holds):
    holds(
        """
        local events = { loop = false }
        function events.loop(n) if n > 0 then return events.loop(n - 1) end return "done" end
        equal(events.loop(1000000), "done")
        """,
        modules="[time]",
    )


def test_a_function_with_as_many_variables_as_there_may_be_runs_as_it_is(holds):
    names = ", ".join(f"a{i}" for i in range(199))
    holds(
        f"""
        local function f()
          local {names}, last = 1
          return string.rep("x", a0)
        end
        equal(f(), "x")
        """
    )


@pytest.mark.parametrize("source", [b"return " * 200_000, b"return string.rep(x) " * 50_000])
def test_a_hostile_program_costs_about_as_much_as_any_other_of_its_length(source):
    everyday = filled(b"do return string.rep(x) end\n", len(source))
    assert cost(keep_callers, source) < 25 * cost(keep_callers, everyday)
