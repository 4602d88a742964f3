"""Channels and select: how the coroutines of one process wait for values. SEMANTICS 4.

The rules stand here once. `take`, `put`, `enlist`, `withdraw` and `restore` never wait and are
what a guest binds to; `receive`, `send` and `select` compose them into waits for Python.

Invariants of a channel, between any two calls:
  - receivers wait only while nothing is buffered, no sender waits, and it is open;
  - senders wait only while the buffer is full and it is open.
A waiter is anything with `wake(value)`: a strand, or one arm of a select. The first waiting
receiver has a slot of its own, since most channels never have a second and an idle process
should not pay for a queue.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from procession.core.errors import ChannelClosed, Invalid
from procession.core.scheduler import Scheduler, Strand, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

EMPTY = Token("EMPTY")
"""`take` found nothing: a receiver would have to wait."""

turns = count(1)
"""Numbers the values that leave channels, so that those that come back find their order again."""

CLOSED = Token("CLOSED")
"""The channel is closed, and there is nothing left to take."""

ANSWERED: Any = Token("ANSWERED")
"""What decoding gives for a value that needs no receiver any more: see TopicChannel."""


class Waiter(Protocol):
    """Who waits at a channel."""

    turn: Any

    def wake(self, value: Any, /) -> None:
        """End the wait: a receiver gets the value or CLOSED, a sender None or CLOSED."""


class SendWaiter(Waiter, Protocol):
    """Who waits at a channel for its value to be taken."""

    value: Any


class ReceiveChannel(Generic[T]):
    """The receiving side of a channel: what `listen`, `inbox`, `events` and `after` give."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_decode",
        "_more_receivers",
        "_receiver",
        "_returned",
        "_scheduler",
        "_senders",
        "closed",
    )

    def __init__(self, scheduler: Scheduler, decode: Callable[[Any], T] | None = None) -> None:
        self._scheduler = scheduler
        self._decode = decode
        self._buffer: deque[Any] | None = None
        self._receiver: Waiter | None = None
        self._more_receivers: deque[Waiter] | None = None
        self._senders: deque[SendWaiter] | None = None  # used by Channel only
        self._returned: list[int] | None = None  # the turns of the first values in the buffer
        self.closed = False

    # -- for processes ---------------------------------------------------------------------

    async def receive(self) -> T:
        """The next value. Waits until there is one.

        Raises ChannelClosed, again and again, once the channel is closed and drained.
        """
        scheduler = self._scheduler
        while True:
            if self._buffer or self._senders or self.closed:
                scheduler.credit -= 1
                if scheduler.credit < 0 and scheduler.is_turn_over():
                    turn = self.next_turn()
                    value = self.take()
                    await scheduler.repay(self, value, turn)
                else:
                    value = self.take()
            else:
                strand = scheduler.current or scheduler.strand()
                if self._receiver is None:  # `enlist`, without the call: this is the hottest path
                    self._receiver = strand
                else:
                    self.enlist(strand)
                value = await strand.park(self)
            if value is CLOSED:
                raise ChannelClosed("the channel is closed")
            if self._decode is None:
                return value  # type: ignore[no-any-return]
            decoded = self._decode(value)
            if decoded is not ANSWERED:
                return decoded

    def case_receive(self) -> ReceiveCase[T]:
        """This channel's receive as a case of a select. The bare channel means the same."""
        return ReceiveCase(self)

    def close(self) -> None:
        """Let nothing more in. Who waits is woken; what is buffered can still be received.

        Closing again does nothing.
        """
        if not self.closed:
            self.closed = True
            while self._receiver is not None:
                self._next_receiver().wake(CLOSED)

    def __aiter__(self) -> ReceiveChannel[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except ChannelClosed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{type(self).__name__} {state}, {self.buffered} buffered>"

    @property
    def buffered(self) -> int:
        """How many values wait to be received."""
        return len(self._buffer) if self._buffer else 0

    # -- for guests ------------------------------------------------------------------------

    def take(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        if self._buffer:
            if self._returned:
                del self._returned[0]
            return self._buffer.popleft()
        return CLOSED if self.closed else EMPTY

    def next_turn(self) -> Any:
        """The turn of the value that `take` would give."""
        return self._returned[0] if self._returned else next(turns)

    def push(self, value: Any) -> None:
        """Hand a value to the receiver that has waited longest, or keep it for the next one."""
        if self._receiver is not None:
            self._next_receiver().wake(value)
        else:
            if self._buffer is None:
                self._buffer = deque()
            self._buffer.append(value)

    def enlist(self, waiter: Waiter) -> None:
        """Queue a receiver. Only after `take` gave EMPTY."""
        if self._receiver is None:
            self._receiver = waiter
        else:
            if self._more_receivers is None:
                self._more_receivers = deque()
            self._more_receivers.append(waiter)

    def withdraw(self, waiter: Waiter) -> None:
        """Take a receiver off the queue, if it is there."""
        if self._receiver is waiter:
            self._next_receiver()
        elif self._more_receivers:
            _discard(self._more_receivers, waiter)

    def restore(self, value: Any, turn: Any = 0) -> None:
        """Put back, at the front, a value that its receiver could not use.

        Of several that were handed out, each goes back to its place, in whatever order their
        receivers are interrupted.
        """
        if value is CLOSED:
            return
        if self._receiver is not None:
            waiter = self._next_receiver()
            waiter.turn = turn
            waiter.wake(value)
            return
        if self._buffer is None:
            self._buffer = deque()
        if self._returned is None:
            self._returned = []
        place = bisect(self._returned, turn)
        self._returned.insert(place, turn)
        self._buffer.insert(place, value)

    def _next_receiver(self) -> Waiter:
        """Take out the receiver that has waited longest. Only if there is one."""
        waiter: Waiter = self._receiver  # type: ignore[assignment]
        self._receiver = self._more_receivers.popleft() if self._more_receivers else None
        waiter.turn = next(turns)
        return waiter


class Channel(ReceiveChannel[T]):
    """A channel between the coroutines of one process, with room for `capacity` values."""

    __slots__ = ("capacity",)

    def __init__(self, scheduler: Scheduler, capacity: int = 0) -> None:
        super().__init__(scheduler)
        self.capacity = capacity

    async def send(self, value: T) -> None:
        """Hand the value to a receiver or put it in the buffer. Waits while neither is possible.

        Raises ChannelClosed if the channel is closed, also if that happens while it waits.
        """
        scheduler = self._scheduler
        if self.put(value):
            scheduler.credit -= 1
            if scheduler.credit < 0 and scheduler.is_turn_over():
                await scheduler.repay()
            return
        strand = scheduler.strand()
        sending = Sending(self, strand, value)
        self.enlist_sender(sending)
        if await strand.park(sending) is CLOSED:
            raise _send_on_closed()

    def case_send(self, value: T) -> SendCase[T]:
        """Sending this value as a case of a select."""
        return SendCase(self, value)

    def close(self) -> None:
        """Let nothing more in. Who waits is woken; what is buffered can still be received.

        Closing again does nothing.
        """
        super().close()
        while self._senders:  # one by one: a select withdraws its other arms from the queue
            self._senders.popleft().wake(CLOSED)

    def take(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        value = super().take()
        if self._senders and (value is EMPTY or self.buffered < self.capacity):
            sending = self._senders.popleft()
            if value is EMPTY:
                value = sending.value
            else:
                self.push(sending.value)
            sending.wake(None)
        return value

    def put(self, value: T) -> bool:
        """Send without waiting; False if that is not possible now. Raises ChannelClosed."""
        if self.closed:
            raise _send_on_closed()
        if self._receiver is None and self.buffered >= self.capacity:
            return False
        self.push(value)
        return True

    def enlist_sender(self, sending: SendWaiter) -> None:
        """Queue a sender. Only after `put` gave False."""
        if self._senders is None:
            self._senders = deque()
        self._senders.append(sending)

    def withdraw_sender(self, sending: SendWaiter) -> None:
        """Take a sender off the queue, if it is there."""
        if self._senders:
            _discard(self._senders, sending)


class Sending:
    """A strand that waits for its value to be taken."""

    __slots__ = ("channel", "strand", "turn", "value")

    def __init__(self, channel: Channel[Any], strand: Strand, value: Any) -> None:
        self.channel = channel
        self.strand = strand
        self.value = value
        self.turn = 0

    def wake(self, value: Any) -> None:
        """The value was taken (None) or the channel was closed (CLOSED)."""
        self.strand.wake(value)

    def withdraw(self, strand: Strand) -> None:
        """The sender was interrupted: its value is not sent."""
        self.channel.withdraw_sender(self)

    def restore(self, value: Any, turn: Any = 0) -> None:
        """The sender was interrupted after its value had been taken: it stays sent."""


class ReceiveCase(Generic[T]):
    """A receive that a select may choose."""

    __slots__ = ("channel",)

    def __init__(self, channel: ReceiveChannel[T]) -> None:
        self.channel = channel

    def attempt(self) -> Any:
        """Do it without waiting: the value, CLOSED, or EMPTY if it would wait."""
        return self.channel.take()

    def enlist(self, arm: _Arm) -> None:
        """Wait at the channel."""
        self.channel.enlist(arm)

    def withdraw(self, arm: _Arm) -> None:
        """Wait no longer."""
        self.channel.withdraw(arm)

    def restore(self, value: Any, turn: Any = 0) -> None:
        """Give back what was received."""
        self.channel.restore(value, turn)

    def outcome(self, value: Any) -> Selected[Any]:
        """What the select returns for this case."""
        if value is CLOSED:
            return Selected(self.channel, None, ok=False)
        decode = self.channel._decode
        return Selected(self.channel, value if decode is None else decode(value), ok=True)


class SendCase(Generic[T]):
    """A send that a select may choose."""

    __slots__ = ("channel", "value")

    def __init__(self, channel: Channel[T], value: T) -> None:
        self.channel = channel
        self.value = value

    def attempt(self) -> Any:
        """Do it without waiting: None, or EMPTY if it would wait. Raises ChannelClosed."""
        return None if self.channel.put(self.value) else EMPTY

    def enlist(self, arm: _Arm) -> None:
        """Wait at the channel."""
        arm.value = self.value
        self.channel.enlist_sender(arm)

    def withdraw(self, arm: _Arm) -> None:
        """Wait no longer."""
        self.channel.withdraw_sender(arm)

    def restore(self, value: Any, turn: Any = 0) -> None:
        """A value that was taken stays sent."""

    def outcome(self, value: Any) -> Selected[Any]:
        """What the select returns for this case."""
        if value is CLOSED:
            raise _send_on_closed()
        return Selected(self.channel, self.value, ok=True)


class Selected(Generic[T]):
    """How a select ended: the channel, the value received or sent, and `ok` (False: it was closed).

    With `default`, nothing was ready: there is no channel.
    """

    __slots__ = ("channel", "default", "ok", "value")

    def __init__(
        self,
        channel: ReceiveChannel[Any] | None,
        value: T,
        *,
        ok: bool,
        default: bool = False,
    ) -> None:
        self.channel = channel
        self.value = value
        self.ok = ok
        self.default = default

    def __repr__(self) -> str:
        if self.default:
            return "<Selected default>"
        return f"<Selected {self.value!r} from {self.channel!r}, ok={self.ok}>"


Case = ReceiveCase[Any] | SendCase[Any]


class Selecting:
    """A strand that waits at several channels; the first that wakes an arm wins."""

    __slots__ = ("arms", "strand")

    def __init__(self, strand: Strand, cases: Iterable[Case]) -> None:
        self.strand = strand
        self.arms = [_Arm(self, case) for case in cases]
        for arm in self.arms:
            arm.case.enlist(arm)

    def withdraw(self, strand: Strand | None = None) -> None:
        """Leave no arm at any channel (SEMANTICS 4.6)."""
        for arm in self.arms:
            arm.case.withdraw(arm)

    def restore(self, value: tuple[Case, Any], turn: Any = 0) -> None:
        """The strand was interrupted after an arm had won."""
        case, got = value
        case.restore(got, turn)


class _Arm:
    """One case of a waiting select, as the waiter at its channel."""

    __slots__ = ("case", "selecting", "turn", "value")

    def __init__(self, selecting: Selecting, case: Case) -> None:
        self.selecting = selecting
        self.case = case
        self.value: Any = None
        self.turn = 0

    def wake(self, value: Any) -> None:
        self.selecting.withdraw()
        self.selecting.strand.turn = self.turn
        self.selecting.strand.wake((self.case, value))


async def select(
    scheduler: Scheduler, entries: tuple[object, ...], *, default: bool = False
) -> Selected[Any]:
    """Wait until one case can go on, and let it: see `procession.channel.select`."""
    cases = [_as_case(entry, index) for index, entry in enumerate(entries)]
    if not cases and not default:
        raise Invalid("select needs at least one case, or it would wait for ever")
    while True:
        selected = await _select(scheduler, cases, default)
        if selected.value is not ANSWERED:
            return selected


async def _select(scheduler: Scheduler, cases: list[Case], default: bool) -> Selected[Any]:
    for case in cases:
        turn = case.channel.next_turn()
        value = case.attempt()
        if value is not EMPTY:
            scheduler.credit -= 1
            if scheduler.credit < 0 and scheduler.is_turn_over():
                await scheduler.repay(case, value, turn)
            return case.outcome(value)
    if default:
        scheduler.credit -= 1  # whoever only asks, again and again, has a turn like any other
        if scheduler.credit < 0 and scheduler.is_turn_over():
            await scheduler.repay()
        return Selected(None, None, ok=True, default=True)
    strand = scheduler.strand()
    chosen, value = await strand.park(Selecting(strand, cases))
    return cast("Case", chosen).outcome(value)


def _as_case(entry: object, index: int) -> Case:
    if isinstance(entry, ReceiveChannel):
        return ReceiveCase(entry)
    if isinstance(entry, (ReceiveCase, SendCase)):
        return entry
    raise Invalid(
        f"select case {index + 1} is of type {type(entry).__name__}: give a channel, "
        "ch.case_receive() or ch.case_send(value)"
    )


def _send_on_closed() -> ChannelClosed:
    return ChannelClosed("send on closed channel")


def _discard(queue: deque[Any], waiter: object) -> None:
    # Waiters leave in the order they came in all but the rarest programs: found at the front.
    for index, other in enumerate(queue):
        if other is waiter:
            del queue[index]
            return
