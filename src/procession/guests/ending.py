"""The end of a Python process that was killed: its clean-up may wait. SEMANTICS 7.3.

    kill ─ Terminated at its wait ─┬─ the body ends ───────────────────────── kernel.exited
                                   └─ it waits for something of asyncio's
                                        │
                                        ├─ kernel.ending: no messages, links fail
                                        ├─ the body ends, its tasks end ───── kernel.exited
                                        └─ the time is over: Terminated at this wait and every
                                           further one, until the body ends or is abandoned

A process is `ending` from its first wait on, and not before: most never wait, and so a long cascade
is as fast as can be. Before Terminated is raised, the future that the process waits for is
cancelled, since that is what asyncio's locks and semaphores go by; if it is a task, the process
waits for its end first, as any asyncio task would.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from procession.core.errors import Canceled
from procession.core.user_code import call_user
from procession.current import Terminated
from procession.guests.current_tasks import current_tasks
from procession.guests.task_strand import refuse_waits
from procession.guests.upgrade import Upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.errors import Error
    from procession.core.timers import Timer
    from procession.guests.python import PythonProcess

log = logging.getLogger("procession.process")

NORMAL_EXIT = Canceled("the process exits")
"""In place of the error with which a process ends: it has none. A task has called `sys.exit(0)`."""

_PATIENCE = 100
"""How often a process may catch its termination before it is abandoned in mid-air."""


class Ending:
    """What is left of a process that was killed. `patience`: the seconds that it may wait."""

    __slots__ = (
        "_body_is_over",
        "_error",
        "_may_wait",
        "_noticed",
        "_patience",
        "_process",
        "_refusals",
        "_timer",
        "_told",
    )

    def __init__(self, process: PythonProcess, error: Error, patience: float) -> None:
        self._process = process
        self._error = error
        self._patience = patience
        self._may_wait = patience > 0
        self._timer: Timer | None = None
        self._told = True  # Terminated was raised in the body
        self._body_is_over = False
        self._refusals = 0
        self._noticed = False

    # -- how it begins -----------------------------------------------------------------------

    def after_task(self) -> None:
        """The body waits for a task, which was cancelled: it is told when that has ended."""
        self._told = False
        self._begin()

    def waits(self, trapped: Any) -> None:
        """The body was told, and waits again."""
        if not self._takes(trapped):
            self._resume(self._process.get_coro().throw, self._terminated())  # type: ignore[union-attr]

    def body_ended(self, exc: BaseException | None) -> None:
        """The body was told, and has ended, by `exc` if it raised something of its own."""
        process = self._process
        if exc is not None and not _is_cancellation(exc):
            process.log_lost(exc, "while it was being terminated")
        belongings = process._belongings
        if self._may_wait and belongings is not None and belongings.tasks:
            self._body_is_over = True
            self._begin()
            belongings.stop("its process has ended", self._tasks_ended)
        else:
            self._end()

    def _begin(self) -> None:
        process = self._process
        if process.ending:
            return
        process._ending = self
        process._failure = self._error = process._failure or self._error
        if process._belongings is not None:
            refuse_waits(process._belongings.tasks, self._error.message)
        error = None if self._error is NORMAL_EXIT else self._error
        self._noticed = process.kernel.ending(process, error)
        self._set_timer(self._patience)

    # -- how it goes on ----------------------------------------------------------------------

    def step(self) -> None:
        """What the process waited for has come."""
        process = self._process
        if process._fut_waiter is not None or self._body_is_over:
            return  # it was made ready by a wait that is over
        coro = process._coro
        if not self._told:
            self._told = True
            self._resume(coro.throw, self._terminated())
        elif process._must_cancel:
            self._resume(coro.throw, process.take_cancellation())
        else:
            self._resume(coro.send, None)

    def throw(self, exc: BaseException) -> None:
        """Raise something in the body."""
        self._resume(self._process._coro.throw, exc)

    def _resume(self, resume: Callable[[Any], Any], value: Any) -> None:
        process = self._process
        while True:
            current_tasks[process._loop] = process
            try:
                trapped = process._context.run(resume, value)
            except StopIteration:
                self.body_ended(None)
                return
            except BaseException as exc:
                self.body_ended(exc)
                return
            if self._takes(trapped):
                return
            resume, value = process._coro.throw, self._terminated()

    def _takes(self, trapped: Any) -> bool:
        """Let the body wait for something of asyncio's. False: it may not, and must be told."""
        try:
            future = call_user(getattr, trapped, "_asyncio_future_blocking", None) is not None
        except BaseException:  # it is no future of asyncio's, and not to be waited for
            future = False
        if self._may_wait and (future or trapped is None):
            self._begin()
            self._process._wait_for(trapped)
            return True
        if future:
            call_user(refuse, trapped)
        elif isinstance(trapped, Upgrade):
            trapped.coro.close()
        self._refusals += 1
        if self._refusals < _PATIENCE:
            return False
        self._abandon()
        return True

    def _terminated(self) -> Terminated:
        return Terminated(self._error.message)

    # -- how it is over ----------------------------------------------------------------------

    def hurry(self, cleanup: float | None) -> None:
        """The process was killed once more, and is to be over in so many seconds."""
        if cleanup is None:
            return
        if cleanup > 0:
            self._set_timer(cleanup)
            return
        self._may_wait = False
        if self._body_is_over:
            self._end()
            return
        self._process.let_go_of_future()
        self._told = True
        self.throw(self._terminated())

    def _tasks_ended(self) -> None:
        self._process.kernel.doom(self._process, self._error, 0)

    def _set_timer(self, delay: float) -> None:
        process, timer = self._process, self._timer
        scheduler = process.scheduler
        when = scheduler.clock.monotonic() + delay
        if timer is not None:
            if timer.when <= when:
                return
            timer.cancel()
        self._timer = scheduler.call_at(when, lambda: process.kernel.doom(process, self._error, 0))

    def _abandon(self) -> None:
        process = self._process
        log.error(
            "%s %s caught its termination %d times and was abandoned",
            process.entry,
            process.pid,
            _PATIENCE,
            extra={"pid": process.pid, "entry": process.entry},
        )
        # Freed, it would be resumed once more, to close it: outside of any loop it might
        # then never stop. So it is never freed.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(process._coro))
        self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        process = self._process
        process.end(None, process._failure or self._error, self._noticed)


def ends_later(future: Any) -> bool:
    """Cancel a future that is waited for. Whether it goes on: a task, which cleans up."""
    with contextlib.suppress(BaseException):  # one of the program's own may raise what it likes
        future.cancel()
        return not future.done()
    return False


def refuse(future: Any, callback: Any = None) -> None:
    """Do not wait for a future, or no longer."""
    with contextlib.suppress(BaseException):
        if callback is None:
            future._asyncio_future_blocking = False
        else:
            future.remove_done_callback(callback)
        future.cancel()


def _is_cancellation(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(CancelledError)[1] is None
    return isinstance(exc, CancelledError)


if sys.version_info < (3, 13):
    # A task group asks whether its body was cancelled by comparing the class of the exception
    # with CancelledError; since Python 3.13 it takes subclasses as well. Without this it would
    # take Terminated for a failure, and raise it in a group, where nobody looks for it.
    _leave_group = asyncio.TaskGroup.__aexit__

    def _leave_group_terminated(
        group: asyncio.TaskGroup, kind: Any, exc: Any, traceback: Any
    ) -> Any:
        cancelled = kind is not None and issubclass(kind, CancelledError)
        return _leave_group(group, CancelledError if cancelled else kind, exc, traceback)

    asyncio.TaskGroup.__aexit__ = _leave_group_terminated  # type: ignore
