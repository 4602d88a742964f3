"""What a program does that nobody should harms itself alone, in whichever core it runs."""

import asyncio
import contextvars
import gc
import os
import signal
import sys
import threading

import pytest

from procession import ChannelClosed, Error, Internal, Invalid, NotFound, channel, process


class Yields:
    """An awaitable that yields whatever it likes."""

    def __init__(self, *values):
        self.values = values

    def __await__(self):
        yield from self.values


class Handmade:
    """A coroutine that Python did not make."""

    def __init__(self, topic):
        self.wait = None
        self.topic = topic
        self.got = []

    def send(self, value):
        if self.wait is None:
            self.wait = process.listen(self.topic).receive().__await__()
        return self.wait.send(value)

    def throw(self, *exc):
        if self.wait is None:
            raise exc[0]
        return self.wait.throw(*exc)

    def close(self):
        if self.wait is not None:
            self.wait.close()

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)


@pytest.mark.parametrize("foreign", [42, "text", object(), (), StopIteration()])
def test_what_yields_something_foreign_is_told_so_and_goes_on(run, foreign):
    async def main():
        with pytest.raises(RuntimeError, match="a process can await asyncio and procession, not"):
            await Yields(foreign)
        process.send(process.pid(), "t", 1)
        return await process.listen("t").receive()

    assert run(main) == 1


def test_what_yields_our_own_token_without_a_wait_is_not_woken_and_can_be_ended(node):
    async def main():
        ch = process.listen("t")
        got = [await ch.receive()]
        from procession.core.tokens import PARKED

        await Yields(PARKED)
        got.append(await ch.receive())
        return got

    async def test(node):
        process_of = node.spawn(main)
        node.send(process_of, "t", 1)
        for _ in range(10):
            await asyncio.sleep(0)
        node.terminate(process_of)
        while node.processes():
            await asyncio.sleep(0)

    node(test)


def test_a_coroutine_of_another_making_waits_like_ours(node):
    async def main():
        process.listen("t")
        process.send(process.pid(), "t", "value")
        return await Handmade("t")

    async def test(node):
        assert await node.exec(main) == "value"

    node(test)


def test_the_body_of_a_process_that_somebody_else_resumes_still_gets_its_message(run):
    bodies = []

    async def hears(to):
        bodies.append(asyncio.current_task().get_coro())
        ch = process.listen("t")
        process.send(to, "here", 1)
        process.send(to, "heard", [await ch.receive(), await ch.receive()])

    async def main():
        here, heard = process.listen("here"), process.listen("heard")
        other = process.spawn(hears, None, process.pid())
        await here.receive()
        for _ in range(3):
            bodies[0].send(None)
        process.send(other, "t", 1)
        process.send(other, "t", 2)
        return await heard.receive()

    assert run(main) == [1, 2]


def test_a_body_that_is_closed_behind_the_back_of_the_runtime_ends(node):
    bodies = []

    async def hears():
        bodies.append(asyncio.current_task().get_coro())
        await process.inbox().receive()

    async def test(node):
        hearer = node.spawn(hears)
        while node.processes()[0]["state"] != "waiting":
            await asyncio.sleep(0)
        bodies[0].close()
        node.terminate(hearer)
        while node.processes():
            await asyncio.sleep(0)

    node(test)


