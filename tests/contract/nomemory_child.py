"""Has one allocation after the other fail in the midst of what processes do. See test_nomemory.py.

    python nomemory_child.py DEED     prints how many allocations failed, and "ok"

Each try is a process of its own. Whatever it meets, a MemoryError in its code or in the runtime,
nobody may wait for ever, nothing that was sent may be lost or come twice, and the node goes on.
"""

import _testcapi
import asyncio
import faulthandler
import logging
import sys
import threading

from procession import Error, Node, channel, process

PATIENCE = 20
"""Seconds for what takes microseconds."""

ENOUGH = 20
"""So many tries without a failure in a row: all allocations had their turn."""

failures = 0
"""How often the allocation that was to fail did."""


def arm(number):
    """Let the allocation of that number from now on fail, and no other."""
    _testcapi.set_nomemory(number, number + 1)


disarm = _testcapi.remove_mem_hooks


async def echo(to):
    requests = process.listen("request")
    process.send(to, "ready", None)
    while True:
        process.send(to, "answer", await requests.receive())


async def replies(to):
    requests = process.listen("request", message=True)
    process.send(to, "ready", None)
    while True:
        (await requests.receive()).reply("answer")


async def quick():
    return "done"


async def fails():
    raise ValueError("as asked")


# -- deeds: each gives what makes it, to be awaited while memory fails, and what has to hold ------


async def send():
    topic, sent = process.listen("own"), []

    async def do():
        for number in range(3):
            process.send(process.pid(), "own", {"number": number, "text": ["a", 1]})
            sent.append(number)

    def check():
        assert topic.buffered in (len(sent), len(sent) + 1), (topic.buffered, sent)
        # It is the list of this test that may have found no memory after a send.

    return do, check


async def receive():
    topic, got = process.listen("own"), []
    for number in range(3):
        process.send(process.pid(), "own", number)

    async def do():
        for _ in range(3):
            got.append(await topic.receive())

    def check():
        assert topic.buffered + len(got) in (3, 2), (topic.buffered, got)

    return do, check


async def ping():
    answers, events = process.listen("answer"), process.events()
    ready = process.listen("ready")
    peer = process.spawn_linked_monitored(echo, None, process.pid())
    await ready.receive()
    sent, got = [0], [0]

    async def do():
        process.set_options(trap_links=True)
        for number in range(3):
            process.send(peer, "request", number)
            sent[0] += 1
            chosen = await channel.select(answers, events)
            if chosen.channel is events:  # the peer has met it
                return
            got[0] += 1

    return do, lambda: None


async def call():
    ready = process.listen("ready")
    peer = process.spawn_linked(replies, None, process.pid())
    await ready.receive()

    async def do():
        for _ in range(2):
            assert await process.call(peer, "request", None, timeout="30s") == "answer"

    return do, lambda: None


async def execute():
    async def do():
        assert await process.exec(quick, None) == "done"

    return do, lambda: None


async def spawn():
    async def do():
        process.spawn(quick, None)
        process.spawn_linked(quick, None)

    return do, lambda: None


async def monitored():
    events = process.events()
    spawned = [0]

    async def do():
        for entry in (quick, fails):
            pid = process.spawn_monitored(entry, None)
            spawned[0] += 1
            event = await events.receive()
            assert event.sender == pid

    return do, lambda: None


async def terminate():
    events = process.events()
    ready = process.listen("ready")
    peer = process.spawn_linked_monitored(echo, None, process.pid())
    await ready.receive()
    process.set_options(trap_links=True)

    async def do():
        process.terminate(peer)
        await events.receive()

    return do, lambda: None


async def channels():
    box, got = channel.new(1), []

    async def do():
        for number in range(3):
            await box.send(number)
            got.append(await box.receive())

    return do, lambda: None


DEEDS = {
    one.__name__: one
    for one in (
        send,
        receive,
        ping,
        call,
        execute,
        spawn,
        monitored,
        terminate,
        channels,
    )
}


async def trial(deed, number):
    """Do it while one allocation fails; whether that happened."""
    do, check = await DEEDS[deed]()
    arm(number)
    try:
        await do()
        failed = False
    except (MemoryError, Error):
        failed = True
    finally:
        disarm()
    check()
    return failed


async def at_rest(node):
    for left in node.processes():
        node.terminate(left["pid"])
    while node.processes():
        await asyncio.sleep(0)


async def main(deed):
    global failures
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    number = clean = 0
    async with Node() as node:
        while clean < ENOUGH:
            try:
                failed = await asyncio.wait_for(node.exec(trial, None, deed, number), PATIENCE)
            except (MemoryError, Error) as error:
                text = f"{type(error).__name__}: {error}"
                if "AssertionError" in text or "assert" in text or not is_of_memory(error):
                    raise
                failed = True
            finally:
                disarm()
            await asyncio.wait_for(at_rest(node), PATIENCE)
            assert await node.exec(quick) == "done"
            failures += failed
            clean = 0 if failed else clean + 1
            number += 1
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
    faulthandler.cancel_dump_traceback_later()
    print(failures, "ok")


def is_of_memory(error):
    return "MemoryError" in f"{error} {getattr(error, 'details', None)} {error.__cause__!r}"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = threading.excepthook = lambda *what: None
    asyncio.run(main(sys.argv[1]))
