"""Places without OS processes: kernels joined by queues of frames, which a test delivers.

There is one queue for each ordered pair of places, so the frames of one pair arrive in order and
those of different pairs in any order: as between nodes. With `routed` every frame goes through the
parent, as between OS workers. What crosses is written and read as it would be on a real link.
"""

from collections import deque
from typing import ClassVar

from procession.core.errors import Error, Invalid, Unavailable
from procession.core.exchange import Exchange
from procession.core.frames import CONTROL, MESSAGE, PARENT
from procession.core.host import Host
from procession.core.kernel import Kernel
from procession.core.link_failure import root_of
from procession.core.process import Process
from procession.core.scheduler import Strand
from procession.hosts import wire
from procession.hosts.names import (
    ParentNames,
    WorkerNames,
    answer_about_names,
    note_about_names,
)

HOST = "app:processes"
NAMES = ("one", "two")
ACTOR = "test:actor"
BROKEN = "test:broken"
"""An entry that cannot be started: where it is to run finds that out."""

TOO_LONG = "(too long for a link)"
"""A text that no frame may hold, in place of one of 16 MiB."""


class HandClock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    wall = monotonic


class Desk:
    """Where a process waits for what the test has it do."""

    def withdraw(self, strand):
        pass

    def restore(self, value, turn=0):
        pass


DESK = Desk()


class Observer:
    """What a test may want to hear of."""

    def born(self, actor):
        """A process is about to run."""

    def event(self, actor, event):
        """A process has received a lifecycle event."""

    def failed_with(self, actor, peer):
        """A process is about to end since a linked one, `peer`, has failed."""

    def message(self, actor, message):
        """A process has received a message."""

    def ending(self, actor, result, error):
        """A process is about to end. Its ties still stand."""

    def ended(self, actor):
        """A process has ended."""

    def arriving(self, place, frame):
        """A frame is about to be acted on."""

    def dropped(self, frame):
        """A frame will never arrive: a place that it was to pass is lost."""

    def lost(self, place, pid, error):
        """A place says that it could not deliver something, or start a process."""


class Actor(Process):
    """A process that does what the test says, and waits otherwise."""

    __slots__ = ("calls", "channels", "letters", "observer", "receiving")

    def __init__(self, kernel, pid, program):
        super().__init__(kernel, kernel.hosts[HOST], pid, program)
        self.observer = program.observer
        self.calls = []
        self.letters = []
        self.channels = {}
        self.receiving = None

    def step(self):
        if not self.alive:
            return
        if self.receiving is not None:
            message, self.receiving = self.value, None
            self.received(message)
        self.parked = DESK

    def received(self, message):
        if message.wants_reply:
            self.letters.append(message)
        self.observer.message(self, message)

    def channel(self, topic):
        """Where messages of a topic are taken from: one has a channel of its own."""
        if topic == "listened":
            return self.mailbox.listen(topic, True, None)
        return self.mailbox.inbox()

    def take(self, topic):
        """Receive a message if there is one."""
        channel = self.channel(topic)
        if channel.buffered:
            self.received(channel.attempt())
            return True
        return False

    def wait(self, topic):
        """Wait for a message."""
        channel = self.channel(topic)
        if self.parked is DESK and not channel.buffered:
            channel.enlist(self)
            self.parked = self.receiving = channel

    def kill(self, error, cleanup=None):
        details = error.details
        if root_of(error) is not None:
            self.look_at_events()
            self.observer.failed_with(self, details["peer"])
        self.end(None, error)

    def end(self, result, error):
        self.look_at_events()
        if self.receiving is not None:
            self.receiving.withdraw(self)
        for call in self.calls:
            call.give_up()
        self.observer.ending(self, result, error)
        self.kernel.exited(self, result, error)
        self.observer.ended(self)

    def look_at_events(self):
        if self._mailbox is not None and self._mailbox.events_channel is not None:
            events = self._mailbox.events_channel
            while events.buffered:
                self.observer.event(self, events.attempt())


class ActorProgram:
    entry = ACTOR

    def __init__(self, observer):
        self.observer = observer

    def start(self, kernel, host, pid, args):
        actor = Actor(kernel, pid, self)
        self.observer.born(actor)
        return actor


