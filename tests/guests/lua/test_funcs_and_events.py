"""The Lua modules `funcs` and `events`: what reaches beyond the process, and ends with it."""

import asyncio

import pytest

from procession import Error, Node

# -- funcs -----------------------------------------------------------------------------------------


def test_a_call_gives_the_result_or_the_error_of_the_function(functions, host):
    functions.add(
        "main",
        """
        equal(funcs.call("app:add", 1, 2), 3)
        equal(funcs.call("app:py", {1}, {2}).sum[2], 2)
        local value, err = funcs.call("app:nothing")
        equal(value, nil)
        equal(err, nil)
        failed("Conflict", "no", funcs.call("app:fails"))
        failed("NotFound", "did you mean 'app:add'", funcs.call("app:ad"))
        failed("Invalid", "argument", funcs.call("app:add", print))
        raises("bad argument #1 to 'call' (string expected, got nil)", funcs.call)
        raises("bad argument #1 to 'async' (string expected, got table)", funcs.async, {})
        raises("main.lua:", function() funcs.call() end)
        """,
    )
    functions.run(host)


def test_a_future_can_be_awaited_and_looked_at(functions, host):
    functions.add(
        "main",
        """
        local endless = assert(funcs.async("app:stays", process.pid()))
        equal(endless:is_complete(), false)
        local v, err = endless:result()
        equal(v, nil)
        equal(err, nil)
        local future = assert(funcs.async("app:add", 1, 2))
        equal(future:await(), 3)
        equal(future:await(), 3)
        equal(future:result(), 3)
        equal(future:is_complete(), true)
        equal(future:is_canceled(), false)
        equal(future:error(), nil)
        equal(future:cancel(), false)

        local failing = funcs.async("app:fails")
        failed("Conflict", "no", failing:await())
        failed("Conflict", "no", failing:result())
        equal(failing:error():kind(), "Conflict")
        local value, ok = failing:response():receive()
        equal(value, nil)
        equal(ok, false)
        failed("NotFound", "", funcs.async("app:none"))
        raises("bad argument #1 to 'await' (future expected, got table)", future.await, {})
        raises("bad argument #1 to 'cancel' (future expected, got nil)", future.cancel)
        """,
    )
    functions.run(host)


def test_the_channel_of_a_future_gets_the_result_and_closes(functions, host):
    functions.add(
        "main",
        """
        local one = funcs.async("app:py", {1}, {2})
        local two = funcs.async("app:nothing")
        equal(one:channel(), one:response())
        local result = channel.select({one:channel():case_receive()})
        equal(result.value.sum[1], 1)
        local value, ok = one:channel():receive()
        equal(ok, false)
        value, ok = two:response():receive()
        equal(value, nil)
        equal(ok, true)
        equal(one:await().sum[2], 2)
        """,
    )
    functions.run(host)


def test_a_call_that_exceeds_its_time_out_fails_and_ends_the_function(functions, host):
    functions.add(
        "main",
        """
        process.listen("started")
        local hasty = funcs.new():with_options({timeout = "10ms"})
        local value, err = hasty:call("app:stays", process.pid())
        failed("Timeout", "within 0.01 seconds", value, err)
        equal(err:retryable(), true)
        failed("NotFound", "", process.registry.lookup("stays"))
        local future = hasty:async("app:stays", process.pid())
        local _, ok = future:channel():receive()
        equal(ok, false)
        failed("Timeout", "", future:await())
        equal(future:is_canceled(), false)
        local builder = process.with_options({timeout = "10ms"})
        failed("Timeout", "", builder:exec("app:stays", nil, process.pid()))
        failed("NotFound", "", process.registry.lookup("stays"))
        """,
    )
    functions.run(host)


