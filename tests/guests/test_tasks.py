"""The asyncio tasks of a process: whose error is uncaught, who may create them, how they end."""

import asyncio
import gc
import logging
import sys
import threading

import anyio
import pytest

from procession import Internal, Node, channel, process, time

EAGER = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")


async def fails(*gates):
    """Raise at once, or when the gate is opened."""
    for gate in gates:
        await gate.wait()
    raise ValueError("boom")


async def lives_on():
    """Wait for ever. An eager task that fails at once is in a cycle of asyncio's own making."""
    while True:
        gc.collect()
        await time.sleep("1ms")


async def works():
    await asyncio.sleep(0)
    return "fine"


def plain_factory(loop, coro, **options):
    return asyncio.Task(coro, loop=loop, **options)


class TheirTask(asyncio.Task):
    pass


def subclass_factory(loop, coro, **options):
    return TheirTask(coro, loop=loop, **options)


FACTORIES = {"no factory": None, "plain": plain_factory, "subclass": subclass_factory}
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = asyncio.eager_task_factory
    FACTORIES["eager subclass"] = asyncio.create_eager_task_factory(TheirTask)

WAYS = [
    ("asyncio", "no factory", "main"),
    ("uvloop", "no factory", "main"),
    ("asyncio", "plain", "before"),
    ("uvloop", "plain", "main"),
    ("asyncio", "subclass", "main"),
    ("asyncio", "eager", "before"),
    ("uvloop", "eager", "main"),
    ("asyncio", "eager subclass", "main"),
]
"""A loop, a task factory of the program, and where it is set."""


@pytest.fixture(params=[way for way in WAYS if way[1] in FACTORIES], ids=" ".join)
def within(request, run):
    """Run a body as the main of a process, with every kind of task factory on every loop."""
    kind, name, where = request.param
    loop_factory, factory = LOOPS[kind](), FACTORIES[name]
    check_that_it_works(loop_factory, factory)

    def make_loop():
        loop = loop_factory()
        if where == "before":
            loop.set_task_factory(factory)
        return loop

    def within(body):
        async def main():
            if where == "main":
                asyncio.get_running_loop().set_task_factory(factory)
            return await body()

        return run(main, loop_factory=make_loop)

    return within


LOOPS = {
    "asyncio": lambda: asyncio.new_event_loop,
    "uvloop": lambda: pytest.importorskip("uvloop").new_event_loop,
}


def check_that_it_works(loop_factory, factory):
    """Some loops and factories do not, together, also without us."""
    loop = loop_factory()
    loop.set_task_factory(factory)
    coro = works()
    try:
        loop.run_until_complete(coro)
    except TypeError:
        coro.close()
        pytest.skip("this loop cannot use this task factory")
    finally:
        loop.set_task_factory(None)
        loop.close()


# -- whose error is uncaught -----------------------------------------------------------------


@pytest.mark.semantics("3.2")
def test_an_error_of_a_task_that_is_gone_ends_the_process(within):
    async def body():
        asyncio.create_task(fails())  # noqa: RUF006
        await lives_on()

    with pytest.raises(Internal, match="ValueError: boom"):
        within(body)


@pytest.mark.semantics("3.2")
def test_a_callback_that_looks_at_no_error_makes_no_error_caught(within):
    async def body():
        background = set()
        task = asyncio.create_task(fails())
        background.add(task)
        task.add_done_callback(background.discard)
        del task
        await lives_on()

    with pytest.raises(Internal, match="ValueError: boom"):
        within(body)


@pytest.mark.semantics("3.2")
def test_an_error_of_a_task_that_is_kept_is_uncaught_when_main_returns(within):
    kept = []

    async def body():
        gate = asyncio.Event()
        kept.append(asyncio.create_task(fails(gate)))
        await asyncio.sleep(0)
        gate.set()
        while not kept[0].done():
            await time.sleep(0)
        return "fine"

    with pytest.raises(Internal, match="ValueError: boom"):
        within(body)
    kept.clear()


@pytest.mark.semantics("3.2")
def test_an_error_that_comes_with_the_return_of_main_is_uncaught(within):
    async def body():
        task = asyncio.create_task(fails())
        while not task.done():
            await asyncio.sleep(0)
        return "fine"

    with pytest.raises(Internal, match="ValueError: boom"):
        within(body)


