"""Who runs next: strands, the run queue, and the time slice between two looks at I/O.

A strand is anything that can be resumed. A process is one; what else waits on its behalf (an
asyncio task, a Lua coroutine) is one too. The protocol:

    strand.step()     run until the next wait; True: the slice is over. For the scheduler only.
    strand.park(at)   wait. `at` is where: it can take the strand off again.
    strand.wake(v)    end the wait with v. Called by whatever the strand was parked at, once.

Invariant: a parked strand is not in the run queue, a woken one is in it exactly once. So whoever
interrupts a wait first takes the strand off `parked`, and only then queues it.

The scheduler is not thread-safe: everything here happens in the thread of its loop.
"""

from __future__ import annotations

from types import coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from procession.core.timers import Timer, TimerQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Clock(Protocol):
    """Where time comes from: the machine's clocks, or a simulation's."""

    def monotonic(self) -> float:
        """Seconds that never go back. Timers count in these."""

    def wall(self) -> float:
        """Seconds since 1970, for people. Events are stamped with these."""


class RunQueue(Protocol):
    """The chooser of who runs next. In production a deque: first come, first served."""

    def append(self, strand: Strand, /) -> None:
        """Add a strand that became ready."""

    def appendleft(self, strand: Strand, /) -> None:
        """Add a strand that goes ahead of all others: the system lane."""

    def popleft(self) -> Strand:
        """Take out the strand that runs next."""

    def __len__(self) -> int:
        """How many are ready."""


class Parking(Protocol):
    """Where a strand waits, or where a value came from."""

    def withdraw(self, strand: Any, /) -> None:
        """Forget a strand that waits here. Does nothing if it does not."""

    def restore(self, value: Any, turn: int = 0, /) -> None:
        """Take back what was handed to a strand that was interrupted before it could run.

        `turn` is the strand's: the order in which values were handed out.
        """


class Token:
    """A value that stands for itself, and prints its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NOTHING = Token("NOTHING")
"""The value of a parked strand: nothing was handed over yet."""

PARKED = Token("PARKED")
"""What a process yields to its scheduler when it waits."""

SLICE = 0.002
"""Seconds that the scheduler runs before the loop may look at I/O."""

_STEPS_PER_LOOK = 32  # a look at the clock costs as much as a twentieth of a step

CREDIT = 200
"""How many waits in a row may succeed at once before the strand lets others run."""


class Strand:
    """One line of execution that the scheduler can resume."""

    __slots__ = ("parked", "scheduler", "turn", "value")

    trap: ClassVar[Any] = PARKED

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.value: Any = None
        self.parked: Parking | None = None
        self.turn = 0  # of the value that was handed over: see ReceiveChannel.restore

    def step(self) -> bool | None:
        """Run until the next wait or the end; True if it was interrupted: the slice is over."""
        raise NotImplementedError

    def wake(self, value: Any) -> None:
        """Make the strand ready; its `park` returns `value`."""
        self.value = value
        self.parked = None
        scheduler = self.scheduler
        scheduler.ready.append(self)
        if not scheduler.awake:
            scheduler.rouse()

    @coroutine
    def park(self, at: Parking | None) -> Generator[Any, None, Any]:
        """Wait until woken and return what was handed over.

        If the wait is interrupted, nothing stays behind at `at`, and what was handed over
        meanwhile is given back (SEMANTICS 4.4).
        """
        self.value = NOTHING
        self.parked = at
        try:
            yield self.trap
        except BaseException:
            self.parked = None
            if at is not None:
                if self.value is NOTHING:
                    at.withdraw(self)
                else:
                    at.restore(self.value, self.turn)
            raise
        return self.value


class Scheduler:
    """Steps ready strands, and fires timers, when its driver calls `run`.

    `notify` is called when there is work and no run is under way; `adopt` gives a strand to code
    that wants to wait while no strand is being stepped (an asyncio task).
    """

    def __init__(
        self,
        clock: Clock,
        ready: RunQueue,
        notify: Callable[[], None],
        adopt: Callable[[], Strand],
    ) -> None:
        self.clock = clock
        self.ready = ready
        self.timers = TimerQueue()
        self.current: Strand | None = None
        self.awake = False
        self.credit = CREDIT
        self.thread = 0  # the driver's thread, for those who must not call from another
        self.stepped = False
        """Set by every step; whoever clears it can tell whether the same one still lasts."""
        self.tasks = 0  # of processes, which their loop steps: see guests/python.py
        self._notify = notify
        self._adopt = adopt

    def rouse(self) -> None:
        """Ask the driver for a `run`, once."""
        if not self.awake:
            self.awake = True
            self._notify()

    def strand(self) -> Strand:
        """The strand of the code that is running."""
        return self.current or self._adopt()

    def run(self) -> None:
        """Fire what is due, then step strands until none is ready or the slice is over.

        Afterwards `awake` tells whether there is more to do now; if not, `timers.next_due`
        tells when there will be.
        """
        self.awake = True
        clock = self.clock.monotonic
        ready = self.ready
        popleft = ready.popleft
        started = clock()
        end = started + SLICE
        steps = _STEPS_PER_LOOK
        try:
            self.timers.fire(started)
            while ready:
                strand = popleft()
                self.current = strand
                self.stepped = True
                if strand.step():
                    break
                steps -= 1
                if not steps:
                    if clock() >= end:
                        break
                    steps = _STEPS_PER_LOOK
        finally:
            self.current = None
            self.awake = False
            if ready:
                self.rouse()

    async def pause(self) -> None:
        """Let everyone else who is ready run first."""
        strand = self.strand()
        strand.wake(None)
        await strand.park(None)

    async def repay(self, at: Parking | None = None, value: Any = None, turn: int = 0) -> None:
        """Pause, after so many waits that ended at once that the credit is used up.

        Without it a strand whose channels are never empty would starve all others. If the pause
        is interrupted, the `value` that was taken goes back to `at`.
        """
        self.credit = CREDIT
        try:
            await self.pause()
        except BaseException:
            if at is not None:
                at.restore(value, turn)
            raise

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called once the monotonic clock has reached `when`."""
        timer = self.timers.add(when, callback)
        if not self.awake:
            self.rouse()  # the driver has to set its alarm anew
        return timer

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called `delay` seconds from now."""
        return self.call_at(self.clock.monotonic() + delay, callback)

    async def sleep(self, seconds: float) -> None:
        """Wait at least so many seconds; zero or less only lets others run."""
        if seconds <= 0:
            await self.pause()
            return
        strand = self.strand()
        await strand.park(self.call_later(seconds, lambda: strand.wake(None)))
