"""The guest of the machine: bodies that carry out orders, and what the machine runs on."""

from collections import deque

from tests.core.model.world import Proc

from procession.core.errors import Error, ProcessTerminated
from procession.core.process import Process
from procession.core.scheduler import Strand
from procession.core.switch import RunQueue
from procession.core.tokens import NOTHING, PARKED
from procession.core.wait import park


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
                    await park(self, DESK)
                await self.orders.popleft()(self)
        except Terminated:
            for order in self.last_words:
                await order(self)
            raise

    def take(self, order):
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

    def crashed(self, exc):
        """What leaves a step is what the machine has found, and no way to end a process."""
        raise exc

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


class ChosenQueue(RunQueue):
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
