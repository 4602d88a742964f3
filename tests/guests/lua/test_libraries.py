"""What Lua's own libraries do here, where it is not what stock Lua does, or has not always been."""

import math

import pytest

from procession import Internal, LimitExceeded


def test_a_program_may_require_what_is_a_global_anyway(holds):
    holds(
        """
        equal(require("process"), process)
        equal(require("channel"), channel)
        equal(require("errors"), errors)
        equal(require("process").pid(), process.pid())
        raises("module 'string' not found", require, "string")
        """,
        modules="[process, channel, errors]",
    )


def test_what_is_a_global_anyway_is_required_only_if_it_is_declared(holds):
    holds(
        """
        raises("module 'process' not found; add it to `modules` of the entry", require, "process")
        """,
        modules="[time]",
    )


def test_the_collector_of_an_own_state_does_as_it_is_told(app):
    app.add(
        "main",
        """
        equal(collectgarbage("isrunning"), true)
        local kept = ("x"):rep(1 << 20)
        local before = collectgarbage("count")
        equal(math.type(before), "float")
        do
          local garbage = {}
          for i = 1, 8 do garbage[i] = ("y"):rep(1 << 20) .. i end
        end
        equal(collectgarbage("count") > before + 7 * 1024, true)
        equal(collectgarbage(), 0)
        equal(collectgarbage("count") < before + 1024, true)
        equal(collectgarbage("collect"), 0)
        equal(type(collectgarbage("step")), "boolean")
        for _, option in ipairs({ "stop", "restart", "setpause", "generational", "incremental" }) do
          raises("collectgarbage(\\"" .. option .. "\\") is not available", collectgarbage, option)
        end
        raises("bad argument #1 to 'collectgarbage' (invalid option 'x')", collectgarbage, "x")
        return #kept
        """,
    )
    assert app.run("own") == 1 << 20


def test_the_collector_of_a_shared_state_is_nobodys(app):
    app.add(
        "main",
        """
        for _, option in ipairs({ "collect", "count", "step", "isrunning", "stop" }) do
          raises("collectgarbage(\\"" .. option .. "\\") is not available", collectgarbage, option)
        end
        raises("on a host with lua: {state: own} each has its own", collectgarbage)
        raises("bad argument #1 to 'collectgarbage' (invalid option 'x')", collectgarbage, "x")
        """,
    )
    app.run("shared")


def test_hyperbolic_functions_are_those_of_c(holds):
    numbers = [0.0, -0.0, 1e-12, -0.001, 0.3, 0.9999, 1.0, -1.5, 5, 19.9, 20.1, -300, 709.5, 710.2]
    numbers += [math.inf, -math.inf]
    given = ", ".join(f"{number!r}".replace("inf", "math.huge") for number in numbers)
    found = holds(
        f"""
        local found = {{}}
        for i, x in ipairs({{ {given} }}) do
          found[i] = {{ sinh = math.sinh(x), cosh = math.cosh(x), tanh = math.tanh(x) }}
        end
        return found
        """
    )
    for number, ours in zip(numbers, found, strict=True):
        for name, value in ours.items():
            right = getattr(math, name)(number)
            assert value == pytest.approx(right, rel=1e-14, abs=0), (name, number)
            assert math.copysign(1, value) == math.copysign(1, right), (name, number)


def test_a_table_is_created_with_room_for_items(holds):
    holds(
        """
        local t = table.create(1000)
        equal(#t, 0)
        equal(next(t), nil)
        t[1] = "first"
        equal(next(table.create(3, 4)), nil)
        raises("bad argument #1 to 'create' (out of range)", table.create, -1)
        raises("bad argument #1 to 'create' (out of range)", table.create, 1 << 40)
        raises("bad argument #1 to 'create' (number expected, got no value)", table.create)
        raises("bad argument #2 to 'create' (number expected, got string)", table.create, 1, "x")
        raises("(number has no integer representation)", table.create, 1.5)
        """
    )


def test_os_time_takes_the_fields_of_a_date_and_normalises_them(holds):
    holds(
        """
        raises("field 'day' missing in date table", os.time, { year = 2024, month = 1 })
        local date = { year = 2024, month = 14, day = -3, hour = 12 }
        local at = os.time(date)
        equal(os.date("!%Y-%m-%d", at), "2025-01-28")
        equal(date.month, 1)
        equal(date.day, 28)
        equal(date.yday, 28)
        """
    )