def test_options_are_added_to_those_before_and_bound_what_ends_in_time(functions, host):
    functions.add("ends", "return 1")
    functions.add(
        "main",
        """
        local executor = funcs.new():with_options({timeout = time.HOUR, retries = 1})
        equal(executor:call("app:add", 1, 2), 3)
        local hasty = executor:with_options({timeout = "1ms"}):with_context({user = "u1"})
        failed("Timeout", "", hasty:call("app:stays", process.pid()))
        local patient = hasty:with_options({timeout = "1h"})
        equal(patient:call("app:context").user, "u1")
        failed("Conflict", "no", patient:call("app:fails"))
        local builder = process.with_options({}):with_options({timeout = "1h"})
        equal(builder:exec("app:add", nil, 1, 2), 3)
        local pid = builder:spawn_monitored("app:ends", nil)
        equal(process.events():receive().from, pid)
        """,
    )

    async def boot():
        async with Node(functions.folder) as node:
            await node.exec("app:main", f"app:{host}")
            return node.statistics()["timers"]

    assert asyncio.run(boot()) == 0


def test_options_must_make_sense(holds):
    holds("""
      for _, f in ipairs({
        function(options) process.with_options(options) end,
        function(options) process.with_name("x"):with_options(options) end,
        function(options) funcs.new():with_options(options) end,
      }) do
        raises("to 'with_options' (table expected, got nil)", f)
        raises("to 'with_options' (its keys are strings, not number)", f, {1})
        raises("(timeout: duration expected, got table)", f, {timeout = {}})
        raises("(timeout: it must be more than nothing)", f, {timeout = 0})
        raises('(timeout: time: invalid duration "soon")', f, {timeout = "soon"})
        raises("main.lua:", f, {timeout = "soon"})
      end
    """)


def test_a_builder_executes_with_its_context_name_and_messages(functions, host):
    functions.add(
        "tells",
        """
        return {
          context = ctx.all(),
          first = process.listen("first"):receive(),
          named = process.registry.lookup("built") == process.pid(),
          args = arg,
        }
        """,
        kind="function.lua",
    )
    functions.add(
        "main",
        """
        local builder = process.with_context({user = "u1"}):with_name("built")
        builder = builder:with_message("first", {1})
        local got, err = builder:exec("app:tells", arg[1], "a", {2})
        equal(err, nil)
        equal(got.context.user, "u1")
        equal(got.first[1], 1)
        equal(got.named, true)
        equal(got.args[1], "a")
        equal(got.args[2][1], 2)
        failed("NotFound", "", process.registry.lookup("built"))
        equal(builder:exec("app:tells", nil).args[1], nil)
        failed("Conflict", "no", builder:exec("app:fails", nil))
        failed("NotFound", "host not found", builder:exec("app:tells", "app:nowhere"))
        failed("NotFound", "did you mean", builder:exec("app:tell", nil))
        failed("Invalid", "takes an entry and a host", builder:exec("app:tells"))
        failed("Invalid", "cannot cross", builder:exec("app:tells", nil, print))
        local odd = builder:with_context({f = print})
        failed("Invalid", "cannot cross", odd:exec("app:tells", nil))
        process.registry.register("taken")
        failed("AlreadyExists", "", builder:with_name("taken"):exec("app:tells", nil))
        raises("bad argument #1 to 'exec' (string expected", builder.exec, builder, 5, nil)
        raises("bad argument #1 to 'exec' (process builder expected", builder.exec, {})
        """,
    )
    functions.run(host, f"app:{host}")


def test_what_a_builder_executes_ends_with_its_caller(functions, host):
    functions.add("caller", 'process.with_name("x"):exec("app:stays", nil, arg[1])')
    functions.add(
        "main",
        """
        local started = process.listen("started")
        local caller = process.spawn("app:caller", nil, process.pid())
        local pid = started:receive()
        process.monitor(pid)
        process.terminate(caller)
        local event = process.events():receive()
        equal(event.from, pid)
        equal(event.error:kind(), "Canceled")
        """,
    )
    functions.run(host)


