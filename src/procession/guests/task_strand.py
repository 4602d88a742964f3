"""How an asyncio task waits at a channel, a timer or a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from procession.core.process import current_process
from procession.core.scheduler import Strand
from procession.core.stack import check_stack
from procession.current import Terminated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procession.core.kernel import Kernel


_TRAP = "the process has to stop waiting"
"""By this the futures of strands are known: what is told to who waits if it is cancelled, which is
the one thing that fits in a future of asyncio's. One of a class of our own would cost a tenth."""


class TaskStrand(Strand):
    """An asyncio task that waits at a channel, timer or call: it is woken through a future."""

    __slots__ = ("trap",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel.scheduler)
        self.trap = trap = asyncio.get_running_loop().create_future()  # type: ignore[misc]
        trap._asyncio_future_blocking = True
        trap._cancel_message = _TRAP  # type: ignore[attr-defined]

    def offer(self, value: Any, at: Any, turn: Any = None, order: int = 0) -> bool:
        """Make the task ready. It may have been cancelled meanwhile: then the value goes back."""
        if self.parked is not at:
            return False
        check_stack()  # a future that is done, and could not say so, would never wake its task
        try:
            self.value = value
            self.turn = turn
            self.order = order
            self.parked = None
            if not self.trap.done():
                self.trap.set_result(None)
        except BaseException:
            if not self.trap.done():
                self.parked = at
            raise
        return True


class RefusedStrand(TaskStrand):
    """The same, while its process is ending: the wait raises at once."""

    __slots__ = ()

    def parks(self, at: Any) -> None:
        """Leave `at`, so that nothing more is handed over, and be refused."""
        super().parks(None)
        if at is not None:
            at.withdraw(self)
        _refuse(self.trap, "its process is ending")


def adopt(kernel: Kernel) -> Strand:
    """A strand for the asyncio task that is running.

    The wait of a task that has outlived its process is cancelled.
    """
    process = current_process.get(None)
    if process is None or (process.alive and not process.ending):
        return TaskStrand(kernel)
    if process.alive:
        return RefusedStrand(kernel)
    strand = TaskStrand(kernel)
    strand.trap.cancel("its process has ended")
    return strand


def refuse_waits(tasks: Iterable[asyncio.Future[Any]], message: str) -> None:
    """Raise Terminated in those of the tasks that wait at a channel, a timer or a call."""
    for task in tasks:
        waiter = getattr(task, "_fut_waiter", None)
        if getattr(waiter, "_cancel_message", None) is _TRAP:
            _refuse(waiter, message)


def _refuse(trap: Any, message: str) -> None:
    if not trap.done():
        trap.set_exception(Terminated(message))
        trap._log_traceback = False  # the task may have been cancelled, and never look
