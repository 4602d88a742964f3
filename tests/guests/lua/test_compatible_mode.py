"""`lua.compat=wippy`: the shapes that docs/reference/lua/wippy.md lists."""

import pytest

from procession import Internal


@pytest.fixture(params=["wippy", "wippy_own"])
def host(request):
    return request.param


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_that_says_no_kind_is_of_the_kind_unknown(holds):
    holds("""
      equal(errors.UNKNOWN, "")
      equal(errors.new("x"):kind(), "")
      equal(errors.new{message = "x"}:kind(), errors.UNKNOWN)
      equal(errors.wrap("x", "y"):kind(), "")
      assert(errors.is(errors.new("x"), errors.UNKNOWN))
      assert(not errors.is(errors.new("x"), errors.INTERNAL))
      equal(errors.new{message = "x", kind = errors.INTERNAL}:kind(), "Internal")
    """)


def test_a_kind_may_come_first_also_as_the_name_of_its_constant(holds):
    holds("""
      local err = errors.new("TIMEOUT", "too slow")
      equal(err:kind(), errors.TIMEOUT)
      equal(err:message(), "too slow")
      assert(errors.is(err, "TIMEOUT") and errors.is(err, errors.TIMEOUT))
      equal(errors.new(errors.CONFLICT, "m"):kind(), "Conflict")
      equal(errors.new("UNKNOWN", "m"):kind(), "")
      raises("unknown error kind NONSENSE", errors.new, "NONSENSE", "m")
      raises("unknown error kind nil", errors.new, {message = "m", kind = "nil"})
    """)


def test_empty_details_are_nil(holds):
    holds("""
      equal(errors.new{message = "x", details = {}}:details(), nil)
      equal(errors.new{message = "x", details = {n = 1}}:details().n, 1)
      equal(errors.wrap(errors.new{message = "x", details = {}}, "c"):details(), nil)
    """)


def test_wrapping_keeps_the_message_and_shows_the_context(holds):
    holds("""
      local inner = errors.new{message = "no disk", kind = errors.UNAVAILABLE, details = {n = 1}}
      local err = errors.wrap(inner, "saving")
      equal(err:message(), "no disk")
      equal(tostring(err), "saving: no disk")
      equal("" .. err, "saving: no disk")
      equal(err:kind(), errors.UNAVAILABLE)
      equal(err:details().n, 1)
      local again = errors.wrap(err, "closing")
      equal(again:message(), "no disk")
      equal(tostring(again), "closing: saving: no disk")
      equal(tostring(errors.wrap("plain", "context")), "context: plain")
      equal(errors.wrap("plain", "context"):message(), "plain")
      assert(errors.wrap(inner, "a") ~= errors.wrap(inner, "b"))
    """)


def test_an_error_crosses_to_another_lua_process_without_losing_its_kind(app, host):
    app.add("fails", 'return nil, errors.wrap(errors.new("x"), arg[1])', kind="function.lua")
    app.add(
        "main",
        """
        local _, err = funcs.call("app:fails", "c")
        equal(err:kind(), "")
        equal(tostring(err), "c: x")
        equal(err:details(), nil) -- and its stack is where a stack is
        assert(err:stack():find("fails.lua:", 1, true), err:stack())
        local inbox = process.listen("t")
        process.send(process.pid(), "t", {errors.new("x"), errors.new("TIMEOUT", "y")})
        local both = inbox:receive()
        equal(both[1]:kind(), "")
        equal(both[2]:kind(), "Timeout")
        """,
    )
    app.run(host)


def test_an_exception_of_python_shows_its_type_and_keeps_its_stack_apart(app, host):
    app.add_python("py", "async def main():\n    return {}['b']\n")
    app.add(
        "main",
        """
        local _, err = funcs.call("app:py")
        equal(tostring(err), "KeyError: 'b'")
        equal(err:details().type, "KeyError")
        equal(err:details().traceback, nil)
        assert(err:stack():find("py.py", 1, true), err:stack())
        """,
    )
    app.run(host)


def test_for_python_an_error_without_a_kind_is_internal(app, host):
    app.add("main", 'return nil, errors.wrap(errors.new("x"), "context")')

    with pytest.raises(Internal, match="^context: x$") as caught:
        app.run(host)
    assert caught.value.kind == "Internal"


def test_an_error_without_a_kind_is_internal_where_the_mode_is_not_on(app, host):
    app.add("fails", 'return nil, errors.new("x")')
    app.add(
        "main",
        """
        local _, err = process.exec("app:fails", arg[1])
        equal(err:kind(), "Internal")
        """,
    )
    app.run("shared", f"app:{host}")


