"""Work between OS processes: over a host with workers, and over `multiprocessing.Pipe`.

See workloads.py. The functions here are importable, so workers find them by name.
"""

import asyncio
import multiprocessing
import os
import signal
import statistics
import time as clock
from pathlib import Path

import procession
from procession import process

WORKERS_APP = Path(__file__).parent / "workers"


# -- ping-pong: n round trips between two OS processes ------------------------------------------


async def ponger(other):
    pings = process.listen("ping")
    while True:
        process.send(other, "pong", await pings.receive())


async def ping_pong(n):
    pongs = process.listen("pong")
    other = process.spawn_linked(ponger, "bench:one", process.pid())
    process.send(other, "ping", 0)
    await pongs.receive()
    start = clock.perf_counter()
    for i in range(n):
        process.send(other, "ping", i)
        await pongs.receive()
    return clock.perf_counter() - start


def _pipe_ponger(pipe):
    while True:
        pipe.send(pipe.recv())


async def pipe_ping_pong(n):
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.Process(target=_pipe_ponger, args=(theirs,), daemon=True)
    other.start()
    ours.send(0)
    ours.recv()
    start = clock.perf_counter()
    for i in range(n):
        ours.send(i)
        ours.recv()
    seconds = clock.perf_counter() - start
    other.kill()
    return seconds


async def far_ping_pong(n):
    """Between two workers."""
    return await process.exec(_far_pinger, "bench:two", n)


async def _far_pinger(n):
    pongs = process.listen("pong")
    others = [process.spawn_linked(_placed_ponger, "bench:two", process.pid()) for _ in range(2)]
    places = {}
    for _ in others:
        pid, place = await process.listen("place").receive()
        places[pid] = place
    far = next(pid for pid, place in places.items() if place != os.getpid())
    start = clock.perf_counter()
    for i in range(n):
        process.send(far, "ping", i)
        await pongs.receive()
    return clock.perf_counter() - start


async def _placed_ponger(other):
    process.send(other, "place", [process.pid(), os.getpid()])
    await ponger(other)


# -- one-way: n messages, and one that they have arrived ------------------------------------------


async def sink(n, other):
    numbers = process.listen("n")
    process.send(other, "ready")
    for _ in range(n):
        await numbers.receive()
    process.send(other, "done")


async def one_way(n):
    ready, done = process.listen("ready"), process.listen("done")
    other = process.spawn_linked(sink, "bench:one", n, process.pid())
    await ready.receive()
    start = clock.perf_counter()
    for i in range(n):
        process.send(other, "n", i)
        if i % 500 == 499:
            await asyncio.sleep(0)
    await done.receive()
    return clock.perf_counter() - start


def _pipe_sink(pipe, n):
    for _ in range(n):
        pipe.recv()
    pipe.send("done")


async def pipe_one_way(n):
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.Process(target=_pipe_sink, args=(theirs, n), daemon=True)
    other.start()
    start = clock.perf_counter()
    for i in range(n):
        ours.send(i)
    ours.recv()
    return clock.perf_counter() - start


# -- scaling: the same computation in two workers and in one --------------------------------------

PARTS = 8


async def compute(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


async def _pool(host, n):
    await asyncio.gather(*(process.exec(compute, host, 10) for _ in range(PARTS)))
    start = clock.perf_counter()
    await asyncio.gather(*(process.exec(compute, host, n // PARTS) for _ in range(PARTS)))
    return clock.perf_counter() - start


async def pool_of_two(n):
    return await _pool("bench:two", n)


async def pool_of_one(n):
    async def boot():
        async with procession.Node(WORKERS_APP) as node:
            return await node.exec(_pool, None, "bench:one", n)

    return await boot()


# -- what a death and a birth take -------------------------------------------------------------


async def idle():
    await process.listen("wake up").receive()


async def kill_to_exit(n):
    """Seconds from kill -9 to the EXIT, the median of a few."""
    events, took = process.events(), []
    for _ in range(5):
        pid = process.spawn_monitored(_tell, "bench:one", process.pid())
        os_pid = await process.listen("os pid").receive()
        start = clock.perf_counter()
        os.kill(os_pid, signal.SIGKILL)
        event = await events.receive()
        took.append(clock.perf_counter() - start)
        assert event.sender == pid
        while True:
            try:
                await process.exec(compute, "bench:one", 1)
                break
            except procession.Unavailable:
                await asyncio.sleep(0.01)
    return statistics.median(took)


async def _tell(other):
    process.send(other, "os pid", os.getpid())
    await idle()


async def start_of_workers(n):
    """Seconds until a node with one host of one worker is up."""
    settings = {"os_workers": 1}
    start = clock.perf_counter()
    async with procession.Node(settings=settings):
        return clock.perf_counter() - start