class Call(Strand):
    """A call that a process makes, and how it has ended."""

    def __init__(self, place, caller, dest, payload):
        super().__init__(place.kernel.scheduler)
        self.outcome = None
        self.over = self.settled = False
        self.coro = place.kernel.call(caller, dest, "call", payload, None)
        place.caller = self
        self.step()  # raises what sending raises
        caller.calls.append(self)
        self.begun = True

    begun: ClassVar[bool] = False

    def step(self):
        if self.over:
            return
        try:
            self.coro.send(None)
        except StopIteration as end:
            self.settle(end.value)
        except Error as error:
            self.settle(error.with_traceback(None))  # which would keep the call
            if not self.begun:
                raise

    def settle(self, outcome):
        self.over = self.settled = True
        self.outcome = outcome

    def give_up(self):
        if not self.over:
            self.over = True
            self.coro.close()


class Place:
    """A kernel with its exchange. `post`, `send` and `check_room` are its links: see Post."""

    def __init__(self, network, number):
        self.network, self.number = network, number
        self.target = number
        """Where the next process is spawned."""
        self.caller = None
        self.kernel = kernel = Kernel(
            clock=network.clock,
            notify=lambda: None,
            adopt=lambda: self.caller,
            load=lambda entry, to_execute: self._load(entry),
        )
        host = Host(HOST, mailbox=network.limit)
        host.pool = self
        kernel.hosts[HOST] = host
        self.exchange = Exchange(kernel, number, self, self._on_lost, self._on_control)
        kernel.settle(self.exchange)
        if number == PARENT:
            kernel.names = ParentNames(self._publish)
        else:
            kernel.names = WorkerNames(kernel, self._ask, self._tell)
            self.exchange.place_up(PARENT)

    @property
    def actors(self):
        return self.kernel.local_processes()

    def run(self):
        """Run all that is ready, and say what is to be said after a slice."""
        scheduler = self.kernel.scheduler
        while True:
            scheduler.run()
            if not scheduler.ready:
                break
        for actor in self.actors:
            actor.look_at_events()
        self.exchange.credit.settle()

    def spawn(self, host, order):
        """As the pool of its host."""
        if self.target == self.number:
            return None
        return self.exchange.spawn(self.target, host.pid_prefix, order)

    def _load(self, entry):
        if entry == BROKEN:
            raise Invalid("it does not load")
        return ActorProgram(self.network.observer)

    def _on_lost(self, pid, error):
        self.network.observer.lost(self.number, pid, error)

    # -- the links -------------------------------------------------------------------------------

    def post(self, place, frame):
        self.network.post(self.number, place, frame)

    def send(self, place, dest, sender, topic, payload):
        self.network.post(self.number, place, (MESSAGE, dest, sender, topic, [payload]))

    def check_room(self, place):
        """There is always room."""

    # -- what places say to each other, as hosts/worker_control.py and worker.py do it -----------

    def _publish(self, name, pid):
        for place in self.exchange.places:
            self.post(place, (CONTROL, "name", name, pid))

    def _tell(self, what, *args):
        self.post(PARENT, (CONTROL, what, *args))

    def _ask(self, what, *args):
        """Nothing else happens here until the answer is there."""
        self._tell("ask", what, *args)
        network = self.network
        while network.queues[self.number, PARENT]:
            network.arrive(self.number, PARENT)
        network.places[PARENT].run()
        while True:
            frame = network.take_control(self.number, ("name", "answer"))
            assert frame is not None, "the parent gives no answer"
            if frame[1] == "answer":
                break
            self.exchange.receive(PARENT, [frame])
        if isinstance(frame[2], Error):
            raise frame[2]
        return frame[2]

    def _on_control(self, place, what, *args):
        getattr(self, f"_on_{what}")(place, *args)

    def _on_ask(self, place, *question):
        self.post(place, (CONTROL, "answer", answer_about_names(self.kernel, *question)))

    def _on_names(self, place, *note):
        note_about_names(self.kernel, *note)

    def _on_name(self, place, name, pid):
        self.kernel.names.published(name, pid)

    def _on_up(self, place, other):
        self.exchange.place_up(other)

    def _on_down(self, place, other):
        """The link to a place has ended, or the parent says so."""
        self.exchange.place_down(other, Unavailable(f"place {other} is lost"))
        if self.number != PARENT:
            self.kernel.names.forsake_unborn()
        elif self.network.routed:
            for one in self.exchange.places:
                self.post(one, (CONTROL, "down", other))