@pytest.mark.semantics("3.2")
def test_a_gather_that_nobody_awaits_any_more_ends_the_process(within):
    async def body():
        both = asyncio.gather(fails(), works())
        while not both.done():
            await asyncio.sleep(0)
        del both
        await lives_on()

    with pytest.raises(Internal, match="ValueError: boom"):
        within(body)


async def gathers(gate):
    both = asyncio.gather(fails(gate), works(), return_exceptions=True)
    gate.set()
    return (await both)[1]


async def awaits_later(gate):
    task = asyncio.create_task(fails())
    while not task.done():
        await asyncio.sleep(0)
    await time.sleep("1ms")
    with pytest.raises(ValueError, match="boom"):
        await task
    return "fine"


async def looks_later(gate):
    task = asyncio.create_task(fails())
    while not task.done():
        await asyncio.sleep(0)
    return "fine" if task.exception() else None


async def waits(gate):
    tasks = [asyncio.create_task(fails(gate)), asyncio.create_task(works())]
    gate.set()
    done, _ = await asyncio.wait(tasks)
    del done, tasks
    gc.collect()
    await asyncio.sleep(0)
    return "fine"


async def waits_for_one_after_the_other(gate):
    pending = {asyncio.create_task(fails(gate)), asyncio.create_task(works())}
    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    while not all(task.done() for task in pending):
        await asyncio.sleep(0)  # it fails while nothing waits
    done, pending = await asyncio.wait(pending)
    del done
    gc.collect()
    await asyncio.sleep(0)
    return "fine"


async def waits_after_the_error(gate):
    task = asyncio.create_task(fails())
    while not task.done():
        await asyncio.sleep(0)
    done, _ = await asyncio.wait([task])
    del task, done
    gc.collect()
    await asyncio.sleep(0)
    return "fine"


async def takes_them_slowly(gate):
    caught = 0
    for one in asyncio.as_completed([fails(), fails(), works()]):
        for _ in range(5):
            await asyncio.sleep(0)
            gc.collect()
        try:
            await one
        except ValueError:
            caught += 1
    return "fine" if caught == 2 else caught


async def looks_in_a_callback(gate):
    seen = []
    task = asyncio.create_task(fails())
    task.add_done_callback(lambda task: seen.append(task.exception()))
    del task
    while not seen:
        await asyncio.sleep(0)
    gc.collect()
    return "fine"


async def shields(gate):
    task = asyncio.create_task(fails(gate))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(task)
    gate.set()
    while not task.done():
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="boom"):
        await asyncio.shield(task)
    return "fine"


async def gives_up_a_shield(gate):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(fails(gate))
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
        gc.collect()
    return "fine"


async def waits_with_a_limit(gate):
    with pytest.raises(ValueError, match="boom"):
        await asyncio.wait_for(fails(), 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fails(gate), 0.001)
    return "fine"


async def groups(gate):
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            group.create_task(fails())
    with pytest.raises(ExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(fails)
            await anyio.sleep(10)
    return "fine"


@pytest.mark.semantics("3.2")
@pytest.mark.parametrize(
    "body",
    [
        gathers,
        awaits_later,
        looks_later,
        waits,
        waits_for_one_after_the_other,
        waits_after_the_error,
        takes_them_slowly,
        looks_in_a_callback,
        shields,
        gives_up_a_shield,
        waits_with_a_limit,
        groups,
    ],
    ids=lambda body: body.__name__,
)
def test_an_error_that_something_waits_for_or_looks_at_is_handled(within, body):
    assert within(lambda: body(asyncio.Event())) == "fine"


@pytest.mark.semantics("3.2")
def test_an_error_found_by_a_collection_in_another_thread_ends_the_process(run):
    async def main():
        circle = [asyncio.create_task(fails())]
        circle.append(circle)
        while not circle[0].done():
            await asyncio.sleep(0)
        del circle
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()
        await channel.new().receive()

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Internal, match="ValueError: boom"):
            run(main)
    finally:
        gc.enable()


def test_an_error_that_is_found_too_late_is_logged(node, caplog):
    kept = []

    async def main():
        kept.append(asyncio.create_task(fails()))
        await asyncio.sleep(0)
        raise KeyError("another one")

    async def test(node):
        with pytest.raises(Internal, match="another one"):
            await node.exec(main)
        kept.clear()
        gc.collect()

    node(test)
    lost = [record for record in caplog.records if "nobody has awaited" in record.getMessage()]
    assert len(lost) == 1
    assert "ValueError: boom" in lost[0].getMessage()


