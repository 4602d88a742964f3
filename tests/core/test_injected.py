"""What an exception leaves behind that strikes at any instruction of the core.

No memory, no stack, Ctrl-C: nobody can say where they come. So each operation is done again and
again, and the exception is raised at its first instruction, its second, ... until it comes through.
Each time nothing hangs: what was to be delivered either raised and was not, or was and is received.
"""

import asyncio
import inspect
import sys
from itertools import count
from pathlib import Path

import pytest

from procession import Node, channel, process, time
from procession.core import kernel
from procession.core.errors import Error, Internal
from procession.guests.python import PythonProcess

pytestmark = [
    pytest.mark.plain_core("it strikes at the instructions of Python, and C has none"),
    # Python says so of a coroutine that was made, and whose `await` was struck.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]

CORE = str(Path(kernel.__file__).parent)


class Struck(BaseException):
    """What is raised."""


def in_finalizer(frame):
    """Whether nobody would get what is raised here."""
    while frame is not None and frame.f_code.co_filename.startswith(CORE):
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def struck(number, operation, *args):
    """Do it, and raise at the instruction of that number. Whether that was reached; its result."""
    left = number

    def enter(frame, event, arg):
        if not frame.f_code.co_filename.startswith(CORE) or in_finalizer(frame):
            return None
        frame.f_trace_opcodes = True
        return step

    def step(frame, event, arg):
        nonlocal left
        if event == "opcode":
            left -= 1
            if not left:
                sys.settrace(None)
                raise Struck
        return step

    sys.settrace(enter)
    try:
        return False, operation(*args)
    except Struck:
        return True, None
    except Internal as error:  # it was in what may run code of an entry that is to be started
        if not error.message.endswith(": Struck"):
            raise
        return True, None
    finally:
        sys.settrace(None)


class FirstStep:
    """Something awaited, of which the part before its first wait is struck."""

    def __init__(self, number, awaitable):
        self.number, self.awaitable = number, awaitable

    def __await__(self):
        steps = self.awaitable.__await__()
        try:
            was_struck, trapped = struck(self.number, next, steps)
        except StopIteration as end:
            return end.value
        if was_struck:
            raise Struck
        while True:
            try:
                value = yield trapped
            except BaseException as exc:
                trapped = steps.throw(exc)
                continue
            try:
                trapped = steps.send(value)
            except StopIteration as end:
                return end.value


def in_a_node(test):
    """Run an async test beside a running node."""

    def run(**params):
        async def boot():
            async with Node() as node:
                await test(node, **params)

        asyncio.run(boot())

    wanted = inspect.signature(test)
    run.__signature__ = wanted.replace(parameters=list(wanted.parameters.values())[1:])
    run.__name__, run.__module__ = test.__name__, test.__module__
    return run


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, 10)


async def started(node, *what):
    """A process that has come to its first wait; its PID, and the wait for its end."""
    pid = node.spawn(*what)
    end = asyncio.create_task(node.wait(pid))
    for _ in range(4):
        await asyncio.sleep(0)
    return pid, end


def numbers():
    """So many instructions that no operation has as many."""
    for number in count(1):
        assert number < 20_000
        yield number


# -- messages ----------------------------------------------------------------------------------


async def listening():
    got, ch = 0, process.listen("x")
    while await ch.receive() != "stop":
        got += 1
    return got


async def reading():
    got, inbox = 0, process.inbox()
    while (await inbox.receive()).payload != "stop":
        got += 1
    return got


async def selecting():
    got, ch, other = 0, process.listen("x"), channel.new()
    while (await channel.select(other, ch, time.after("1h"))).value != "stop":
        got += 1
    return got


async def selecting_among_many():
    got, ch, others = 0, process.listen("x"), [channel.new() for _ in range(16)]
    while (await channel.select(*others, ch, ch)).value != "stop":
        got += 1
    return got


async def in_a_task():
    return await asyncio.create_task(listening())


async def late():
    ch = process.listen("go")
    await ch.receive()
    return await listening()


