"""A process as asyncio and its libraries see it: as the current task."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from traceback import print_stack
from typing import TYPE_CHECKING, Any

from procession.core.process import Process
from procession.core.tokens import NOTHING
from procession.guests.tasks import Belongings

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Coroutine
    from contextvars import Context
    from typing import TextIO

    from procession.core.errors import Error


class TaskFace(Process):
    """What they call on the current task, and read of it."""

    __slots__ = (
        "_belongings",
        "_cancel_message",
        "_cancels",
        "_context",
        "_coro",
        "_detour",
        "_failure",
        "_fut_waiter",
        "_loop",
        "_must_cancel",
        "_name",
        "_struck",
    )

    _belongings: Belongings | None
    _cancel_message: Any
    _cancels: int
    _context: Any
    _coro: Any
    _detour: bool
    """The next step must not simply resume."""
    _failure: Error | None
    _fut_waiter: asyncio.Future[Any] | None
    _loop: asyncio.AbstractEventLoop
    _must_cancel: bool
    _name: str | None
    _struck: bool
    """A cancellation has ended the wait: nothing can take it back."""

    def cancel(self, msg: Any = None) -> bool:
        """Have CancelledError raised at the current wait, or the next one."""
        if not self.alive:
            return False
        self._cancels += 1
        if self._fut_waiter is not None and self._fut_waiter.cancel(msg=msg):
            return True
        self._must_cancel = self._detour = True
        self._cancel_message = msg
        self._interrupt()
        return True

    def cancelling(self) -> int:
        """How many cancellations are not taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one cancellation back; the last one also if it has not struck yet."""
        if self._cancels:
            self._cancels -= 1
            if not self._cancels and not self._struck:
                self._must_cancel = False
                self._detour = self.ending
        return self._cancels

    def done(self) -> bool:
        """Whether the process has ended."""
        return not self.alive

    def cancelled(self) -> bool:
        """False: an end by cancellation is an exit like any other."""
        return False

    def get_name(self) -> str:
        """The PID, unless it was given another name."""
        return self._name or self.pid

    def set_name(self, value: object) -> None:
        """Give it another name, for those who look at tasks; `process.registry` has its own."""
        self._name = str(value)

    def get_coro(self) -> Coroutine[Any, Any, Any] | None:
        """The coroutine of main, until the process ends."""
        return self._coro if self.alive else None

    def get_context(self) -> Context:
        """The context in which main runs."""
        context: Context = self._context
        return context

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop under the node."""
        return self._loop

    def get_stack(self, *, limit: int | None = None) -> list[types.FrameType]:
        """The frame at which main waits."""
        frame = getattr(self.get_coro(), "cr_frame", None)
        return [] if frame is None else [frame]

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print where main waits, to stderr if `file` is not given."""
        for frame in self.get_stack(limit=limit):
            print_stack(frame, limit=1, file=file)

    def exception(self) -> BaseException | None:
        """The error with which it has ended, for its done callbacks."""
        if self.alive:
            raise asyncio.InvalidStateError("the process has not ended")
        return self._failure

    def result(self) -> Any:
        """What main has returned, for its done callbacks; or its error, raised."""
        error = self.exception()
        if error is not None:
            raise error
        return self.value

    def add_done_callback(self, fn: Callable[[Any], object], *, context: Any = None) -> None:
        """Have the loop call `fn(process)` once the process has ended.

        For libraries that clean up after the current task. Processes are to `process.monitor`.
        """
        if context is None:
            context = copy_context()
        if not self.alive:
            self._loop.call_soon(fn, self, context=context)
            return
        if self._belongings is None:
            self._belongings = Belongings(self.scheduler)
        if self._belongings.callbacks is None:
            self._belongings.callbacks = []
        self._belongings.callbacks.append((fn, context))

    def remove_done_callback(self, fn: Callable[[Any], object]) -> int:
        """Take back a callback; how often it was there."""
        belongings = self._belongings
        if belongings is None or not belongings.callbacks:
            return 0
        kept = [one for one in belongings.callbacks if one[0] != fn]
        removed = len(belongings.callbacks) - len(kept)
        belongings.callbacks = kept
        return removed

    def take_cancellation(self) -> asyncio.CancelledError:
        """What is to be raised for the cancellation that it has not seen yet."""
        self._must_cancel = False
        message = self._cancel_message
        return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)

    def _interrupt(self) -> None:
        """Take the process off what it is parked at, to be stepped with an exception."""
        if self.parked is not None:
            self._struck = True
            parked = self.parked
            self.wake(NOTHING)
            parked.withdraw(self)
