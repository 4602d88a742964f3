"""Waiting for another process: for its reply to a message, or for its end.

Both watch the other one, so they fail at once when it dies, and never hang. Neither shows on the
`events` channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.errors import Error, Timeout, Unavailable
from procession.core.payload import copy_error
from procession.core.wait import park

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.event import Event
    from procession.core.kernel import Kernel
    from procession.core.peer import Peer
    from procession.core.scheduler import Scheduler, Strand


CALLER_GONE = "the caller of exec has gone"
"""The message of the error with which a process ends whose result nobody waits for any more."""

TAKEN_BACK = "its spawn has failed"
"""The message of the error with which a process ends that nobody is to hear of."""


class Awaited:
    """A strand that waits for one outcome: what every wait for somebody else has in common."""

    __slots__ = ("__weakref__", "_strand")

    def __init__(self, scheduler: Scheduler) -> None:
        self._strand: Strand = scheduler.strand()

    def settle(self, outcome: Any) -> bool:
        """End the wait; False if it has ended before."""
        if self._strand.parked is not self:
            return False
        self._strand.wake(outcome)
        return True

    def withdraw(self, strand: object) -> None:
        """The strand was interrupted: whatever comes is too late."""

    def restore(self, value: object, turn: Any = None) -> None:
        """The strand was interrupted after the outcome had come: it is lost with the call."""


class PendingCall(Awaited):
    """A call that has not been answered."""

    __slots__ = ("_kernel",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel.scheduler)
        self._kernel = kernel

    async def run(self, send: Callable[[PendingCall], Peer], timeout: float | None) -> Any:
        """Send the message and wait for the reply, the end of the callee, or the time-out."""
        target = send(self)
        links.watch(self, target)
        timer = None
        if timeout is not None:
            timer = self._strand.scheduler.call_later(timeout, lambda: self._give_up(timeout))
        try:
            reply = await park(self._strand, self)
        finally:
            links.unwatch(self, target)
            if timer is not None:
                timer.cancel()
        if isinstance(reply, Error):
            try:
                raise reply
            finally:
                del reply  # see Waiting.run
        return reply

    def answer(self, reply: Any) -> bool:
        """The callee has replied; False if that is too late. SEMANTICS 6.11."""
        if self.settle(reply):
            return True
        self._kernel.late_replies += 1
        return False

    def down(self, exit: Event) -> None:
        """The callee has ended without a reply."""
        error = None if exit.error is None else copy_error(exit.error).to_dict()
        self.settle(
            Unavailable(
                f"{exit.sender} has ended without a reply",
                retryable=True,
                details={"pid": exit.sender, "error": error},
            )
        )

    def _give_up(self, timeout: float) -> None:
        self.settle(Timeout(f"no reply within {timeout:g} seconds", retryable=True))


class Waiting(Awaited):
    """A process whose result is waited for."""

    __slots__ = ()

    async def run(self, process: Peer) -> Any:
        """Wait for the end of the process: its result, or its error, raised."""
        links.watch(self, process)
        try:
            exit: Event = await park(self._strand, self)
        finally:
            links.unwatch(self, process)
        result, error = exit.result, exit.error
        # Nothing here may keep the error: with its cause it has the frames of another process.
        del exit
        self._strand.value = None
        if error is None:
            return result
        try:
            raise error
        finally:
            del error  # or the error, its traceback and this frame would keep each other alive

    def down(self, exit: Event) -> None:
        """The process has ended.

        Whoever waits for it here, in the same place, also learns what exactly was raised. It is
        the only object that two processes ever share; the one that it came from is dead.
        """
        copy = exit.copy()
        if copy.error is not None and exit.error is not None:
            copy.error.__cause__ = exit.error.__cause__
        self.settle(copy)