LASTING = [
    'time.parse(time.RFC3339, "soon")',
    'time.parse_duration("soon")',
    'time.sleep("soon")',
    'time.load_location("No/Where")',
    'time.load_location("")',
    "time.timer(0)",
    'time.ticker("-1s")',
    "json.decode('{')",
    "json.encode(print)",
    'uuid.parse("no")',
    'ctx.get("missing")',
    'env.get("APP_MISSING")',
    'env.set("APP_X", "1")',
    'events.subscribe("a..b")',
    'events.send("*", "k", "/p")',
    'funcs.call("app:nothing")',
    "process.spawn()",
    'process.send(process.pid(), "@t", 1)',
    'process.send(process.pid(), "t", print)',
    "process.set_options({x = true})",
    'process.listen("t", {x = 1})',
]


@pytest.mark.parametrize("call", LASTING)
def test_an_error_whose_cause_cannot_go_away_is_not_retryable(holds, call):
    holds(f"local _, err = {call} equal(err:retryable(), false)")


def test_other_errors_do_not_say_whether_to_try_again(app, host):
    app.add("fails", 'return nil, errors.new("INVALID", "x")', kind="function.lua")
    app.add(
        "main",
        """
        local _, err = process.send("nobody", "t")
        equal(err:kind(), errors.NOT_FOUND)
        equal(err:retryable(), nil)
        _, err = funcs.call("app:fails")
        equal(err:kind(), errors.INVALID)
        equal(err:retryable(), nil)
        """,
    )
    app.run(host)


# -- futures ---------------------------------------------------------------------------------------


def test_the_channel_of_a_future_gives_a_payload(functions, host):
    functions.add(
        "main",
        """
        local future = funcs.async("app:py", {1}, {2})
        local payload, ok = future:response():receive()
        equal(ok, true)
        equal(payload:data().sum[2], 2)
        local _, more = future:channel():receive()
        equal(more, false)
        local nothing = funcs.async("app:nothing")
        payload, ok = nothing:channel():receive()
        equal(ok, true)
        equal(payload:data(), nil)
        local selected = channel.select({funcs.async("app:add", 1, 2):channel():case_receive()})
        equal(selected.ok, true)
        equal(selected.value:data(), 3)
        """,
    )
    functions.run(host)


def test_the_channel_of_a_future_gives_the_error_of_the_function(functions, host):
    functions.add(
        "main",
        """
        local future = funcs.async("app:fails")
        local err, ok = future:response():receive()
        equal(ok, true)
        equal(err:kind(), "Conflict")
        equal(select(2, future:response():receive()), false)
        local stays = funcs.async("app:stays", process.pid())
        process.listen("started"):receive()
        stays:cancel()
        err, ok = stays:channel():receive()
        equal(ok, true)
        equal(err:kind(), "Canceled")
        """,
    )
    functions.run(host)


def test_the_result_of_a_future_is_a_payload_or_an_error(functions, host):
    functions.add(
        "main",
        """
        local future = funcs.async("app:add", 1, 2)
        local payload, err = future:result()
        equal(payload, nil)
        equal(err, nil)
        err, payload = future:error()
        equal(err, nil)
        equal(payload, false)
        equal(future:await(), 3)
        payload, err = future:result()
        equal(payload:data(), 3)
        equal(err, nil)
        local failing = funcs.async("app:fails")
        failing:await()
        payload, err = failing:result()
        equal(payload, nil)
        equal(err:kind(), "Conflict")
        local again, is_there = failing:error()
        equal(again:kind(), "Conflict")
        equal(is_there, true)
        """,
    )
    functions.run(host)


# -- types and empty values ------------------------------------------------------------------------


def test_moments_and_durations_are_userdata(holds):
    holds("""
      equal(type(1), "number") -- before the module is there
      for _, v in ipairs({
        time.now(), time.parse_duration("1s"), time.utc, time.timer("1h"), time.ticker("1h"),
        process.events(),
      }) do
        equal(type(v), "userdata")
      end
      equal(type({}), "table")
      equal(type(nil), "nil")
      equal(type(setmetatable({}, {})), "table")
      raises("bad argument #1 to 'type' (value expected)", type)
      raises("main.lua:", function() type() end)
    """)


@pytest.mark.parametrize(
    "call",
    [
        'events.send("system", "kind", "", 1)',
        'logger:named("")',
        'env.get("")',
        'env.get("", "default")',
        'ctx.get("")',
        'time.load_location("")',
        "time.timer(0)",
        'time.timer("0s")',
        "time.ticker(0)",
        "time.ticker(-1)",
        'time.ticker("1h"):reset(0)',
    ],
)
def test_what_is_empty_is_invalid(holds, call):
    holds(f'failed("Invalid", "", {call})')


def test_an_empty_table_is_a_json_array(holds):
    holds("""
      equal(json.encode({}), "[]")
      equal(json.encode({a = {}, b = {{}, {c = 1}}}), '{"a":[],"b":[[],{"c":1}]}')
      equal(json.encode(json.decode("{}")), "[]")
    """)


# -- events and failures ---------------------------------------------------------------------------


