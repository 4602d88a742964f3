"""Code of a process that the runtime calls outside of its body: it is limited and contained."""

import asyncio
import dataclasses
import functools
import gc
import sys

import pytest

from procession import Error, Node, NotFound, process, time


def never_ends(*_):
    while True:
        pass


def exits(*_):
    sys.exit(3)


def interrupts(*_):
    raise KeyboardInterrupt


def recurses(*_):
    return recurses()


BAD = [never_ends, exits, interrupts, recurses]


def kind(base, **members):
    return type("Hostile", (base,), members)


# Each takes what its hostile code does.


async def text_of_an_error(bad):
    raise kind(Exception, __str__=bad)("x")


async def text_of_an_argument_of_an_error(bad):
    raise ValueError(kind(object, __repr__=bad)())


async def notes_of_an_error(bad):
    raise kind(Exception, __notes__=property(bad))("x")


async def class_of_an_error(bad):
    raise kind(Exception, __class__=property(bad))("x")


async def cause_of_an_error(bad):
    try:
        raise kind(Exception, __str__=bad)("x")
    except Exception as error:
        raise ValueError("y") from error


async def inside_of_a_group(bad):
    raise kind(ExceptionGroup, exceptions=property(bad))("g", [ValueError(1)])


async def code_of_an_exit(bad):
    raise kind(SystemExit, code=property(bad))(1)


async def details_of_an_error(bad):
    raise Error("x", details={"a": kind(list, __iter__=bad)([1])})


async def message_of_an_error(bad):
    error = Error("x")
    error.message = kind(str, isascii=bad, encode=bad)("x")
    raise error


async def property_of_a_result(bad):
    @dataclasses.dataclass
    class Result:
        a: int = 1

    Result.a = property(bad, lambda self, value: None)
    return Result()


async def iterator_of_a_result(bad):
    return kind(list, __iter__=bad)([1])


async def class_of_a_result(bad):
    return kind(object, __class__=property(bad))()


async def attribute_of_what_it_awaits(bad):
    class Awaited:
        _asyncio_future_blocking = property(bad)

        def __await__(self):
            yield self

    await Awaited()


async def loop_of_what_it_awaits(bad):
    await kind(asyncio.Future, get_loop=bad)()


async def text_of_what_it_awaits(bad):
    class Awaited:
        __repr__ = bad

        def __await__(self):
            yield self

    await Awaited()


async def text_of_an_error_of_a_task_that_is_collected(bad):
    async def fails():
        raise kind(Exception, __str__=bad)("x")

    asyncio.create_task(fails())  # noqa: RUF006
    await asyncio.sleep(0.01)
    gc.collect()
    await time.sleep("1h")


async def text_of_an_error_of_a_task_that_is_left(bad):
    async def fails():
        raise kind(Exception, __str__=bad)("x")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0.01)
    return task.done()


async def text_of_an_error_while_it_is_terminated(bad):
    process.terminate(process.pid())
    try:
        await time.sleep("1h")
    finally:
        raise kind(Exception, __str__=bad)("x")


async def cancel_of_what_it_awaits(bad):
    process.terminate(process.pid())
    await kind(asyncio.Future, cancel=bad)()


ATTACKS = [
    text_of_an_error,
    text_of_an_argument_of_an_error,
    notes_of_an_error,
    class_of_an_error,
    cause_of_an_error,
    inside_of_a_group,
    code_of_an_exit,
    details_of_an_error,
    message_of_an_error,
    property_of_a_result,
    iterator_of_a_result,
    class_of_a_result,
    attribute_of_what_it_awaits,
    loop_of_what_it_awaits,
    text_of_what_it_awaits,
    text_of_an_error_of_a_task_that_is_collected,
    text_of_an_error_of_a_task_that_is_left,
    text_of_an_error_while_it_is_terminated,
    cancel_of_what_it_awaits,
]


async def neighbour():
    for _ in range(5):
        await time.sleep("5ms")
    return "went on"


