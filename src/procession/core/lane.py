"""The strand that goes ahead of all others: the deaths that have been decided.

So a cascade of any length is a loop, and the processes of a host under load still die at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from procession.core.scheduler import Strand

if TYPE_CHECKING:
    from procession.core.errors import Error
    from procession.core.process import Process
    from procession.core.scheduler import Scheduler

_DEATHS_PER_STEP = 64  # so that a long cascade still lets the loop look at I/O


class SystemLane(Strand):
    """The processes that must die, in the order in which that was decided."""

    __slots__ = ("_doomed", "_queued")

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self._doomed: deque[tuple[Process, Error, float | None]] = deque()
        self._queued = False

    def add(self, process: Process, error: Error, cleanup: float | None = None) -> None:
        """End `process` with `error` before any other strand runs."""
        self._doomed.append((process, error, cleanup))
        self._queue()

    @property
    def doomed(self) -> set[Process]:
        """All that are waiting to die."""
        return {entry[0] for entry in self._doomed}

    def step(self) -> None:
        """End the next few of them."""
        doomed, scheduler = self._doomed, self.scheduler
        try:
            for _ in range(_DEATHS_PER_STEP):
                if not doomed:
                    break
                process, error, cleanup = doomed[0]
                if process.thread is not None:  # it is alive
                    scheduler.current = process
                    try:
                        process.kill(error, cleanup)
                    except BaseException as exc:
                        process.crashed(exc)
                doomed.popleft()
        finally:
            self._queued = False  # only now: a death that dooms another adds to this step
            if doomed:
                self._queue()

    def _queue(self) -> None:
        if not self._queued:
            self.scheduler.ready.appendleft(self)
            self._queued = True
        self.scheduler.rouse()
