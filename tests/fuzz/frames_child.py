"""One OS process that is told nonsense: python frames_child.py SEED FIRST COUNT

What workers and the parent really say to each other is recorded first. Then parts of it are
changed at random, and said to a node, as by a worker of it; and to a worker, as by its parent.
"""

import asyncio
import os
import random
import re
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from tests.fuzz.child import begin, bug, each_case, say, watch_loop

from procession import Error, Node, Unavailable, process
from procession.core.frames import CONTROL, MESSAGE, PARENT
from procession.core.pid import parse_pid, place_of
from procession.hosts import wire
from procession.hosts.link import Link
from procession.hosts.routing import Router
from procession.hosts.worker_control import Control

APP = Path(__file__).parent / "traffic"
PLACE, OTHER = 1, 2
TO_NODE = PARENT.to_bytes(4, "big") + PLACE.to_bytes(4, "big")
SILENCE = 5
"""Seconds that a worker has for an answer."""
TURNS = 30
"""Turns of the loop in which what was sent has arrived, and was acted on."""


def case_bug(case, text):
    """Something that must not be."""
    bug(f"case {case}: {text}")


# -- what is really said -------------------------------------------------------------------------


async def record():
    """The frames that a parent got from its workers, and those that it sent: two lists of lists."""
    came, went = [], []
    take_in, write = Link.take_in, Link.write

    def take_in_too(link, data):
        came.append(bytes(data))
        return take_in(link, data)

    def write_too(link, data):
        went.append(bytes(data))
        write(link, data)

    Link.take_in, Link.write = take_in_too, write_too
    try:
        async with Node(APP, quiet_exits=True) as node:
            names = {"traffic:processes": "here", "traffic:workers": "there"}
            for host in names:
                idler = node.spawn("traffic:idle", host)
                for number in range(4):
                    for where in names:
                        for entry in ("traffic:talker", "traffic:lua"):
                            try:
                                await node.exec(entry, where, number, idler)
                            except Error:
                                pass
    finally:
        Link.take_in, Link.write = take_in, write
    return batches(came), batches(went)


def batches(pieces):
    """One frame of each shape that was in these bytes, always in the same order: chance, and not
    what was said first, decides what becomes of them."""
    found = {}
    for piece in pieces:
        for _, _, body in wire.Reader().feed(piece):
            for frame in wire.decode(body):
                key = shape_of(frame)
                found[key] = min(found.get(key, frame), frame, key=repr)
    return [found[key] for key in sorted(found)]


def shape_of(frame):
    """What is alike in frames that say the same of different processes."""
    parts = [
        type(part).__name__
        if isinstance(part, (list, dict, float)) or str(part)[:1] == "{"
        # A number, a name, a topic: what it is counts, but for a count.
        else re.sub(r"\d+", "N", str(part))
        for part in frame[1:]
    ]
    return f"{frame[0]} {parts}"


# -- nonsense -------------------------------------------------------------------------------------


WILD = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    22,
    23,
    255,
    1 << 40,
    -(1 << 62),
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "{traffic:processes|0x00001}",
    "{traffic:processes|0xfffff}",
    "{a|0x00001000000fffff}",
    "@ready",
    "\0",
    b"",
    b"\xff",
    [],
    [[]],
    {},
    {"name": 1},
    [1] * 300,
    {"a": [1, {}]},
    "traffic:processes",
    "traffic:idle",
    "nobody:nothing",
    Unavailable("wild"),
    {"traceback": 1},
    "log",
    "ask",
    "names",
    "question",
    "processes",
    "up",
    "down",
    "loads",
]


def with_pids(value, chance, pids):
    """The value, with PIDs of processes of this node for those of the one that was recorded."""
    if isinstance(value, str):
        parsed = parse_pid(value)
        if parsed is not None and place_of(parsed.serial) == PARENT:
            return chance.choice(pids)
        return value
    if isinstance(value, list):
        return [with_pids(one, chance, pids) for one in value]
    return value


def changed(value, chance, depth=0):
    """A frame, or a part of one, with something changed in it."""
    roll = chance.random()
    if isinstance(value, list) and value and roll < 0.9 and depth < 4:
        value = list(value)
        place = chance.randrange(len(value))
        what = chance.randrange(8)
        if what == 0:
            del value[place]
        elif what == 1:
            value.insert(place, chance.choice(WILD))
        elif what == 2:
            other = chance.randrange(len(value))
            value[place], value[other] = value[other], value[place]
        elif what == 3:
            value.append(value[place])
        else:
            value[place] = changed(value[place], chance, depth + 1)
        return value
    return chance.choice(WILD)