@pytest.mark.semantics("3.2", "7.1", "11.4")
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_hostile_code_ends_its_process_and_nobody_else(attack, bad):
    async def hostile():
        return await attack(bad)

    async def watches():
        process.spawn_monitored(hostile, None)
        return (await process.events().receive()).kind

    async def boot():
        async with Node(settings={"step_limit": "300ms"}) as node:
            told = asyncio.create_task(node.exec(watches, None))
            assert await asyncio.wait_for(node.exec(neighbour, None), 20) == "went on"
            assert await asyncio.wait_for(told, 20) == "pid.exit"
            assert node.processes() == []

    asyncio.run(boot())


@pytest.mark.semantics("3.1", "11.4")
def test_a_task_that_outlives_its_process_and_receives_again_and_again_lets_others_run():
    turns = []

    async def never_gives_up():
        while len(turns) < 1000:
            try:
                await process.inbox().receive()
            except asyncio.CancelledError:
                turns.append("refused")

    async def leaves_a_task():
        asyncio.create_task(never_gives_up())  # noqa: RUF006
        await time.sleep("1ms")

    async def boot():
        async with Node(settings={"step_limit": "1h"}) as node:
            await node.exec(leaves_a_task, None)
            before = len(turns)
            await asyncio.sleep(0)
            assert len(turns) - before < 3
            assert await node.exec(neighbour, None) == "went on"
            while len(turns) < 1000:
                await asyncio.sleep(0)

    asyncio.run(boot())


class Text(str):
    """A text that, once it is armed, runs code of its program wherever it is looked at."""

    armed = False
    ran = 0

    def __hash__(self):
        self.look()
        return str.__hash__(self)

    def __eq__(self, other):
        self.look()
        return str.__eq__(self, other)

    def look(self):
        if Text.armed:
            Text.ran += 1
            sys.exit(3)


@pytest.fixture
def armed():
    Text.ran = 0
    yield
    Text.armed = False


@pytest.mark.semantics("3.3", "7.2", "12.1")
def test_a_text_of_a_program_runs_no_code_where_others_look_for_it(armed):
    async def hostile():
        process.registry.register(Text("name"))
        process.spawn(neighbour, None, name=Text("other"))
        process.listen(Text("topic"))
        Text.armed = True
        await process.inbox().receive()

    async def honest():
        pid = process.spawn_monitored(hostile, None)
        while not Text.armed:
            await time.sleep("1ms")
        assert process.registry.lookup("".join(["na", "me"])) == pid
        process.send(pid, "".join(["to", "pic"]), 1)
        process.send(pid, "end")
        return (await process.events().receive()).error

    async def boot():
        async with Node() as node:
            assert await asyncio.wait_for(node.exec(honest, None), 20) is None
            with pytest.raises(NotFound):
                node.lookup("name")

    asyncio.run(boot())
    assert Text.ran == 0


@pytest.mark.semantics("3.3", "8.2")
def test_a_topic_and_a_reason_arrive_as_plain_text(armed):
    async def hostile(pid):
        process.send(pid, Text("topic"), 1)
        process.cancel(pid, Text("reason"))
        with pytest.raises(Error):
            await process.call(pid, Text("call"), timeout=0)
        Text.armed = True

    async def honest():
        process.spawn(hostile, None, process.pid())
        event = await process.events().receive()
        topics = [(await process.inbox().receive()).topic for _ in range(2)]
        return [*map(type, topics), type(event.reason)] == [str, str, str]

    async def boot():
        async with Node() as node:
            assert await asyncio.wait_for(node.exec(honest, None), 20)

    asyncio.run(boot())
    assert Text.ran == 0


@pytest.mark.semantics("5.3")
def test_an_entry_is_compared_with_others_only_if_that_runs_no_code(armed):
    class Entry(functools.partial):
        def look(self, *others):
            if Text.armed:
                Text.look(self)
            return hash(neighbour) if not others else False

        __hash__ = __eq__ = look

    async def hostile():
        assert await process.exec(Entry(neighbour), None) == "went on"
        Text.armed = True

    async def boot():
        async with Node() as node:
            await node.exec(hostile, None)
            assert await node.exec(neighbour, None) == "went on"

    asyncio.run(boot())
    assert Text.ran == 0
