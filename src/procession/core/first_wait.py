"""When a process has come to its first wait: what has to start before others may has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.scheduler import Strand

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.process import Process

_LOOK_AGAIN = 0.001


class FirstWait(Strand):
    """Calls `then` once; not if the process ends before. It is queued behind the process."""

    __slots__ = ("_process", "_then")

    def __init__(self, process: Process, then: Callable[[], None]) -> None:
        super().__init__(process.scheduler)
        self._process = process
        self._then = then
        self.wake(None)

    def step(self) -> None:
        """Take a look, and perhaps another one a little later."""
        if not self._process.alive:
            return
        # It has had its first step. If it is in Lua, that may have been cut short by preemption.
        if self._process.is_interrupted:
            self.scheduler.call_later(_LOOK_AGAIN, lambda: self.wake(None))
        else:
            self._then()
