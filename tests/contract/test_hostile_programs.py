"""Programs that try to break the runtime, or do so by accident: each broke it once."""

import asyncio
import dataclasses
import gc
import logging
import re
import threading
import weakref
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from procession import ChannelClosed, Error, Internal, Invalid, NotFound, channel, process, time


async def idle():
    await time.sleep("1h")


class WithoutInit(Error):
    def __init__(self):
        pass


class WithItsOwnInit(Error):
    def __init__(self, what, details):
        super().__init__(f"about {what}", details=details)


class BadList(list):
    def __iter__(self):
        raise ValueError("not today")


def released_memoryview():
    view = memoryview(b"a")
    view.release()
    return view


class Unset(msgspec.Struct):
    a: int = 1


def unset_field():
    value = Unset()
    del value.a
    return value


@pytest.mark.semantics("7.1", "9.1")
@pytest.mark.parametrize(
    "make",
    [
        WithoutInit,
        lambda: WithItsOwnInit("x", {"fine": 1}),
        lambda: WithItsOwnInit("x", object()),
        lambda: NotFound("x", details=["no", "map"]),
        lambda: NotFound("x", details={"traceback": 5, "type": []}),
        lambda: NotFound("x", details=[[]] * 3),
        lambda: TypeError("as raised by Invalid(5)"),
    ],
)
@pytest.mark.parametrize("when", ["main", "finally", "task"])
def test_whatever_the_error_is_monitors_hear_of_the_end(run, caplog, make, when):
    async def raising():
        raise make()

    async def body():
        if when == "main":
            await raising()
        elif when == "task":
            asyncio.create_task(raising())  # noqa: RUF006
            await idle()
        try:
            await idle()
        finally:
            await raising()

    async def main():
        pid = process.spawn_monitored(body, None)
        await time.sleep("1ms")
        if when == "finally":
            process.terminate(pid)
        event = await process.events().receive()
        assert event.sender == pid
        assert event.error.message
        with pytest.raises(NotFound):
            process.send(pid, "t")

    run(main)


def test_the_message_of_an_error_is_a_string():
    with pytest.raises(TypeError, match="not int"):
        Invalid(5)
    with pytest.raises(TypeError, match="retryable"):
        Invalid("x", retryable="yes")


@pytest.mark.semantics("3.3", "7.1")
@pytest.mark.parametrize("make", [lambda: BadList([1]), released_memoryview, unset_field])
def test_a_value_that_cannot_even_be_read_is_refused(run, make):
    async def body():
        return make()

    async def main():
        with pytest.raises(Invalid, match="cannot cross.*to read it raises"):
            process.send(process.pid(), "t", [make()])
        process.spawn_monitored(body, None)
        return (await process.events().receive()).error.message

    assert "result cannot cross" in run(main)


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.semantics("9.4")
@pytest.mark.parametrize("levels", range(100, 130, 2))
def test_details_of_any_depth_reach_everybody_who_is_told(run, levels):
    async def fails():
        await time.sleep("1ms")
        raise Invalid("x", details={"deep": deep(levels)})

    async def linked():
        process.spawn_linked(fails, None)
        await idle()

    async def main():
        process.spawn_monitored(linked, None)
        pid = process.spawn(fails, None)
        with pytest.raises(Error, match="ended without a reply"):
            await process.call(pid, "t", timeout=None)
        return (await process.events().receive()).error.message

    assert re.fullmatch(r"linked process failed: \{.+\}: x", run(main))


def test_a_failed_exec_leaves_nothing_behind(node):
    born, alive = [], weakref.WeakSet()

    def lives():
        born.append(process.pid())
        alive.add(asyncio.current_task())

    async def bad():
        lives()
        raise ValueError("bad")

    async def reraising():
        lives()
        process.spawn_monitored(bad, None)
        event = await process.events().receive()
        raise event.error

    async def failing_call():
        lives()
        pid = process.spawn(bad, None)
        await process.call(pid, "t", timeout=None)

    async def test(node):
        logging.getLogger("procession").setLevel(logging.CRITICAL)
        try:
            for body in (bad, reraising, failing_call):
                for _ in range(20):
                    with pytest.raises(Error):
                        await node.exec(body)
        finally:
            logging.getLogger("procession").setLevel(logging.NOTSET)
        gc.collect()
        return len(born), list(alive)

    assert node(test) == (20 * 5, [])


def test_functions_made_on_the_spot_do_not_stay(node):
    async def main():
        for _ in range(3000):

            async def child():
                pass

            await process.exec(child, None)

    async def test(node):
        await node.exec(main)
        return len(node._kernel.functions)

    assert node(test) <= 1024


