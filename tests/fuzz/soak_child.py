"""One OS process in which many short Lua processes live: python soak_child.py HOST COUNT

It tells what memory it has after each tenth of them.
"""

import asyncio
import gc
import resource
from pathlib import Path

from tests.fuzz.child import begin, bug, lua_memory, say

from procession import Node

APP = Path(__file__).parent / "soak"
PARTS = 10


def resident():
    """Bytes of this OS process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def beat():
    """A sign of life each second."""
    while True:
        say("beat")
        await asyncio.sleep(1)


async def run(host, count):
    """All of them."""
    beating = asyncio.ensure_future(beat())
    async with Node(APP, quiet_exits=True) as node:
        each = count // PARTS
        for part in range(PARTS):
            args = (f"soak:{host}", part * each, each, 20)
            endings = await node.exec("soak:driver", "soak:shared", *args)
            numbers = range(part * each, (part + 1) * each)
            failed = sum(number % 6 < 3 for number in numbers)
            if endings != {"done": each - failed, "failed": failed}:
                bug(f"{endings}, not {each - failed} done and {failed} failed")
            while node.processes():  # what the last ones have started
                await asyncio.sleep(0.01)
            say("memory", part=part, lua=lua_memory(node), resident=resident())
    beating.cancel()
    say("peace")


if __name__ == "__main__":
    host, count = begin(8 << 30)
    asyncio.run(run(host, int(count)))