async def sender(number, dest, topic="x"):
    return struck(number, process.send, dest, topic, "n")[0]


@pytest.mark.parametrize(
    "receiver", [listening, reading, selecting, selecting_among_many, in_a_task, late]
)
@pytest.mark.parametrize("inside", [True, False], ids=["of a process", "from outside"])
@in_a_node
async def test_a_message_that_is_cut_short_is_received_or_was_never_sent(node, receiver, inside):
    for number in numbers():
        pid, end = await started(node, receiver)
        if inside:
            was_struck = await node.exec(sender, None, number, pid)
        else:
            was_struck, _ = struck(number, node.send, pid, "x", "n")
        waiting = next(one for one in node.processes() if one["pid"] == pid)
        assert waiting["mailbox"] in (0, 1)
        if receiver is late:
            node.send(pid, "go")
        node.send(pid, "x", "stop")
        got = await soon(end)
        assert got in ((0, 1) if was_struck else (1,))
        if not was_struck:
            break


async def receives_struck(number, early):
    if early:
        await process.listen("go").receive()
    ch = process.listen("x")
    was_struck = False
    try:
        first = await FirstStep(number, ch.receive())
    except Struck:
        was_struck, first = True, None
    got = [] if was_struck else [first]
    while len(got) < 2:
        got.append(await ch.receive())
    return was_struck, got


@pytest.mark.parametrize("early", [True, False], ids=["that is there", "that is to come"])
@in_a_node
async def test_a_receive_that_is_cut_short_loses_no_message_of_the_next_one(node, early):
    for number in numbers():
        pid, end = await started(node, receives_struck, None, number, early)
        for n in (1, 2, 3):
            node.send(pid, "x", n)
        node.send(pid, "go")
        was_struck, got = await soon(end)
        if early:
            assert got in ([1, 2], [2, 3])  # struck after the message had been taken, it is gone
        else:
            assert got == [1, 2]
        if not was_struck:
            break


async def waits_then_selects(number, more):
    a, b = process.listen("a"), process.listen("b")
    others = [channel.new() for _ in range(more)]
    try:
        await FirstStep(number, channel.select(a, b, *others))
    except Struck:
        await time.sleep("1ms")  # nothing of the select that failed may end this wait, or take "a"
        assert (await b.receive(), await a.receive()) == ("b", "a")
        return True
    return False


@pytest.mark.parametrize("more", [0, 20], ids=["of a few cases", "of many cases"])
@in_a_node
async def test_a_select_that_is_cut_short_leaves_nothing_at_its_channels(node, more):
    for number in numbers():
        pid, end = await started(node, waits_then_selects, None, number, more)
        node.send(pid, "a", "a")
        node.send(pid, "b", "b")
        if not await soon(end):
            break


async def sleeps_then_receives(number):
    ch = process.listen("x")
    try:
        await FirstStep(number, time.sleep("1ms"))
    except Struck:
        return True, await ch.receive()
    return False, await ch.receive()


@in_a_node
async def test_a_sleep_that_is_cut_short_ends_no_other_wait(node):
    for number in numbers():
        pid, end = await started(node, sleeps_then_receives, None, number)
        await asyncio.sleep(0.003)
        node.send(pid, "x", "value")
        was_struck, got = await soon(end)
        assert got == "value"
        if not was_struck:
            break


async def passes_on(number):
    ch = channel.new()
    task = asyncio.create_task(ch.receive())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    was_struck, _ = struck(number, ch.put, "value")
    if was_struck and not task.done():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not task.done():
            assert ch.put("value")
    assert await task == "value"
    return was_struck


@in_a_node
async def test_a_channel_that_is_cut_short_gives_its_value_to_the_receiver_or_keeps_it(node):
    for number in numbers():
        if not await soon(node.exec(passes_on, None, number)):
            break


# -- calls -------------------------------------------------------------------------------------


async def answers(number):
    message = await process.inbox().receive()
    was_struck, _ = struck(number, message.reply, "answer")
    return was_struck


