"""The machine against a model of it: random programs under random schedules.

Hypothesis gives orders to processes, lets the scheduler run for some steps, moves the clock. A
body carries its orders out one by one. For each it asks the model what must happen, does it, and
compares; so the model needs no idea of the schedule, it only follows. Between rules the whole
state of the machine is compared with that of the model, and the bounds of SEMANTICS are checked
by a ledger of their own.

The model keeps a mailbox as one list and routes when somebody takes (SEMANTICS 6.5); the machine
routes at delivery. The model keeps a monitor at both ends as a plain entry; and so on: it is the
contract in the fewest words, not in the fastest.
"""

import random
from bisect import insort
from collections import Counter, deque
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from procession.core.channel import Channel, SendCase, select
from procession.core.errors import (
    AlreadyExists,
    Canceled,
    ChannelClosed,
    Conflict,
    Error,
    Internal,
    Invalid,
    LimitExceeded,
    NotFound,
    ProcessTerminated,
    Timeout,
    Unavailable,
)
from procession.core.host import Host
from procession.core.kernel import Kernel
from procession.core.links import watch
from procession.core.message import Message
from procession.core.process import Process
from procession.core.scheduler import NOTHING, PARKED, Strand
from procession.core.weight import weigh_small

EMPTY, CLOSED = "EMPTY", "CLOSED"  # the model's own
NOTHING_READY = "nothing was ready"  # the outcome of a select with a default

# -- the model ---------------------------------------------------------------------------------


class Mail:
    """A message that was accepted."""

    def __init__(self, serial, sender, topic, payload, call=None):
        self.serial, self.sender, self.topic, self.payload = serial, sender, topic, payload
        self.call = call
        self.restored = False
        self.weight = weigh_small(payload)


def age(value):
    """What orders the values of a channel: those that came first have the lowest."""
    if isinstance(value, Mail):
        return value.serial
    return value[-1] if isinstance(value, tuple) else value


class Wait:
    """What one strand waits for, and how that has ended."""

    def __init__(self, kind, arms=()):
        self.kind = kind
        self.arms = list(arms)  # (pipe, "take" or "put", value)
        self.outcome = None  # (index of the arm, value)
        self.over = False  # withdrawn or settled
        self.target = None  # of a call or exec
        self.timer = None

    def enlist(self):
        for index, (pipe, kind, value) in enumerate(self.arms):
            if kind == "take":
                pipe.receivers.append((self, index))
            else:
                pipe.senders.append((self, index, value))

    def withdraw(self):
        self.over = True
        for pipe, _, _ in self.arms:
            pipe.receivers = [entry for entry in pipe.receivers if entry[0] is not self]
            pipe.senders = [entry for entry in pipe.senders if entry[0] is not self]

    def settle(self, index, value):
        if self.over:
            return False
        self.withdraw()
        self.outcome = (index, value)
        return True


class Pipe:
    """A channel. SEMANTICS 4."""

    def __init__(self, capacity=0):
        self.capacity = capacity
        self.values = []
        self.receivers = []
        self.senders = []
        self.closed = False
        self.real = None

    def take(self):
        if self.values:
            value = self.values.pop(0)
            if self.senders and len(self.values) < self.capacity:
                wait, index, more = self.senders[0]
                self.values.append(more)
                wait.settle(index, None)
            return value
        if self.senders:
            wait, index, value = self.senders[0]
            wait.settle(index, None)
            return value
        return CLOSED if self.closed else EMPTY

    def hand(self, value):
        """To the receiver that has waited longest; False if nobody waits."""
        if not self.receivers:
            return False
        wait, index = self.receivers[0]
        return wait.settle(index, value)

    def push(self, value):
        if not self.hand(value):
            self.values.append(value)

    def put(self, value):
        if self.receivers or len(self.values) < self.capacity:
            self.push(value)
            return True
        return False

    def restore(self, value):
        """As if it had never been handed out: SEMANTICS 4.4."""
        if not self.hand(value):
            insort(self.values, value, key=age)

    def close(self):
        self.closed = True
        while self.receivers:
            self.hand(CLOSED)
        while self.senders:
            wait, index, _ = self.senders[0]
            wait.settle(index, CLOSED)


class Topic(Pipe):
    """What is listened to. Once closed it keeps what had arrived, in `values`."""

    def __init__(self, owner, topic, messages):
        super().__init__()
        self.owner, self.topic, self.messages = owner, topic, messages

    def take(self):
        if not self.closed:
            for mail in self.owner.mail:
                if mail.topic == self.topic:
                    self.owner.mail.remove(mail)
                    return mail
        return super().take()

    def restore(self, mail):
        mail.restored = True
        if self in self.owner.old:
            super().restore(mail)
        else:
            self.owner.restore(mail)

    def close(self):
        if not self.closed:
            self.values = [mail for mail in self.owner.mail if mail.topic == self.topic]
            self.owner.mail = [mail for mail in self.owner.mail if mail.topic != self.topic]
            del self.owner.topics[self.topic]
            self.owner.old.append(self)
        super().close()


class Inbox(Pipe):
    """The rest."""

    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def take(self):
        for mail in self.owner.mail:
            if mail.topic not in self.owner.topics:
                self.owner.mail.remove(mail)
                return mail
        return EMPTY

    def restore(self, mail):
        mail.restored = True
        self.owner.restore(mail)


class Proc:
    """A process. Dicts stand for ordered sets."""

    def __init__(self, pid, host):
        self.pid, self.host = pid, host.id
        self.limit, self.heaviest = host.mailbox, host.mailbox_bytes
        self.alive = True
        self.ending = False
        self.trap = False
        self.links, self.monitors, self.watchers = {}, {}, {}
        self.callers = {}  # waits that watch it
        self.mail = []
        self.topics = {}
        self.old = []
        self.inbox = None
        self.events = Pipe()
        self.pipes = [Pipe(0), Pipe(1)]
        self.deadline = None  # the timer that ends it

    def restore(self, mail):
        """To whoever takes it by now, else as if it had never been handed out."""
        channel = self.topics.get(mail.topic, self.inbox)
        if channel is None or not channel.hand(mail):
            insort(self.mail, mail, key=age)

    def renew(self):
        """An upgrade: nobody listens any more, and all that is there waits in the order it came."""
        channels = [*self.topics.values(), *([self.inbox] if self.inbox else [])]
        for topic in self.old:
            self.mail += topic.values
            topic.values = []
        self.mail.sort(key=age)
        self.topics, self.inbox, self.old = {}, None, []
        for channel in channels:
            Pipe.close(channel)


