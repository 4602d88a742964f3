"""Children, trees of them and apps with some, for the tests of supervisors."""

import asyncio

from procession import ChildSpec, Node, NotFound, channel, process, supervisor, time

LOG = []
"""What children did, in order. In one OS process, they share it."""


async def worker(name, *_):
    """Stops when it is asked to, and says so."""
    LOG.append(f"+{name}")
    try:
        event = await process.events().receive()
        assert event.kind == process.event.CANCEL
    finally:
        LOG.append(f"-{name}")


async def obeying(name):
    """Ends as it is told by a message."""
    LOG.append(f"+{name}")
    orders = process.listen("order")
    got = await channel.select(process.events(), orders)
    LOG.append(f"-{name}")
    if got.channel is orders and got.value == "fail":
        raise ValueError(f"{name} was told to fail")
    return got.value if got.channel is orders else None


async def deaf(name):
    """Never asks for its events."""
    LOG.append(f"+{name}")
    try:
        await time.sleep("1h")
    finally:
        LOG.append(f"-{name}")


async def stubborn(name):
    """Asks for its events, and does not listen."""
    process.events()
    await deaf(name)


async def fails(name="it"):
    LOG.append(f"+{name}")
    raise ValueError(f"{name} always fails")


async def returns():
    return "done"


async def idle(*_):
    """Never asks for its events, and says nothing."""
    await time.sleep("1h")


def specs(*names, entry=obeying, **options):
    return [ChildSpec(name, entry, [name], **options) for name in names]


async def pids_of(sup):
    return {one["id"]: one["pid"] for one in await supervisor.which_children(sup)}


async def started(sup, old, names):
    """Wait until the named children run with other PIDs than before; all PIDs."""
    while True:
        now = await pids_of(sup)
        if all(now.get(name) and now[name] != old[name] for name in names):
            return now
        await time.sleep("1ms")


async def gone(pid):
    """Wait for the end of a process; its error."""
    try:
        process.monitor(pid)
    except NotFound:
        return None
    while (event := await process.events().receive()).sender != pid:
        pass
    return event.error


def settle():
    """Let everybody who is ready run."""
    return time.sleep("2ms")


LUA = """
local time = require("time")
function main(name)
    local events, orders = process.events(), process.listen("order")
    local got = channel.select{ events:case_receive(), orders:case_receive() }
    if got.channel == orders then error(name .. " was told to fail") end
end
"""
PYTHON = """
from procession import process, channel

async def main(name):
    events, orders = process.events(), process.listen("order")
    got = await channel.select(events, orders)
    if got.channel is orders:
        raise ValueError(name + " was told to fail")
"""


def write_app(folder, entries):
    (folder / "child.lua").write_text(LUA)
    (folder / "child.py").write_text(PYTHON)
    (folder / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        "  - {name: main, kind: process.host}\n"
        "  - {name: pool, kind: process.host, host: {os_workers: 2}}\n"
        '  - {name: lua, kind: process.lua, source: "file://child.lua", modules: [time]}\n'
        '  - {name: python, kind: process.py, source: "file://child.py"}\n' + entries
    )
    return folder


def in_app(folder, test):
    async def boot():
        async with Node(folder) as node:
            await test(node)

    asyncio.run(boot())


async def rows_of(node, pid):
    return {row["id"]: row["pid"] for row in await node.call(pid, "supervisor.which_children")}
