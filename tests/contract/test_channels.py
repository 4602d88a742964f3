"""SEMANTICS 4: channels and select."""

import asyncio
import contextlib
import gc
import weakref

import pytest

from procession import ChannelClosed, Invalid, channel, process, time


async def collect(ch, into):
    async for value in ch:
        into.append(value)


@pytest.fixture(params=["main", "task"])
def within(run, request):
    """Run a body as a process's main, and as an asyncio task of a process: channels serve both."""

    def within(body):
        async def main():
            if request.param == "main":
                return await body()
            return await asyncio.create_task(body())

        return run(main)

    return within


@pytest.mark.semantics("4.1")
def test_an_unbuffered_send_waits_for_its_receiver(within):
    async def body():
        ch, log = channel.new(), []

        async def sender():
            await ch.send("x")
            log.append("sent")

        task = asyncio.create_task(sender())
        await time.sleep("1ms")
        assert log == []
        assert await ch.receive() == "x"
        await task
        assert log == ["sent"]

    within(body)


@pytest.mark.semantics("4.1")
def test_a_buffered_send_waits_only_when_the_buffer_is_full(within):
    async def body():
        ch = channel.new(2)
        await ch.send(1)
        await ch.send(2)
        third = asyncio.create_task(ch.send(3))
        await time.sleep("1ms")
        assert not third.done()
        assert [await ch.receive() for _ in range(3)] == [1, 2, 3]
        await third

    within(body)


@pytest.mark.semantics("4.1")
def test_send_on_a_closed_channel_raises(within):
    async def body():
        ch = channel.new(1)
        ch.close()
        with pytest.raises(ChannelClosed, match="send on closed channel"):
            await ch.send(1)

    within(body)


@pytest.mark.semantics("4.2")
def test_a_closed_channel_drains_then_reports_closed_again_and_again(within):
    async def body():
        ch = channel.new(2)
        await ch.send(1)
        await ch.send(None)
        ch.close()
        assert await ch.receive() == 1
        assert await ch.receive() is None
        for _ in range(3):
            with pytest.raises(ChannelClosed):
                await ch.receive()
        assert [value async for value in ch] == []

    within(body)


@pytest.mark.semantics("4.3")
def test_close_wakes_every_waiting_receiver_and_sender_and_may_be_repeated(within):
    async def body():
        empty, full = channel.new(), channel.new()
        waiting = [
            *(asyncio.create_task(empty.receive()) for _ in range(3)),
            *(asyncio.create_task(full.send(1)) for _ in range(3)),
        ]
        await time.sleep("1ms")
        for ch in (empty, full):
            ch.close()
            ch.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [ChannelClosed] * 6
        with pytest.raises(ChannelClosed):
            await full.receive()

    within(body)


@pytest.mark.semantics("4.4")
def test_values_senders_and_receivers_are_each_first_in_first_out(within):
    async def body():
        ch, got = channel.new(1), []
        senders = [asyncio.create_task(ch.send(i)) for i in range(5)]
        await time.sleep("1ms")
        assert [await ch.receive() for _ in range(5)] == [0, 1, 2, 3, 4]
        await asyncio.gather(*senders)

        async def receiver(name):
            got.append((name, await ch.receive()))

        receivers = [asyncio.create_task(receiver(name)) for name in "abc"]
        await time.sleep("1ms")
        for i in range(3):
            await ch.send(i)
        await asyncio.gather(*receivers)
        assert got == [("a", 0), ("b", 1), ("c", 2)]

    within(body)


@pytest.mark.semantics("4.4")
def test_a_cancelled_receive_leaves_no_trace_and_loses_no_value(within):
    async def body():
        ch = channel.new()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await ch.receive()
        receiver = asyncio.create_task(ch.receive())
        await time.sleep("1ms")
        assert ch.put(1) is True  # handed over, but the task has not run yet
        receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiver
        assert await ch.receive() == 1
        assert ch.put(2) is False, "nobody waits any more"

    within(body)