class World:
    """All processes."""

    def __init__(self):
        self.procs = {}
        self.names = {}
        self.doomed = {}
        self.timers = []
        self.serial = count(1)
        self.exits = Counter()  # (watcher, target): what monitors stood at the end

    @property
    def living(self):
        return [proc for proc in self.procs.values() if proc.alive]

    def resolve(self, dest):
        proc = self.procs.get(dest)
        if proc is None:
            proc = self.procs.get(self.names.get(dest))
        return proc if proc is not None and proc.alive else None

    def deliver(self, dest, mail):
        """The type of the error, or None."""
        proc = self.resolve(dest)
        if proc is None or proc.ending:
            return NotFound
        if mail.topic.startswith("@"):
            return Invalid
        channel = proc.topics.get(mail.topic, proc.inbox)
        if channel is not None and channel.hand(mail):
            return None
        if len(proc.mail) >= proc.limit:
            return LimitExceeded
        if mail.weight and sum(one.weight for one in proc.mail) + mail.weight > proc.heaviest:
            return LimitExceeded
        proc.mail.append(mail)
        return None

    def link(self, one, other):
        if one is not other:
            one.links[other.pid] = other
            other.links[one.pid] = one

    def unlink(self, one, pid):
        other = one.links.pop(pid, None)
        if other is not None:
            del other.links[one.pid]

    def monitor(self, one, other):
        one.monitors[other.pid] = other
        other.watchers[one.pid] = one

    def unmonitor(self, one, pid):
        other = one.monitors.pop(pid, None)
        if other is not None:
            del other.watchers[one.pid]

    def doom(self, proc, kind, message):
        if proc.alive and not proc.ending:
            self.doomed.setdefault(proc.pid, (kind, message))

    def clean_up(self, proc):
        """SEMANTICS 9.4: it is going to fail. True if that ends anybody else."""
        proc.ending = True
        failing = [peer for peer in proc.links.values() if not peer.trap]
        for peer in failing:
            self.unlink(proc, peer.pid)
            self.doom(peer, Internal, "linked process failed")
        return bool(failing)

    def exit(self, proc, result, error):
        """SEMANTICS 7.2. True if anybody took note of it."""
        proc.alive = False
        self.doomed.pop(proc.pid, None)
        if proc.deadline is not None:
            self.cancel_timer(proc.deadline)
        self.names = {name: pid for name, pid in self.names.items() if pid != proc.pid}
        kind = None if error is None else error.kind
        for target in list(proc.monitors.values()):
            self.unmonitor(proc, target.pid)
        watchers, callers = list(proc.watchers.values()), list(proc.callers)
        for watcher in watchers:
            self.unmonitor(watcher, proc.pid)
            self.exits[watcher.pid, proc.pid] += 1
            watcher.events.push(("pid.exit", proc.pid, result, kind, next(self.serial)))
        for wait in callers:
            wait.settle(0, (result, kind))
        links = list(proc.links.values())
        for peer in links:
            self.unlink(proc, peer.pid)
            if error is not None:
                if peer.trap:
                    peer.events.push(("pid.link.down", proc.pid, result, kind, next(self.serial)))
                else:
                    self.doom(peer, Internal, "linked process failed")
        return bool(watchers or callers or (links and error is not None))

    def set_timer(self, when, action):
        timer = (when, next(self.serial), action)
        self.timers.append(timer)
        return timer

    def cancel_timer(self, timer):
        self.timers = [other for other in self.timers if other is not timer]

    def set_deadline(self, proc, when):
        """The earliest counts."""
        if proc.deadline is not None:
            if proc.deadline[0] <= when:
                return
            self.cancel_timer(proc.deadline)
        proc.deadline = self.set_timer(
            when, lambda: self.doom(proc, ProcessTerminated, "process terminated")
        )

    def fire(self, now):
        due = sorted(timer for timer in self.timers if timer[0] <= now)
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, _, action in due:
            action()


# -- the guest: bodies that carry out orders -----------------------------------------------------


class Return(BaseException):
    def __init__(self, result):
        self.result = result


class Fail(BaseException):
    def __init__(self, error):
        self.error = error


class Interrupted(BaseException):
    """What a cancelled asyncio task is to a Python process."""


class Terminated(BaseException):
    """What a body sees of its termination."""


class Desk:
    """Where a body waits for orders."""

    def withdraw(self, strand):
        pass

    def restore(self, value, turn=0):
        pass


DESK = Desk()


class Body:
    """A coroutine on a strand, without an event loop."""

    def begin(self, machine, actor):
        self.machine, self.actor = machine, actor
        self.orders = deque()
        self.last_words = []
        self.wait = None
        self.detour = False
        self.coro = self.live()

    async def live(self):
        try:
            while True:
                while not self.orders:
                    await self.park(DESK)
                await self.orders.popleft()(self)
        except Terminated:
            for order in self.last_words:
                await order(self)
            raise

    def order(self, order):
        self.orders.append(order)
        if self.parked is DESK:
            self.wake(None)

    def step(self):
        if self.coro is None:
            return  # it was ready when it was dropped
        self.machine.stepping(self)
        detour, self.detour = self.detour, False
        try:
            trapped = self.coro.throw(Interrupted()) if detour else self.coro.send(None)
        except Return as end:
            self.returned(end.result)
        except Fail as end:
            self.failed(end.error)
        else:
            assert trapped is PARKED

    def interrupt(self):
        """End its wait by an exception at its next step; False if it does not wait."""
        if self.wait is None or self.detour:
            return False
        self.detour = True
        if self.parked is not None:
            self.machine.withdraw(self.wait)
            self.parked.withdraw(self)
            self.wake(NOTHING)
        return True

    def drop(self, error):
        if self.coro is not None:
            coro, self.coro = self.coro, None
            for _ in range(20):
                try:
                    coro.throw(Terminated(error))
                except (Terminated, StopIteration):
                    return
            raise AssertionError("it does not end")


