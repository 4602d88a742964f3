"""Whoever never waits for long lets all else run: processes, timers, and the event loop's I/O."""

import asyncio
import socket

import pytest

from procession import LimitExceeded, channel, process, time

LIMITS = {"step_limit": 0.5}


async def polls(wait):
    """Ask again and again whether there is something, and never wait for it."""
    orders, never = process.listen("stop"), process.listen("never")
    while (await channel.select(orders, never, default=True)).default:
        await wait()


async def nothing():
    pass


async def polls_only():
    await polls(nothing)


async def polls_and_lets_the_loop_run():
    await polls(lambda: asyncio.sleep(0))


async def polls_and_lets_others_run():
    await polls(lambda: time.sleep(0))


async def never_empties_its_mailbox():
    orders, numbers, me = process.listen("stop"), process.listen("n"), process.pid()
    process.send(me, "n", 0)
    while not orders.buffered:
        process.send(me, "n", await numbers.receive())


async def never_empties_its_channel():
    orders, numbers = process.listen("stop"), channel.new(1)
    while not orders.buffered:
        await numbers.send(1)
        await channel.select(numbers)


async def a_task_never_waits():
    async def task():
        await polls(nothing)

    await asyncio.create_task(task())


async def plays_ping_pong():
    orders = process.listen("stop")
    pid, balls = process.spawn_linked(returns_balls, None, process.pid()), process.listen("ball")
    while not orders.buffered:
        process.send(pid, "ball", 1)
        await balls.receive()
    process.terminate(pid)


async def returns_balls(partner):
    async for ball in process.listen("ball"):
        process.send(partner, "ball", ball)


async def waits_for_room():
    """A producer whose consumer takes nothing: it tries again and again."""
    orders, stuck = process.listen("stop"), process.spawn_linked(takes_nothing, None)
    while not orders.buffered:
        for _ in range(5):
            try:
                process.send(stuck, "n", 1)
            except LimitExceeded:
                await time.sleep(0)
    process.terminate(stuck)


async def takes_nothing():
    await process.listen("never").receive()


BUSY = [
    polls_only,
    polls_and_lets_the_loop_run,
    polls_and_lets_others_run,
    never_empties_its_mailbox,
    never_empties_its_channel,
    a_task_never_waits,
    plays_ping_pong,
    waits_for_room,
]


async def answers():
    async for message in process.listen("ask", message=True):
        message.reply(message.payload)


@pytest.mark.parametrize("busy", BUSY, ids=[one.__name__ for one in BUSY])
def test_whoever_never_waits_lets_all_else_run_and_is_not_ended(run, busy, loop_factory):
    async def main():
        pids = [process.spawn_monitored(busy, None) for _ in range(3)]
        other = process.spawn(answers, None)
        loop = asyncio.get_running_loop()
        began = loop.time()
        rounds = 0
        here, there = socket.socketpair()
        here.setblocking(False)
        while rounds < 3 or loop.time() - began < 1.5 * LIMITS["step_limit"]:
            assert await process.call(other, "ask", rounds, timeout=None) == rounds
            await time.sleep("1ms")  # a timer of the node
            await asyncio.sleep(0.001)  # one of the loop
            there.send(b"x")
            assert await loop.sock_recv(here, 1) == b"x"  # its I/O
            rounds += 1
        here.close()
        there.close()
        for pid in pids:
            process.send(pid, "stop")
        events = process.events()
        return [(await events.receive()).error for _ in pids]

    settings = {**LIMITS, "mailbox": 100}
    assert run(main, loop_factory=loop_factory, settings=settings) == [None] * 3


def test_a_consumer_gets_many_values_for_each_of_very_many_producers(run):
    """Its turn does not end after so many values that the wait for all others outweighs it."""

    async def producer(pid):
        sent = 0
        ends = process.listen("end")
        while not ends.buffered:
            for _ in range(20):
                process.send(pid, "tick", 1)
            sent += 1
            await time.sleep(0)
        return sent

    async def main():
        ticks, me = process.listen("tick"), process.pid()
        pids = [process.spawn_linked(producer, None, me) for _ in range(400)]
        watched = process.spawn_monitored(producer, None, me)
        for _ in range(200_000):
            await ticks.receive()
        for pid in (*pids, watched):
            process.send(pid, "end")
        return (await process.events().receive()).result

    # At 200 values a turn it would take a thousand rounds.
    assert run(main, settings={"mailbox": 10_000_000}) < 700