@pytest.mark.semantics("4.4")
def test_a_value_given_back_goes_to_the_front(within):
    async def body():
        ch = channel.new(5)
        receiver = asyncio.create_task(ch.receive())
        await time.sleep("1ms")
        for value in (1, 2, 3):
            ch.put(value)
        receiver.cancel()
        await asyncio.wait([receiver])
        assert [await ch.receive() for _ in range(3)] == [1, 2, 3]

    within(body)


@pytest.mark.semantics("4.4")
def test_a_main_that_is_cancelled_after_a_value_was_handed_over_gets_it_later(run):
    async def main():
        ch = channel.new()
        me = asyncio.current_task()

        async def hand_over_and_cancel():
            ch.put("kept")
            me.cancel()

        asyncio.create_task(hand_over_and_cancel())  # noqa: RUF006
        with pytest.raises(asyncio.CancelledError):
            await ch.receive()
        me.uncancel()
        return await ch.receive()

    assert run(main) == "kept"


@pytest.mark.semantics("4.4")
def test_a_cancelled_send_is_not_sent(within):
    async def body():
        ch = channel.new()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ch.send("never")
        got = await channel.select(ch, default=True)
        assert got.default

    within(body)


@pytest.mark.semantics("4.5")
def test_the_first_ready_case_in_listed_order_wins(within):
    async def body():
        a, b = channel.new(1), channel.new(1)
        await b.send("b")
        got = await channel.select(a, b)
        assert (got.channel, got.value, got.ok, got.default) == (b, "b", True, False)
        await a.send("a")
        await b.send("b")
        assert (await channel.select(b.case_receive(), a)).channel is b
        assert (await channel.select(a, a)).value == "a"

    within(body)


@pytest.mark.semantics("4.5")
def test_select_waits_until_a_case_is_ready(within):
    async def body():
        a, b = channel.new(), channel.new()
        task = asyncio.create_task(b.send("late"))
        got = await channel.select(a, b)
        await task
        assert got.channel is b
        assert got.value == "late"

    within(body)


@pytest.mark.semantics("4.5")
def test_select_sends_to_a_waiting_receiver(within):
    async def body():
        out = channel.new()
        receiver = asyncio.create_task(out.receive())
        got = await channel.select(channel.new(), out.case_send("x"))
        assert got.channel is out
        assert got.ok
        assert got.value == "x"
        assert await receiver == "x"

    within(body)


@pytest.mark.semantics("4.5")
def test_select_with_default_never_waits(within):
    async def body():
        got = await channel.select(channel.new(), channel.new().case_send(1), default=True)
        assert (got.default, got.ok, got.channel, got.value) == (True, True, None, None)
        assert (await channel.select(default=True)).default

    within(body)


@pytest.mark.semantics("4.5")
def test_select_on_a_closed_channel_is_not_ok(within):
    async def body():
        ch = channel.new()
        ch.close()
        got = await channel.select(channel.new(), ch)
        assert (got.channel, got.value, got.ok) == (ch, None, False)
        waiting = channel.new()
        asyncio.get_running_loop().call_soon(waiting.close)
        got = await channel.select(waiting)
        assert (got.channel, got.ok) == (waiting, False)

    within(body)


@pytest.mark.semantics("4.6")
def test_a_completed_select_is_withdrawn_everywhere(within):
    async def body():
        a, b, out = channel.new(), channel.new(), channel.new()
        asyncio.get_running_loop().call_soon(lambda: b.put("b"))
        assert (await channel.select(a, b, b, out.case_send(1))).value == "b"
        assert a.put("lost?") is False
        assert b.put("lost?") is False
        assert (await channel.select(out, default=True)).default

    within(body)


@pytest.mark.semantics("4.6")
def test_a_cancelled_select_is_withdrawn_everywhere_and_gives_back_what_it_won(within):
    async def body():
        a, b = channel.new(), channel.new()
        task = asyncio.create_task(channel.select(a, b, a))
        await time.sleep("1ms")
        task.cancel()
        await asyncio.wait([task])
        assert not a.put(1)
        assert not b.put(1)
        task = asyncio.create_task(channel.select(a, b))
        await time.sleep("1ms")
        assert b.put("won")
        task.cancel()
        await asyncio.wait([task])
        assert await b.receive() == "won"
        assert not a.put(1)

    within(body)


