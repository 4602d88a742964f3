"""`procession.run`: what main returns and raises, `sys.exit`, and the errors of others."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import weakref

import pytest

import procession
from procession import Internal, Invalid, Node, NotFound, process, time


async def double(x):
    return x * 2


async def idle():
    await time.sleep("1h")


async def counter():
    total = 0
    async for message in process.listen("add", message=True):
        total += message.payload
        message.reply(total)


async def fails(exception):
    raise exception


def script(code, *args):
    """Run a program of its own."""
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True)


def test_run_gives_the_result_of_main_or_raises_its_error():
    async def fails():
        raise ValueError("boom")

    assert procession.run(double, 21) == 42
    with pytest.raises(Internal, match="boom"):
        procession.run(fails)


def test_run_ends_the_processes_that_main_leaves_behind():
    log = []

    async def cleaning():
        try:
            await idle()
        finally:
            log.append("cleaned up")

    async def main():
        process.spawn(cleaning, None)
        await time.sleep("1ms")

    procession.run(main)
    assert log == ["cleaned up"]


def test_run_lets_the_cycle_collector_look_less_often_and_sets_it_back():
    async def main():
        return list(gc.get_threshold())

    before = gc.get_threshold()
    assert procession.run(main) == [10_000, *before[1:]]
    assert gc.get_threshold() == before


def test_run_works_in_several_threads_at_once():
    def in_thread(n):
        async def main():
            pid = process.spawn(counter, None)
            return [await process.call(pid, "add", n) for _ in range(200)][-1]

        return procession.run(main)

    async def program():
        return await asyncio.gather(*(asyncio.to_thread(in_thread, n) for n in range(1, 7)))

    assert asyncio.run(program()) == [200 * n for n in range(1, 7)]


def test_run_inside_a_running_loop_says_what_to_use():
    async def program():
        with pytest.raises(Invalid, match="use `Node`"):
            procession.run(double, 1)

    asyncio.run(program())


def test_run_works_in_a_thread_of_a_process():
    async def inner(n):
        return await asyncio.create_task(double(n))

    async def main():
        runs = [asyncio.to_thread(procession.run, inner, n) for n in range(3)]
        return [await asyncio.gather(*runs), await asyncio.create_task(double(21))]

    assert procession.run(main) == [[0, 2, 4], 42]


def test_nodes_that_start_and_end_at_different_times_leave_the_collector_as_it_was():
    inside, go_on = threading.Event(), threading.Event()

    def slow():
        async def main():
            inside.set()
            await asyncio.to_thread(go_on.wait)

        procession.run(main)

    before = gc.get_threshold()
    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait()
    procession.run(double, 1)
    assert gc.get_threshold() == (10_000, *before[1:])
    go_on.set()
    thread.join()
    assert gc.get_threshold() == before


def test_run_gives_its_processes_the_grace_that_it_is_told():
    log = []

    async def polite():
        event = await process.events().receive()
        log.append(event.kind)
        await time.sleep("1ms")
        log.append("ended by itself")

    async def main():
        process.spawn(polite, None)

    procession.run(main, grace="1h")
    assert log == ["pid.cancel", "ended by itself"]


# -- sys.exit --------------------------------------------------------------------------------

EXITS = """
import asyncio, sys
import procession
from procession import process

async def exits(code):
    sys.exit(code)

async def main(how):
    if how == "in a task":
        await asyncio.create_task(exits(4))
    elif how == "in a child":
        await process.exec(exits, None, 3)
    elif how == "of a child, caught":
        try:
            await process.exec(exits, None, 3)
        except procession.Internal as error:
            print(error)
    else:
        codes = {"with a code": 3, "with 0": 0, "with nothing": None, "with words": "enough"}
        await exits(codes[how])

procession.run(main, sys.argv[1])
print("the script goes on")
"""


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize(
    ("how", "code", "out", "err"),
    [
        ("with a code", 3, "", ""),
        ("with 0", 0, "", ""),
        ("with nothing", 0, "", ""),
        ("with words", 1, "", "enough\n"),
        ("in a task", 4, "", ""),
        ("of a child, caught", 0, "SystemExit: 3\nthe script goes on\n", ""),
    ],
)
def test_sys_exit_in_main_ends_the_program_as_anywhere_else(how, code, out, err):
    done = script(EXITS, how)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


@pytest.mark.semantics("7.1")
def test_sys_exit_in_another_process_is_an_error_for_whoever_waits_for_it():
    done = script(EXITS, "in a child")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "procession.core.errors.Internal: SystemExit: 3"


def test_an_interrupt_that_main_raises_is_one_for_the_program():
    code = "import procession\nasync def main(): raise KeyboardInterrupt\nprocession.run(main)"
    done = script(code)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "interrupted"


def test_an_interrupt_that_a_task_of_main_raises_is_one_for_the_program_too():
    code = """
