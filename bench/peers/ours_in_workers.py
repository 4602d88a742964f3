"""The programs over processes of ours in two OS processes, from one to the other."""

from pathlib import Path

import work
from ours import counter, ponger, replier, short_life
from work import AT_ONCE, MAP, SCALAR, now

import procession
from procession import process, time

APP = Path(__file__).parent / "workers"
FAR = "bench:far"


async def ping_pong(n, payload=SCALAR):
    pongs = process.listen("pong")
    other = process.spawn_linked(ponger, FAR)
    process.send(other, "hello", process.pid())
    process.send(other, "ping", payload)
    await pongs.receive()
    start = now()
    for _ in range(n):
        process.send(other, "ping", payload)
        await pongs.receive()
    return now() - start


async def ping_pong_dict(n):
    return await ping_pong(n, MAP)


async def call(n):
    pid = process.spawn_linked(replier, FAR)
    await process.call(pid, "ask", SCALAR)
    start = now()
    for _ in range(n):
        await process.call(pid, "ask", SCALAR)
    return now() - start


async def spawn(n):
    events = process.events()
    start = now()
    for _ in range(n // AT_ONCE):
        for _ in range(AT_ONCE):
            process.spawn_monitored(short_life, FAR)
        for _ in range(AT_ONCE):
            await events.receive()
    return now() - start


async def counting(n):
    pid = process.spawn_linked(counter, FAR)
    assert await process.call(pid, "total") == 0
    start = now()
    for i in range(n):
        process.send(pid, "increment")
        if i % AT_ONCE == 0:
            await time.sleep(0)
    assert await process.call(pid, "total", None, timeout=None) == n
    return now() - start


def run(program, n):
    """The worker sees that this OS process has ended, and ends too."""
    procession.run(program, n, app=APP, quiet_exits=True)


if __name__ == "__main__":
    work.main(globals(), run)
