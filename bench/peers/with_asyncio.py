"""The programs over asyncio tasks with a queue each, as a good asyncio programmer has them.

What is sent is passed as it is, not copied; queues are unbounded, so nothing is awaited to put.
"""

import asyncio
import math

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

kept = set()


def start_task(coroutine):
    """A task that is kept, as the manual of asyncio asks for."""
    task = asyncio.create_task(coroutine)
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task


async def ping_pong(n, payload=SCALAR):
    pings, pongs = asyncio.Queue(), asyncio.Queue()

    async def ponger():
        while True:
            pongs.put_nowait(await pings.get())

    start_task(ponger())
    start = now()
    for _ in range(n):
        pings.put_nowait(payload)
        await pongs.get()
    return now() - start


async def ping_pong_dict(n):
    return await ping_pong(n, MAP)


async def by_name(n):
    queues = {"pinger": asyncio.Queue(), "ponger": asyncio.Queue()}

    async def ponger():
        pings, pongs = queues["ponger"], queues["pinger"]
        while True:
            pongs.put_nowait(await pings.get())

    start_task(ponger())
    pongs = queues["pinger"]
    start = now()
    for _ in range(n):
        queues["ponger"].put_nowait(SCALAR)
        await pongs.get()
    return now() - start


async def ring(n):
    first = following = asyncio.Queue()

    async def member(mine, following):
        while True:
            following.put_nowait(await mine.get() + 1)

    for _ in range(RING - 1):
        mine = asyncio.Queue()
        start_task(member(mine, following))
        following = mine
    start = now()
    for _ in range(n // RING):
        following.put_nowait(0)
        assert await first.get() == RING - 1
    return now() - start


async def short_life():
    pass


async def spawn(n):
    ended = asyncio.Queue()
    start = now()
    for _ in range(n // AT_ONCE):
        tasks = [asyncio.create_task(short_life()) for _ in range(AT_ONCE)]
        for task in tasks:
            task.add_done_callback(ended.put_nowait)
        for _ in range(AT_ONCE):
            await ended.get()
    return now() - start


async def call(n):
    questions = asyncio.Queue()

    async def replier():
        while True:
            value, reply = await questions.get()
            reply.set_result(value)

    start_task(replier())
    loop = asyncio.get_running_loop()
    start = now()
    for _ in range(n):
        reply = loop.create_future()
        questions.put_nowait((SCALAR, reply))
        async with asyncio.timeout(5):
            await reply
    return now() - start


async def fan_in(n):
    numbers = asyncio.Queue()

    async def sender(count):
        for i in range(count):
            numbers.put_nowait(i)
            if i % 100 == 99:
                await asyncio.sleep(0)

    start = now()
    for _ in range(SENDERS):
        start_task(sender(n // SENDERS))
    for _ in range(n):
        await numbers.get()
    return now() - start


async def idle(n):
    async def idler(queue):
        await queue.get()

    before, start = resident(), now()
    tasks = []
    for i in range(n):
        queue = asyncio.Queue()
        tasks.append((queue, asyncio.create_task(idler(queue))))
        if i % AT_ONCE == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


async def cascade(n):
    """Each awaits the next one's task, so that the failure of the last is the failure of all."""
    complete, die = asyncio.Event(), asyncio.Event()

    async def member(left):
        if left:
            await asyncio.create_task(member(left - 1))
        complete.set()
        await die.wait()
        raise RuntimeError("the end of the chain")

    first = asyncio.create_task(member(n - 1))
    await complete.wait()
    start = now()
    die.set()
    await asyncio.wait([first])
    assert first.exception()
    return now() - start


async def skynet(n):
    async def tree(sums, number, leaves):
        if leaves == 1:
            sums.put_nowait(number)
            return
        mine, part = asyncio.Queue(), leaves // 10
        tasks = [asyncio.create_task(tree(mine, number + i * part, part)) for i in range(10)]
        total = 0
        for _ in tasks:
            total += await mine.get()
        sums.put_nowait(total)

    sums = asyncio.Queue()
    start = now()
    start_task(tree(sums, 0, n))
    assert await sums.get() == n * (n - 1) // 2
    return now() - start


async def counting(n):
    queue = asyncio.Queue()

    async def counter():
        count = 0
        while True:
            reply = await queue.get()
            if reply is None:
                count += 1
            else:
                reply.set_result(count)

    start_task(counter())
    start = now()
    for i in range(n):
        queue.put_nowait(None)
        if i % AT_ONCE == 0:
            await asyncio.sleep(0)
    reply = asyncio.get_running_loop().create_future()
    queue.put_nowait(reply)
    assert await reply == n
    return now() - start


async def fork_join(n):
    count, queues = n // WORKERS, [asyncio.Queue() for _ in range(WORKERS)]

    async def worker(jobs):
        for _ in range(count):
            math.sin(await jobs.get()) ** 2

    start = now()
    tasks = [asyncio.create_task(worker(queue)) for queue in queues]
    for i in range(count):
        for queue in queues:
            queue.put_nowait(37.2)
        if i % 10 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return now() - start


async def thread_ring(n):
    queues, done = [asyncio.Queue() for _ in range(THREAD_RING)], asyncio.Event()

    async def token_holder(tokens, following):
        while True:
            left = await tokens.get()
            if left == 0:
                done.set()
            else:
                following.put_nowait(left - 1)

    for i, queue in enumerate(queues):
        start_task(token_holder(queue, queues[i - 1]))
    start = now()
    queues[0].put_nowait(n)
    await done.wait()
    return now() - start


async def chameneos(n):
    meet, done = asyncio.Queue(), asyncio.Event()

    async def mall(n):
        first = None
        while True:
            sender, colour = await meet.get()
            if n and first is None:
                first = sender
            elif n:
                first.put_nowait((sender, colour))
                first, n = None, n - 1
                if n == 0:
                    done.set()

    async def chameneo(colour):
        mine = asyncio.Queue()
        while True:
            meet.put_nowait((mine, colour))
            partner, other = await mine.get()
            if partner is None:
                colour = other
            else:
                colour = complement(colour, other)
                partner.put_nowait((None, colour))

    start = now()
    start_task(mall(n))
    for i in range(CHAMENEOS):
        start_task(chameneo(i % 3))
    await done.wait()
    return now() - start


async def philosophers(n):
    requests = asyncio.Queue()

    async def arbitrator():
        taken = [False] * PHILOSOPHERS
        while True:
            left, answers = await requests.get()
            right = (left + 1) % PHILOSOPHERS
            if answers is None:
                taken[left] = taken[right] = False
            elif taken[left] or taken[right]:
                answers.put_nowait(False)
            else:
                taken[left] = taken[right] = True
                answers.put_nowait(True)

    async def philosopher(seat, meals):
        answers = asyncio.Queue()
        for _ in range(meals):
            requests.put_nowait((seat, answers))
            while not await answers.get():
                requests.put_nowait((seat, answers))
            requests.put_nowait((seat, None))

    start = now()
    start_task(arbitrator())
    await asyncio.gather(*(philosopher(i, n // PHILOSOPHERS) for i in range(PHILOSOPHERS)))
    return now() - start


async def bank(n):
    done, accounts = asyncio.Queue(), [asyncio.Queue() for _ in range(ACCOUNTS)]

    async def account(mine):
        balance, loop = 0, asyncio.get_running_loop()
        while True:
            to, amount, reply = await mine.get()
            if to is None:
                balance += amount
                reply.set_result(True)
            else:
                balance -= amount
                reply = loop.create_future()
                to.put_nowait((None, amount, reply))
                async with asyncio.timeout(5):
                    await reply
                done.put_nowait(None)

    for queue in accounts:
        start_task(account(queue))
    start = now()
    for i in range(n):
        if i >= OPEN:
            await done.get()
        source, to = transfer(i)
        accounts[source].put_nowait((accounts[to], 10, None))
    for _ in range(min(n, OPEN)):
        await done.get()
    return now() - start


if __name__ == "__main__":
    work.main(globals(), lambda program, n: asyncio.run(program(n)))
