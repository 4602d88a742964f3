"""The programs over processes of ours, as the manual has them written.

All promises are on: payloads are copied, mailboxes are bounded, who computes too long is ended.
Where many messages are sent at once, the sender lets others run now and then: a full mailbox
refuses.
"""

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

import procession
from procession import process, time

# -- ping-pong: n round trips between two ------------------------------------------------------


async def ponger():
    pings = process.listen("ping")
    other = await process.listen("hello").receive()
    while True:
        process.send(other, "pong", await pings.receive())


async def ping_pong(n, payload=SCALAR):
    pongs = process.listen("pong")
    other = process.spawn_linked(ponger, None)
    process.send(other, "hello", process.pid())
    start = now()
    for _ in range(n):
        process.send(other, "ping", payload)
        await pongs.receive()
    return now() - start


async def ping_pong_dict(n):
    return await ping_pong(n, MAP)


async def by_name(n):
    pongs = process.listen("pong")
    pid = process.spawn_linked(ponger, None, name="ponger")
    process.send(pid, "hello", process.pid())
    start = now()
    for _ in range(n):
        process.send("ponger", "ping", SCALAR)
        await pongs.receive()
    return now() - start


# -- ring: n hops of one message around 1,000 --------------------------------------------------


async def ring_member(following):
    hops = process.listen("hop")
    while True:
        process.send(following, "hop", await hops.receive() + 1)