def packed(frames):
    """The frames as they go into a batch."""
    return [
        tuple(map(wire.pack, frame)) if isinstance(frame, list) else wire.pack(frame)
        for frame in frames
    ]


def nonsense(chance, recorded, pids, first=()):
    """The bytes of a batch: with a changed frame, with changed bytes, or both."""
    frames = [
        with_pids(one, chance, pids) for one in chance.sample(recorded, chance.choice([1, 1, 2, 4]))
    ]
    if chance.random() < 0.85:
        place = chance.randrange(len(frames))
        frames[place] = changed(frames[place], chance)
    if chance.random() < 0.2:
        frames.insert(chance.randrange(len(frames) + 1), chance.choice(frames))
    data = bytearray(wire.encode(PARENT, PLACE, [*first, *packed(frames)]))
    end_of_first = len(wire.encode(PARENT, PLACE, [*first]))
    if chance.random() < 0.2:
        for _ in range(chance.choice([1, 1, 3, 20])):
            place = chance.randrange(len(data))
            if not 12 < place < end_of_first:  # what is fine stays so
                data[place] = chance.randrange(256)
    if chance.random() < 0.05:
        del data[chance.randrange(len(data)) :]
    if chance.random() < 0.03:
        data += os.urandom(0) or bytes(chance.randrange(256) for _ in range(50))
    return bytes(data), frames


# -- to a node ------------------------------------------------------------------------------------


