"""The same work twice: over processes, and over asyncio tasks with a queue each.

Every function here does `n` units of one work and returns the seconds it took. The ones named
`asyncio_...` are what one would write without the runtime: no PIDs, no copies, no links.
"""

import asyncio
import gc
import resource
import sys
import time as clock
import tracemalloc
from pathlib import Path

from lupa import lua54

import procession
from procession import process, time

SCALAR = 7
MAP = {"task_id": 1, "value": 10, "s": "x"}


# -- ping-pong: n round trips between two ----------------------------------------------------


async def ponger():
    pings = process.listen("ping")
    other = await process.listen("hello").receive()
    while True:
        process.send(other, "pong", await pings.receive())


async def ping_pong(n, payload=SCALAR):
    pongs = process.listen("pong")
    other = process.spawn_linked(ponger, None)
    process.send(other, "hello", process.pid())
    start = clock.perf_counter()
    for _ in range(n):
        process.send(other, "ping", payload)
        await pongs.receive()
    return clock.perf_counter() - start


async def asyncio_ping_pong(n, payload=SCALAR):
    pings, pongs = asyncio.Queue(), asyncio.Queue()

    async def ponger():
        while True:
            await pongs.put(await pings.get())

    task = asyncio.create_task(ponger())
    start = clock.perf_counter()
    for _ in range(n):
        await pings.put(payload)
        await pongs.get()
    seconds = clock.perf_counter() - start
    task.cancel()
    return seconds


# -- ring: n hops of one message around 1,000 ------------------------------------------------

RING = 1000


async def ring_member():
    hops = process.listen("hop")
    following = await process.listen("next").receive()
    while True:
        process.send(following, "hop", await hops.receive() + 1)