def test_several_coroutines_can_await_one_future(functions, host):
    functions.add(
        "main",
        """
        local future, sum = funcs.async("app:add", 1, 2), 0
        local done = channel.new(2)
        for i = 1, 2 do
          coroutine.spawn(function() local v = future:await() sum = sum + v done:send(true) end)
        end
        done:receive()
        done:receive()
        return sum
        """,
    )
    assert functions.run(host) == 6


def test_a_canceled_call_ends(functions, host):
    functions.add(
        "main",
        """
        local started = process.listen("started")
        local future = funcs.async("app:stays", process.pid())
        local pid = started:receive()
        process.monitor(pid)
        equal(future:cancel(), true)
        equal(future:cancel(), false)
        equal(future:is_canceled(), true)
        equal(future:is_complete(), true)
        failed("Canceled", "", future:await())
        local _, ok = future:channel():receive()
        equal(ok, false)
        local event = process.events():receive()
        equal(event.from, pid)
        equal(event.error:kind(), "Canceled")
        """,
    )
    functions.run(host)


@pytest.mark.parametrize(
    "how",
    [
        'funcs.call("app:stays", arg[1])',
        'funcs.async("app:stays", arg[1])\n  channel.new():receive()',
    ],
)
def test_a_call_ends_with_its_caller(functions, host, how):
    functions.add("caller", how)
    functions.add(
        "main",
        """
        local started = process.listen("started")
        local caller = process.spawn("app:caller", nil, process.pid())
        local pid = started:receive()
        process.monitor(pid)
        process.terminate(caller)
        local event = process.events():receive()
        equal(event.from, pid)
        equal(event.error:kind(), "Canceled")
        failed("NotFound", "", process.registry.lookup("stays"))
        """,
    )
    functions.run(host)


def test_a_call_that_nobody_awaits_ends_with_the_return_of_its_caller(functions, host):
    functions.add("caller", 'funcs.async("app:stays", arg[1])\n  process.listen("x")')
    functions.add(
        "main",
        """
        process.spawn("app:caller", nil, process.pid())
        time.sleep("10ms")
        return process.registry.lookup("stays") == nil
        """,
    )
    assert functions.run(host) is True