def test_tasks_outside_of_processes_are_left_to_asyncio(node, caplog):
    async def test(node):
        task = asyncio.create_task(fails())
        assert type(task) is asyncio.Task
        while not task.done():
            await asyncio.sleep(0)
        del task
        gc.collect()

    with caplog.at_level(logging.ERROR):
        node(test)
    assert [record.name for record in caplog.records] == ["asyncio"]


# -- whoever creates the tasks ---------------------------------------------------------------


@pytest.mark.semantics("3.1")
def test_tasks_of_any_factory_are_cancelled_with_their_process(within):
    seen = []

    async def helper(started):
        try:
            started.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            seen.append(str(error))
            raise

    async def body():
        started = asyncio.Event()
        task = asyncio.create_task(helper(started))
        await started.wait()
        assert not task.done()

    within(body)
    assert seen == ["its process has ended"]


def test_tasks_of_any_factory_wait_at_channels(within):
    async def sender(ch):
        await ch.send("x")
        await time.sleep("1ms")
        return process.pid()

    async def body():
        ch = channel.new()
        task = asyncio.create_task(sender(ch), name="mine")
        assert task.get_name() == "mine"
        assert await ch.receive() == "x"
        assert await task == process.pid()
        async with asyncio.TaskGroup() as group:
            group.create_task(sender(ch))
            assert await ch.receive() == "x"
        async with anyio.create_task_group() as group:
            group.start_soon(sender, ch)
            assert await ch.receive() == "x"
        return "fine"

    assert within(body) == "fine"


def test_a_task_shows_the_coroutine_that_it_runs(run):
    async def helper():
        await asyncio.sleep(3600)

    async def main():
        task = asyncio.create_task(helper())
        await asyncio.sleep(0)
        assert task.get_stack()[0].f_code is helper.__code__
        assert "helper" in repr(task)
        assert task.get_coro().cr_frame.f_code is helper.__code__
        task.cancel()

    run(main)


def test_a_task_that_is_cancelled_before_it_has_begun_leaves_nothing_to_be_awaited(within):
    async def body():
        asyncio.create_task(works()).cancel()
        await asyncio.sleep(0)
        return "fine"

    assert within(body) == "fine"


def test_what_is_no_coroutine_cannot_be_a_task(run):
    async def main():
        loop = asyncio.get_running_loop()
        for value in (5, None, loop.create_future()):
            with pytest.raises(TypeError, match="a coroutine was expected"):
                loop.create_task(value)  # noqa: RUF006

    run(main)


@pytest.mark.parametrize("name", FACTORIES)
def test_nodes_of_one_loop_stop_in_any_order_and_leave_it_as_it_was(name, loop_factory):
    factory = FACTORIES[name]
    check_that_it_works(loop_factory, factory)

    async def uncaught():
        asyncio.create_task(fails())  # noqa: RUF006
        await lives_on()

    async def program(order):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(plain_factory)
        before = dict(vars(loop))
        nodes = [Node(quiet_exits=True) for _ in range(3)]
        for node in nodes:
            await node.start()
            assert loop.get_task_factory() is plain_factory
        loop.set_task_factory(factory)
        for index in order:
            with pytest.raises(Internal, match="boom"):
                await nodes[index].exec(uncaught)
            await nodes[index].stop()
            assert loop.get_task_factory() is factory
        changed = {"_task_factory", "_ready", "_scheduled"}  # asyncio's own
        after = dict(vars(loop))
        assert set(before) == set(after)
        assert [
            name for name in before if name not in changed and before[name] != after[name]
        ] == []
        loop.set_task_factory(None)

    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(program(order))


@EAGER
def test_groups_of_anyio_outside_of_processes_work_beside_a_node_with_eager_tasks():
    async def note(log, i):
        log.append(i)
        await asyncio.sleep(0)

    async def group():
        log = []
        async with anyio.create_task_group() as group:
            for i in range(3):
                group.start_soon(note, log, i)
        return sorted(log)

    async def program():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with Node() as node:
            return [await group(), await node.exec(group)]

    assert asyncio.run(program()) == [[0, 1, 2], [0, 1, 2]]
