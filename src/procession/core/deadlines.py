"""Which processes are to be terminated when a time is over. SEMANTICS 10.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.process import terminated

if TYPE_CHECKING:
    from procession.core.process import Process
    from procession.core.scheduler import Scheduler
    from procession.core.timers import Timer


class Deadlines:
    """The deadlines of the processes of one place: the earliest of each."""

    __slots__ = ("_scheduler", "timers")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.timers: dict[Process, Timer] = {}

    def set(self, process: Process, deadline: float, cleanup: float | None = None) -> None:
        """Terminate a process in so many seconds, unless that is to be done earlier anyhow.

        For `cleanup` see `Kernel.doom`.
        """
        before = self.timers.get(process)
        when = self._scheduler.clock.monotonic() + deadline
        if before is not None and before.when <= when:
            return
        self.timers[process] = self._scheduler.call_at(
            when, lambda: process.doom(terminated(), cleanup)
        )
        if before is not None:
            before.cancel()

    def forget(self, process: Process) -> None:
        """It has ended."""
        timer = self.timers.pop(process, None)
        if timer is not None:
            timer.cancel()
