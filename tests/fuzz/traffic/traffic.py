"""Processes that tell each other a bit of everything that goes over a link."""

from datetime import UTC, datetime
from uuid import UUID

from procession import Error, Invalid, process, time

WHERE = ["traffic:processes", "traffic:workers"]


async def child(number):
    if number % 3 == 0:
        raise Invalid("as it happens", details={"number": number})
    return [number, datetime.now(UTC), UUID(int=number)]


async def idle(*args):
    asked = process.listen("ask", message=True)
    async for message in asked:
        message.reply([message.payload, {UUID(int=1): b"\xff", 1: None}])


async def talker(number, other):
    """Everything once, here and there."""
    process.set_options(trap_links=True)
    process.send(other, "t", {"number": number, "at": datetime.now(UTC)})
    process.send(other, "t", "one", 2, [3.5])
    for host in WHERE:
        pid = process.spawn_linked_monitored("traffic:child", host, number)
        try:
            process.send(pid, "late", None)
            await process.exec("traffic:child", host, number + 1)
        except Error:
            pass
        idler = process.spawn_monitored("traffic:idle", host)
        process.registry.register(f"idler-{number}-{host[8:]}", idler)
        process.link(idler)
        await process.call(idler, "ask", {"number": number})
        process.unlink(idler)
        process.unmonitor(idler)
        process.monitor(idler)
        process.cancel(idler, "enough", "1ms")
        try:
            await process.call(idler, "ask", None, "200ms")
        except Error:
            pass
        process.registry.unregister(f"idler-{number}-{host[8:]}")
        other_idler = process.spawn_linked("traffic:idle", host)
        process.terminate(other_idler)
    await time.sleep("5ms")
