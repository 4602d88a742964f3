"""Processes that the promises are made about, and the puppets that do what they are told.

A promise holds wherever the other process is. So it asks for it where it wants it: `near`, in the
same OS process, or `far`, in another one if the host has several.
"""

import asyncio
import os
from dataclasses import dataclass
from functools import wraps

import msgspec

from procession import Error, NotFound, channel, process, time

TIMEOUT = "20s"

_spawned = {}
"""What is to be ended after a promise, by the PID of the promise."""


def promise(*numbers):
    """Mark a process as a promise of these lines of the contract; end its children after it."""

    def mark(function):
        @wraps(function)
        async def keep():
            me = process.pid()
            _spawned[me] = []
            try:
                return await function()
            finally:
                for pid in _spawned.pop(me):
                    try:
                        process.terminate(pid)
                    except NotFound:
                        pass

        keep.semantics = numbers
        return keep

    return mark


def child(entry, *args, how="spawn", host=None, name=None):
    """Spawn a process that does not outlive the promise."""
    pid = getattr(process, how)(entry, host, *args, name=name)
    _spawned[process.pid()].append(pid)
    return pid


# -- puppets -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Puppet:
    """A process that does what it is told: `await puppet.do("monitor", pid)`."""

    pid: str
    os_pid: int

    async def do(self, what, *args):
        return await process.call(self.pid, "do", [what, *args], timeout=TIMEOUT)

    def tell(self, what, *args):
        process.send(self.pid, "do", [what, *args])

    async def event(self):
        return await self.do("event")

    async def poll(self):
        """The events that have arrived there."""
        return await self.do("poll")


async def _puppet(fits, limit=30):
    """A puppet where it `fits`; any one, in the end, on a host that is one OS process."""
    others = []
    while True:
        pid = child(puppet, len(others))
        os_pid = await process.call(pid, "do", ["os_pid"], timeout=TIMEOUT)
        if fits(os_pid):
            break
        if process.pid().startswith("{contract:inline|"):
            break
        assert len(others) < limit, "all children are in one place"
        others.append(pid)
    for other in others:
        process.terminate(other)
    return Puppet(pid, os_pid)


async def near():
    """A puppet in the same OS process."""
    return await _puppet(lambda os_pid: os_pid == os.getpid())


async def far():
    """A puppet in another OS process, if the host has one."""
    return await _puppet(lambda os_pid: os_pid != os.getpid())


async def beside(other):
    """A puppet in the OS process of another one.

    What happened there before it answers has been told here before its answer.
    """
    return await _puppet(lambda os_pid: os_pid == other.os_pid)


async def crowd():
    """Have the next children spawned elsewhere: there are fewer."""
    for _ in range(8):
        await near()


async def pairs():
    """Two puppets here, two of which one is here, in both orders, and two elsewhere."""
    for one, two in ((near, near), (near, far), (far, near), (far, far)):
        yield await one(), await two()


async def puppet(_number=0):
    events, commands = process.events(), process.listen("do", message=True)
    while True:
        message = await commands.receive()
        what, *args = message.payload
        if what == "return":
            return args[0]
        if what == "fail":
            raise ValueError(args[0])
        try:
            answer = await _obey(events, what, args)
        except Error as error:
            answer = error
        if message.wants_reply:
            message.reply(answer)


async def _obey(events, what, args):
    if what == "os_pid":
        return os.getpid()
    if what == "event":
        got = await channel.select(events, time.after(TIMEOUT))
        assert got.channel is events, "no event in time"
        return plain(got.value)
    if what == "poll":
        return [plain(event) for event in await arrived(events)]
    if what == "receive":
        return await process.listen(args[0]).receive()
    if what == "receive_message":
        message = await process.inbox().receive()
        return [message.sender, message.topic, message.payload]
    if what in ("register", "lookup", "unregister"):
        return getattr(process.registry, what)(*args)
    if what in ("call", "exec"):
        return await getattr(process, what)(*args)
    if what == "trap_links":
        return process.set_options(trap_links=args[0])
    if what == "many":
        dest, topics, n = args
        for i in range(n):
            process.send(dest, topics[i % len(topics)], i)
        return n
    return getattr(process, what)(*args)