@in_a_node
async def test_a_reply_that_is_cut_short_leaves_no_caller_waiting(node):
    for number in numbers():
        pid, end = await started(node, answers, None, number)
        calling = asyncio.create_task(node.call(pid, "x"))
        was_struck = await soon(end)
        await soon(asyncio.wait([calling]))
        if calling.exception() is None:
            assert calling.result() == "answer"
        else:
            assert was_struck
            assert "has ended without a reply" in str(calling.exception())
        if not was_struck:
            break


# -- names, ties, spawns -----------------------------------------------------------------------


async def idle():
    await process.events().receive()


async def registers(number, name):
    was_struck, _ = struck(number, process.registry.register, name)
    return was_struck


@in_a_node
async def test_a_name_that_is_cut_short_is_free_when_its_owner_has_ended(node):
    for number in numbers():
        was_struck = await soon(node.exec(registers, None, number, "name"))
        pid = node.spawn(idle, name="name")
        assert node.lookup("name") == pid
        end = asyncio.create_task(node.wait(pid))
        await asyncio.sleep(0)
        node.terminate(pid)
        with pytest.raises(Error):
            await soon(end)
        if not was_struck:
            break


async def spawns(number, name):
    was_struck, pid = struck(
        number,
        lambda: process.spawn_linked_monitored(idle, None, name=name),
    )
    if was_struck:
        return None
    return pid


@in_a_node
async def test_a_spawn_that_is_cut_short_leaves_no_child(node):
    for number in numbers():
        pid = await soon(node.exec(spawns, None, number, "name"))
        if pid is not None:
            break
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for child in node.processes():  # struck on its way back, when it was complete
            assert child["names"] == ["name"]
            node.terminate(child["pid"])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        with pytest.raises(Error):
            node.lookup("name")


async def ties(number, what, dest):
    function = getattr(process, what)
    was_struck, _ = struck(number, function, dest)
    process.set_options(trap_links=True)
    events = process.events()
    process.terminate(dest)
    if not was_struck:
        assert (await events.receive()).sender == dest
    await time.sleep("2ms")
    assert events.buffered <= 1
    return was_struck


@pytest.mark.parametrize("what", ["monitor", "link"])
@in_a_node
async def test_a_tie_that_is_cut_short_is_made_or_not_and_keeps_nobody_from_ending(node, what):
    for number in numbers():
        pid = node.spawn(idle)
        was_struck = await soon(node.exec(ties, None, number, what, pid))
        if not was_struck:
            break
    assert node.processes() == []


# -- ends --------------------------------------------------------------------------------------


async def watches(pid):
    process.monitor(pid)
    event = await process.events().receive()
    return event.sender


@pytest.mark.parametrize("how", ["returns", "raises", "is terminated"])
@in_a_node
async def test_an_end_that_is_cut_short_is_told_to_all_who_wait_for_it(node, how, monkeypatch):
    """Its step is struck, or its kill: whatever leaves them ends the process they belong to."""
    method = "kill" if how == "is terminated" else "step"
    original, strike = getattr(PythonProcess, method), {}

    def replaced(self, *args):
        if self.pid not in strike:
            return original(self, *args)
        was_struck, _ = struck(strike.pop(self.pid), original, self, *args)
        reached.append(was_struck)
        if was_struck:
            raise Struck

    monkeypatch.setattr(PythonProcess, method, replaced)
    neighbour, neighbours_end = await started(node, listening)

    async def victim():
        await process.listen("end").receive()
        if how == "raises":
            raise ValueError

    for number in numbers():
        reached = []
        pid, end = await started(node, victim, None)
        watchers = [(await started(node, watches, None, pid))[1] for _ in range(2)]
        strike[pid] = number
        if how == "is terminated":
            node.terminate(pid)
        else:
            node.send(pid, "end")
        for watcher in watchers:
            assert await soon(watcher) == pid
        await soon(asyncio.wait([end]))
        end.exception()
        if reached == [False]:
            break
    node.send(neighbour, "x", "stop")
    assert await soon(neighbours_end) == 0
    assert node.processes() == []
    assert node.statistics()["processes"] == 0