async def ring(n):
    hops, following = process.listen("hop"), process.pid()
    for _ in range(RING - 1):
        following = process.spawn_linked(ring_member, None, following)
    start = now()
    for _ in range(n // RING):
        process.send(following, "hop", 0)
        assert await hops.receive() == RING - 1
    return now() - start


# -- spawn: n short lives that are monitored, 1,000 at a time ----------------------------------


async def short_life():
    pass


async def spawn(n):
    events = process.events()
    start = now()
    for _ in range(n // AT_ONCE):
        for _ in range(AT_ONCE):
            process.spawn_monitored(short_life, None)
        for _ in range(AT_ONCE):
            await events.receive()
    return now() - start


# -- call: n questions with an answer each, and a time-out -------------------------------------


async def replier():
    async for message in process.listen("ask", message=True):
        message.reply(message.payload)


async def call(n):
    pid = process.spawn_linked(replier, None)
    start = now()
    for _ in range(n):
        await process.call(pid, "ask", SCALAR)
    return now() - start


# -- fan-in: n messages from 100 senders to one receiver ---------------------------------------


async def sender(dest, count):
    for i in range(count):
        process.send(dest, "n", i)
        if i % 100 == 99:
            await time.sleep(0)


async def fan_in(n):
    numbers, me = process.listen("n"), process.pid()
    start = now()
    for _ in range(SENDERS):
        process.spawn_linked(sender, None, me, n // SENDERS)
    for _ in range(n):
        await numbers.receive()
    return now() - start


# -- idle: n that wait for a message -----------------------------------------------------------


async def idler():
    await process.inbox().receive()


async def idle(n):
    before, start = resident(), now()
    for i in range(n):
        process.spawn(idler, None)
        if i % AT_ONCE == 0:
            await time.sleep(0)
    await time.sleep(0)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


# -- cascade: a chain of n that are linked dies ------------------------------------------------


async def chain_member(first, left):
    if left:
        process.spawn_linked(chain_member, None, first, left - 1)
    else:
        process.send(first, "complete", process.pid())
    await process.listen("die").receive()
    raise RuntimeError("the end of the chain")


async def cascade(n):
    events, complete = process.events(), process.listen("complete")
    first = process.spawn_monitored(chain_member, None, process.pid(), n - 1)
    last = await complete.receive()
    start = now()
    process.send(last, "die")
    event = await events.receive()
    assert event.sender == first
    return now() - start


# -- Skynet: a tree of ten with n leaves, whose numbers are summed -----------------------------


async def tree(parent, number, leaves):
    if leaves == 1:
        process.send(parent, "sum", number)
        return
    sums, part = process.listen("sum"), leaves // 10
    for i in range(10):
        process.spawn(tree, None, process.pid(), number + i * part, part)
    total = 0
    for _ in range(10):
        total += await sums.receive()
    process.send(parent, "sum", total)


async def skynet(n):
    sums = process.listen("sum")
    start = now()
    process.spawn(tree, None, process.pid(), 0, n)
    assert await sums.receive() == n * (n - 1) // 2
    return now() - start


# -- Savina: counting --------------------------------------------------------------------------


async def counter():
    count = 0
    async for message in process.inbox():
        if message.topic == "increment":
            count += 1
        else:
            message.reply(count)


async def counting(n):
    pid = process.spawn_linked(counter, None)
    start = now()
    for i in range(n):
        process.send(pid, "increment")
        if i % AT_ONCE == 0:
            await time.sleep(0)
    assert await process.call(pid, "total", None) == n
    return now() - start


# -- Savina: fork-join throughput, n messages to 60 that compute a little on each --------------


async def worker(count):
    jobs = process.listen("job")
    for _ in range(count):
        math.sin(await jobs.receive()) ** 2


async def fork_join(n):
    events, count = process.events(), n // WORKERS
    start = now()
    workers = [process.spawn_monitored(worker, None, count) for _ in range(WORKERS)]
    for i in range(count):
        for pid in workers:
            process.send(pid, "job", 37.2)
        if i % 10 == 0:
            await time.sleep(0)
    for _ in workers:
        await events.receive()
    return now() - start


# -- Savina: thread ring, a token passed n times among 100 -------------------------------------


async def token_holder(first):
    tokens = process.listen("token")
    following = await process.listen("next").receive()
    while True:
        left = await tokens.receive()
        if left == 0:
            process.send(first, "done")
        else:
            process.send(following, "token", left - 1)


async def thread_ring(n):
    done = process.listen("done")
    ring = [process.spawn_linked(token_holder, None, process.pid()) for _ in range(THREAD_RING)]
    for i, pid in enumerate(ring):
        process.send(pid, "next", ring[i - 1])
    start = now()
    process.send(ring[0], "token", n)
    await done.receive()
    return now() - start


# -- Savina: chameneos, n meetings of two out of 100 that change their colours -----------------


async def mall(n, main):
    first = None
    async for message in process.listen("meet", message=True):
        if n and first is None:
            first = message
        elif n:
            process.send(first.sender, "partner", message.sender, message.payload)
            first, n = None, n - 1
            if n == 0:
                process.send(main, "done")


async def chameneo(mall, colour):
    process.send(mall, "meet", colour)
    async for message in process.inbox():
        if message.topic == "changed":
            colour = message.payload
        else:
            partner, other = message.payload
            colour = complement(colour, other)
            process.send(partner, "changed", colour)
        process.send(mall, "meet", colour)


async def chameneos(n):
    done = process.listen("done")
    start = now()
    pid = process.spawn_linked(mall, None, n, process.pid())
    for i in range(CHAMENEOS):
        process.spawn_linked(chameneo, None, pid, i % 3)
    await done.receive()
    return now() - start


# -- Savina: dining philosophers, 20 that eat n times together, and who is denied asks again ---


async def arbitrator():
    taken = [False] * PHILOSOPHERS
    async for message in process.inbox():
        left = message.payload
        right = (left + 1) % PHILOSOPHERS
        if message.topic == "done":
            taken[left] = taken[right] = False
        elif taken[left] or taken[right]:
            process.send(message.sender, "eat", False)
        else:
            taken[left] = taken[right] = True
            process.send(message.sender, "eat", True)


async def philosopher(arbitrator, seat, meals):
    answers = process.listen("eat")
    for _ in range(meals):
        process.send(arbitrator, "hungry", seat)
        while not await answers.receive():
            process.send(arbitrator, "hungry", seat)
        process.send(arbitrator, "done", seat)


async def philosophers(n):
    events = process.events()
    start = now()
    pid = process.spawn_linked(arbitrator, None)
    for seat in range(PHILOSOPHERS):
        process.spawn_monitored(philosopher, None, pid, seat, n // PHILOSOPHERS)
    for _ in range(PHILOSOPHERS):
        await events.receive()
    return now() - start


# -- Savina: bank transaction, n transfers among 1,000 accounts, 100 at a time -----------------


async def account(teller):
    balance = 0
    async for message in process.inbox():
        if message.topic == "transfer":
            to, amount = message.payload
            balance -= amount
            await process.call(to, "credit", amount)
            process.send(teller, "done")
        else:
            balance += message.payload
            message.reply(True)


async def bank(n):
    done, me = process.listen("done"), process.pid()
    accounts = [process.spawn_linked(account, None, me) for _ in range(ACCOUNTS)]
    start = now()
    for i in range(n):
        if i >= OPEN:
            await done.receive()
        source, to = transfer(i)
        process.send(accounts[source], "transfer", accounts[to], 10)
    for _ in range(min(n, OPEN)):
        await done.receive()
    return now() - start


if __name__ == "__main__":
    work.main(globals(), lambda program, n: procession.run(program, n, quiet_exits=True))