import asyncio, procession

async def interrupt():
    raise KeyboardInterrupt

async def main():
    try:
        await asyncio.create_task(interrupt())
    finally:
        await asyncio.sleep(0)
        print("cleaned up")

procession.run(main)
"""
    done = script(code)
    assert (done.returncode, done.stdout) == (130, "cleaned up\n")
    assert done.stderr.splitlines()[-1] == "interrupted"


def test_sys_exit_in_main_ends_the_other_processes_first():
    log = []

    async def cleaning():
        try:
            await idle()
        finally:
            log.append("cleaned up")

    async def main():
        process.spawn(cleaning, None)
        await time.sleep("1ms")
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        procession.run(main)
    assert caught.value.code == 3
    assert log == ["cleaned up"]


# -- the errors of processes -----------------------------------------------------------------


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize(
    ("exception", "text", "message"),
    [
        (KeyError("b"), "KeyError: 'b'", "'b'"),
        (ValueError(), "ValueError", "ValueError"),
        (ValueError("ValueError: twice"), "ValueError: twice", "ValueError: twice"),
        (asyncio.CancelledError("mine"), "CancelledError: mine", "mine"),
        (NotFound("no such user"), "no such user", "no such user"),
        (Internal("mine", details={"type": "User"}), "mine", "mine"),
        (ExceptionGroup("one", [KeyError("b")]), "KeyError: 'b'", "'b'"),
        (
            ExceptionGroup("two", [KeyError("b"), KeyError("c")]),
            "ExceptionGroup: two (2 sub-exceptions)",
            "two (2 sub-exceptions)",
        ),
    ],
)
def test_the_text_of_an_unknown_exception_begins_with_its_type(caplog, exception, text, message):
    async def main():
        process.spawn_monitored(fails_now, None)
        event = await process.events().receive()
        return event.error

    async def fails_now():
        raise exception

    error = procession.run(main)
    assert (str(error), error.message) == (text, message)
    assert repr(text) in repr(error)
    assert text in caplog.records[0].getMessage()
    with pytest.raises(type(error)) as caught:
        procession.run(fails_now)
    assert str(caught.value) == text


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize("depth", [1, 3])
def test_the_only_error_of_a_group_keeps_all_that_it_says(run, depth):
    async def body():
        exception = Invalid("bad configuration", retryable=False, details={"key": "x"})
        for _ in range(depth):
            exception = ExceptionGroup("a group", [exception])
        raise exception

    async def main():
        process.spawn_monitored(body, None)
        return (await process.events().receive()).error

    error = run(main)
    assert (type(error), error.message, error.retryable) == (Invalid, "bad configuration", False)
    assert error.details["key"] == "x"
    assert "a group" in error.details["traceback"]


def raised_by(wait):
    with pytest.raises(procession.Error) as caught:
        wait()
    return caught.value


@pytest.mark.semantics("7.1")
@pytest.mark.parametrize("make", [lambda: KeyError("b"), lambda: Invalid("bad")])
def test_exec_run_and_wait_chain_what_was_raised(node, make):
    original = make()

    async def body():
        await asyncio.sleep(0)
        raise original

    async def by_process():
        with pytest.raises(procession.Error) as caught:
            await process.exec(body, None)
        assert caught.value.__cause__ is original
        return "fine"

    async def test(node):
        waiting = [asyncio.ensure_future(node.exec(body)) for _ in range(2)]
        pid = node.spawn(body)
        waiting += [asyncio.ensure_future(node.wait(pid)) for _ in range(2)]
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [error.__cause__ is original for error in errors] == [True] * 4
        assert len({id(error) for error in errors}) == 4, "each has an error of its own"
        assert await node.exec(by_process) == "fine"

    node(test)
    assert raised_by(lambda: procession.run(body)).__cause__ is original
    frames = []
    trace = original.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    assert frames[-1] is body.__code__
    assert not any("procession/guests" in code.co_filename for code in frames)


@pytest.mark.semantics("7.1")
def test_an_error_of_a_task_is_chained_as_well(run):
    async def body():
        task = asyncio.create_task(fails(KeyError("b")))
        while not task.done():
            await asyncio.sleep(0)

    cause = raised_by(lambda: run(body)).__cause__
    assert repr(cause) == "KeyError('b')"


@pytest.mark.semantics("3.3", "7.1")
def test_nobody_else_gets_at_what_was_raised(run):
    async def body():
        await process.listen("go").receive()
        raise KeyError("b")

    async def main():
        process.set_options(trap_links=True)
        pid = process.spawn_linked_monitored(body, None)
        call = asyncio.ensure_future(process.call(pid, "t", timeout=None))
        await asyncio.sleep(0)
        process.send(pid, "go")
        errors = [(await process.events().receive()).error for _ in range(2)]
        errors += await asyncio.gather(call, return_exceptions=True)
        return [error.__cause__ for error in errors]

    assert run(main) == [None, None, None]


def test_what_was_raised_is_gone_with_the_last_error_that_has_it(node):
    class Big:
        pass

    alive = weakref.WeakSet()

    async def task():
        raise KeyError("b")

    async def body(how):
        big = Big()
        alive.add(big)
        await (asyncio.create_task(task()) if how == "in a task" else task())

    async def main():
        for how in ("at once", "in a task") * 10:
            try:
                await process.exec(body, None, how)
            except Internal:
                pass
            await asyncio.sleep(0)
        left = [len(alive)]
        for _ in range(10):
            process.spawn_monitored(body, None, "at once")
        events = [await process.events().receive() for _ in range(10)]
        left.append(len(alive))
        assert all(event.error for event in events)
        return left

    async def test(node):
        left = await node.exec(main)
        for _ in range(10):
            try:
                await node.exec(body, None, "at once")
            except Internal:
                pass
        left.append(len(alive))
        return left

    gc.collect()
    gc.disable()
    try:
        assert node(test, quiet_exits=True) == [0, 0, 0]
    finally:
        gc.enable()


def test_an_exec_that_times_out_logs_nothing_by_itself(node, caplog):
    async def main():
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.exec(idle, None), 0.001)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await process.exec(idle, None)
        return "fine"

    async def test(node):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(node.exec(idle), 0.001)
        result = await node.exec(main)
        while node.processes():
            await asyncio.sleep(0)
        gc.collect()
        return result

    with caplog.at_level(logging.INFO):
        assert node(test) == "fine"
    assert caplog.records == []


# -- whose loop it is ------------------------------------------------------------------------


def test_a_node_is_used_in_its_own_loop_only(loop_factory):
    one, other = loop_factory(), loop_factory()
    node = Node()
    one.run_until_complete(node.start())
    pid = node.spawn(idle)  # no loop is running

    async def elsewhere():
        for use in (node.exec, node.spawn):
            with pytest.raises(Invalid, match="another event loop"):
                await use(double, None, 1)
        for use in (node.wait, node.call):
            with pytest.raises(Invalid, match="another event loop"):
                await use(pid, "t") if use == node.call else await use(pid)
        for use in (node.start, node.stop):
            with pytest.raises(Invalid, match="another event loop"):
                await use()
        for use in (node.statistics, node.processes, lambda: node.send(pid, "t")):
            with pytest.raises(Invalid, match="another event loop"):
                use()

    try:
        other.run_until_complete(elsewhere())
        assert one.run_until_complete(node.exec(double, None, 2)) == 4
        one.run_until_complete(node.stop())
    finally:
        one.close()
        other.close()


def test_a_process_that_awaits_a_future_of_another_loop_gets_the_error_of_asyncio(
    run, loop_factory
):
    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever)
    thread.start()
    futures = [elsewhere.create_future() for _ in range(2)]

    async def in_a_task():
        await futures[1]

    async def main():
        for wait in (lambda: futures[0], lambda: asyncio.create_task(in_a_task())):
            with pytest.raises(RuntimeError, match="attached to a different loop"):
                await wait()
        for future in futures:
            elsewhere.call_soon_threadsafe(future.set_result, None)
        return await asyncio.create_task(asyncio.sleep(0, "fine"))

    try:
        assert run(main, loop_factory=loop_factory) == "fine"
    finally:
        elsewhere.call_soon_threadsafe(elsewhere.stop)
        thread.join()
        elsewhere.close()


def plain():
    pass


@pytest.mark.parametrize(
    "refused",
    [
        lambda: process.spawn(plain, None),
        lambda: process.spawn("nobody:main", None),
        lambda: process.spawn([], None),
        lambda: process.spawn(double, None),
        lambda: process.spawn(double, "app:nowhere", 1),
        lambda: process.spawn(double, None, plain),
        lambda: process.send("nobody", "x"),
        lambda: process.send("{app:processes|0x0ffff}", "x"),
        lambda: process.send(process.pid(), "x", [plain]),
        lambda: process.monitor("nobody"),
        lambda: process.registry.lookup("nobody"),
        lambda: process.registry.register("", process.pid()),
        lambda: process.set_options(trap=True),
        lambda: time.after("5"),
    ],
)
def test_a_refusal_shows_nothing_of_how_the_runtime_found_out(run, refused):
    async def main():
        with pytest.raises((procession.Error, TypeError)) as caught:
            refused()
        error = caught.value
        return error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)

    assert run(main)