class Limb(Body, Strand):
    """A coroutine of a process beside its main."""

    def returned(self, result):
        self.coro = None
        self.actor.limbs.remove(self)

    def failed(self, error):
        self.returned(None)
        self.machine.world.doom(self.actor.proc, type(error), error.message)
        self.machine.kernel.doom(self.actor, error)


class Actor(Body, Process):
    """A process. It is `error` that it ends with, once it has cleaned up."""

    @property
    def ending(self):
        return self.proc.ending

    def returned(self, result):
        self.end(result, None)

    def failed(self, error):
        self.end(None, error)

    def kill(self, error, cleanup=None):
        if self.ending:
            return
        self.machine.killed(self, error)
        self.drop(error)
        if self.untidy:
            for limb in self.limbs:
                limb.drop(error)
            self.error = error
            self.machine.cleans_up(self, error)
        else:
            self.end(None, error)

    def end(self, result, error):
        self.coro = None
        for limb in self.limbs:
            limb.drop(error or ProcessTerminated("main has returned"))
        self.machine.ending(self, result, error)


class ActorProgram:
    entry = "test:actor"

    def __init__(self, machine):
        self.machine = machine

    def start(self, kernel, host, pid, args):
        actor = Actor(kernel, host, pid, self)
        actor.limbs = []
        actor.letters = []
        actor.untidy = actor.noticed = False
        actor.args = args
        actor.begin(self.machine, actor)
        actor.proc = Proc(pid, host)
        return actor


class ChosenQueue:
    """A run queue that takes any of the ready strands, as `choose` says."""

    def __init__(self, choose):
        self.choose = choose
        self.lane = deque()
        self.strands = []
        self.budget = None

    def append(self, strand):
        assert strand.parked is None
        if strand.coro is not None:  # in its last words it may be woken, to no effect
            assert strand not in self.strands, f"{strand} was woken twice"
        self.strands.append(strand)

    def appendleft(self, strand):
        self.lane.appendleft(strand)

    def popleft(self):
        if self.budget is not None:
            self.budget -= 1
        if self.lane:
            return self.lane.popleft()
        return self.strands.pop(self.choose(len(self.strands)))

    def __len__(self):
        if self.budget == 0:  # the slice is over: say so once
            self.budget = None
            return 0
        return len(self.lane) + len(self.strands)


class Witness:
    """A watcher that sees the machine at the very moment at which an end is told."""

    def __init__(self, kernel, actor):
        self.kernel, self.actor = kernel, actor
        self.told = 0

    def down(self, exit):
        """SEMANTICS 7.2: by now the PID is dead and the names are free."""
        self.told += 1
        assert self.told == 1
        assert exit.sender == self.actor.pid
        assert exit.sender not in self.kernel.processes
        assert exit.sender not in [pid for _, pid in self.kernel.names.items()]
        assert not self.actor.alive


class HandClock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1_700_000_000 + self.now


def outcome_of(call, *args, **options):
    """What a call gives, and the type of the error that it raises."""
    try:
        return call(*args, **options), None
    except Error as error:
        return None, type(error)


def receivers_of(channel):
    first = [] if channel._receiver is None else [channel._receiver]
    return [strand_of(waiter) for waiter in [*first, *(channel._more_receivers or ())]]


def senders_of(channel):
    return [strand_of(waiter) for waiter in channel._senders or ()]


def strand_of(waiter):
    """The strand behind a waiter: itself, an arm of its select, or its send."""
    if isinstance(waiter, Strand):
        return waiter
    return waiter.selecting.strand if hasattr(waiter, "selecting") else waiter.strand


# -- the rules -----------------------------------------------------------------------------------

ANY = st.integers(0, 15)
HOST = st.integers(0, 1)
STEPS = st.sampled_from([50, 50, 50, 50, 4, 1, 0])  # how many are run at once
FLAG = st.booleans()
SECONDS = st.sampled_from([0, 1, 2.5, 10])
NAME = st.sampled_from(["n1", "n2", "n3"])
DEST = st.sampled_from(  # a living process; one that may be dead; a name; nobody
    [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7, 8, 9, "n1", "n2", "{big|0xfffff}"]
)
TOPIC = st.sampled_from(["a", "a", "a", "b", "b", "b", "c", "c", "@x"])
PIPES = ["pipe 0", "pipe 1"]
ARM = st.one_of(
    st.tuples(
        st.sampled_from(["a", "b", "inbox", "a", "b", "inbox", "events", "old"]), st.just("take")
    ),
    st.tuples(st.sampled_from(PIPES), st.sampled_from(["take", "put"])),
)
ARMS = st.lists(ARM, min_size=1, max_size=4)


def order(verb, *arguments):
    return st.tuples(st.just(verb), *arguments)


OFTEN = [
    lambda: order("send", DEST, TOPIC, FLAG),
    lambda: order("send", DEST, TOPIC, FLAG),
    lambda: order("select", ARMS, FLAG),
    lambda: order("receive_or_send", ARM),
    lambda: order("tie", st.sampled_from(["link", "link", "monitor", "unlink", "unmonitor"]), DEST),
]
ORDER = st.one_of(
    *(strategy() for strategy in OFTEN * 3),
    order("spawn_child", HOST, FLAG, FLAG),
    *(order("call", DEST, TOPIC, st.none() | SECONDS) for _ in range(2)),
    *(order("reply") for _ in range(2)),
    order("execute", HOST),
    order("listen", TOPIC, st.sampled_from([None, True, False])),
    order("unlisten", TOPIC),
    order("close", HOST),
    order("renew", HOST),
    order("upgrade"),
    order("register", NAME, DEST),
    order("unregister", NAME),
    order("trap", FLAG),
    order("will_clean_up"),
    order("cancel", DEST, st.none() | SECONDS),
    order("terminate", st.none() | DEST),
    order("sleep", SECONDS),
    order("grow"),
    order("end", st.sampled_from(["result", "error", "error", "function"])),
)
ORDERS = st.lists(ORDER, min_size=2, max_size=8)
ACTION = st.one_of(
    order("the_world_spawns", HOST),
    order("the_world_sends", DEST, TOPIC),
    order("somebody_will_have_last_words", ANY, DEST, ARM),
    order("time_passes", SECONDS),
    order("run", st.integers(1, 6)),
    order("rest"),
)


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()
        self.clock = HandClock()
        self.numbers = count(1)
        self.actors = []
        self.accepted = {}  # serial -> pid of the receiver
        self.received = Counter()
        self.orders_seen = {}  # (strand, channel, sender, topic) -> the last serial received
        self.exits_received = Counter()
        self.failures = Counter()
        self.notified = False
        self.noticed = None
        self.broken = False
        self.program = ActorProgram(self)

    @initialize(
        chooser=st.one_of(st.sampled_from(["first", "last"]), st.integers(0, 2**32)),
        credit=st.sampled_from([200, 0, 1, 3]),
        size=st.integers(1, 4),
    )
    def boot(self, chooser, credit, size):
        if chooser == "first":
            choose = lambda ready: 0  # noqa: E731
        elif chooser == "last":
            choose = lambda ready: ready - 1  # noqa: E731
        else:
            choose = random.Random(chooser).randrange
        self.ready = ChosenQueue(choose)
        self.kernel = Kernel(
            clock=self.clock,
            notify=self.notify,
            adopt=lambda: pytest.fail("nobody is running"),
            load=lambda program, to_execute: program,
            ready=self.ready,
            on_failure=self.on_failure,
        )
        self.credit = credit  # how many waits may succeed at once before others have to run
        self.hosts = [
            Host("big", max_processes=4, mailbox=5, mailbox_bytes=600),
            Host("small", max_processes=2, mailbox=2, mailbox_bytes=300),
        ]
        for host in self.hosts:
            self.kernel.hosts[host.id] = host
        for _ in range(size):
            self.spawn(self.hosts[0])

    def notify(self):
        self.notified = True

    def on_failure(self, process, exit, noticed):
        self.failures[process.pid] += 1
        assert exit.error is not None
        assert exit.sender == process.pid
        assert noticed == self.noticed

    # -- what the guest reports ----------------------------------------------------------------

    def stepping(self, strand):
        assert self.kernel.scheduler.current is strand
        assert strand.actor.proc.alive
        assert not self.world.doomed, "somebody ran before the doomed were dead"

    def killed(self, actor, error):
        pid = next(iter(self.world.doomed))
        kind, message = self.world.doomed.pop(pid)
        assert pid == actor.pid
        assert type(error) is kind
        assert message in error.message

    def ending(self, actor, result, error):
        expected = Invalid("cannot cross") if callable(result) else error
        noticed = self.world.exit(actor.proc, None if expected else result, expected)
        self.noticed = noticed or actor.noticed
        self.kernel.exited(actor, result, error, actor.noticed)

    def cleans_up(self, actor, error):
        actor.noticed = self.world.clean_up(actor.proc)
        assert self.kernel.ending(actor, error) is actor.noticed

    # -- what bodies do --------------------------------------------------------------------------

    def spawn(self, host, parent=None, linked=False, monitored=False):
        living = [proc for proc in self.world.living if proc.host == host.id]
        full = len(living) >= host.max_processes
        actor, error = outcome_of(
            self.kernel.spawn,
            None if parent is None else parent.actor,
            self.program,
            host.id,
            (1, [2]),
            linked,
            monitored,
        )
        assert error is (LimitExceeded if full else None)
        if not full:
            self.spawned(actor, parent, linked, monitored)

    def spawned(self, actor, parent=None, linked=False, monitored=False):
        proc = actor.proc
        for number, pipe in enumerate(proc.pipes):
            pipe.real = Channel(self.kernel.scheduler, number)
        assert proc.pid not in self.world.procs
        self.world.procs[proc.pid] = proc
        self.actors.append(actor)
        for _ in range(2):
            self.grow_limb(actor)
        if len(self.actors) % 2:
            watch(Witness(self.kernel, actor), actor)
            proc.callers[Wait("witness")] = None
        if parent is not None and linked:
            self.world.link(parent.actor.proc, proc)
        if parent is not None and monitored:
            self.world.monitor(parent.actor.proc, proc)

    async def spawn_child(self, me, host, linked, monitored):
        self.spawn(self.hosts[host], me, linked, monitored)

    def dest_of(self, dest):
        if isinstance(dest, int):
            actors = (self.living if dest < 7 else None) or self.actors
            return actors[-1 - dest % len(actors)].pid
        return dest

    def mail(self, sender, topic, many, call=None):
        serial = next(self.numbers)
        return Mail(serial, sender, topic, [serial, serial] if many else serial, call)

    async def send(self, me, dest, topic, many=False):
        dest, sender = self.dest_of(dest), None if me is None else me.actor.pid
        mail = self.mail(sender, topic, many)
        target = self.world.resolve(dest)
        expected = self.world.deliver(dest, mail)
        values = (mail.serial,) * (2 if many else 1)
        caller = None if me is None else me.actor
        got, error = outcome_of(self.kernel.send, caller, dest, topic, values)
        assert error is expected
        if error is None:
            assert got.pid == target.pid
            self.accepted[mail.serial] = target.pid

    async def call(self, me, dest, topic, timeout):
        dest = self.dest_of(dest)
        wait = Wait("call")
        mail = self.mail(me.actor.pid, topic, False, wait)
        target = self.world.resolve(dest)
        expected = self.world.deliver(dest, mail)
        if expected is None:
            self.accepted[mail.serial] = target.pid
            wait.target = target
            target.callers[wait] = None
            if timeout is not None:
                wait.timer = self.world.set_timer(
                    self.clock.now + timeout, lambda: wait.settle(0, "timeout")
                )
        kind, got = await self.wait(
            me,
            wait,
            expected,
            self.kernel.call(me.actor, dest, topic, mail.payload, timeout),
        )
        if kind is None:
            return
        if wait.outcome[1] == "timeout":
            assert kind is Timeout
        elif isinstance(wait.outcome[1], tuple):
            assert kind is Unavailable
        else:
            assert (kind, got) == ("value", wait.outcome[1])

    async def reply(self, me):
        if not me.actor.letters:
            return
        message, mail = me.actor.letters.pop(0)
        value = [next(self.numbers)]
        if mail.call is None:
            assert not message.wants_reply
            assert outcome_of(message.reply, value) == (None, Invalid)
        else:
            assert message.reply(value) is mail.call.settle(0, value)
            assert message.reply(value) is False

    async def execute(self, me, host):
        host = self.hosts[host]
        living = [proc for proc in self.world.living if proc.host == host.id]
        if len(living) >= host.max_processes:
            return
        wait = Wait("exec")
        # The process comes to be within the call: it is told of at its start.
        program = ActorProgram(self)
        start = program.start

        def started(*args):
            actor = start(*args)
            self.spawned(actor)
            wait.target = actor.proc
            actor.proc.callers[wait] = None
            return actor

        program.start = started
        kind, got = await self.wait(me, wait, None, self.kernel.execute(None, program, host.id, ()))
        if kind is None:
            return
        result, error = wait.outcome[1]
        if error is None:
            assert (kind, got) == ("value", result)
        else:
            assert kind.kind == error

    async def wait(self, me, wait, expected, awaitable):
        """Wait as the model does.

        Gives ("value", it), or (the type of the error, None); (None, None) if the wait was
        interrupted, or if it failed at once as expected.
        """
        me.wait, value = wait, None
        try:
            value = await awaitable
            kind = "value"
        except Error as error:
            kind = type(error)
        except (Interrupted, Terminated) as interruption:
            self.give_back(wait)
            if isinstance(interruption, Terminated):
                raise
            return None, None
        finally:
            me.wait = None
        self.no_longer(wait)
        if expected is not None:
            assert kind is expected
            return None, None
        assert wait.outcome is not None, "it went on, but for what?"
        return kind, value

    def withdraw(self, wait):
        wait.withdraw()
        if wait.kind == "sleep":
            self.world.cancel_timer(wait.timer)

    def no_longer(self, wait):
        wait.over = True
        if wait.target is not None:
            wait.target.callers.pop(wait, None)
        if wait.timer is not None:
            self.world.cancel_timer(wait.timer)

    def give_back(self, wait):
        wait.withdraw()
        self.no_longer(wait)
        if wait.kind == "exec" and wait.target is not None:
            self.world.doom(wait.target, Canceled, "has gone")
        if wait.outcome not in (None, NOTHING_READY) and wait.arms:
            index, value = wait.outcome
            pipe, kind, _ = wait.arms[index]
            if kind == "take" and value is not CLOSED:
                pipe.restore(value)

    def told(self, event):
        if event.kind == "pid.cancel":
            return event.kind, event.sender, event.reason, event.deadline
        return event.kind, event.sender, event.result, event.error and event.error.kind

    def listener_of(self, proc, mail):
        return proc.topics.get(mail.topic) or proc.inbox

    def channel_of(self, me, name):
        """The model of a channel, made if need be."""
        proc, mailbox = me.actor.proc, me.actor.mailbox
        if name == "inbox":
            if proc.inbox is None:
                proc.inbox = Inbox(proc)
                proc.inbox.real = mailbox.inbox()
            assert mailbox.inbox() is proc.inbox.real
            return proc.inbox
        if name == "events":
            proc.events.real = mailbox.events()
            return proc.events
        if name == "old":
            return proc.old[-1] if proc.old else proc.pipes[0]
        if name in PIPES:
            return proc.pipes[PIPES.index(name)]
        if name not in proc.topics:
            proc.topics[name] = Topic(proc, name, messages=False)
            proc.topics[name].real = mailbox.listen(name, None, None)
        assert mailbox.listen(name, None, None) is proc.topics[name].real
        return proc.topics[name]

    async def receive_or_send(self, me, name):
        await self.select(me, [name], plain=True)

    async def select(self, me, names, default=False, plain=False):
        """Receive from or send to several channels; `plain`: to one, without a select."""
        arms = []
        for name, kind in names:
            pipe = self.channel_of(me, name)
            arms.append((pipe, kind, next(self.numbers) if kind == "put" else None))
        wait, expected = Wait("select", arms), None
        for index, (pipe, kind, value) in enumerate(arms):
            if kind == "take":
                got = pipe.take()
                if got is not EMPTY:
                    wait.outcome = index, got
                    break
            elif pipe.closed:
                expected = ChannelClosed
                break
            elif pipe.put(value):
                wait.outcome = index, None
                break
        else:
            if default:
                wait.outcome = NOTHING_READY
            elif not arms:
                expected = Invalid
            else:
                wait.enlist()
        if plain:
            (pipe, kind, value) = arms[0]
            awaitable = pipe.real.receive() if kind == "take" else pipe.real.send(value)
        else:
            entries = [
                pipe.real if kind == "take" else SendCase(pipe.real, value)
                for pipe, kind, value in arms
            ]
            awaitable = select(self.kernel.scheduler, tuple(entries), default=default)
        kind, got = await self.wait(me, wait, expected, awaitable)
        if kind is None:
            return
        if wait.outcome is NOTHING_READY:
            assert got.default
            assert got.channel is None
            return
        index, value = wait.outcome
        pipe, direction, sent = arms[index]
        if value is CLOSED and (plain or direction == "put"):
            assert kind is ChannelClosed
            return
        assert kind == "value"
        if not plain:
            assert got.channel is pipe.real
            assert got.ok is (value is not CLOSED)
            got = got.value
        if direction == "take" and value is not CLOSED:
            self.receive(me, pipe, value, got)
        else:
            assert got == (sent if direction == "put" and not plain else None)

    def receive(self, me, pipe, value, got):
        """Compare what was received with what should have been."""
        if pipe is me.actor.proc.events:
            self.receive_event(me, value, got)
        elif isinstance(pipe, (Topic, Inbox)):
            if isinstance(pipe, Inbox) or pipe.messages:
                assert isinstance(got, Message)
                assert (got.sender, got.topic) == (value.sender, value.topic)
                me.actor.letters.append((got, value))
                got = got.payload
            assert got == value.payload
            serial = got[0] if isinstance(got, list) else got
            assert self.accepted[serial] == me.actor.pid
            self.received[serial] += 1
            if not value.restored:
                key = me, pipe, value.sender, value.topic
                assert self.orders_seen.get(key, 0) < serial, "out of order"
                self.orders_seen[key] = serial
        else:
            assert got == value

    def receive_event(self, me, value, got):
        assert (got.kind, got.sender) == value[:2]
        if got.kind == "pid.cancel":
            assert (got.reason, got.deadline) == value[2:4]
            return
        assert got.result == value[2]
        assert (got.error and got.error.kind) == value[3]
        # SEMANTICS 7.2: whoever sees it finds the PID dead and the names free.
        assert got.sender not in self.kernel.processes
        assert got.sender not in [pid for _, pid in self.kernel.names.items()]
        if got.kind == "pid.exit":
            self.exits_received[me.actor.pid, got.sender] += 1
        else:
            assert got.error is not None

    async def listen(self, me, topic, messages):
        proc = me.actor.proc
        known = proc.topics.get(topic)
        channel, error = outcome_of(me.actor.mailbox.listen, topic, messages, None)
        if topic.startswith("@"):
            assert error is Invalid
        elif known is None:
            assert error is None
            proc.topics[topic] = Topic(proc, topic, bool(messages))
            proc.topics[topic].real = channel
        elif messages not in (None, known.messages):
            assert error is Conflict
        else:
            assert channel is known.real

    async def unlisten(self, me, topic):
        known = me.actor.proc.topics.get(topic)
        if known is not None:
            known.close()
            me.actor.mailbox.unlisten(known.real)

    async def close(self, me, number):
        me.actor.proc.pipes[number].close()
        me.actor.proc.pipes[number].real.close()

    async def renew(self, me, number):
        me.actor.proc.pipes[number] = pipe = Pipe(number)
        pipe.real = Channel(self.kernel.scheduler, number)

    async def upgrade(self, me):
        me.actor.mailbox.renew(me.actor.mailbox.detached())
        me.actor.proc.renew()

    async def tie(self, me, verb, dest):
        dest, proc = self.dest_of(dest), me.actor.proc
        target = self.world.resolve(dest)
        _, error = outcome_of(getattr(self.kernel, verb), me.actor, dest)
        if verb.startswith("un"):
            assert error is None
            getattr(self.world, verb)(proc, self.world.names.get(dest, dest))
        elif target is None or (verb == "link" and target.ending):
            assert error is NotFound
        elif verb == "monitor" and target.pid in proc.monitors:
            assert error is AlreadyExists
        else:
            assert error is None
            getattr(self.world, verb)(proc, target)

    async def register(self, me, name, dest):
        pid = self.dest_of(dest)
        target = self.world.resolve(pid)
        if target is None:
            assert outcome_of(self.kernel.resolve, pid) == (None, NotFound)
            return
        owner = self.world.names.get(name)
        process = self.kernel.resolve(pid)
        _, error = outcome_of(self.kernel.names.register, name, process)
        assert error is (AlreadyExists if owner not in (None, target.pid) else None)
        if error is None:
            self.world.names[name] = target.pid

    async def unregister(self, me, name):
        assert self.kernel.names.unregister(name) is (name in self.world.names)
        self.world.names.pop(name, None)

    async def will_clean_up(self, me):
        me.actor.untidy = True

    async def trap(self, me, flag):
        me.actor.trap_links = me.actor.proc.trap = flag

    async def cancel(self, me, dest, deadline):
        dest = self.dest_of(dest)
        target = self.world.resolve(dest)
        _, error = outcome_of(self.kernel.cancel, me.actor, dest, "why", deadline)
        assert error is (NotFound if target is None else None)
        if target is not None:
            target.events.push(
                ("pid.cancel", me.actor.pid, "why", deadline, next(self.world.serial))
            )
            if deadline is not None:
                self.world.set_deadline(target, self.clock.now + deadline)

    async def terminate(self, me, dest):
        dest = me.actor.pid if dest is None else self.dest_of(dest)
        target = self.world.resolve(dest)
        _, error = outcome_of(self.kernel.terminate, None, dest)
        assert error is (NotFound if target is None else None)
        if target is not None:
            self.world.doom(target, ProcessTerminated, "process terminated")

    async def sleep(self, me, seconds):
        wait = Wait("sleep")
        if seconds <= 0:
            wait.settle(0, None)
        else:
            wait.timer = self.world.set_timer(
                self.clock.now + seconds, lambda: wait.settle(0, None)
            )
        await self.wait(me, wait, None, self.kernel.scheduler.sleep(seconds))

    async def end(self, me, how):
        if how == "function":
            raise Return(self.end)
        if how == "error":
            raise Fail(Conflict("as ordered", details=[1]))
        raise Return({"pid": me.actor.pid})

    async def grow(self, me):
        if len(me.actor.limbs) < 3:
            self.grow_limb(me.actor)

    def grow_limb(self, actor):
        limb = Limb(self.kernel.scheduler)
        limb.begin(self, actor)
        actor.limbs.append(limb)
        self.ready.append(limb)
        self.kernel.scheduler.rouse()

    # -- who does it when ------------------------------------------------------------------------

    @property
    def living(self):
        return [actor for actor in self.actors if actor.proc.alive]

    @property
    def acting(self):
        return [actor for actor in self.living if not actor.ending]

    @property
    def strands(self):
        return [strand for actor in self.acting for strand in (actor, *actor.limbs)]

    @rule(who=ANY, orders=ORDERS, steps=STEPS)
    def somebody_gets_orders(self, who, orders, steps):
        self.give(self.strands, who, orders, steps)

    @rule(who=ANY, orders=ORDERS, steps=STEPS)
    def somebody_idle_gets_orders(self, who, orders, steps):
        idle = [strand for strand in self.strands if strand.wait is None]
        self.give(idle, who, orders, steps)

    @rule(who=ANY, arms=ARMS, select=FLAG, steps=STEPS)
    def all_of_one_process_wait_at_the_same(self, who, arms, select, steps):
        order = ("select", arms) if select else ("receive_or_send", arms[0])
        for actor in self.acting[-1 - who % len(self.acting) :][:1] if self.acting else []:
            for strand in (actor, *actor.limbs):
                if strand.wait is None:
                    self.give([strand], 0, [order], 0)
        if steps:
            self.run(steps)

    def give(self, strands, who, orders, steps):
        if strands:
            for verb, *args in orders:
                strands[-1 - who % len(strands)].order(
                    lambda me, verb=verb, args=args: getattr(self, verb)(me, *args)
                )
        if steps:
            self.run(steps)

    @rule(action=ACTION)
    def the_world_acts(self, action):
        verb, *arguments = action
        getattr(self, verb)(*arguments)

    def the_world_spawns(self, host):
        self.spawn(self.hosts[host])

    def the_world_sends(self, dest, topic):
        with pytest.raises(StopIteration):
            self.send(None, dest, topic).send(None)

    @rule(who=ANY, steps=STEPS)
    def somebody_has_cleaned_up(self, who, steps):
        ending = [actor for actor in self.living if actor.ending]
        if ending:
            actor = ending[who % len(ending)]
            actor.end(None, actor.error)
        if steps:
            self.run(steps)

    def somebody_will_have_last_words(self, who, dest, arm):
        living = self.acting
        if living:
            living[who % len(living)].last_words = [
                lambda me: self.send(me, dest, "a"),
                lambda me: self.select(me, [arm], plain=True),
                lambda me: self.send(me, dest, "b"),
            ]

    @rule(who=ANY, handed=st.booleans(), steps=st.sampled_from([50, 1, 0]))
    def somebody_is_interrupted(self, who, handed, steps):
        waiting = [strand for strand in self.strands if strand.wait is not None]
        if handed:
            waiting = [strand for strand in waiting if strand.wait.outcome] or waiting
        if waiting:
            waiting[who % len(waiting)].interrupt()
        if steps:
            self.run(steps)

    @rule(who=ANY, times=st.integers(1, 4), then=st.sampled_from(["run", "step", "interrupt", ""]))
    def somebody_gets_what_it_waits_for(self, who, times, then):
        """Something becomes ready at a channel at which a strand waits."""
        for _ in range(times):
            waits = [
                (strand, arm)
                for strand in self.strands
                if strand.wait is not None and strand.wait.outcome is None
                for arm in strand.wait.arms
            ]
            if not waits:
                break
            strand, (pipe, kind, _) = waits[who % len(waits)]
            self.make_ready(strand, pipe, kind, close=times > 3)
            if then == "interrupt":
                if strand.wait is not None and strand.wait.outcome is None:
                    self.run(1)
                strand.interrupt()
        if then:
            self.run(1 if then == "step" else 50)

    @rule(
        ties=st.sampled_from(["link", "monitor", "link monitor", "monitor link"]),
        trap=FLAG,
        untidy=FLAG,
        end=st.sampled_from(["result", "error", "terminate", "cancel"]),
        deadlines=st.tuples(SECONDS, SECONDS),
    )
    def one_sees_another_end(self, ties, trap, untidy, end, deadlines):
        idle = [actor for actor in self.acting if actor.wait is None]
        if len(idle) < 2:
            return
        one, other = idle[:2]
        other.untidy = untidy
        orders = [("trap", trap), *(("tie", tie, other.pid) for tie in ties.split())]
        if end == "terminate":
            orders += [("terminate", other.pid)]
        elif end == "cancel":
            orders += [("cancel", other.pid, deadline) for deadline in deadlines]
        self.give([one], 0, orders, 50)
        if end in ("result", "error") and other in self.acting:
            self.give([other], 0, [("end", end)], 50)
        takes = [("select", [("events", "take")], True)] * 3
        if one in self.acting:
            self.give([one], 0, takes, 50)

    @rule(who=ANY, arm=ARM, steps=st.sampled_from([1, 1, 4, 50]), then=STEPS)
    def all_that_was_handed_out_is_given_back(self, who, arm, steps, then):
        """One strand after another waits and gets something; then all are interrupted."""
        actors = [actor for actor in self.acting if actor.wait is None]
        if not actors:
            return
        actor = actors[who % len(actors)]
        strands = (actor, *actor.limbs)
        if arm[0] == "inbox":
            *strands, listener = strands
        for strand in strands:
            if strand.wait is None and strand.coro is not None:
                self.give([strand], 0, [("receive_or_send", arm)], steps)
                self.the_world_sends(actor.pid, arm[0] if arm[0] in ("a", "b") else "c")
        for strand in (actor, *actor.limbs):
            if strand.wait is not None and strand.wait.outcome is not None:
                strand.interrupt()
        if arm[0] == "inbox" and listener.wait is None:
            self.give([listener], 0, [("listen", "c", None)], 0)
        if then:
            self.run(then)

    def make_ready(self, strand, pipe, kind, close):
        actor = strand.actor
        idle = [strand for strand in (actor, *actor.limbs) if strand.wait is None]
        if isinstance(pipe, Topic):
            self.the_world_sends(actor.pid, pipe.topic)
        elif isinstance(pipe, Inbox):
            topic = next((topic for topic in "abc" if topic not in actor.proc.topics), "c")
            self.the_world_sends(actor.pid, topic)
            if close and idle:
                self.give(idle, 0, [("listen", topic, None)], 0)
        elif pipe in actor.proc.pipes and idle:
            number = actor.proc.pipes.index(pipe)
            other = "put" if kind == "take" else "take"
            orders = [("receive_or_send", (PIPES[number], other))]
            if close:
                orders = [("close", number)]
            self.give(idle, 0, orders, 0)

    def time_passes(self, seconds):
        self.clock.now += seconds

    def run(self, steps):
        """One slice, of at most so many steps."""
        self.notified = False
        self.ready.budget = steps
        self.kernel.scheduler.credit = self.credit
        self.kernel.scheduler.turn_seconds = 0  # whoever has used up the credit lets others run
        self.world.fire(self.clock.now)
        self.broken = True
        self.kernel.scheduler.run()
        self.broken = False
        self.ready.budget = None
        assert self.kernel.scheduler.current is None

    def rest(self):
        for _ in range(1000):
            due = self.kernel.scheduler.timers.next_due()
            if not (self.notified or (due is not None and due <= self.clock.now)):
                return
            self.run(None)
        raise AssertionError("it never comes to rest")

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def all_holds(self):
        self.what_is_ready_will_run()
        self.processes_names_and_ties_are_those_of_the_model()
        self.mailboxes_are_those_of_the_model()
        self.no_message_is_lost_or_doubled()
        self.an_exit_is_told_once_for_each_monitor_that_stood()

    def what_is_ready_will_run(self):
        if len(self.ready):
            assert self.notified
        for strand in self.strands:
            ready = strand in self.ready.strands
            assert ready is (strand.parked is None)
            if strand.wait is not None:
                assert ready is (strand.wait.over or strand.wait.outcome is not None)

    def processes_names_and_ties_are_those_of_the_model(self):
        kernel, world = self.kernel, self.world
        living = self.living
        assert list(kernel.processes) == [actor.pid for actor in living]
        for host in self.hosts:
            assert host.population == sum(actor.host is host for actor in living)
        assert dict(kernel.names.items()) == world.names
        assert len(kernel.scheduler.timers) == len(world.timers)
        for actor in living:
            proc = actor.proc
            assert list(actor.names or ()) == [
                name for name in actor.names or () if world.names[name] == proc.pid
            ]
            assert set(actor.links or ()) == set(proc.links)
            for pid in actor.links or ():
                assert kernel.processes[pid].links[actor.pid] is actor
            assert set(actor.monitoring or ()) == set(proc.monitors)
            watchers = [actor.watcher] if actor.watcher is not None else []
            watchers += actor.more_watchers or ()
            pids = [watcher.pid for watcher in watchers if isinstance(watcher, Process)]
            assert sorted(pids) == sorted(proc.watchers)
            assert len(watchers) - len(pids) == len(proc.callers)

    def mailboxes_are_those_of_the_model(self):
        for actor in self.living:
            proc, mailbox = actor.proc, actor.mailbox
            assert mailbox.size == len(proc.mail)
            assert mailbox.weight == sum(mail.weight for mail in proc.mail)
            assert set(mailbox.topics) == set(proc.topics)
            inbox = [mail for mail in proc.mail if mail.topic not in proc.topics]
            pending = [
                (sender, topic, payload)
                for _, sender, topic, payload, _, _ in mailbox.pending or ()
            ]
            assert pending == [(mail.sender, mail.topic, mail.payload) for mail in inbox]
            for topic in proc.topics.values():
                queued = [mail for mail in proc.mail if mail.topic == topic.topic]
                self.compare(topic, queued)
            for pipe in (*proc.old, *proc.pipes):
                self.compare(pipe, pipe.values)
            if mailbox.events_channel is not None:
                proc.events.real = mailbox.events_channel
                assert mailbox.events_channel.buffered == len(proc.events.values)
                self.compare_waiters(proc.events)
            if proc.inbox is not None:
                self.compare_waiters(proc.inbox)

    def compare(self, pipe, values):
        real = list(pipe.real._buffer or ())
        if isinstance(pipe, Topic):
            real = [letter[1:4] for letter in real]
            values = [(mail.sender, mail.topic, mail.payload) for mail in values]
        assert real == values
        assert pipe.real.closed is pipe.closed
        self.compare_waiters(pipe)

    def compare_waiters(self, pipe):
        """A select that has gone on waits nowhere any more, and who waits, waits in order."""
        waits = {
            id(strand.wait): strand
            for actor in self.living
            for strand in (actor, *actor.limbs)
            if strand.wait is not None
        }
        assert receivers_of(pipe.real) == [waits[id(wait)] for wait, _ in pipe.receivers]
        if isinstance(pipe.real, Channel):
            assert senders_of(pipe.real) == [waits[id(wait)] for wait, *_ in pipe.senders]

    def no_message_is_lost_or_doubled(self):
        assert all(times == 1 for times in self.received.values())
        queued = Counter()
        for actor in self.living:
            for mail in actor.proc.mail:
                queued[mail.serial] += 1
            for topic in actor.proc.old:
                for mail in topic.values:
                    queued[mail.serial] += 1
            for strand in (actor, *actor.limbs):
                if strand.wait is not None and strand.wait.outcome is not None:
                    value = strand.wait.outcome[1]
                    if isinstance(value, Mail):
                        queued[value.serial] += 1
        for serial, pid in self.accepted.items():
            alive = pid in self.kernel.processes
            assert queued[serial] + self.received[serial] == 1 or not alive

    def an_exit_is_told_once_for_each_monitor_that_stood(self):
        for key, times in self.exits_received.items():
            assert times <= self.world.exits[key] <= 1
        assert all(times == 1 for times in self.failures.values())

    def teardown(self):
        """In the end all can be terminated, and nothing stays behind."""
        if not self.actors or self.broken:
            return
        self.rest()
        while self.living:
            for actor in self.living:
                if actor.ending:
                    actor.end(None, actor.error)
                    continue
                self.kernel.terminate(None, actor.pid)
                self.world.doom(actor.proc, ProcessTerminated, "process terminated")
            self.rest()
        for host in self.hosts:
            assert host.population == 0
        assert not self.kernel.processes
        assert not self.kernel.names.items()
        assert not len(self.ready)


TestModel = Machine.TestCase
TestModel.pytestmark = [
    pytest.mark.timeout(600),  # to shrink a failure takes its time
    pytest.mark.semantics(
        *("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.8", "5.1", "5.2", "5.4", "6.1", "6.2"),
        *(
            "6.3",
            "6.5",
            "6.6",
            "6.8",
            "6.10",
            "7.2",
            "8.3",
            "8.4",
            "9.1",
            "9.2",
            "9.3",
            "9.4",
            "9.5",
        ),
        *("10.1", "10.2", "10.3", "12.1", "12.2"),
    ),
]
TestModel.settings = settings(
    max_examples=400,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