class Victim:
    """A node, and its link to a worker that we play."""

    def __init__(self):
        self.node = Node(APP, quiet_exits=True, settings={"os_workers": 0})

    async def start(self):
        """Be ready to be told something."""
        await self.node.start()
        driver, loop = self.node._driver, asyncio.get_running_loop()
        self.workers, self.ended = {}, []
        router = Router(driver, loop, lambda *said: self.control.receive(*said))
        self.control = Control(driver.kernel, router.exchange, self.workers, self.tell)
        self.router = router
        link = router.open(PLACE, lambda: None, self.ended.append)
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        link.connect(theirs)
        host = driver.kernel.hosts["traffic:workers"]
        self.workers[PLACE] = SimpleNamespace(
            place=PLACE,
            host=host,
            link=link,
            ready=loop.create_future(),
            stopped=False,
            population=0,
            received=0,
            load=0,
        )
        router.exchange.place_up(PLACE)
        self.heard = []
        self.listener = self.node.spawn(listen, "traffic:processes", name="listener")
        LISTENERS[self.listener] = self.heard
        self.pids = [self.node.spawn("traffic:idle", "traffic:processes") for _ in range(3)]
        await self.turn()

    def tell(self, place, what, *args):
        """As OsWorkers has it."""
        self.router.places.control(place, what, *args)
        self.router.places.flush()

    async def turn(self):
        """Let things happen; take what the node says to the worker."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
            try:
                while self.socket.recv(1 << 16):
                    pass
            except OSError:
                pass

    def sentinel(self, number):
        """A frame that is fine: a message that is heard, if its batch is."""
        return (MESSAGE, self.listener, None, "sentinel", [number])

    async def stop(self):
        """The worker is lost, and the node stops in order."""
        self.control.place_down(PLACE)
        self.router.forget(PLACE)
        self.router.exchange.place_down(PLACE, Unavailable("lost"))
        self.control.close()
        self.socket.close()
        await self.turn()
        async with asyncio.timeout(60):
            await self.node.stop()
        del LISTENERS[self.listener]


LISTENERS = {}


async def listen():
    sentinels = process.listen("sentinel")
    async for number in sentinels:
        LISTENERS[process.pid()].append(number)


async def tell_node(seed, case, recorded, victim):
    """Tell a node nonsense. Whether the link has ended; all of the batch came in, or nothing."""
    chance = random.Random(f"{seed} node {case}")
    data, frames = nonsense(chance, recorded, victim.pids, [victim.sentinel(case)])
    victim.socket.send(data)
    await victim.turn()
    heard = case in victim.heard
    if victim.ended:
        error = victim.ended[0]
        if not isinstance(error, wire.WireError):
            case_bug(case, f"the link has ended with {error!r}: {frames}")
        if heard:
            case_bug(case, f"half of a batch was acted on, then: {error}: {frames}")
    elif not heard and len(data) == 4 + int.from_bytes(data[:4]) and data[4:12] == TO_NODE:
        case_bug(case, f"the link goes on without a batch, which was lost: {frames}")
    return bool(victim.ended) or not heard


# -- to a worker ----------------------------------------------------------------------------------


class Worker:
    """A real worker, of which we play the parent."""

    def __init__(self):
        self.socket, theirs = socket.socketpair()
        command = [sys.executable, "-m", "procession.worker", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        theirs.close()
        self.reader = wire.Reader()
        config = {
            "path": sys.path,
            "main": None,
            "parent": os.getpid(),
            "log_level": 30,
            "app": str(APP),
            "settings": {},
            "quiet_exits": True,
            "place": PLACE,
            "host": "traffic:workers",
            "count": 1,
            "memory": 0,
            "secret": "00" * 32,
        }
        self.tell("config", config)
        self.until("ready")
        self.tell("up", OTHER, "traffic:workers")

    def tell(self, *said):
        """Say something that makes sense."""
        try:
            self.socket.sendall(wire.encode(PLACE, PARENT, [(CONTROL, *map(wire.pack, said))]))
        except OSError:
            pass  # it has ended: whoever waits for an answer sees that

    def until(self, what):
        """Wait until it says so: what it says until then, or None if it ends."""
        said = []
        while select.select([self.socket], [], [], SILENCE)[0]:
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                return None
            for _, _, body in self.reader.feed(data):
                for frame in wire.decode(body):
                    said.append(frame)
                    if frame[0] == CONTROL and frame[1] == "ask":
                        self.tell("answer", None)
                    elif frame[0] == CONTROL and frame[1] == what:
                        return said
        raise TimeoutError

    def close(self):
        """End it; what it has written to stderr."""
        self.socket.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise TimeoutError("a worker without a link does not end") from None
        with self.process.stderr:
            return self.process.stderr.read().decode(errors="replace")


def tell_worker(seed, case, recorded, worker):
    """Tell a worker nonsense: it goes on in order, or ends as it does without a parent."""
    chance = random.Random(f"{seed} worker {case}")
    # A word that ends it in order is no nonsense.
    recorded = [one for one in recorded if one[:2] not in ([CONTROL, "stop"], [CONTROL, "config"])]
    data, frames = nonsense(chance, recorded, ["{traffic:processes|0x00001}"])
    origin = chance.choice([PARENT, PARENT, OTHER])  # another worker, through the parent
    data = data[:4] + PLACE.to_bytes(4, "big") + origin.to_bytes(4, "big") + data[12:]
    whole = len(data) == 4 + int.from_bytes(data[:4])
    try:
        worker.socket.sendall(data)
    except OSError:
        pass  # what it was told before has ended it only now
    if whole:
        worker.tell("ping")
    else:
        worker.socket.shutdown(socket.SHUT_WR)
    try:
        said = worker.until("pong")
    except TimeoutError:
        case_bug(case, f"a worker was told {frames} and neither ends nor answers")
        worker.process.kill()
        said = None
    logged = [one for one in said or () if one[:2] == [CONTROL, "log"]]
    logged = [one for one in logged if one[2]["name"] == "asyncio"]  # and not how a process failed
    if logged:
        case_bug(case, f"a worker was told {frames} and logs {logged[0][2]['traceback']}")
    if said is None or not whole:
        stderr = worker.close()
        if worker.process.returncode not in (0, 1, -9) or "Traceback" in stderr:
            how = f"a worker was told {frames} and ended with {worker.process.returncode}"
            case_bug(case, f"{how}: {stderr}")
        return None
    return worker


# -- all of it ------------------------------------------------------------------------------------


def decode_bytes(seed, case, recorded):
    """Whatever the bytes are, the reader and the decoder give frames or WireError."""
    chance = random.Random(f"{seed} bytes {case}")
    for _ in range(30):
        data, _ = nonsense(chance, recorded, ["{traffic:processes|0x00001}"])
        reader, place = wire.Reader(), 0
        try:
            while place < len(data):
                size = chance.choice([1, 3, 13, 1000])
                for _, _, body in reader.feed(data[place : place + size]):
                    wire.decode(body)
                place += size
        except wire.WireError:
            pass
        except Exception as error:
            case_bug(case, f"{type(error).__name__}: {error} for {data[:200]!r}")


async def run(seed, numbers):
    """The cases."""
    watch_loop()
    came, went = await record()
    say("recorded", came=len(came), went=len(went))
    victim = worker = None
    for case in numbers:
        say("start", program=str(case))
        decode_bytes(seed, case, came)
        if victim is None:
            victim = Victim()
            await victim.start()
        if await tell_node(seed, case, came, victim):
            await victim.stop()
            victim = None
        if case % 4 == 0:
            worker = tell_worker(seed, case, went, worker or Worker())
        say("end", program=str(case))
    if victim is not None:
        await victim.stop()
    if worker is not None:
        worker.close()
    say("peace")


if __name__ == "__main__":
    asyncio.run(run(*each_case(begin(4 << 30))))