class Network:
    """All places, and what is under way between them."""

    def __init__(self, places, limit, *, routed=False, merged=False, observer=None):
        self.limit, self.routed, self.merged = limit, routed, merged
        self.observer = Observer() if observer is None else observer
        self.clock = HandClock()
        self.places = {}
        self.queues = {}
        """By the two ends: where each frame comes from, where it goes, and the frame."""
        for _ in range(places):
            self.add()
        self.deliver_all()

    def add(self):
        """One more place comes up."""
        number = len({origin for origin, _ in self.queues} | {PARENT}) if self.places else PARENT
        for other in (*{origin for origin, _ in self.queues}, PARENT):
            if other != number:
                self.queues[other, number] = deque()
                self.queues[number, other] = deque()
        place = self.places[number] = Place(self, number)
        if number == PARENT:
            return place
        parent = self.places[PARENT]
        if self.routed:  # as OsWorkers._add_worker does it
            for other in parent.exchange.places:
                parent.post(other, (CONTROL, "up", number))
                parent.post(number, (CONTROL, "up", other))
        else:
            for other in self.places.values():
                if other.number not in (number, PARENT):
                    other.exchange.place_up(number)
                    place.exchange.place_up(other.number)
        for name, pid in parent.kernel.names.items():
            parent.post(number, (CONTROL, "name", name, pid))
        parent.exchange.place_up(number)
        return place

    def lose(self, number, keep):
        """A place is gone; of what it has sent, `keep(n)` of n frames still arrive."""
        self.places.pop(number)
        for (origin, hop), queue in self.queues.items():
            if hop == number:
                for _, _, frame in queue:
                    self.observer.dropped(frame)
                queue.clear()
            elif origin == number and hop in self.places and (hop == PARENT or not self.routed):
                kept = keep(len(queue))
                while len(queue) > kept:
                    self.observer.dropped(queue.pop()[2])
                queue.append((number, hop, [CONTROL, "down", number]))

    def post(self, origin, dest, frame):
        """Raises Invalid if a part of the frame is too long."""
        packed = wire.encode(dest, origin, [tuple(map(wire.pack, frame))])
        if TOO_LONG.encode() in packed:
            raise Invalid("too long for a link")
        frame = wire.decode(packed[12:])[0]
        hop = PARENT if self.routed else dest
        if origin in self.places:  # else it is the end of a place that was lost
            self._push(origin, dest if origin == PARENT else hop, origin, dest, frame)

    def _push(self, here, hop, origin, dest, frame):
        if hop not in self.places:
            self.observer.dropped(frame)
            return
        queue = self.queues[here, hop]
        if self.merged and queue and frame[0] == MESSAGE:
            last = queue[-1]
            if last[0] == origin and last[2][:4] == frame[:4]:
                last[2][4] += frame[4]
                return
        queue.append((origin, dest, frame))

    def arrive(self, here, hop):
        """The next frame of a queue arrives; nothing runs."""
        origin, dest, frame = self.queues[here, hop].popleft()
        if dest != hop:
            self._push(hop, dest, origin, dest, frame)
            return
        self.observer.arriving(hop, frame)
        self.places[hop].exchange.receive(origin, [frame])

    def take_control(self, number, kinds):
        """What the parent says to a worker, of these kinds, is taken in before all else."""
        queue = self.queues[PARENT, number]
        for index, (_, _, frame) in enumerate(queue):
            if frame[0] == CONTROL and frame[1] in kinds:
                del queue[index]
                return frame
        return None

    def deliver(self, here, hop, most=1):
        """The next frames of a queue arrive, and the place runs."""
        for _ in range(most):
            if self.queues[here, hop]:
                self.arrive(here, hop)
        self.places[hop].run()

    def hear_name(self, number):
        """A worker hears a name before all that was posted to it earlier."""
        frame = self.take_control(number, ("name",))
        if frame is not None:
            self.places[number].exchange.receive(PARENT, [frame])
            self.places[number].run()

    def deliver_all(self):
        """Until nothing is under way any more."""
        for place in self.places.values():
            place.run()
        while busy := [key for key, queue in self.queues.items() if queue]:
            for key in busy:
                if self.queues[key]:
                    self.deliver(*key, most=3)

    def frames(self):
        """All that is under way."""
        for queue in self.queues.values():
            for _, _, frame in queue:
                yield frame
