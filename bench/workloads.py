"""What `make bench` measures besides the programs of peers/: memory, and what is of Lua alone.

Every function does `n` units of one work and returns the seconds, or the bytes, that it took.
"""

import asyncio
import json
import sys
import time as clock
from pathlib import Path

from lupa import lua54

from procession import process

PEERS = Path(__file__).parent / "peers"


async def bytes_of_idle(peer, n):
    """Of an OS process of its own, where no other program has left memory that is free."""
    command = [sys.executable, str(PEERS / f"{peer}.py"), "idle", str(n)]
    worker = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await worker.communicate()
    return json.loads(output)["bytes"]


def in_lua(program):
    """A program of peers/lua."""

    async def run(n):
        return await process.exec(f"bench:{program}", None, n, False)

    return run


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


async def bare_lua_loop(n):
    """The loop in a Lua state that nothing watches."""
    loop = lua54.LuaRuntime().eval(
        "function(n) local sum = 0 for i = 1, n do sum = (sum + i * 7) % 1000003 end end"
    )
    start = clock.perf_counter()
    loop(n)
    return clock.perf_counter() - start