@pytest.mark.semantics("4.4", "4.6")
def test_a_select_that_waits_among_many_is_withdrawn_and_the_others_keep_their_order(within):
    class Value:
        pass

    async def body():
        a, sends, other = channel.new(), channel.new(), channel.new()
        received = [asyncio.create_task(a.receive()) for _ in range(100)]
        sent = [asyncio.create_task(sends.send(n)) for n in range(100)]
        await time.sleep("1ms")
        value = Value()
        trace = weakref.ref(value)
        cases = (*(a, sends.case_send(value)) * 10, other)
        selected = asyncio.create_task(channel.select(*cases))
        await time.sleep("1ms")
        received += [asyncio.create_task(a.receive()) for _ in range(100)]
        sent += [asyncio.create_task(sends.send(n)) for n in range(100, 200)]
        await time.sleep("1ms")
        assert other.put("chosen")
        assert (await selected).value == "chosen"
        del cases, selected, value
        gc.collect()
        assert trace() is None
        assert all(a.put(n) for n in range(200))
        assert not a.put(200)
        assert await asyncio.gather(*received) == list(range(200))
        assert [await sends.receive() for _ in range(200)] == list(range(200))
        assert (await channel.select(sends, default=True)).default
        await asyncio.gather(*sent)

    within(body)


@pytest.mark.semantics("4.7")
def test_what_is_no_case_is_invalid(within):
    async def body():
        for wrong in (5, None, [channel.new()], channel.new().receive):
            with pytest.raises(Invalid, match="select case 2 is of type"):
                await channel.select(channel.new(), wrong)
        with pytest.raises(Invalid, match="at least one case"):
            await channel.select()

    within(body)


@pytest.mark.semantics("4.7")
def test_a_send_case_on_a_closed_channel_raises_as_send_does(within):
    async def body():
        ch = channel.new()
        closing = channel.new()
        ch.close()
        with pytest.raises(ChannelClosed, match="send on closed channel"):
            await channel.select(channel.new(), ch.case_send(1))
        asyncio.get_running_loop().call_soon(closing.close)
        with pytest.raises(ChannelClosed, match="send on closed channel"):
            await channel.select(channel.new(), closing.case_send(1))

    within(body)


@pytest.mark.semantics("4.8")
def test_polling_sees_what_has_arrived(within):
    async def body():
        me = process.pid()
        inbox, listened, events = process.inbox(), process.listen("t"), process.events()
        for ch in (inbox, listened, events):
            assert (await channel.select(ch, default=True)).default
        process.send(me, "t", 1)
        process.send(me, "other", 2)
        process.cancel(me)
        assert (await channel.select(listened, default=True)).value == 1
        assert (await channel.select(inbox, default=True)).value.payload == 2
        assert (await channel.select(events, default=True)).value.kind == process.event.CANCEL

    within(body)


def test_a_process_whose_channel_is_never_empty_does_not_starve_the_others(run):
    async def greedy():
        ch = channel.new(1)
        while True:
            await ch.send(1)
            await ch.receive()

    async def polling():
        while True:
            ch = channel.new(1)
            await channel.select(ch.case_send(1))

    async def main():
        for body in (greedy, polling):
            process.spawn(body, None)
        for _ in range(10):
            await time.sleep("1ms")
        return "still here"

    assert run(main) == "still here"


def test_channels_describe_themselves(run):
    async def main():
        ch = channel.new(3)
        await ch.send(1)
        assert repr(ch) == "<Channel open, 1 buffered>"
        assert ch.capacity == 3
        ch.close()
        assert "closed" in repr(ch)
        with pytest.raises(Invalid, match="not negative"):
            channel.new(-1)

    run(main)


def test_the_lifecycle_channels_of_a_process_cannot_be_closed(run):
    async def main():
        for ch in (process.inbox(), process.events()):
            with pytest.raises(Invalid, match="cannot be closed"):
                ch.close()

    run(main)
