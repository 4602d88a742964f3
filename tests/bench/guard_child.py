"""Measures ours beside its yardsticks, in one OS process and by turns; prints what each took.

    PYTHONPATH=bench/peers BENCH_CLOCK=cpu python tests/bench/guard_child.py ROUNDS

The yardsticks are what this Python does in the same second on this machine: the same program over
asyncio, and messages between bare coroutines. Time is that of the processor, and the best of the
rounds: what else runs on the machine takes its turns from all of them alike.
"""

import asyncio
import gc
import json
import sys
from collections import deque
from types import coroutine

import ours
import ours_in_lua
import with_asyncio
from work import CPU, now

from procession import Node, compiled, process


@coroutine
def switch():
    yield


async def bare(n):
    """Round trips of a message between two coroutines, by a loop that does nothing else."""
    pings, pongs, ready = deque(), deque(), deque()

    async def pinger():
        for _ in range(n):
            pings.append(7)
            ready.append(second)
            while not pongs:
                await switch()
            pongs.popleft()

    async def ponger():
        while True:
            while not pings:
                await switch()
            pongs.append(pings.popleft())
            ready.append(first)

    first, second = pinger(), ponger()
    start = now()
    ready.append(first)
    try:
        while True:
            ready.popleft().send(None)
    except StopIteration:
        return now() - start


async def in_lua(n):
    return await process.exec("bench:ping_pong", None, n, CPU)


def beside_asyncio(name, n, program=None, *, few=None):
    """A program of ours, the same over asyncio, and `n` units of it that take some milliseconds."""
    same = getattr(with_asyncio, name)
    return (
        program or getattr(ours, name),
        {"asyncio": (same, few or n // 4), "bare": (bare, 4000)},
        n,
    )


PROGRAMS = {
    "ping-pong": beside_asyncio("ping_pong", 4000),
    "ping-pong, dict": beside_asyncio("ping_pong_dict", 2000),
    "spawn, monitor, exit": beside_asyncio("spawn", 1000, few=1000),
    "call": beside_asyncio("call", 1500),
    "fan-in": beside_asyncio("fan_in", 4000),
    "ping-pong in Lua": beside_asyncio("ping_pong", 1000, in_lua),
    "by name": (ours.by_name, {"by PID": (ours.ping_pong, 4000)}, 4000),
}


async def on_node(program, n):
    """What a program of ours takes, on a node of its own."""
    async with Node(ours_in_lua.APP if program is in_lua else None, quiet_exits=True) as node:
        return await node.exec(program, None, n)


async def measure(rounds):
    """The best times for one unit, in ns: of each program, and of each of its yardsticks."""
    best = {}

    async def turn(name, who, program, n):
        is_ours = program is in_lua or program.__module__ == "ours"
        seconds = await (on_node(program, n) if is_ours else program(n))
        times = best.setdefault(name, {})
        times[who] = min(times.get(who, 1e99), seconds / n * 1e9)

    for _ in range(rounds):
        for name, (program, yardsticks, n) in PROGRAMS.items():
            await turn(name, "ours", program, n)
            for who, (yardstick, n) in yardsticks.items():
                await turn(name, who, yardstick, n)
    return best


if __name__ == "__main__":
    gc.disable()
    times = asyncio.run(measure(int(sys.argv[1])))
    print(json.dumps({"core": "compiled" if compiled.is_compiled() else "plain", "ns": times}))