@pytest.mark.semantics("11.3")
def test_a_cancellation_that_has_struck_cannot_be_taken_back(run):
    async def main():
        me = asyncio.current_task()

        async def cancel_and_regret():
            me.cancel()
            me.uncancel()

        for wait in (channel.new().receive, lambda: channel.select(channel.new()), idle):
            asyncio.create_task(cancel_and_regret())  # noqa: RUF006
            with pytest.raises(asyncio.CancelledError):
                await wait()
            assert me.cancelling() == 0
        await time.sleep("1ms")
        return "ok"

    assert run(main) == "ok"


@pytest.mark.semantics("3.3")
def test_two_callers_of_one_process_do_not_share_the_details_of_its_error(run):
    async def fails():
        await time.sleep("1ms")
        raise Invalid("x", details={"list": []})

    async def caller(pid):
        try:
            await process.call(pid, "t", timeout=None)
        except Error as error:
            error.details["error"]["details"]["list"].append("mine")
            return error.details["error"]["details"]["list"]

    async def main():
        pid = process.spawn(fails, None)
        for _ in range(2):
            process.spawn_monitored(caller, None, pid)
        return [(await process.events().receive()).result for _ in range(2)]

    assert run(main) == [["mine"], ["mine"]]


@dataclasses.dataclass
class Box:
    inside: object


class Row(msgspec.Struct, array_like=True):
    a: int
    b: list[int]


class Tagged(msgspec.Struct, tag="t", rename="camel"):
    some_field: int


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (Decimal("1.5"), "1.5"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(days=1), "P1D"),
        (Row(1, [2]), [1, [2]]),
        (Tagged(1), {"type": "t", "someField": 1}),
        (NotFound("x"), NotFound("x")),
    ],
)
def test_a_value_crosses_in_the_same_way_wherever_it_stands(run, value, arrives):
    async def main():
        ch = process.listen("t")
        for payload in (value, [value], {"k": value}, Box(value)):
            process.send(process.pid(), "t", payload)
        return [await ch.receive() for _ in range(4)]

    assert run(main) == [arrives, [arrives], {"k": arrives}, {"inside": arrives}]


class Order(msgspec.Struct):
    due: date
    price: Decimal
    row: Row


@pytest.mark.semantics("6.4")
def test_a_typed_receiver_gets_back_what_was_sent(run):
    sent = Order(date(2026, 1, 2), Decimal("1.50"), Row(1, [2]))

    async def main():
        ch = process.listen("t", type=Order)
        rows = process.listen("row", type=Row)
        tagged = process.listen("tagged", type=Tagged)
        process.send(process.pid(), "t", sent)
        process.send(process.pid(), "row", Row(3, []))
        process.send(process.pid(), "tagged", Tagged(4))
        assert await ch.receive() == sent
        assert await rows.receive() == Row(3, [])
        assert await tagged.receive() == Tagged(4)

    run(main)


@pytest.mark.semantics("3.3")
def test_keys_that_would_become_one_are_refused(run):
    import enum

    class Letter(enum.Enum):
        A = "a"

    async def main():
        with pytest.raises(Invalid, match="two of its keys are the same"):
            process.send(process.pid(), "t", {Letter.A: 1, "a": 2})

    run(main)


def test_a_reply_from_another_thread_does_not_sleep(run):
    import time as system_time

    async def server():
        message = await process.inbox().receive()

        def answer():
            system_time.sleep(0.02)
            message.reply("hi")

        thread = threading.Thread(target=answer)
        thread.start()
        await process.events().receive()
        thread.join()

    async def main():
        pid = process.spawn(server, None)
        async with asyncio.timeout(20):
            reply = await process.call(pid, "t", timeout=None)
        process.cancel(pid)
        return reply

    assert run(main) == "hi"


