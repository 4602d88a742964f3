"""Channels: how the coroutines of one process wait for values. SEMANTICS 4.

The rules stand here once. `attempt`, `put`, `enlist`, `withdraw`, `restore` and `outcome` never
wait and are what a guest binds to; `wait` (see wait.py) and `select` (see select.py) compose them
into what Python waits for.

Invariants of a channel, between any two calls:
  - receivers wait only while nothing is buffered, no sender waits, and it is open;
  - senders wait only while the buffer is full and it is open.
The first waiting receiver has a slot of its own, since most channels never have a second and an
idle process should not pay for a queue.

An exception may strike between any two instructions. So whoever waits here is who takes what it is
offered here: others among the receivers are passed over, and so are senders that are no longer
parked here. A value is handed over first, and only then is its receiver taken off; what takes the
deepest call comes before anything is changed.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from itertools import count
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from procession.core.case import ReceiveCase, SendCase, send_on_closed
from procession.core.errors import ChannelClosed
from procession.core.scheduler import Parking
from procession.core.switch import Ring
from procession.core.tokens import CLOSED, EMPTY
from procession.core.wait import Receiving, wait_to_send

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from procession.core.case import SendWaiter
    from procession.core.scheduler import Scheduler, Strand, Waiter

T = TypeVar("T")

turns = count(1)
"""Numbers the values that leave channels, so that those that come back find their order again."""


class ReceiveChannel(Receiving[T], Generic[T]):
    """The receiving side of a channel: what `listen`, `inbox`, `events` and `after` give."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_decode",
        "_more_receivers",
        "_receiver",
        "_returned",
        "_senders",
        "closed",
    )

    def __init__(self, scheduler: Scheduler, decode: Callable[[Any], T] | None = None) -> None:
        self.scheduler = scheduler
        self._decode = decode
        self._buffer: Ring[Any] | None = None
        self._receiver: Waiter | None = None
        self._more_receivers: deque[Waiter] | None = None
        self._senders: deque[SendWaiter] | None = None  # used by Channel only
        self._returned: list[int] | None = None  # the turns of the first values in the buffer
        self.closed = False

    # -- for processes ---------------------------------------------------------------------

    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)

    def case_receive(self) -> ReceiveCase[T]:
        """This channel's receive as a case of a select. The bare channel means the same."""
        return ReceiveCase(self)

    def close(self) -> None:
        """Let nothing more in. Who waits is woken; what is buffered can still be received.

        Closing again does nothing.
        """
        self.closed = True
        while self._receiver is not None and self.hand(CLOSED, next(turns)):
            pass

    def __aiter__(self) -> ReceiveChannel[T]:
        return self

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{type(self).__name__} {state}, {self.buffered} buffered>"

    @property
    def buffered(self) -> int:
        """How many values wait to be received."""
        return len(self._buffer) if self._buffer else 0

    # -- for guests ------------------------------------------------------------------------

    def attempt(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        if self._buffer:
            if self._returned:
                del self._returned[0]
            return self._buffer.popleft()
        return CLOSED if self.closed else EMPTY

    def next_turn(self) -> Any:
        """The turn of the value that `attempt` would give."""
        return self._returned[0] if self._returned else next(turns)

    def outcome(self, value: Any) -> Any:
        """What a receiver gets for a value: it decoded, or ANSWERED. Raises ChannelClosed."""
        if value is CLOSED:
            raise ChannelClosed("the channel is closed")
        return value if self._decode is None else self._decode(value)

    def push(self, value: Any) -> None:
        """Hand a value to the receiver that has waited longest, or keep it for the next one."""
        if self._receiver is None or not self.hand(value, next(turns)):
            if self._buffer is None:
                self._buffer = Ring()
            self._buffer.append(value)

    def hand(self, value: Any, turn: Any, order: int = 0) -> bool:
        """Give a value to the receiver that has waited longest; False if nobody waits.

        Those that wait no longer are taken off.
        """
        while (receiver := self._receiver) is not None:
            took = receiver.offer(value, self, turn, order)
            if self._receiver is receiver:  # the arm of a select has left by itself
                self._drop_first()
            if took:
                return True
        return False

    def enlist(self, strand: Any) -> None:
        """Queue a receiver. Only after `attempt` gave EMPTY."""
        if self._receiver is None:
            self._receiver = strand
        else:
            self.has_receiver()  # which takes off those that wait no longer
            self.enlist_arm(strand)

    def enlist_arm(self, waiter: Waiter) -> None:
        """Queue a receiver that may wait here more than once, and is parked only after this."""
        if self._receiver is None:
            self._receiver = waiter
        else:
            if self._more_receivers is None:
                self._more_receivers = deque()
            self._more_receivers.append(waiter)

    def withdraw(self, strand: Any) -> None:
        """Take a receiver off the queue, if it is there."""
        if self._receiver is strand:
            self._drop_first()
        elif self._more_receivers:
            _discard(self._more_receivers, strand)

    def withdraw_all(self, waiters: set[Any]) -> None:
        """Take all of them off the queues, as far as they are there."""
        if self._more_receivers:
            self._more_receivers = deque(one for one in self._more_receivers if one not in waiters)
        if self._receiver in waiters:
            self._drop_first()
        if self._senders:
            self._senders = deque(one for one in self._senders if one not in waiters)

    def restore(self, value: Any, turn: Any = None) -> None:
        """Put back, at the front, a value that its receiver could not use.

        Of several that were handed out, each goes back to its place, in whatever order their
        receivers are interrupted.
        """
        if value is CLOSED or self.hand(value, turn):
            return
        if self._buffer is None:
            self._buffer = Ring()
        if self._returned is None:
            self._returned = []
        place = bisect(self._returned, turn)
        self._returned.insert(place, turn)
        self._buffer.insert(place, value)

    def has_sender(self) -> bool:
        """Whether somebody waits to send. Only if there are any senders."""
        return self._first_sender() is not None

    def has_receiver(self) -> bool:
        """Whether somebody waits to receive. Those that wait no longer are taken off."""
        while self._receiver is not None and not self._receiver.waits_at(self):
            self._drop_first()
        return self._receiver is not None

    def _first_sender(self) -> SendWaiter | None:
        """The sender that has waited longest. Those that wait no longer are taken off."""
        senders = self._senders
        while senders:
            if senders[0].waits_at(self):
                return senders[0]
            del senders[0]
        return None

    def _drop_first(self) -> None:
        """Take off the first receiver."""
        more = self._more_receivers
        if more:
            self._receiver = more[0]  # for a moment it is there twice: better than not at all
            del more[0]
        else:
            self._receiver = None


class Channel(ReceiveChannel[T]):
    """A channel between the coroutines of one process, with room for `capacity` values."""

    __slots__ = ("capacity",)

    def __init__(self, scheduler: Scheduler, capacity: int = 0) -> None:
        super().__init__(scheduler)
        self.capacity = capacity

    def send(self, value: T) -> Coroutine[Any, Any, None]:
        """Hand the value to a receiver or put it in the buffer. Waits while neither is possible.

        Raises ChannelClosed if the channel is closed, also if that happens while it waits.
        """
        return wait_to_send(Sending(self, value))

    def case_send(self, value: T) -> SendCase[T]:
        """Sending this value as a case of a select."""
        return SendCase(self, value)

    def close(self) -> None:
        """Let nothing more in. Who waits is woken; what is buffered can still be received.

        Closing again does nothing.
        """
        super().close()
        while (sending := self._first_sender()) is not None:
            self._settle(sending, CLOSED)

    def attempt(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        sending = self._first_sender() if self._senders else None
        if sending is None:
            return ReceiveChannel.attempt(self)
        buffer = self._buffer
        if not buffer:
            value = sending.value
            self._settle(sending, None)
            return value
        buffered = len(buffer)
        if buffered <= self.capacity:
            try:
                buffer.append(sending.value)
                self._settle(sending, None)
            except BaseException:
                if sending.waits_at(self) and len(buffer) > buffered:
                    buffer.pop()
                raise
        return ReceiveChannel.attempt(self)

    def _settle(self, sending: SendWaiter, outcome: Any) -> None:
        """Tell the first sender that its value was taken (None) or that the channel is CLOSED."""
        sending.wake(outcome)
        senders = self._senders
        if senders and senders[0] is sending:  # the arm of a select has left by itself
            del senders[0]

    def put(self, value: T) -> bool:
        """Send without waiting; False if that is not possible now. Raises ChannelClosed."""
        if self.closed:
            raise send_on_closed()
        if self.buffered >= self.capacity and not (self._receiver and self.has_receiver()):
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


class Sending(Parking):
    """A value that is to be sent, and the strand that waits for it to be taken."""

    __slots__ = ("channel", "strand", "value")

    waits_as: ClassVar[str] = "Channel.send"

    def __init__(self, channel: Channel[Any], value: Any) -> None:
        self.scheduler = channel.scheduler
        self.channel = channel
        self.value = value
        self.strand: Strand | None = None

    def waits_at(self, at: Any) -> bool:
        """Whether its strand is parked."""
        return self.strand is not None and self.strand.parked is self

    def wake(self, value: Any) -> None:
        """The value was taken (None) or the channel was closed (CLOSED)."""
        assert self.strand is not None
        self.strand.wake(value)

    def attempt(self) -> Any:
        """Send without waiting: None, or EMPTY. Raises ChannelClosed."""
        return None if self.channel.put(self.value) else EMPTY

    def enlist(self, strand: Any) -> None:
        """Queue the strand as a sender."""
        self.strand = strand
        self.channel.enlist_sender(self)

    def outcome(self, value: Any) -> Any:
        """None once the value was taken. Raises ChannelClosed."""
        if value is CLOSED:
            raise send_on_closed()
        return None

    def withdraw(self, strand: Any) -> None:
        """The sender was interrupted: its value is not sent."""
        self.channel.withdraw_sender(self)

    def restore(self, value: Any, turn: Any = None) -> None:
        """The sender was interrupted after its value had been taken: it stays sent."""


def _discard(queue: deque[Any], waiter: object) -> None:
    # Waiters leave in the order they came in all but the rarest programs: found at the front.
    for index, other in enumerate(queue):
        if other is waiter:
            del queue[index]
            return
