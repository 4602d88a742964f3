"""The programs over native.c, a yardstick: no copies, no bounds, no monitors, no time.

`run.py` builds it; by hand:

    cc -O3 -shared -fPIC -I$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))') \
        native.c -o build/native.so
"""

import math
import sys
from pathlib import Path

import work
from work import AT_ONCE, RING, SCALAR, SENDERS, THREAD_RING, WORKERS, now, resident

sys.path.insert(0, str(Path(__file__).parent / "build"))
import native


async def let_others_run():
    """What `sleep(0)` is elsewhere: a message to oneself."""
    native.send(native.pid(), "go on", None)
    await native.listen("go on").receive()


async def ponger():
    pings, other = native.listen("ping"), await native.listen("hello").receive()
    while True:
        native.send(other, "pong", await pings.receive())


async def ping_pong(n):
    pongs, other = native.listen("pong"), native.spawn(ponger)
    native.send(other, "hello", native.pid())
    start = now()
    for _ in range(n):
        native.send(other, "ping", SCALAR)
        await pongs.receive()
    return now() - start


async def ring_member(following):
    hops = native.listen("hop")
    while True:
        native.send(following, "hop", await hops.receive() + 1)


async def ring(n):
    hops, following = native.listen("hop"), native.pid()
    for _ in range(RING - 1):
        following = native.spawn(ring_member, following)
    start = now()
    for _ in range(n // RING):
        native.send(following, "hop", 0)
        assert await hops.receive() == RING - 1
    return now() - start


async def short_life(other):
    native.send(other, "ended", None)


async def spawn(n):
    """There are no monitors: each tells of its end itself."""
    ended, me = native.listen("ended"), native.pid()
    start = now()
    for _ in range(n // AT_ONCE):
        for _ in range(AT_ONCE):
            native.spawn(short_life, me)
        for _ in range(AT_ONCE):
            await ended.receive()
    return now() - start


async def sender(dest, count):
    for i in range(count):
        native.send(dest, "n", i)
        if i % 100 == 99:
            await let_others_run()


async def fan_in(n):
    numbers, me = native.listen("n"), native.pid()
    start = now()
    for _ in range(SENDERS):
        native.spawn(sender, me, n // SENDERS)
    for _ in range(n):
        await numbers.receive()
    return now() - start


async def idler():
    await native.listen("wake up").receive()


async def idle(n):
    before, start = resident(), now()
    for i in range(n):
        native.spawn(idler)
        if i % AT_ONCE == 0:
            await let_others_run()
    await let_others_run()
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


async def tree(parent, number, leaves):
    if leaves == 1:
        native.send(parent, "sum", number)
        return
    sums, part = native.listen("sum"), leaves // 10
    for i in range(10):
        native.spawn(tree, native.pid(), number + i * part, part)
    total = 0
    for _ in range(10):
        total += await sums.receive()
    native.send(parent, "sum", total)


async def skynet(n):
    sums = native.listen("sum")
    start = now()
    native.spawn(tree, native.pid(), 0, n)
    assert await sums.receive() == n * (n - 1) // 2
    return now() - start


async def counter(n, other):
    increments = native.listen("increment")
    for _ in range(n):
        await increments.receive()
    native.send(other, "total", n)


async def counting(n):
    pid, total = native.spawn(counter, n, native.pid()), native.listen("total")
    start = now()
    for i in range(n):
        native.send(pid, "increment", None)
        if i % AT_ONCE == 0:
            await let_others_run()
    assert await total.receive() == n
    return now() - start


async def worker(other, count):
    jobs = native.listen("job")
    for _ in range(count):
        math.sin(await jobs.receive()) ** 2
    native.send(other, "ended", None)


async def fork_join(n):
    ended, count, me = native.listen("ended"), n // WORKERS, native.pid()
    start = now()
    workers = [native.spawn(worker, me, count) for _ in range(WORKERS)]
    for i in range(count):
        for pid in workers:
            native.send(pid, "job", 37.2)
        if i % 10 == 0:
            await let_others_run()
    for _ in workers:
        await ended.receive()
    return now() - start


async def token_holder(first):
    tokens = native.listen("token")
    following = await native.listen("next").receive()
    while True:
        left = await tokens.receive()
        if left == 0:
            native.send(first, "done", None)
        else:
            native.send(following, "token", left - 1)


async def thread_ring(n):
    done, me = native.listen("done"), native.pid()
    ring = [native.spawn(token_holder, me) for _ in range(THREAD_RING)]
    for i, pid in enumerate(ring):
        native.send(pid, "next", ring[i - 1])
    start = now()
    native.send(ring[0], "token", n)
    await done.receive()
    return now() - start


def run(program, n):
    """A first process runs the program."""
    native.spawn(program, n)
    native.run()


if __name__ == "__main__":
    work.main(globals(), run)
