"""Does one kind of thing many times, and counts what is there afterwards. See test_leaks.py.

python leaks_child.py DEED COUNT     prints what has grown, in JSON
"""

import asyncio
import gc
import json
import logging
import sys

from procession import Error, Node, channel, process, time
from procession.core import tokens

SHARED = [None, True, *(getattr(tokens, name) for name in dir(tokens) if name.isupper())]
"""Objects that are there once, and referred to everywhere."""


async def echo():
    messages = process.listen("ping")
    while True:
        sender, value = await messages.receive()
        process.send(sender, "pong", value)


async def answers():
    questions = process.listen("question", message=True)
    while True:
        (await questions.receive()).reply("answer")


async def quick(*args):
    return args


async def fails():
    raise ValueError("as asked")


async def waits():
    await process.inbox().receive()


async def messages(count):
    pongs, me = process.listen("pong"), process.pid()
    peer = process.spawn(echo, None)
    for number in range(count):
        process.send(peer, "ping", [me, number])
        await pongs.receive()
    process.terminate(peer)


async def records(count):
    own, me = process.listen("own", message=True), process.pid()
    for number in range(count):
        process.send(me, "own", {"task_id": number, "value": [1, 2.5], "s": "x", "t": ("é",)})
        await own.receive()


async def several(count):
    own, me = process.listen("own"), process.pid()
    for _ in range(count // 10):
        for number in range(10):
            process.send(me, "own", number, "b")
        for _ in range(10):
            await own.receive()


async def refusals(count):
    me = process.pid()
    for number in range(count):
        if number % 100 == 0:
            await asyncio.sleep(0)  # or it would exceed the step limit, and that is logged
        for dest, topic, payload in ((me, "@no", 1), ("nobody", "t", 1), (me, "t", object())):
            try:
                process.send(dest, topic, payload)
            except Error:
                continue
            raise AssertionError


async def selects(count):
    own, box, me = process.listen("own"), channel.new(1), process.pid()
    for number in range(count):
        if number % 2:
            process.send(me, "own", number)
        else:
            await box.send(number)
        await channel.select(own, box)


async def handovers(count):
    box = channel.new(0)

    async def sends():
        for number in range(count):
            await box.send(number)

    task = asyncio.create_task(sends())
    for _ in range(count):
        await box.receive()
    await task


async def interruptions(count):
    own, me = process.listen("own"), process.pid()
    for number in range(count):
        task = asyncio.create_task(own.receive())
        await asyncio.sleep(0)
        if number % 2:
            process.send(me, "own", number)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            continue
    while own.buffered:
        await own.receive()


async def calls(count):
    peer = process.spawn(answers, None)
    for _ in range(count):
        await process.call(peer, "question", None)
    process.terminate(peer)


async def executions(count):
    for number in range(count):
        await process.exec(quick, None, number, "b")


async def monitored(count):
    events = process.events()
    for _ in range(count):
        process.spawn_monitored(quick, None)
        await events.receive()


async def linked(count):
    process.set_options(trap_links=True)
    events = process.events()
    for _ in range(count):
        process.spawn_linked(fails, None)
        await events.receive()


async def kills(count):
    events = process.events()
    for _ in range(count):
        pid = process.spawn_linked_monitored(waits, None)
        await asyncio.sleep(0)
        process.unlink(pid)
        process.terminate(pid)
        await events.receive()


async def upgraded(count):
    if count:
        await process.upgrade(upgraded, count - 1)


async def upgrades(count):
    for _ in range(count // 100):
        await process.exec(upgraded, None, 100)


async def names(count):
    me, own = process.pid(), process.listen("own")
    for number in range(count):
        name = f"name {number % 7}"
        process.registry.register(name, me)
        process.send(name, "own", number)
        process.registry.unregister(name)
        await own.receive()


async def timers(count):
    for _ in range(count):
        timer = time.timer("1h")
        timer.reset("2h")
        timer.stop()
        await time.sleep(0)


DEEDS = {
    one.__name__: one
    for one in (
        messages,
        records,
        several,
        refusals,
        selects,
        handovers,
        interruptions,
        calls,
        executions,
        monitored,
        linked,
        kills,
        upgrades,
        names,
        timers,
    )
}


def look():
    """What is there now."""
    gc.collect()
    found = {"blocks": sys.getallocatedblocks()}
    if hasattr(sys, "gettotalrefcount"):
        # Each coroutine that Cython makes leaves a reference to its type, which is there for ever.
        types = [one for one in gc.get_objects() if isinstance(one, type)]
        kinds = [one for one in types if str(one.__module__).startswith("_cython_")]
        found["references"] = sys.gettotalrefcount() - sum(map(sys.getrefcount, kinds))
        del types, kinds
    if sys.version_info < (3, 12):  # from then on these are never counted
        found["shared"] = sum(map(sys.getrefcount, SHARED))
    return found


async def main(deed, count):
    async with Node() as node:
        for warm in range(3):
            await node.exec(deed, None, 1000 + 100 * warm)
        before = look()
        await node.exec(deed, None, count)
        after = look()
    print(json.dumps({what: after[what] - before[what] for what in before}))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(DEEDS[sys.argv[1]], int(sys.argv[2])))