def test_every_event_has_a_result_of_value_and_error(app, host):
    app.add("gives", "return {n = 1}")
    app.add("fails", 'error("kaboom")')
    app.add(
        "main",
        """
        process.set_options({trap_links = true})
        local events = process.events()
        process.spawn_monitored("app:gives", arg[1])
        local exit = events:receive()
        equal(exit.kind, process.event.EXIT)
        equal(exit.result.value.n, 1)
        equal(exit.result.error, nil)
        equal(exit.error, nil)
        process.spawn_linked_monitored("app:fails", arg[1])
        for _, kind in ipairs({process.event.EXIT, process.event.LINK_DOWN}) do
          local event = events:receive()
          equal(event.kind, kind)
          equal(event.result.value, nil)
          assert(event.result.error:message():find("kaboom", 1, true))
          equal(event.error, nil)
        end
        process.cancel(process.pid(), "enough")
        local cancel = events:receive()
        equal(cancel.reason, "enough")
        equal(next(cancel.result), nil)
        """,
    )
    app.run(host, f"app:{host}")


def test_what_stands_for_failure_is_nil(app, host):
    app.add("gives", "return 1")
    app.add(
        "main",
        """
        local function fails(kind, value, err)
          equal(value, nil)
          equal(err:kind(), kind)
        end
        fails("PermissionDenied", env.set("APP_X", "1"))
        fails("Invalid", events.send("*", "k", "p"))
        for _, value in ipairs({1, {2}}) do
          fails("NotFound", process.send("nobody at all", "t", value))
        end
        fails("Invalid", process.send(process.pid(), "t", print))
        process.spawn_monitored("app:gives", arg[1])
        local dead = process.events():receive().from
        for _, name in ipairs({"monitor", "link", "terminate", "cancel"}) do
          fails("NotFound", process[name](dead))
        end
        fails("Invalid", process.set_options({trap_link = true}))
        equal(process.send(process.pid(), "t", 1), true)
        """,
    )
    app.run(host, f"app:{host}")


@pytest.mark.parametrize("number", ["5000", "30000.0"])
def test_a_time_out_as_a_number_is_in_milliseconds(functions, host, number):
    functions.add(
        "main",
        f"""
        local executor = funcs.new():with_options({{timeout = {number}, priority = "high"}})
        equal(executor:call("app:add", 1, 2), 3)
        equal(process.with_options({{timeout = {number}}}):exec("app:add", nil, 1, 2), 3)
        """,
    )
    functions.run(host)


def test_the_mode_holds_in_os_workers_too(functions):
    functions.manifest += (
        "  - {name: workers, kind: process.host, host: {os_workers: 1, lua: {compat: wippy}}}\n"
    )
    functions.add("fails_so", 'return nil, errors.new("x")')
    functions.add(
        "main",
        """
        equal(errors.new("x"):kind(), "")
        equal(json.encode({}), "[]")
        equal(funcs.async("app:add", 1, 2):channel():receive():data(), 3)
        local _, err = funcs.call("app:fails_so")
        equal(err:kind(), "")
        """,
    )
    functions.add(
        "outside",
        """
        local _, err = process.exec("app:main", "app:workers")
        equal(err, nil)
        _, err = process.exec("app:fails_so", "app:workers")
        equal(err:kind(), "Internal")
        """,
    )
    functions.run("wippy", entry="app:outside")


# -- without it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("usual", ["shared", "own"])
def test_without_the_mode_nothing_of_it_is_there(functions, usual):
    functions.add("ends", "error('kaboom')")
    functions.add(
        "main",
        """
        equal(errors.UNKNOWN, nil)
        equal(errors.new("x"):kind(), "Internal")
        raises("unknown error kind TIMEOUT", errors.new, "TIMEOUT", "m")
        assert(errors.new{message = "x", details = {}}:details() ~= nil)
        equal(errors.wrap(errors.new("x"), "c"):message(), "c: x")
        local _, err = time.parse_duration("soon")
        equal(err:retryable(), nil)
        _, err = ctx.get("missing")
        equal(err:retryable(), nil)
        equal(type(time.now()), "table")
        equal(json.encode({}), "{}")
        assert(time.timer(0) and logger:named("") and events.send("a", "b", ""))
        failed("NotFound", "", ctx.get(""))
        failed("NotFound", "", env.get(""))
        failed("NotFound", "", time.load_location(""))
        raises("an interval longer than nothing", time.ticker, 0)
        equal(funcs.async("app:add", 1, 2):channel():receive(), 3)
        local failing = funcs.async("app:fails")
        local _, ok = failing:channel():receive()
        equal(ok, false)
        equal(select("#", failing:error()), 1)
        process.spawn_monitored("app:ends", nil)
        local exit = process.events():receive()
        equal(exit.result, nil)
        assert(exit.error:message():find("kaboom", 1, true))
        """,
    )
    functions.run(usual)
