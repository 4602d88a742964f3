"""The channel of lifecycle events of a process. SEMANTICS 8.

Events wait until the process asks for them, and none is lost. Nobody sends them who could be
refused: so a process for which too much waits ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.channel import ReceiveChannel
from procession.core.errors import Invalid, LimitExceeded
from procession.core.event import Event
from procession.core.switch import untrack
from procession.core.weight import WEIGHTLESS, weigh

if TYPE_CHECKING:
    from procession.core.scheduler import Scheduler

EVENT = 512
"""The weight of an event without what it carries."""

MIN_EVENTS = 1 << 20
"""So many bytes of events may wait on any host, however little of `mailbox_bytes` it has."""


class Events(ReceiveChannel[Event]):
    """The lifecycle events of a process. They have a limit of their own: see `Process.tell`.

    `weight` grows with each event that has to wait, and is not less when they are received: most
    never weigh enough to matter. Only beyond `next_look` is it found out how much still waits.
    """

    __slots__ = ("next_look", "weight")

    def __cinit__(self) -> None:
        """Called if it is compiled: see Mailbox."""
        untrack(self)

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.weight = 0
        self.next_look = MIN_EVENTS

    def exceeds(self, limit: int) -> bool:
        """Whether more waits than the limit, or an eighth more at most."""
        if self.weight > limit:
            self.weight = sum(map(weight_of, self._buffer or ()))
        self.next_look = max(limit, self.weight + limit // 8)
        return self.weight > limit

    def close(self) -> None:
        """Events end with their process, not before. Raises Invalid."""
        raise Invalid("the events channel cannot be closed: it ends with its process")


def weight_of(event: Event) -> int:
    """The weight of an event: what it has of the process that has ended, and its own."""
    weight = EVENT if type(event.result) in WEIGHTLESS else EVENT + weigh(event.result)
    return weight if event.error is None else weight + weigh(event.error)


def too_many_events(weight: int, limit: int) -> LimitExceeded:
    """The error of a process that does not receive its events. SEMANTICS 8.3."""
    return LimitExceeded(
        f"about {weight} bytes of events wait, and the limit is {limit} (mailbox_bytes): a process "
        "that monitors others has to receive from process.events()"
    )