def test_an_executor_adds_to_the_context_of_its_caller(functions, host):
    functions.add(
        "child",
        """
        local executor = funcs.new():with_context({b = 2})
        local more = executor:with_context({c = {3}})
        local found = {funcs.call("app:context"), executor:call("app:context")}
        found[3] = more:async("app:context"):await()
        process.send(arg[1], "found", found)
        local with = executor.with_context
        raises("bad argument #2 to 'with_context' (table expected, got nil)", with, executor)
        raises("its keys are strings, not number", with, executor, {1})
        raises("bad argument #2 to 'call' (string expected, got nil)", executor.call, executor)
        raises("(executor expected, got nil)", executor.call)
        failed("Invalid", "context", executor:with_context({f = print}):call("app:context"))
        failed("Invalid", "argument", executor:call("app:add", print))
        process.send(arg[1], "found", "over")
        """,
    )
    functions.add(
        "main",
        """
        local found = process.listen("found")
        process.with_context({a = 1}):spawn_linked("app:child", nil, process.pid())
        local result = found:receive()
        equal(found:receive(), "over")
        return result
        """,
    )
    assert functions.run(host) == [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": [3]}]


def test_an_imported_function_is_called_by_what_require_gives(functions, host):
    functions.add(
        "main",
        """
        local add, py = require("add"), require("py")
        equal(add(1, 2), 3)
        equal(py(1, 2).sum, 3)
        equal(require("add"), add)
        failed("Conflict", "no", require("fails")())
        """,
        more='imports: {add: "app:add", py: "app:py", fails: "app:fails"}',
        modules="[]",
    )
    functions.run(host)


def test_a_process_that_fails_with_a_call_under_way_is_still_logged_when_exits_are_quiet(
    functions, caplog
):
    functions.add(
        "main",
        'process.spawn("app:caller", nil, process.pid()) process.listen("x")\n  time.sleep("10ms")',
    )
    functions.add(
        "caller", 'funcs.async("app:stays", arg[1])\n  events.subscribe("s")\n  error("kaboom")'
    )
    functions.run("shared")
    assert any("kaboom" in r.getMessage() and r.levelname == "ERROR" for r in caplog.records)


# -- events ----------------------------------------------------------------------------------------


def test_an_event_reaches_those_who_are_interested(holds):
    holds("""
      local orders = assert(events.subscribe("orders"))
      local created = events.subscribe("orders", "item.*")
      local deep = events.subscribe("*", "item.**")
      local all = events.subscribe("**")
      local others = events.subscribe("users.*")
      equal(events.send("orders", "item.created", "/items/1", {n = {1}}), true)
      equal(events.send("orders", "item.created.late", "/items/2"), true)
      equal(events.send("orders", "item", "/items/3", "text"), true)
      local function paths(sub)
        local found = {}
        while true do
          local got = channel.select({sub:channel():case_receive(), default = true})
          if got.default then return table.concat(found, " ") end
          found[#found + 1] = got.value.path
        end
      end
      local event = orders:channel():receive()
      equal(event.system, "orders")
      equal(event.kind, "item.created")
      equal(event.path, "/items/1")
      equal(event.from, process.pid())
      event.data.n[1] = "changed"
      equal(created:channel():receive().data.n[1], 1)
      equal(paths(orders), "/items/2 /items/3")
      equal(paths(created), "")
      equal(paths(deep), "/items/1 /items/2 /items/3")
      equal(paths(all), "/items/1 /items/2 /items/3")
      equal(paths(others), "")
    """)


def test_a_subscription_can_be_closed(holds):
    holds("""
      local sub, other = events.subscribe("s"), events.subscribe("s")
      events.send("s", "k", "1")
      equal(sub:close(), true)
      equal(sub:close(), true)
      other:channel():close()
      events.send("s", "k", "2")
      for _, one in ipairs({sub, other}) do
        equal(one:channel():receive().path, "1")
        local _, ok = one:channel():receive()
        equal(ok, false)
      end
    """)


def test_events_refuses_what_it_cannot_match_or_deliver(holds):
    holds("""
      for _, bad in ipairs({"", "a..b", "a*", "**.a", ".", "a."}) do
        failed("Invalid", "bad pattern", events.subscribe(bad))
        failed("Invalid", "bad pattern", events.subscribe("s", bad))
        failed("Invalid", "bad", events.send(bad, "k", "p"))
        failed("Invalid", "bad", events.send("s", bad, "p"))
      end
      failed("Invalid", "data", events.send("s", "k", "p", print))
      raises("bad argument #1 to 'subscribe' (string expected, got nil)", events.subscribe)
      raises("bad argument #2 to 'subscribe' (string expected, got ", events.subscribe, "s", 1)
      raises("bad argument #3 to 'send' (string expected, got nil)", events.send, "s", "k")
      local sub = events.subscribe("s")
      raises("bad argument #1 to 'close' (subscription expected, got nil)", sub.close)
      raises("bad argument #1 to 'channel' (subscription expected, got table)", sub.channel, {})
    """)


def test_a_subscriber_that_is_behind_loses_events_and_the_sender_is_told(app):
    app.add(
        "main",
        """
        local slow, quick = events.subscribe("s"), events.subscribe("s")
        for i = 1, 2 do equal(events.send("s", "k", tostring(i)), true) end
        quick:channel():receive()
        local ok, err = events.send("s", "k", "3")
        equal(ok, false)
        equal(err:kind(), "LimitExceeded")
        equal(err:details().lost, 1)
        equal(quick:channel():receive().path, "2")
        equal(quick:channel():receive().path, "3")
        equal(slow:channel():receive().path, "1")
        equal(events.send("s", "k", "4"), true)
        """,
    )
    app.run("small")


def test_events_cross_hosts_and_states_and_keep_the_order_of_their_sender(app, host):
    app.add(
        "sender",
        """
        for i = 1, 100 do events.send("s", "k", "p", {i = i}) end
        """,
    )
    app.add(
        "main",
        """
        local sub = events.subscribe("s")
        process.spawn("app:sender", "app:shared")
        for i = 1, 100 do
          equal(sub:channel():receive().data.i, i)
        end
        """,
    )
    app.run(host)


def test_a_subscription_ends_with_its_process_and_with_a_failed_start(app, host):
    app.add("ends", 'events.subscribe("s")\n  events.subscribe("t.*")')
    app.add("fails", "")
    (app.folder / "fails.lua").write_text('events.subscribe("s")\nerror("at the top level")')

    async def boot():
        async with Node(app.folder) as node:
            await node.exec("app:ends", f"app:{host}")
            with pytest.raises(Error, match="top level"):
                await node.exec("app:fails", f"app:{host}")
            return len(node._lua.module_functions["events_send"].__self__.bus)

    assert asyncio.run(boot()) == 0


def test_what_a_program_has_started_ends_when_its_process_becomes_another(functions, host):
    functions.add(
        "old",
        """
        funcs.async("app:stays", arg[1])
        events.subscribe("s")
        time.sleep("5ms")
        process.upgrade("app:new", arg[1])
        """,
    )
    functions.add("new", 'process.send(arg[1], "new", true)\n  channel.new():receive()')
    functions.add(
        "main",
        """
        local new = process.listen("new")
        process.spawn("app:old", nil, process.pid())
        equal(new:receive(), true)
        time.sleep("1ms")
        return process.registry.lookup("stays") == nil
        """,
    )

    async def boot():
        async with Node(functions.folder) as node:
            assert await node.exec("app:main", f"app:{host}") is True
            return len(node._lua.module_functions["events_send"].__self__.bus)

    assert asyncio.run(boot()) == 0


def test_functions_run_in_the_workers_of_their_host(functions):
    functions.manifest += "  - {name: workers, kind: process.host, host: {os_workers: 2}}\n"
    functions.add(
        "main",
        """
        local futures = {}
        for i = 1, 4 do futures[i] = funcs.async("app:add", i, 1) end
        for i = 1, 4 do equal(futures[i]:await(), i + 1) end
        failed("Conflict", "no", funcs.call("app:fails"))
        local started = process.listen("started")
        local future = funcs.async("app:stays", process.pid())
        process.monitor(started:receive())
        future:cancel()
        equal(process.events():receive().error:kind(), "Canceled")
        logger:warn("from a worker", {x = {1}})
        """,
    )
    functions.run("workers")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_call_that_its_caller_gives_up_logs_nothing(functions, caplog, workers):
    functions.manifest += (
        f"  - {{name: there, kind: process.host, host: {{os_workers: {workers}}}}}\n"
    )
    functions.add(
        "leaves",
        """
        funcs.async("app:stays", process.pid())
        process.listen("started"):receive()
        """,
    )
    functions.add(
        "main",
        """
        process.spawn_monitored("app:leaves", arg[1])
        equal(process.events():receive().error, nil)
        local call = funcs.async("app:stays", process.pid())
        local pid = process.listen("started"):receive()
        process.monitor(pid)
        call:cancel()
        equal(process.events():receive().error:kind(), "Canceled")
        local function late(value, err)
          equal(value, nil)
          equal(err:kind(), "Timeout")
        end
        late(funcs.new():with_options({timeout = "1ms"}):call("app:stays", process.pid()))
        late(process.with_options({timeout = "1ms"}):exec("app:stays", arg[1], process.pid()))
        """,
    )
    functions.run("there", "app:there", quiet_exits=False)
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []
