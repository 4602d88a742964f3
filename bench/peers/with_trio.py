"""The programs over trio's tasks with a memory channel each, without a bound.

A nursery is what trio has in place of links: a task that fails ends its siblings. What is sent is
passed as it is.
"""

import math

import trio
import work
from work import (
    ACCOUNTS,
    AT_ONCE,
    CHAMENEOS,
    MAP,
    OPEN,
    PHILOSOPHERS,
    RING,
    SCALAR,
    SENDERS,
    THREAD_RING,
    WORKERS,
    complement,
    now,
    resident,
    transfer,
)


def channel():
    """Its two ends: where one sends, and where one receives."""
    return trio.open_memory_channel(math.inf)


async def ping_pong(n, payload=SCALAR):
    to_ponger, pings = channel()
    to_pinger, pongs = channel()

    async def ponger():
        while True:
            to_pinger.send_nowait(await pings.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ponger)
        start = now()
        for _ in range(n):
            to_ponger.send_nowait(payload)
            await pongs.receive()
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def ping_pong_dict(n):
    return await ping_pong(n, MAP)


async def ring(n):
    following, hops = channel()

    async def member(hops, following):
        while True:
            following.send_nowait(await hops.receive() + 1)

    async with trio.open_nursery() as nursery:
        for _ in range(RING - 1):
            to_it, its_hops = channel()
            nursery.start_soon(member, its_hops, following)
            following = to_it
        start = now()
        for _ in range(n // RING):
            following.send_nowait(0)
            assert await hops.receive() == RING - 1
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def spawn(n):
    tell, ended = channel()

    async def short_life():
        tell.send_nowait(None)

    async with trio.open_nursery() as nursery:
        start = now()
        for _ in range(n // AT_ONCE):
            for _ in range(AT_ONCE):
                nursery.start_soon(short_life)
            for _ in range(AT_ONCE):
                await ended.receive()
        return now() - start


async def call(n):
    ask, questions = channel()

    async def replier():
        while True:
            value, reply = await questions.receive()
            reply.send_nowait(value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replier)
        start = now()
        for _ in range(n):
            reply, answer = trio.open_memory_channel(1)
            ask.send_nowait((SCALAR, reply))
            with trio.fail_after(5):
                await answer.receive()
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def fan_in(n):
    to_me, numbers = channel()

    async def sender(count):
        for i in range(count):
            to_me.send_nowait(i)
            if i % 100 == 99:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        start = now()
        for _ in range(SENDERS):
            nursery.start_soon(sender, n // SENDERS)
        for _ in range(n):
            await numbers.receive()
        return now() - start


async def idle(n):
    async def idler(messages):
        await messages.receive()

    async with trio.open_nursery() as nursery:
        before, start, kept = resident(), now(), []
        for i in range(n):
            to_it, its_messages = channel()
            kept.append(to_it)
            nursery.start_soon(idler, its_messages)
            if i % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        seconds = now() - start
        after = resident()
        nursery.cancel_scope.cancel()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


async def skynet(n):
    async def tree(parent, number, leaves):
        if leaves == 1:
            parent.send_nowait(number)
            return
        to_me, sums = channel()
        part, total = leaves // 10, 0
        for i in range(10):
            nursery.start_soon(tree, to_me, number + i * part, part)
        for _ in range(10):
            total += await sums.receive()
        parent.send_nowait(total)

    to_me, sums = channel()
    async with trio.open_nursery() as nursery:
        start = now()
        nursery.start_soon(tree, to_me, 0, n)
        assert await sums.receive() == n * (n - 1) // 2
        return now() - start


async def counting(n):
    to_counter, messages = channel()

    async def counter():
        count = 0
        while True:
            reply = await messages.receive()
            if reply is None:
                count += 1
            else:
                reply.send_nowait(count)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(counter)
        start = now()
        for i in range(n):
            to_counter.send_nowait(None)
            if i % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        reply, answer = channel()
        to_counter.send_nowait(reply)
        assert await answer.receive() == n
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def fork_join(n):
    count, channels = n // WORKERS, [channel() for _ in range(WORKERS)]

    async def worker(jobs):
        for _ in range(count):
            math.sin(await jobs.receive()) ** 2

    start = now()
    async with trio.open_nursery() as nursery:
        for _, jobs in channels:
            nursery.start_soon(worker, jobs)
        for i in range(count):
            for to_it, _ in channels:
                to_it.send_nowait(37.2)
            if i % 10 == 0:
                await trio.lowlevel.checkpoint()
    return now() - start


async def thread_ring(n):
    channels, done = [channel() for _ in range(THREAD_RING)], trio.Event()

    async def token_holder(tokens, following):
        while True:
            left = await tokens.receive()
            if left == 0:
                done.set()
            else:
                following.send_nowait(left - 1)

    async with trio.open_nursery() as nursery:
        for i, (_, tokens) in enumerate(channels):
            nursery.start_soon(token_holder, tokens, channels[i - 1][0])
        start = now()
        channels[0][0].send_nowait(n)
        await done.wait()
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def chameneos(n):
    to_mall, meetings = channel()
    done = trio.Event()

    async def mall(n):
        first = None
        while True:
            sender, colour = await meetings.receive()
            if n and first is None:
                first = sender
            elif n:
                first.send_nowait((sender, colour))
                first, n = None, n - 1
                if n == 0:
                    done.set()

    async def chameneo(colour):
        to_me, mine = channel()
        while True:
            to_mall.send_nowait((to_me, colour))
            partner, other = await mine.receive()
            if partner is None:
                colour = other
            else:
                colour = complement(colour, other)
                partner.send_nowait((None, colour))

    start = now()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mall, n)
        for i in range(CHAMENEOS):
            nursery.start_soon(chameneo, i % 3)
        await done.wait()
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def philosophers(n):
    to_arbitrator, requests = channel()

    async def arbitrator():
        taken = [False] * PHILOSOPHERS
        while True:
            left, answer = await requests.receive()
            right = (left + 1) % PHILOSOPHERS
            if answer is None:
                taken[left] = taken[right] = False
            elif taken[left] or taken[right]:
                answer.send_nowait(False)
            else:
                taken[left] = taken[right] = True
                answer.send_nowait(True)

    async def philosopher(seat, meals):
        to_me, answers = channel()
        for _ in range(meals):
            to_arbitrator.send_nowait((seat, to_me))
            while not await answers.receive():
                to_arbitrator.send_nowait((seat, to_me))
            to_arbitrator.send_nowait((seat, None))

    start = now()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(arbitrator)
        async with trio.open_nursery() as table:
            for seat in range(PHILOSOPHERS):
                table.start_soon(philosopher, seat, n // PHILOSOPHERS)
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


async def bank(n):
    to_me, done = channel()
    accounts = [channel() for _ in range(ACCOUNTS)]

    async def account(messages):
        balance = 0
        while True:
            to, amount, reply = await messages.receive()
            if to is None:
                balance += amount
                reply.send_nowait(True)
            else:
                balance -= amount
                reply, answer = trio.open_memory_channel(1)
                to.send_nowait((None, amount, reply))
                with trio.fail_after(5):
                    await answer.receive()
                to_me.send_nowait(None)

    async with trio.open_nursery() as nursery:
        for _, messages in accounts:
            nursery.start_soon(account, messages)
        start = now()
        for i in range(n):
            if i >= OPEN:
                await done.receive()
            source, to = transfer(i)
            accounts[source][0].send_nowait((accounts[to][0], 10, None))
        for _ in range(min(n, OPEN)):
            await done.receive()
        seconds = now() - start
        nursery.cancel_scope.cancel()
    return seconds


if __name__ == "__main__":
    work.main(globals(), trio.run)
