"""The programs over processes of ours in Lua: see lua/programs.lua. All in one Lua state."""

from pathlib import Path

import work
from work import AT_ONCE, CPU, now, resident

import procession
from procession import process, time

APP = Path(__file__).parent / "lua"


async def idle(n):
    before, start = resident(), now()
    for i in range(n):
        process.spawn("bench:idler", "bench:processes")
        if i % AT_ONCE == 0:
            await time.sleep(0)
    await time.sleep(0)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


class Programs(dict):
    """Each program that is not written here is one in Lua."""

    def __missing__(self, name):
        async def program(n):
            return await process.exec(f"bench:{name}", None, n, CPU)

        return program


def run(program, n):
    procession.run(program, n, app=APP, quiet_exits=True)


if __name__ == "__main__":
    work.main(Programs(idle=idle), run)
