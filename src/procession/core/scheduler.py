"""Who runs next: strands, the run queue, and the time slice between two looks at I/O.

A strand is anything that can be resumed. A process is one; what else waits on its behalf (an
asyncio task, a Lua coroutine) is one too. The protocol:

    strand.step()     run until the next wait; True: the slice is over. For the scheduler only.
    park(strand, at)  wait (see wait.py). `at` is where: it can take the strand off again.
    strand.wake(v)    end the wait with v. Called by whatever the strand was parked at, once.
    strand.offer(v, at, turn)   the same, if it does wait there.

Whether a strand waits is what `parked` says, and nothing else: an exception may strike between any
two instructions (no memory, no stack, Ctrl-C), and no two changes are one. So what is in the run
queue and is parked is passed over, and so is a strand that a channel still has among its receivers
when it waits there no longer. A wait is over when the strand is queued and not parked.

A step never raises into the scheduler: whatever leaves it ends the process that it belongs to.

The scheduler is not thread-safe: everything here happens in the thread of its loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from procession.core.timers import Timer, TimerQueue
from procession.core.tokens import NOTHING, PARKED

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.switch import RunQueue


class Clock(Protocol):
    """Where time comes from: the machine's clocks, or a simulation's."""

    def monotonic(self) -> float:
        """Seconds that never go back. Timers count in these."""

    def wall(self) -> float:
        """Seconds since 1970, for people. Events are stamped with these."""


class Parking:
    """Where a strand waits: what it tries, and what it is handed, are rules of who derives from it.

    None of these methods waits: see wait.py for what does. Whoever parks a strand by `park` needs
    only `withdraw` and `restore`, and need not derive from this.
    """

    __slots__ = ("scheduler",)

    scheduler: Scheduler

    waits_as: ClassVar[str] = "ReceiveChannel.receive"
    """The name of the coroutine that waits here, for people."""

    def attempt(self) -> Any:
        """Do it without waiting: what came of it, or EMPTY if a strand has to wait for it."""
        raise NotImplementedError

    def next_turn(self) -> Any:
        """The turn of the value that `attempt` would give: see `restore`."""
        return None

    def enlist(self, strand: Any) -> None:
        """Have a strand wait here. Only after `attempt` gave EMPTY."""
        raise NotImplementedError

    def outcome(self, value: Any) -> Any:
        """What the wait gives for what was handed over; ANSWERED: it goes on."""
        return value

    def withdraw(self, strand: Any) -> None:
        """Forget a strand that waits here. Does nothing if it does not."""
        raise NotImplementedError

    def restore(self, value: Any, turn: Any = None) -> None:
        """Take back what was handed to a strand that was interrupted before it could run.

        `turn` is the strand's: what says where the value belongs among those that wait.
        """
        raise NotImplementedError

    def take_back(self, value: Any, sender: str | None, order: int) -> None:
        """The same for a message whose sender and number stand for its turn: see Mailbox."""
        raise NotImplementedError


class Waiter:
    """Who waits at a channel: a strand, or one arm of a select."""

    __slots__ = ()

    def offer(self, value: Any, at: Any, turn: Any = None, order: int = 0) -> bool:
        """End the wait at `at` with a value; False if it waits there no longer.

        If it raises, the wait goes on. `turn` and `order` say where the value belongs if it comes
        back: see `Parking.restore` and, for an order, `Parking.take_back`.
        """
        raise NotImplementedError

    def waits_at(self, at: Any) -> bool:
        """Whether it would take what it is offered there."""
        raise NotImplementedError


SLICE = 0.002
"""Seconds that the scheduler runs before the loop may look at I/O."""

_STEPS_PER_LOOK = 32  # a look at the clock costs as much as a twentieth of a step

TURN = 0.001
"""Seconds that a strand may go on without a wait while its channels are never empty."""

_MOST_PER_LOOK = 32  # waits that end at once between two looks at the clock

_LOOKS_PER_TURN = 256  # for a clock that stands still, as a simulation's does during a step


class Strand(Waiter):
    """One line of execution that the scheduler can resume."""

    __slots__ = ("order", "parked", "scheduler", "turn", "value")

    trap: ClassVar[Any] = PARKED
    """What the coroutine yields that waits."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.value: Any = None
        self.parked: Any = None
        self.turn: Any = None  # of the value that was handed over, as `order`: see `offer`
        self.order = 0

    def step(self) -> bool | None:
        """Run until the next wait or the end; True if it was interrupted: the slice is over."""
        raise NotImplementedError

    def crashed(self, exc: BaseException) -> None:
        """Its step has raised. Ends the process that it belongs to; one of the runtime has none."""
        raise exc

    def offer(self, value: Any, at: Any, turn: Any = None, order: int = 0) -> bool:
        """Make the strand ready with a value, if it waits at `at`."""
        if self.parked is not at:
            return False
        scheduler = self.scheduler
        try:
            self.value = value
            self.turn = turn
            self.order = order
            self.parked = None  # before it is queued: the offer may come from another thread
            scheduler.ready.append(self)
            if not scheduler.awake:
                scheduler.rouse()
        except BaseException:
            self.parked = at
            raise
        return True

    def waits_at(self, at: Any) -> bool:
        """Whether it is parked there."""
        return self.parked is at

    def wake(self, value: Any) -> None:
        """Make the strand ready, wherever it waits; if it does not, it is stepped once more."""
        self.offer(value, self.parked)

    def parks(self, at: Any) -> None:
        """It is going to wait at `at`."""
        self.value = NOTHING
        self.parked = at

    def unparks(self, at: Any) -> None:
        """Its wait at `at` was ended by an exception: what it was handed is given back."""
        waits, self.parked = self.parked is not None, None
        if at is not None:
            if waits or self.value is NOTHING:
                at.withdraw(self)
            elif self.order:
                at.take_back(self.value, self.turn, self.order)
            else:
                at.restore(self.value, self.turn)


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
        self.turn_seconds = TURN
        self.credit = _MOST_PER_LOOK
        """How many waits may yet end at once before `is_turn_over` has to be asked."""
        self._per_look = _MOST_PER_LOOK
        self._looks = 0
        self._looked = 0.0
        self._turn_ends = 0.0  # 0: nobody has looked at the clock in this step
        self.thread = 0  # the driver's thread, for those who must not call from another
        self.stepped = False
        """Set by every step; whoever clears it can tell whether the same one still lasts."""
        self.tasks = 0  # of processes, which their loop steps: see guests/python.py
        self._notify = notify
        self._adopt = adopt

    def rouse(self) -> None:
        """Ask the driver for a `run`, once."""
        if not self.awake:
            try:
                self.awake = True
                self._notify()
            except BaseException:  # no run will come: the next one who asks is not to rely on it
                self.awake = False
                raise

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
        started = clock()
        end = started + SLICE
        steps = _STEPS_PER_LOOK
        self._turn_ends = 0.0
        try:
            self.timers.fire(started)
            while ready:
                strand = ready.popleft()
                if strand.parked is not None:
                    continue
                self.current = strand
                self.stepped = True
                try:
                    if strand.step():
                        break
                except BaseException as exc:
                    strand.crashed(exc)
                steps -= 1
                if not steps or self._turn_ends:
                    self._turn_ends = 0.0
                    if clock() >= end:
                        break
                    steps = _STEPS_PER_LOOK
        finally:
            self.current = None
            self.awake = False
            if ready:
                self.rouse()

    def is_turn_over(self) -> bool:
        """Whether the strand has gone on long enough. Asked when its credit is used up.

        A turn is bounded by time: if it were by a count, a strand that handles a value in a
        microsecond would get a thousandth of what one gets that takes a millisecond for each. A
        look at the clock costs as much as a tenth of a receive, so there is one for many values,
        and fewer the longer they take.
        """
        now = self.clock.monotonic()
        if not self._turn_ends:
            self._turn_ends = now + self.turn_seconds
            self._looks = _LOOKS_PER_TURN
        elif now - self._looked > self.turn_seconds / 4:
            self._per_look = max(1, self._per_look // 4)
        else:
            self._per_look = min(_MOST_PER_LOOK, self._per_look * 2)
        self._looked = now
        self.credit = self._per_look - 1
        self._looks -= 1
        return now >= self._turn_ends or not self._looks

    def repay(self, at: Any = None, value: Any = None, turn: Any = None) -> Strand:
        """Have the strand let others run, as if it had waited at `at` and was handed the value.

        Called when the turn is over: else a strand whose channels are never empty would starve
        all others. If that fails, or the wait is interrupted, the value goes back to `at`.
        """
        if self.current is None:
            self._turn_ends = 0.0  # of an asyncio task, which is stepped by its loop
        try:
            strand = self.strand()
            strand.offer(value, strand.parked, turn)
        except BaseException:
            if at is not None:
                at.restore(value, turn)
            raise
        return strand

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called once the monotonic clock has reached `when`."""
        timer = self.timers.add(when, callback)
        if not self.awake:
            self.rouse()  # the driver has to set its alarm anew
        return timer

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called `delay` seconds from now."""
        return self.call_at(self.clock.monotonic() + delay, callback)
