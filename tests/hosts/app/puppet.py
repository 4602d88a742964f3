"""A process that does what it is told, and small ones that it may be told to spawn."""

import asyncio
import logging
import multiprocessing
import os
import re
import signal
import sys
import threading

import msgspec

from procession import NotFound, channel, process, time
from procession.current import current


def kill(name):
    os.kill(os.getpid(), signal.Signals[name])


def forked(how):
    """A child that lives on when its parent is killed; its number."""
    if how == "multiprocessing":
        child = multiprocessing.get_context("fork").Process(target=signal.pause)
        child.start()
        return child.pid
    number = os.fork()
    if not number:
        signal.pause()
        os._exit(0)
    return number


def event_of(event):
    error = None if event.error is None else event.error.to_dict()
    return {"kind": event.kind, "sender": event.sender, "result": event.result, "error": error}


async def puppet(*names):
    for name in names:
        process.registry.register(name)
    events = process.events()
    commands = process.listen("do", message=True)
    while True:
        got = await channel.select(commands)
        what, *args = got.value.payload
        try:
            if what == "event":
                one = await channel.select(events, time.after("5s"))
                got.value.reply(event_of(one.value) if one.channel is events else None)
            elif what == "events":
                found = []
                while (one := await channel.select(events, default=True)).channel is not None:
                    found.append(event_of(one.value))
                got.value.reply(found)
            elif what == "receive":
                got.value.reply(await process.listen(args[0]).receive())
            elif what in ("call", "exec"):
                got.value.reply(await getattr(process, what)(*args))
            elif what in ("register", "lookup", "unregister"):
                got.value.reply(getattr(process.registry, what)(*args))
            elif what == "registers":
                try:
                    got.value.reply(process.registry.lookup(args[0]))
                except NotFound:
                    got.value.reply(None)
            elif what == "links":
                got.value.reply(list(current().links or ()))
            elif what == "spawn_named":
                got.value.reply(process.spawn(args[0], args[1], name=args[2]))
            elif what == "spawn_closure":

                async def closure():
                    pass

                got.value.reply(process.spawn(closure, args[0]))
            elif what == "kill":
                kill(*args)
            elif what == "fork":
                got.value.reply(forked(*args))
            elif what == "exit":
                os._exit(*args)
            elif what == "os_pid":
                got.value.reply(os.getpid())
            elif what == "return":
                return args[0]
            elif what == "raise":
                raise ValueError(args[0])
            elif what == "many":
                dest, topic, n = args
                for i in range(n):
                    process.send(dest, topic, i)
                got.value.reply(n)
            else:
                got.value.reply(getattr(process, what)(*args))
        except ValueError:
            raise
        except Exception as error:
            got.value.reply(error)


async def failing(text):
    raise RuntimeError(text)


async def echo(*args):
    return list(args)


async def sleeping():
    await process.listen("wake up").receive()


async def cleaning(pid):
    """Takes nothing; when it is terminated it cleans up for as long as it may."""
    process.send(pid, "starts", process.pid())
    try:
        await process.listen("nothing").receive()
    finally:
        process.send(pid, "cleans up", process.pid())
        await asyncio.sleep(60)


async def counting():
    """Takes nothing until it is cancelled; then counts, and tells how many on `count`."""
    await process.events().receive()
    count = 0
    async for message in process.inbox():
        if message.wants_reply:
            message.reply(count)
        else:
            count += 1


async def echo_name():
    me = process.pid()
    named = [process.registry.lookup(name) for name in current().names]
    async for message in process.listen("who", message=True):
        message.reply([me, *named])


async def flooded():
    """Takes a message now and then: it will never be through."""
    async for _ in process.listen("n"):
        await time.sleep("50ms")


async def os_pid():
    return os.getpid()


class Job(msgspec.Struct):
    id: int


async def typed(job: Job):
    return job.id


async def collect(n):
    """The payloads of n messages, in the order of their arrival."""
    numbers = process.listen("n")
    return [await numbers.receive() for _ in range(n)]


async def first_bytes(n):
    numbers = process.listen("n")
    return [(await numbers.receive())[0] for _ in range(n)]


async def long():
    return ["x" * (9 << 20)] * 2


async def long_reply():
    message = await process.listen("ask", message=True).receive()
    message.reply(await long())


async def count(n):
    """How many of n messages arrive twice, or out of the order of their sender."""
    last, wrong = {}, 0
    messages = process.listen("n", message=True)
    for _ in range(n):
        message = await messages.receive()
        if message.payload != last.get(message.sender, -1) + 1:
            wrong += 1
        last[message.sender] = message.payload
    return wrong


async def compute():
    """C code that only a signal can interrupt, for ages."""
    re.match("(a+)+$", "a" * 40 + "b")


class Exits(msgspec.Struct):
    """An argument whose code ends the OS process that makes it."""

    a: int

    def __post_init__(self):
        sys.exit(3)


async def exits_at_start(argument: Exits):
    """It has an argument that cannot be made."""


class Endless(msgspec.Struct):
    """An argument that takes for ever to be made."""

    a: int

    def __post_init__(self):
        while True:
            pass


async def never_starts(argument: Endless):
    """It has an argument that is never made."""


async def sums():
    """C code that nothing can interrupt, for ages."""
    sum(range(10**13))


async def grab():
    """All the memory that there is."""
    held = []
    while True:
        held.append(bytearray(10_000_000))
        await time.sleep(0)


class Unspeakable:
    def __str__(self):
        raise RecursionError

    __repr__ = __str__


async def logs_all_kinds():
    """To log is never an error, and all arrives; how many it were."""
    log = logging.getLogger("puppet")
    texts = ["x" * (20 << 20), "half \ud800", Unspeakable(), 10**6000, "%d"]
    for text in texts:
        log.error(text, extra={"field": text, "half \ud800": 10**6000})
        log.error("%s", text)
        log.error("%d", text)
    thread = threading.Thread(target=log.error, args=("from a thread",))
    thread.start()
    thread.join()
    log.error("the last one")
    return 3 * len(texts) + 2


class Hostile(Exception):
    """Its texts are code of the program; `how` says what they do."""

    def __init__(self, how):
        self.how = how

    def __str__(self):
        if self.how == "never ends":
            while True:
                pass
        raise SystemExit(3) if self.how == "exits" else KeyboardInterrupt

    __repr__ = __str__


class HostileList(list):
    def __init__(self, how):
        super().__init__([1])
        self.how = how

    def __iter__(self):
        return str(Hostile(self.how))


async def hostile(what, how):
    if what == "an error":
        raise Hostile(how)
    if what == "a result":
        return HostileList(how)
    logging.getLogger("puppet").error("%s", Hostile(how))
