"""How much of its credit each other place has used up with the processes here. SEMANTICS 6.8.

A place may send a process as many messages as its mailbox holds. One that is heavy counts as
several, so that it may send no more bytes than it holds either (6.10). What has been received is
given back in large pieces, so that it costs little, and at the latest when a quarter of the
mailbox is free again: so no sender waits for credit that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.weight import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from procession.core.process import Process


class CreditLedger:
    """What is owed to whom. `give` gives a place back so much credit for a process."""

    def __init__(self, give: Callable[[int, Process, int], None]) -> None:
        self._give = give
        self._indebted: dict[Process, None] = {}
        """The processes that owe some place half of its credit, or more."""

    def owe(self, process: Process, place: int, payloads: Sequence[Any]) -> None:
        """A place has sent a process something. Also to one that cleans up, which gets it no more:
        who had no credit left would otherwise never send again, and never hear of the end."""
        mailbox = process.mailbox
        if mailbox.owed is None:
            mailbox.owed = {}
        limit, limit_bytes = process.host.mailbox, process.host.mailbox_bytes
        units = sum(units_of(payload, limit, limit_bytes) for payload in payloads)
        owed = mailbox.owed[place] = mailbox.owed.get(place, 0) + units
        if 2 * owed >= mailbox.limit:
            self._indebted[process] = None

    def settle(self) -> None:
        """Give back what is due. To be called after each slice."""
        for process in list(self._indebted):
            mailbox = process.mailbox
            owed = mailbox.owed or {}
            if not process.alive:
                del self._indebted[process]
                for place, units in owed.items():
                    if 2 * units >= mailbox.limit:
                        self._give(place, process, units)
                continue
            waiting = mailbox.units
            for place, units in owed.items():
                # All that waits may come from this place: so much is certain to be received.
                received = units - waiting
                if received >= max(1, mailbox.limit // 4):
                    owed[place] -= received
                    self._give(place, process, received)
            if 2 * max(owed.values(), default=0) < mailbox.limit:
                del self._indebted[process]

    def place_down(self, place: int) -> None:
        """A place is lost: nothing is owed to it."""
        for process in self._indebted:
            (process.mailbox.owed or {}).pop(place, None)