def test_no_reply_from_another_thread_is_lost_while_the_loop_wakes_up(run):
    def answer(message):
        threading.Event().wait(0.001)  # by then the loop sleeps
        message.reply("hi")

    async def server():
        threads = []
        while len(threads) < 200:
            message = await process.inbox().receive()
            threads.append(threading.Thread(target=answer, args=(message,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    async def main():
        pid = process.spawn(server, None)
        return [await process.call(pid, "t", timeout=None) for _ in range(200)]

    assert run(main) == ["hi"] * 200


def test_a_generator_that_one_process_dropped_does_not_end_another(run, caplog):
    async def drops_a_generator():
        async def generate():
            try:
                yield 1
            finally:
                raise ValueError("from the generator")

        generator = generate()
        async for _ in generator:
            break
        cycle = [generator]
        cycle.append(cycle)

    async def innocent():
        gc.collect()
        await asyncio.sleep(0.005)
        return "alive"

    async def main():
        gc.disable()
        try:
            await process.exec(drops_a_generator, None)
            return await process.exec(innocent, None)
        finally:
            gc.enable()

    assert run(main) == "alive"


@pytest.mark.semantics("4.2", "13.2")
def test_a_closed_timer_stays_closed(run):
    async def main():
        for timer in (time.timer("1ms"), time.ticker("1ms")):
            timer.close()
            with pytest.raises(ChannelClosed):
                timer.reset("1ms")
            with pytest.raises(ChannelClosed):
                await timer.receive()

    run(main)


@pytest.mark.semantics("10.1")
def test_the_deadline_of_a_cancel_goes_with_the_process_and_the_earliest_counts(node):
    async def quick():
        pass

    async def main():
        for _ in range(200):
            pid = process.spawn_monitored(quick, None)
            process.cancel(pid, deadline="1h")
            await process.events().receive()
        pid = process.spawn_monitored(idle, None)
        for deadline in ("1h", "2ms", "2h"):
            process.cancel(pid, deadline=deadline)
        return (await process.events().receive()).error.kind

    async def test(node):
        assert await node.exec(main) == "Terminated"
        return node.statistics()["timers"]

    assert node(test) == 0


def test_sub_millisecond_sleeps_raise_nothing_on_any_loop(run, loop_factory, caplog):
    async def spinning():
        while True:
            await time.sleep(0)

    async def main():
        process.spawn(spinning, None)
        for _ in range(50):
            await time.sleep("0.4ms")

    run(main, loop_factory=loop_factory)
    assert "Exception" not in caplog.text


def test_a_stop_that_is_cancelled_still_stops_the_node(node):
    async def test(node):
        node.spawn(idle)
        stopping = asyncio.create_task(node.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait([stopping])
        while "stopped" not in repr(node):
            await asyncio.sleep(0)
        await node.start()
        return await node.exec(idle_for_a_moment)

    async def idle_for_a_moment():
        return "again"

    assert node(test) == "again"


def test_a_process_cannot_stop_its_own_node(node):
    async def test(node):
        async def suicidal():
            with pytest.raises(Invalid, match="its own node"):
                await node.stop()
            return "ok"

        return await node.exec(suicidal)

    assert node(test) == "ok"


def test_system_exit_in_a_process_is_an_error_exit(run):
    async def exits():
        raise SystemExit(3)

    async def main():
        process.spawn_monitored(exits, None)
        error = (await process.events().receive()).error
        return [type(error) is Internal, error.details["type"]]

    assert run(main) == [True, "SystemExit"]


@pytest.mark.semantics("4.4", "6.2")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("source", ["channel", "topic", "inbox", "select"])
def test_values_given_back_by_several_receivers_keep_their_order(run, source, backwards):
    async def main():
        me = process.pid()
        if source in ("channel", "select"):
            ch = channel.new(10)
            put = ch.put
        else:
            ch = process.listen("t") if source == "topic" else process.inbox()

            def put(value):
                process.send(me, "t", value)

        async def receive():
            if source == "select":
                return (await channel.select(channel.new(), ch)).value
            return await ch.receive()

        tasks = [asyncio.create_task(receive()) for _ in range(5)]
        await time.sleep("1ms")
        for value in range(7):
            put(value)
        for task in reversed(tasks[1:]) if backwards else tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks)
        values = [await ch.receive() for _ in range(6)]
        values = [value.payload if source == "inbox" else value for value in values]
        first = tasks[0].result()
        assert (first.payload if source == "inbox" else first) == 0
        return values

    assert run(main) == [1, 2, 3, 4, 5, 6]


@pytest.mark.semantics("4.3", "4.6")
def test_closing_a_channel_wakes_a_select_with_two_sends_on_it_once(run):
    async def main():
        ch = channel.new()
        asyncio.get_running_loop().call_soon(ch.close)
        with pytest.raises(ChannelClosed):
            await channel.select(ch.case_send(1), ch.case_send(2))
        got = await channel.select(process.listen("never"), time.after("2ms"))
        return got.ok and got.value is not None

    assert run(main) is True


@pytest.mark.semantics("6.8")
def test_messages_given_back_count_against_the_mailbox(app):
    node_run = app(
        hosts={"small": "{mailbox: 2}"},
        entries={"main": "main.py"},
        files={
            "main.py": """
import asyncio
from procession import LimitExceeded, process, time
async def main():
    inbox, me, accepted = process.inbox(), process.pid(), 0
    for _ in range(3):
        task = asyncio.create_task(inbox.receive())
        await time.sleep("1ms")
        if task.done():
            continue
        process.send(me, "t", 1)
        task.cancel()
        await asyncio.wait([task])
    for _ in range(5):
        try:
            process.send(me, "t", 1)
            accepted += 1
        except LimitExceeded:
            pass
    return [accepted, inbox.buffered]
"""
        },
    )
    assert node_run("app:main") == [1, 2]
