"""Waiting for a name: until somebody has it, or until its process has been restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.call import Awaited
from procession.core.errors import Timeout
from procession.core.names import check_name

if TYPE_CHECKING:
    from procession.core.names import NameRegistry
    from procession.core.peer import Peer
    from procession.core.scheduler import Scheduler


class _Attendant(Awaited):
    """The next thing that happens to a name: True, or False if nothing does in that time."""

    __slots__ = ("_name", "_names")

    def __init__(
        self, scheduler: Scheduler, names: NameRegistry, name: str, limit: float | None
    ) -> None:
        Awaited.__init__(self, scheduler, limit)
        self._names = names
        self._name = name

    def ask(self) -> None:
        """Be told of it."""
        self._names.attend(self._name, self)

    def leave(self) -> None:
        """Be told no longer."""
        self._names.leave(self._name, self)

    def changed(self) -> None:
        """It has happened."""
        self.settle(True)

    def expire(self) -> None:
        """Nothing has."""
        self.settle(False)


class _Remaining:
    """The time that several waits in a row may take together; None: without limit."""

    def __init__(self, scheduler: Scheduler, timeout: float | None) -> None:
        self._clock = scheduler.clock.monotonic
        self._until = None if timeout is None else self._clock() + timeout

    def now(self) -> float | None:
        """What is left of it."""
        return None if self._until is None else max(0.0, self._until - self._clock())


async def owner_of(
    scheduler: Scheduler, names: NameRegistry, name: str, timeout: float | None
) -> Peer:
    """Wait until a name has an owner. Raises Timeout."""
    check_name(name)
    remaining = _Remaining(scheduler, timeout)
    while True:
        owner = names.find(name)
        if owner is not None:
            return owner
        if not await _Attendant(scheduler, names, name, remaining.now()).run():
            what = f"name {name!r} was not registered within {timeout:g} seconds"
            raise Timeout(what, retryable=True)


async def until_restarted(
    scheduler: Scheduler, names: NameRegistry, name: str, timeout: float | None
) -> float | None:
    """Wait while a name is kept, whatever comes then. Gives the time that is left; raises Timeout.

    If the keeper lets it go, it is an ordinary name without an owner.
    """
    remaining = _Remaining(scheduler, timeout)
    while name in names.kept:
        if not await _Attendant(scheduler, names, name, remaining.now()).run():
            what = f"the process named {name!r} was not restarted within {timeout:g} seconds"
            raise Timeout(what, retryable=True)
    return remaining.now()