def plain(event):
    """An event as data that can cross."""
    error = None if event.error is None else event.error.to_dict()
    return {
        "kind": event.kind,
        "sender": event.sender,
        "at": event.at,
        "result": event.result,
        "error": error,
        "reason": event.reason,
        "deadline": event.deadline,
    }


# -- waiting -------------------------------------------------------------------------------------


async def arrived(ch):
    """What has arrived on a channel, without waiting."""
    found = []
    while (got := await channel.select(ch, default=True)).channel is not None:
        found.append(got.value)
    return found


async def next_event():
    """The next event of the calling process."""
    events = process.events()
    got = await channel.select(events, time.after(TIMEOUT))
    assert got.channel is events, "no event in time"
    return got.value


async def end_of(pid):
    """Wait for EXIT of a process that is monitored; nothing else may come before it."""
    event = await next_event()
    assert (event.kind, event.sender) == (process.event.EXIT, pid)
    return event


async def dead():
    """PIDs of processes that have ended: one that ran here, one that ran elsewhere."""
    found = []
    for where in (near, far):
        one = await where()
        process.monitor(one.pid)
        one.tell("return", None)
        await end_of(one.pid)
        found.append(one.pid)
    return found


# -- small processes -----------------------------------------------------------------------------


async def echo(*args):
    return list(args)


async def waits_forever():
    await process.listen("nothing").receive()


async def fails(message):
    raise ValueError(message)


async def fails_with_an_error(error):
    raise error


async def says_who_it_is():
    return [process.pid(), process.id()]


async def says_when_it_runs(parent):
    process.send(parent, "ran", process.pid())


async def collects(n, *topics):
    """The payloads of n messages."""
    channels = [process.listen(topic) for topic in topics]
    return [(await channel.select(*channels)).value for _ in range(n)]


async def takes_what_it_gets(n):
    """Sender, topic and payload of n messages."""
    got = [await process.inbox().receive() for _ in range(n)]
    return [[one.sender, one.topic, one.payload] for one in got]


async def changes_its_argument(parent, value):
    value["list"].append("changed")
    value["new"] = True
    process.send(parent, "changed", value)


async def returns_what_cannot_cross():
    return {"path": [object()]}


async def fails_in_a_task():
    async def task():
        raise ValueError("in a task")

    asyncio.ensure_future(task())  # noqa: RUF006 (a task that is referred to may yet be awaited)
    await waits_forever()


async def tidies_up(parent):
    """Say in `finally` that it was ended, and what a wait does then."""
    process.send(parent, "ready")
    try:
        await waits_forever()
    finally:
        try:
            await time.sleep("1h")
            process.send(parent, "tidied", "waited")
        except BaseException as error:
            process.send(parent, "tidied", type(error).__name__)


async def finds_a_name_free(parent, owner, name):
    """At once when it sees EXIT: neither the name nor the PID is there any more."""
    process.monitor(owner)
    process.registry.lookup(name)
    process.send(parent, "ready")
    await end_of(owner)
    for act in (process.registry.lookup, process.monitor):
        try:
            act(name if act is process.registry.lookup else owner)
        except NotFound:
            continue
        return f"{act.__name__} still works"
    return True


class Job(msgspec.Struct):
    id: int
    tags: list[str] = []


async def takes_a_job(job: Job):
    assert isinstance(job, Job)
    return [job.id, job.tags]


async def links_down(parent, peer, failing):
    """One of a chain: linked to its peer, until it fails or the peer does."""
    process.link(peer)
    process.send(parent, "linked", process.pid())
    if failing:
        await process.listen("go").receive()
        raise ValueError("the first of the chain")
    await waits_forever()
