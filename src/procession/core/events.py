"""The channel of lifecycle events of a process. SEMANTICS 8.

Events wait until the process asks for them, and none is lost. Nobody sends them who could be
refused: so a process for which too much waits ends.
"""

from __future__ import annotations

from procession.core.errors import Invalid, LimitExceeded
from procession.core.event import Event
from procession.core.weighed import WeighedChannel
from procession.core.weight import WEIGHTLESS, weigh

EVENT = 512
"""The weight of an event without what it carries."""

MIN_EVENTS = 1 << 20
"""So many bytes of events may wait on any host, however little of `mailbox_bytes` it has."""


class Events(WeighedChannel[Event]):
    """The lifecycle events of a process. They have a limit of their own: see `Process.tell`."""

    __slots__ = ()

    def weigh(self, value: Event) -> int:
        """The weight of an event: what it has of the process that has ended, and its own."""
        result, error = value.result, value.error
        weight = EVENT if type(result) in WEIGHTLESS else EVENT + weigh(result)
        return weight if error is None else weight + weigh(error)

    def close(self) -> None:
        """Events end with their process, not before. Raises Invalid."""
        raise Invalid("the events channel cannot be closed: it ends with its process")


def too_many_events(weight: int, limit: int) -> LimitExceeded:
    """The error of a process that does not receive its events. SEMANTICS 8.3."""
    return LimitExceeded(
        f"about {weight} bytes of events wait, and the limit is {limit} (mailbox_bytes): a process "
        "that monitors others has to receive from process.events()"
    )
