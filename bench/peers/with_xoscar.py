"""The programs over xoscar's actors in one pool in this OS process.

What is sent is passed as it is. Its actors call each other: a round trip is a call and its result.
"""

import asyncio
import math
import socket

import work
import xoscar
from work import MAP, SCALAR, SENDERS, THREAD_RING, WORKERS, now, resident


class Echo(xoscar.Actor):
    def ask(self, value):
        return value


class Pinger(xoscar.Actor):
    def __init__(self, other):
        self.other = other

    async def ping(self, n, payload):
        for _ in range(n):
            await self.other.ask(payload)


class Counter(xoscar.StatelessActor):
    """Counts what it gets, also while it is waited for: any other one would have to be asked."""

    def __init__(self, n):
        self.count, self.n, self.full = 0, n, asyncio.Event()

    def increment(self):
        self.count += 1
        if self.count == self.n:
            self.full.set()

    async def wait(self):
        await self.full.wait()


class Sender(xoscar.Actor):
    async def send_many(self, dest, count):
        for _ in range(count):
            await dest.increment.tell()


class Worker(xoscar.Actor):
    def __init__(self, count, done):
        self.left, self.done = count, done

    async def work(self, number):
        math.sin(number) ** 2
        self.left -= 1
        if self.left == 0:
            await self.done.increment.tell()


class TokenHolder(xoscar.Actor):
    def __init__(self, done):
        self.done = done

    def follow(self, following):
        self.following = following

    async def take(self, left):
        if left == 0:
            await self.done.increment.tell()
        else:
            await self.following.take.tell(left - 1)


class Pool:
    """A pool of this OS process, and actors in it."""

    async def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        await xoscar.create_actor_pool(self.address, n_process=0)
        return self

    async def actor(self, kind, *args):
        return await xoscar.create_actor(kind, *args, address=self.address)


async def ping_pong(n, payload=SCALAR):
    pool = await Pool().start()
    pinger = await pool.actor(Pinger, await pool.actor(Echo))
    start = now()
    await pinger.ping(n, payload)
    return now() - start


async def ping_pong_dict(n):
    return await ping_pong(n, MAP)


async def spawn(n):
    """Made and destroyed: what waits for the end of it is the call that destroys it."""
    pool = await Pool().start()
    start = now()
    for _ in range(n):
        await xoscar.destroy_actor(await pool.actor(Echo))
    return now() - start


async def call(n):
    pool = await Pool().start()
    replier = await pool.actor(Echo)
    start = now()
    for _ in range(n):
        async with asyncio.timeout(5):
            await replier.ask(SCALAR)
    return now() - start


async def fan_in(n):
    pool = await Pool().start()
    counter = await pool.actor(Counter, n)
    senders = [await pool.actor(Sender) for _ in range(SENDERS)]
    start = now()
    for sender in senders:
        await sender.send_many.tell(counter, n // SENDERS)
    await counter.wait()
    return now() - start


async def idle(n):
    pool = await Pool().start()
    before, start = resident(), now()
    for _ in range(n):
        await pool.actor(Echo)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


async def counting(n):
    pool = await Pool().start()
    counter = await pool.actor(Counter, n)
    start = now()
    for _ in range(n):
        await counter.increment.tell()
    await counter.wait()
    return now() - start


async def fork_join(n):
    pool = await Pool().start()
    done, count = await pool.actor(Counter, WORKERS), n // WORKERS
    start = now()
    workers = [await pool.actor(Worker, count, done) for _ in range(WORKERS)]
    for _ in range(count):
        for worker in workers:
            await worker.work.tell(37.2)
    await done.wait()
    return now() - start


async def thread_ring(n):
    pool = await Pool().start()
    done = await pool.actor(Counter, 1)
    ring = [await pool.actor(TokenHolder, done) for _ in range(THREAD_RING)]
    for i, holder in enumerate(ring):
        await holder.follow(ring[i - 1])
    start = now()
    await ring[0].take.tell(n)
    await done.wait()
    return now() - start


if __name__ == "__main__":
    work.main(globals(), lambda program, n: asyncio.run(program(n)))