def test_string_functions_take_error_objects_for_their_messages(holds):
    holds(
        """
        local err = errors.new("Not found: 5")
        equal(string.len(err), 12)
        equal(string.lower(err), "not found: 5")
        equal(string.sub(err, 1, 3), "Not")
        equal(string.byte(err), 78)
        equal(string.rep(err, 2, "|"), "Not found: 5|Not found: 5")
        equal(string.find(err, "found"), 5)
        equal(string.find("Oh: Not found: 5", err, 1, true), 5)
        equal(string.match(err, "%d"), "5")
        equal(string.gsub("x", "x", err), "Not found: 5")
        equal(string.format(err), "Not found: 5")
        equal(string.format("%s!", err), "Not found: 5!")
        equal(table.concat({ err, 1 }, "; "), "Not found: 5; 1")
        for word in string.gmatch(err, "%a+") do equal(word, "Not") break end
        """
    )


def test_a_pattern_that_is_matched_in_lua_says_what_c_says_of_it(holds):
    holds(
        """
        local long = ("a"):rep(20000)
        for _, pattern in ipairs({ "[a", "(a", "a)", "%", "%b", "%f", "(%1)", "%2" }) do
          local ok, expected = pcall(function() local _ = ("a"):match(pattern) end)
          local again, found = pcall(function() local _ = long:find("a-.-.-b?" .. pattern) end)
          equal(found:gsub("^main.lua:%d+: ", ""), (expected:gsub("^main.lua:%d+: ", "")))
        end
        raises("main.lua:", string.find, long, ("a?"):rep(300) .. ".-.-.-b")
        raises("pattern too complex", string.find, long, ("a?"):rep(300) .. ".-.-.-b")
        raises("invalid use of '%' in replacement", string.gsub, long, "(a-).-%1.-a", "%x", 1)
        raises("invalid capture index %2", string.gsub, long, "(a-).-%1.-a", "%2", 1)
        raises("invalid replacement value (a table)", string.gsub, long, "(a-).-%1.-a", function()
          return {}
        end, 1)
        """
    )


@pytest.mark.parametrize(
    "call",
    [
        "table.sort({ 3, 1, 2 }, failing)",
        "string.gsub('abc', '.', failing)",
        "string.gsub('abc', '.', setmetatable({}, { __index = failing }))",
        "string.format('%s', setmetatable({}, { __tostring = failing }))",
        "tostring(setmetatable({}, { __tostring = failing }))",
        "string.gsub('abc', '.', function() table.sort({ 3, 1, 2 }, failing) end)",
        "table.concat(setmetatable({}, { __index = failing, __len = function() return 1 end }))",
    ],
)
@pytest.mark.parametrize("what", ["'oh no'", "{ message = 'oh no' }", "errors.new('oh no')"])
def test_an_error_of_a_callback_is_as_it_was_with_the_stack_that_it_had(app, host, call, what):
    app.add("main", f"local function failing() error({what}) end\n  local _ = {call}")
    with pytest.raises(Internal, match="oh no") as caught:
        app.run(host)
    assert caught.value.message in ("oh no", "main.lua:18: oh no")
    stack = caught.value.details["traceback"]
    if "errors" not in what:  # that has the stack where it was made
        assert "main.lua:18: in " in stack
        assert "main.lua:19: in function <main.lua:17>" in stack
    assert "procession" not in stack
    assert "xpcall" not in stack


def test_an_error_that_has_passed_a_library_leaves_no_stack_to_a_later_one(app, host):
    app.add(
        "main",
        """
        pcall(string.gsub, "x", "x", function() error("early", 0) end)
        error("early", 0)
        """,
    )
    with pytest.raises(Internal, match="early") as caught:
        app.run(host)
    assert "gsub" not in caught.value.details["traceback"]


def test_a_tail_call_of_a_library_function_has_a_line_too(holds):
    holds(
        """
        local rep = string.rep
        local function named() return string.rep() end
        local function by_another_name() return rep() end
        local function outer(inner) local text = inner() return text end
        local _, err = pcall(outer, named)
        equal(err, "main.lua:20: bad argument #1 to 'rep' (string expected, got no value)")
        local _, err = pcall(outer, by_another_name) -- then it is that of the caller
        equal(err, "main.lua:22: bad argument #1 to 'rep' (string expected, got no value)")
        """
    )


def test_a_function_that_pcall_calls_itself_is_told_at_the_line_of_the_pcall(holds):
    holds(
        """
        local ok, err = pcall(string.lower, nil)
        equal(err, "main.lua:19: bad argument #1 to 'lower' (string expected, got nil)")
        """
    )


@pytest.mark.parametrize("call", ["string.rep('x', 40 << 20)", "('x'):rep(40 << 20)"])
def test_a_library_function_that_needs_too_much_memory_ends_the_process_as_anything_else(app, call):
    app.manifest += (
        "  - {name: tiny, kind: process.host, host: {lua: {state: own, memory: 8MiB}}}\n"
    )
    app.add("main", f"local text = {call} return #text")
    with pytest.raises(LimitExceeded, match="out of memory"):
        app.run("tiny")