def test_a_channel_of_a_process_that_has_ended_gives_what_is_left_and_takes_nothing(run):
    async def child(kept):
        ch = channel.new(2)
        await ch.send("left")
        kept.append((ch, process.listen("t")))

    async def main():
        kept = []

        async def of_child():
            await child(kept)

        await process.exec(of_child, None)
        [(ch, topic)] = kept
        got = [await ch.receive()]
        ch.close()
        with pytest.raises(ChannelClosed):
            await ch.receive()
        with pytest.raises(ChannelClosed):
            await ch.send(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(topic.receive(), 0.01)
        return got

    assert run(main) == ["left"]


def test_from_another_thread_nothing_of_a_process_can_be_used(run):
    async def main():
        me = process.pid()
        tries = {
            "send": lambda: process.send(me, "t", 1),
            "listen": lambda: process.listen("t"),
            "spawn": lambda: process.spawn(main, None),
        }
        return {what: await asyncio.to_thread(error_of, use) for what, use in tries.items()}

    assert set(run(main).values()) == {"Invalid"}


def error_of(use):
    try:
        use()
    except Error as error:
        return type(error).__name__
    return "none"


def test_what_is_freed_may_send(run):
    async def main():
        me = process.pid()
        ch = process.listen("freed")

        class Sends:
            def __init__(self, what):
                self.what = what

            def __del__(self):
                process.send(me, "freed", self.what)

        for number in range(3):
            await channel.new(1).send(Sends(number))
        box = channel.new(1)
        await box.send(Sends(3))
        received = await box.receive()
        del received
        cycle = [Sends(4)]
        cycle.append(cycle)
        del cycle
        gc.collect()
        return sorted([await ch.receive() for _ in range(5)])

    assert run(main) == [0, 1, 2, 3, 4]


def test_what_is_freed_at_the_end_of_a_process_may_send(run):
    async def child(to):
        class Sends:
            def __del__(self):
                try:
                    process.send(to, "freed", "late")
                except BaseException as exc:
                    deaths.append(type(exc).__name__)

        kept.set(Sends())
        local = Sends()  # noqa: F841 (it is freed with the body)
        await asyncio.sleep(0)

    kept = contextvars.ContextVar("kept")
    deaths = []

    async def main():
        ch = process.listen("freed")
        await process.exec(child, None, process.pid())
        gc.collect()
        got = []
        while len(got) + len(deaths) < 2:
            got.append(await asyncio.wait_for(ch.receive(), 5))
        return len(got) + len(deaths)

    assert run(main) == 2


def test_a_context_that_somebody_else_has_entered_ends_the_process_and_nobody_else(node):
    entered, leave = threading.Event(), threading.Event()

    def enter(context):
        def stay():
            entered.set()
            leave.wait()

        context.run(stay)

    async def main(to):
        ch = process.listen("t")
        contexts.append(asyncio.current_task().get_context())
        await ch.receive()

    contexts = []

    async def test(node):
        ours = node.spawn(main, None, 0)
        while not contexts:
            await asyncio.sleep(0)
        thread = threading.Thread(target=enter, args=(contexts[0],))
        thread.start()
        entered.wait()
        watch = asyncio.ensure_future(node.wait(ours))
        await asyncio.sleep(0)
        node.send(ours, "t", 1)
        with pytest.raises(Internal, match="already entered"):
            await watch
        leave.set()
        thread.join()
        assert await node.exec(answers) == "fine"

    node(test)


async def answers():
    return "fine"


def test_to_enter_its_own_context_once_more_is_an_error_in_the_body(run):
    async def main():
        with pytest.raises(RuntimeError, match="already entered"):
            asyncio.current_task().get_context().run(print)
        contextvars.copy_context().run(process.send, process.pid(), "t", "by a copy")
        return await process.listen("t").receive()

    assert run(main) == "by a copy"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this platform has no SIGUSR1")
def test_the_handler_of_a_signal_may_send(run):
    async def main():
        me = process.pid()
        heard, own = process.listen("signals"), process.listen("own")
        sent = 0

        def handler(number, frame):
            nonlocal sent
            sent += 1
            process.send(me, "signals", sent)

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            for number in range(500):
                os.kill(os.getpid(), signal.SIGUSR1)
                process.send(me, "own", number)
                assert await own.receive() == number
        finally:
            signal.signal(signal.SIGUSR1, before)
        return sent, [await heard.receive() for _ in range(sent)]

    sent, got = run(main)
    assert sent > 0
    assert got == list(range(1, sent + 1))


DEEP = 70


def test_at_the_limit_of_recursion_whatever_is_asked_happens_or_not_at_all(run):
    async def main():
        me = process.pid()
        topic, box = process.listen("t"), channel.new(1000)
        done = {"send": 0, "put": 0, "spawn": 0}

        def deeper(left, use):
            return use() if left == 0 else deeper(left - 1, use)

        def try_at(left, what, use):
            limit = sys.getrecursionlimit()
            depth = len(_stack())
            try:
                deeper(limit - depth - left, use)
                done[what] += 1
                return True
            except (RecursionError, Internal):  # or it was in the entry that is loaded
                return False

        failures = 0
        for left in range(2, DEEP):
            for what, use in (
                ("send", lambda: process.send(me, "t", {"a": [1]})),
                ("put", lambda: box.put(1)),
                ("spawn", lambda: process.spawn(counts, None, me)),
            ):
                failures += not try_at(left, what, use)
        assert failures
        assert done["send"]
        sent = [await topic.receive() for _ in range(done["send"])]
        assert all(one == {"a": [1]} for one in sent)
        assert topic.buffered == 0
        assert box.buffered == done["put"]
        spawned = process.listen("spawned")
        for _ in range(done["spawn"]):
            await spawned.receive()
        await asyncio.sleep(0.01)
        assert spawned.buffered == 0
        return "fine"

    assert run(main) == "fine"


def _stack():
    frame, found = sys._getframe(1), []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


async def counts(to):
    try:
        process.send(to, "spawned", 1)
    except NotFound:
        raise Invalid("nobody counts") from None
