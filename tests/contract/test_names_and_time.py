"""SEMANTICS 12 and 13: names, durations and timers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from procession import (
    AlreadyExists,
    ChannelClosed,
    Invalid,
    NotFound,
    Timeout,
    channel,
    process,
    time,
)


async def idle():
    await time.sleep("1h")


@pytest.mark.semantics("12.1")
def test_register_lookup_and_unregister(run):
    async def main():
        other = process.spawn(idle, None)
        registry = process.registry
        assert registry.register("me") is True
        assert registry.register("me") is True
        assert registry.register("other", other) is True
        assert registry.lookup("me") == process.pid()
        assert registry.lookup("other") == other
        with pytest.raises(AlreadyExists, match="is taken"):
            registry.register("me", other)
        assert registry.unregister("me") is True
        assert registry.unregister("me") is False
        with pytest.raises(NotFound, match="name not registered: 'me'"):
            registry.lookup("me")
        with pytest.raises(NotFound):
            registry.register("x", "{app:processes|0xfffff}")
        process.terminate(other)
        await time.sleep(0)
        with pytest.raises(NotFound):
            registry.lookup("other")

    run(main)


@pytest.mark.semantics("12.2")
def test_a_pid_may_own_many_names(run):
    async def owner(parent):
        for i in range(100):
            process.registry.register(f"name {i}")
        process.registry.unregister("name 7")
        process.send(parent, "ready")
        await process.listen("stop").receive()

    async def main():
        ready = process.listen("ready")
        pid = process.spawn_monitored(owner, None, process.pid())
        await ready.receive()
        assert process.registry.lookup("name 99") == pid
        process.send("name 3", "stop")
        await process.events().receive()
        for i in range(100):
            with pytest.raises(NotFound):
                process.registry.lookup(f"name {i}")

    run(main)


@pytest.mark.semantics("12.2")
def test_text_that_parses_as_a_pid_is_never_a_name(run):
    async def main():
        for wrong in (process.pid(), "{a:b|0x00001}", "{node@a:b|0xabcdef}", "", "x" * 513):
            with pytest.raises(Invalid):
                process.registry.register(wrong)
        for fine in ("{a:b|1}", "service.v1", "über", "x" * 512, "{}"):
            process.registry.register(fine)

    run(main)


@pytest.mark.semantics("12.4")
@pytest.mark.parametrize(
    "how", ["spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored"]
)
def test_a_process_is_spawned_under_a_name_or_not_at_all(node, how):
    async def main():
        spawn, events = getattr(process, how), process.events()
        process.set_options(trap_links=True)
        pid = spawn(idle, None, name="it")
        assert process.registry.lookup("it") == pid
        with pytest.raises(AlreadyExists, match="name 'it' is taken") as caught:
            spawn(idle, None, name="it")
        assert caught.value.details == {"pid": pid}
        for wrong in ("", "{a:b|0x00001}"):
            with pytest.raises(Invalid):
                spawn(idle, None, name=wrong)
        with pytest.raises(TypeError, match="a name is a string"):
            spawn(idle, None, name=5)
        await time.sleep("1ms")
        assert not events.buffered
        process.terminate(pid)
        while "it" in names():
            await time.sleep(0)
        assert await process.exec(who, None, "it", name="it") is True

    def names():
        return [name for one in booted[0].processes() for name in one["names"]]

    booted = []

    async def test(node):
        booted.append(node)
        await node.exec(main)
        assert len(node.processes()) == 0
        pid = node.spawn(idle, None, name="outside")
        assert node.lookup("outside") == pid
        with pytest.raises(AlreadyExists):
            node.spawn(idle, None, name="outside")
        with pytest.raises(AlreadyExists):
            await node.exec(idle, None, name="outside")
        assert len(node.processes()) == 1

    node(test)


async def who(name):
    return process.registry.lookup(name) == process.pid()


@pytest.mark.semantics("12.4")
def test_a_name_is_waited_for_in_the_order_of_asking(run):
    async def waits(log, number):
        log.append((number, await process.registry.wait("late", timeout=None)))

    async def main():
        log = []

        async def waiting(number):
            await waits(log, number)

        for number in range(5):
            process.spawn(waiting, None, number)
        given_up = asyncio.create_task(process.registry.wait("late"))
        await time.sleep("1ms")
        given_up.cancel()
        process.registry.register("another")
        assert log == []
        process.registry.register("late")
        assert await process.registry.wait("late", timeout=0) == process.pid()
        await time.sleep("1ms")
        assert log == [(number, process.pid()) for number in range(5)]
        with pytest.raises(Timeout):
            await process.registry.wait("never", timeout=0)

    run(main)


@pytest.mark.semantics("12.3")
def test_names_belong_to_their_node(run):
    from procession import Node

    async def register():
        process.registry.register("name")
        return process.registry.lookup("name")

    async def both():
        async with Node() as one, Node() as two:
            return [await one.exec(register), await two.exec(register)]

    one, two = asyncio.run(both())
    assert one != two


@pytest.mark.semantics("13.1")
@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("100ms", 0.1),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("2m", 120),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("250μs", 0.00025),
        ("10ns", 1e-8),
        ("-1s", -1),
        ("+1s", 1),
        ("0", 0),
        ("1h1m1s1ms1us1ns", 3661.001001001),
        (3, 3),
        (0.25, 0.25),
        (timedelta(minutes=1), 60),
    ],
)
def test_a_duration_is_text_with_units_a_number_of_seconds_or_a_timedelta(written, seconds):
    assert time.seconds(written) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.semantics("13.1")
@pytest.mark.parametrize(
    "wrong",
    ["5", "", "s", "1 s", "1d", "1s 2", "1.2.3s", "s1", "1s-1s", "nan", float("nan"), float("inf"),
     10**400, "1" * 1000 + "s", "\u0661s"],
)  # fmt: skip
def test_a_bare_number_in_text_and_other_nonsense_is_invalid(wrong):
    with pytest.raises(Invalid):
        time.seconds(wrong)


@pytest.mark.semantics("13.2")
def test_sleep_waits_at_least_that_long(run):
    async def main():
        loop = asyncio.get_running_loop()
        for duration in ("5ms", 0.005, timedelta(milliseconds=5)):
            before = loop.time()
            await time.sleep(duration)
            assert loop.time() - before >= 0.005
        await time.sleep(-1)
        await time.sleep("0")

    run(main)


@pytest.mark.semantics("13.2")
def test_sleepers_wake_in_the_order_of_their_times(run):
    async def main():
        order = []

        async def sleeper(name, duration):
            await time.sleep(duration)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, duration in [("c", "9ms"), ("a", "3ms"), ("b", "6ms")]:
                group.create_task(sleeper(name, duration))
        return order

    assert run(main) == ["a", "b", "c"]


@pytest.mark.semantics("13.2")
def test_after_gives_one_time_and_closes(run):
    async def main():
        before = datetime.now(UTC)
        ch = time.after("1ms")
        got = await channel.select(process.inbox(), ch)
        assert got.channel is ch
        assert before <= got.value <= time.now()
        with pytest.raises(ChannelClosed):
            await ch.receive()
        assert (await channel.select(ch)).ok is False
        assert isinstance(await time.after(0).receive(), datetime)

    run(main)


@pytest.mark.semantics("13.2")
def test_a_timer_can_be_stopped_and_reset(run):
    async def main():
        timer = time.timer("1h")
        assert timer.reset("1ms") is True
        assert isinstance(await timer.channel.receive(), datetime)
        assert timer.stop() is False
        assert timer.reset("1ms") is False
        assert timer.stop() is True
        got = await channel.select(timer, time.after("3ms"))
        assert got.channel is not timer.channel
        timer.reset("1ms")
        await time.sleep("3ms")
        timer.reset("1h")
        assert (await channel.select(timer, default=True)).default, "the old ring is gone"
        timer.close()
        assert (await channel.select(timer)).ok is False

    run(main)


@pytest.mark.semantics("13.2")
def test_a_ticker_ticks_and_drops_surplus_ticks(run):
    async def main():
        ticker = time.ticker("1ms")
        for _ in range(3):
            assert isinstance(await ticker.receive(), datetime)
        await time.sleep("10ms")
        await ticker.channel.receive()
        assert (await channel.select(ticker, default=True)).default
        ticker.stop()
        await time.sleep("3ms")
        assert (await channel.select(ticker, default=True)).default
        ticker.reset("1ms")
        async for _ in ticker:
            ticker.close()
        for wrong in (0, "-1s"):
            with pytest.raises(Invalid):
                time.ticker(wrong)

    run(main)


def test_timers_that_nobody_holds_leave_nothing_behind(node):
    async def forgetful(rounds):
        events = process.events()
        for _ in range(rounds):
            process.cancel(process.pid())
            await channel.select(events, time.after("1h"))
            time.timer("1h")
            time.ticker("1h")

    async def test(node):
        await node.exec(forgetful, None, 1000)
        statistics = node.statistics()
        heap = len(node._kernel.scheduler.timers._heap)
        return statistics["timers"], heap

    timers, heap = node(test)
    assert timers == 0
    assert heap < 200
