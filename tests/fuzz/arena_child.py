"""One OS process with hostile programs beside honest ones: python arena_child.py FOLDER HOST

It must live, and be at peace at the end.
"""

import asyncio
import gc
import json
import resource
import time
from pathlib import Path

from tests.fuzz.child import begin, bug, lua_memory, say, watch_loop

from procession import Error, Node

MEMORY = 6 << 30
"""Bytes of address space of the whole OS process: what gets this far was not limited by a host."""

HONEST = ("bank", "client", "ticker")
LANES = 4
"""How many programs run at a time."""

PATIENCE = 0.6
"""Seconds after which a program that still runs is terminated."""

TOO_LONG = 120
"""Seconds for what must happen, on a machine under load."""

MOST_CPU = 3.0
"""Seconds of processor time from one turn of the loop to the next: every lane at its step limit,
several times over."""


async def beat(gaps):
    """Whether the loop turns; how much processor time there was from one turn to the next."""
    last, said = time.process_time(), time.monotonic()
    while True:
        await asyncio.sleep(0.005)
        now = time.process_time()
        gap = now - last
        if gap > gaps[0]:
            gaps[0] = gap
            if gap > MOST_CPU:
                bug(f"nobody else had a turn for {gap:.1f} s of processor time")
        last = time.process_time()
        if time.monotonic() > said + 1:
            said = time.monotonic()
            say("beat")


async def lane(node, host, programs):
    """Run one program after the other."""
    for name in programs:
        say("start", program=name)
        # By a name, since it may have ended before anybody could wait for its PID.
        root = f"root-{name}"
        ended = asyncio.ensure_future(node.exec(f"arena:{name}", host, name, name=root))
        await asyncio.wait([ended], timeout=PATIENCE)
        if not ended.done():
            try:
                node.terminate(root)
            except Error:
                pass  # it has ended just now
            await asyncio.wait([ended], timeout=TOO_LONG)
        if not ended.done():
            bug(f"{name} was terminated and never ended")
            say("end", program=name)
            continue
        error = ended.exception()
        if error is not None and not isinstance(error, Error):
            bug(f"{name} ended with {error!r}")
        say("end", program=name, error=None if error is None else str(error)[:200])


def watch_new(node, judge, known):
    """Have the judge hear of the end of those that it does not know yet."""
    for one in node.processes():
        if one["pid"] not in known:
            known.add(one["pid"])
            node.send(judge, "watch", one["pid"])


async def watching(node, judge, known):
    """The same, again and again."""
    while True:
        watch_new(node, judge, known)
        await asyncio.sleep(0.01)


async def end_all(node, honest):
    """End what the hostile ones have started. Everybody ends who is told to."""
    deadline = time.monotonic() + TOO_LONG
    while others := [one for one in node.processes() if one["pid"] not in honest]:
        if time.monotonic() > deadline:
            bug(f"never ended: {others[:3]} and {len(others)} in all")
            return
        for one in others:
            try:
                node.terminate(one["pid"])
            except Error:
                pass  # it has ended just now
        await asyncio.sleep(0.01)


async def live(node, name, host):
    """An honest one: it ends when it is told to."""
    try:
        await node.exec(f"arena:{name}", host, name=f"honest-{name}")
    except Error as error:
        bug(f"the honest {name} has ended: {error.kind}: {error} {error.details}")


async def stop_honest(node, honest):
    """The honest ones still answer, and have done what they are there for."""
    counts = {}
    for name in ("client", "bank", "ticker"):
        try:
            counts[name] = await node.call(honest[name], "stop", None, timeout=TOO_LONG)
        except Error as error:
            bug(f"the honest {name} is not there at the end: {error}")
            counts[name] = 0
        if counts[name] < 2:
            bug(f"the honest {name} came to {counts[name]} rounds")
    return counts


async def fight(folder, host, programs):
    """All of it; nothing may be left."""
    watch_loop()
    gaps = [0.0]
    beating = asyncio.ensure_future(beat(gaps))
    node = Node(folder, quiet_exits=True)
    await node.start()
    judge = node.spawn("arena:judge", "arena:python")
    lives = [asyncio.ensure_future(live(node, name, host)) for name in HONEST]
    await asyncio.sleep(0)
    honest = {name: node.lookup(f"honest-{name}") for name in HONEST}
    before = lua_memory(node)
    known = {judge}
    watch = asyncio.ensure_future(watching(node, judge, known))
    waiting = iter(programs)
    await asyncio.gather(*(lane(node, host, waiting) for _ in range(LANES)))
    say("alone")
    # Children of honest ones come and go; so they stop first.
    counts = await stop_honest(node, honest)
    await asyncio.gather(*lives)
    watch.cancel()
    watch_new(node, judge, known)
    await asyncio.sleep(0)
    await end_all(node, {judge})
    for text in await node.call(judge, "ask"):
        bug(text)
    node.terminate(judge)
    await end_all(node, set())
    gc.collect()
    growth = lua_memory(node) - before
    if growth > (8 << 20) + len(programs) * (300 << 10):
        bug(f"{growth >> 20} MiB more in the Lua states at the end")
    statistics = node.statistics()
    if statistics["processes"]:
        bug(f"at the end: {statistics}")
    say("stopping")
    async with asyncio.timeout(TOO_LONG):
        await node.stop()
    beating.cancel()
    await asyncio.wait([beating])
    say("peace", counts=counts, gap=gaps[0], growth=growth, memory=used())


def used():
    """The most memory that this OS process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    folder, host = begin(MEMORY)
    programs = json.loads((Path(folder) / "programs.json").read_text())
    asyncio.run(fight(folder, host, programs))