async def ring(n):
    hops, following = process.listen("hop"), process.pid()
    for _ in range(RING - 1):
        pid = process.spawn_linked(ring_member, None)
        process.send(pid, "next", following)
        following = pid
    start = clock.perf_counter()
    for _ in range(n // RING):
        process.send(following, "hop", 0)
        assert await hops.receive() == RING - 1
    return clock.perf_counter() - start


async def asyncio_ring(n):
    first = following = asyncio.Queue()

    async def member(mine, following):
        while True:
            await following.put(await mine.get() + 1)

    tasks = []
    for _ in range(RING - 1):
        mine = asyncio.Queue()
        tasks.append(asyncio.create_task(member(mine, following)))
        following = mine
    start = clock.perf_counter()
    for _ in range(n // RING):
        await following.put(0)
        assert await first.get() == RING - 1
    seconds = clock.perf_counter() - start
    for task in tasks:
        task.cancel()
    return seconds


# -- spawn + monitor + exit: n short lives, 1,000 at a time ----------------------------------

WAVE = 1000


async def short_life():
    pass


async def spawn_monitor_exit(n):
    events = process.events()
    start = clock.perf_counter()
    for _ in range(n // WAVE):
        for _ in range(WAVE):
            process.spawn_monitored(short_life, None)
        for _ in range(WAVE):
            await events.receive()
    return clock.perf_counter() - start


async def asyncio_spawn_monitor_exit(n):
    events = asyncio.Queue()
    start = clock.perf_counter()
    for _ in range(n // WAVE):
        for _ in range(WAVE):
            asyncio.create_task(short_life()).add_done_callback(events.put_nowait)
        for _ in range(WAVE):
            await events.get()
    return clock.perf_counter() - start


# -- fan-in: n messages from 100 senders to one receiver -------------------------------------

SENDERS = 100


async def sender(dest, count):
    for i in range(count):
        process.send(dest, "n", i)
        if i % 100 == 99:
            await time.sleep(0)


async def fan_in(n):
    numbers, me = process.listen("n"), process.pid()
    start = clock.perf_counter()
    for _ in range(SENDERS):
        process.spawn_linked(sender, None, me, n // SENDERS)
    for _ in range(n):
        await numbers.receive()
    return clock.perf_counter() - start


async def asyncio_fan_in(n):
    numbers = asyncio.Queue()

    async def sender(count):
        for i in range(count):
            numbers.put_nowait(i)
            if i % 100 == 99:
                await asyncio.sleep(0)

    start = clock.perf_counter()
    tasks = [asyncio.create_task(sender(n // SENDERS)) for _ in range(SENDERS)]
    for _ in range(n):
        await numbers.get()
    seconds = clock.perf_counter() - start
    await asyncio.gather(*tasks)
    return seconds


# -- linked cascade: a chain of n dies ---------------------------------------------------------


async def chain_member(parent, left):
    if left:
        process.spawn_linked(chain_member, None, parent, left - 1)
    else:
        process.send(parent, "complete", process.pid())
    await process.listen("die").receive()
    raise RuntimeError("the end of the chain")


async def cascade(n):
    events, complete = process.events(), process.listen("complete")
    first = process.spawn_monitored(chain_member, None, process.pid(), n - 1)
    last = await complete.receive()
    gc.collect()
    start = clock.perf_counter()
    process.send(last, "die")
    event = await events.receive()
    assert event.sender == first
    return clock.perf_counter() - start


# -- send by name, call and reply --------------------------------------------------------------


async def named_ponger():
    process.registry.register("ponger")
    await ponger()


async def send_by_name(n):
    pongs = process.listen("pong")
    pid = process.spawn_linked(named_ponger, None)
    process.send(pid, "hello", process.pid())
    await time.sleep(0)
    start = clock.perf_counter()
    for _ in range(n):
        process.send("ponger", "ping", SCALAR)
        await pongs.receive()
    return clock.perf_counter() - start


async def replier():
    async for message in process.listen("ask", message=True):
        message.reply(message.payload)


async def call_reply(n):
    pid = process.spawn_linked(replier, None)
    start = clock.perf_counter()
    for _ in range(n):
        await process.call(pid, "ask", SCALAR)
    return clock.perf_counter() - start


async def asyncio_call_reply(n):
    questions = asyncio.Queue()

    async def replier():
        while True:
            value, reply = await questions.get()
            reply.set_result(value)

    task = asyncio.create_task(replier())
    loop = asyncio.get_running_loop()
    start = clock.perf_counter()
    for _ in range(n):
        reply = loop.create_future()
        await questions.put((SCALAR, reply))
        async with asyncio.timeout(5):
            await reply
    seconds = clock.perf_counter() - start
    task.cancel()
    return seconds


# -- memory: bytes of one that waits for a message ---------------------------------------------


async def idle():
    await process.listen("wake up").receive()


async def idle_bytes(n):
    gc.collect()
    tracemalloc.start()
    for _ in range(n):
        process.spawn(idle, None)
    await time.sleep(0)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / n


async def asyncio_idle_bytes(n):
    async def idle(queue):
        await queue.get()

    gc.collect()
    tracemalloc.start()
    tasks = []
    for _ in range(n):
        queue = asyncio.Queue()
        tasks.append(asyncio.create_task(idle(queue)))
    await asyncio.sleep(0)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    return size / n


# -- Lua: the programs are in lua/ -------------------------------------------------------------

LUA_APP = Path(__file__).parent / "lua"


async def lua_ping_pong(n):
    return await process.exec("bench:ping_pong", None, n)


async def lua_ping_pong_map(n):
    return await process.exec("bench:ping_pong", None, n, True)


async def lua_ring(n):
    return await process.exec("bench:ring", None, n)


async def lua_spawn_monitor_exit(n):
    return await process.exec("bench:spawn_monitor_exit", None, n)


async def lua_many(n):
    return await process.exec("bench:many", None, n)


async def asyncio_many(n):
    """Six times as many tasks with a queue each."""

    async def idle(queue):
        await queue.get()

    start = clock.perf_counter()
    tasks = []
    for _ in range(6 * n):
        queue = asyncio.Queue()
        tasks.append(asyncio.create_task(idle(queue)))
    await asyncio.sleep(0)
    seconds = clock.perf_counter() - start
    for task in tasks:
        task.cancel()
    return seconds


async def lua_idle_bytes(n):
    """Of all memory of an OS process of its own, since Lua has memory that Python does not see."""
    program = f"import workloads; print(workloads.lua_resident_bytes({n}))"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=Path(__file__).parent, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await worker.communicate()
    return float(output)


def lua_resident_bytes(n):
    def resident():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    async def grow():
        before = resident()
        for _ in range(n):
            process.spawn("bench:idle", None)
        await time.sleep(0)
        return (resident() - before) / n

    return procession.run(grow, app=LUA_APP, quiet_exits=True)


async def lua_loop(n):
    return await process.exec("bench:loop", None, n)


async def bare_lua_loop(n):
    """The loop in a Lua state that nothing watches."""
    loop = lua54.LuaRuntime().eval(
        "function(n) local sum = 0 for i = 1, n do sum = (sum + i * 7) % 1000003 end end"
    )
    start = clock.perf_counter()
    loop(n)
    return clock.perf_counter() - start
