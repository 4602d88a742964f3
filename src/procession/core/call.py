"""Waiting for another process: for its reply to a message, or for its end.

Both watch the other one, so they fail at once when it dies, and never hang. Neither shows on the
`events` channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.errors import Error, Timeout, Unavailable
from procession.core.payload import copy_error
from procession.core.scheduler import Parking
from procession.core.tokens import EMPTY
from procession.core.wait import wait

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from procession.core.event import Event
    from procession.core.kernel import Kernel
    from procession.core.peer import Peer
    from procession.core.process import Process
    from procession.core.scheduler import Scheduler, Strand
    from procession.core.timers import Timer


CALLER_GONE = "the caller of exec has gone"
"""The message of the error with which a process ends whose result nobody waits for any more."""

TAKEN_BACK = "its spawn has failed"
"""The message of the error with which a process ends that nobody is to hear of."""


class Awaited(Parking):
    """One outcome that somebody else brings: what every wait for somebody else has in common.

    To be waited for once, by `run`. It is asked for when the wait begins, and whatever that
    has left with others is taken back when the wait ends, however it does.

    The strand is handed nothing: the outcome may be an error, and what holds an error that has
    been raised and is held by its traceback would be kept alive by it. So it is in here alone,
    and taken out as it is given.
    """

    __slots__ = ("__weakref__", "_outcome", "_strand", "_timeout", "_timer")

    _strand: Strand

    def __init__(self, scheduler: Scheduler, timeout: float | None = None) -> None:
        self.scheduler = scheduler
        self._timeout = timeout
        self._timer: Timer | None = None
        self._outcome: Any = None

    def run(self) -> Coroutine[Any, Any, Any]:
        """Wait for it."""
        return wait(self)

    def ask(self) -> None:
        """Have somebody bring the outcome, by `settle`, at the earliest in another step."""
        raise NotImplementedError

    def leave(self) -> None:
        """Undo that: nothing is wanted any more. Also if `ask` was cut short."""
        raise NotImplementedError

    def expire(self) -> None:
        """The time is over: settle it."""
        raise NotImplementedError

    def attempt(self) -> Any:
        """Ask for it. It is never there at once."""
        scheduler = self.scheduler
        if scheduler.current is None:
            scheduler.strand()  # raises where nobody can wait, before anything is asked
        try:
            self.ask()
            if self._timeout is not None:
                self._timer = scheduler.call_later(self._timeout, self.expire)
        except BaseException:
            self.stop()
            raise
        return EMPTY

    def enlist(self, strand: Strand) -> None:
        """Have the strand wait for it."""
        self._strand = strand

    def settle(self, outcome: Any) -> bool:
        """End the wait; False if it has ended before."""
        strand = self._strand
        if strand.parked is not self:
            return False
        self._outcome = outcome
        strand.offer(None, self)
        return True

    def stop(self) -> None:
        """The wait is over: leave nothing behind."""
        self.leave()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def outcome(self, value: Any) -> Any:
        """What was brought."""
        self.stop()
        outcome, self._outcome = self._outcome, None
        return outcome

    def withdraw(self, strand: object) -> None:
        """The strand was interrupted: whatever comes is too late."""
        self.stop()

    def restore(self, value: object, turn: Any = None) -> None:
        """The strand was interrupted after the outcome had come: it is lost with the call."""
        self._outcome = None
        self.stop()


class PendingCall(Awaited):
    """A call that has not been answered."""

    __slots__ = ("_caller", "_dest", "_kernel", "_payload", "_target", "_topic")

    def __init__(
        self,
        kernel: Kernel,
        caller: Process | None,
        dest: str,
        topic: str,
        payload: Any,
        timeout: float | None,
    ) -> None:
        self.scheduler = kernel.scheduler  # as Awaited does, without the call: calls are many
        self._timeout = timeout
        self._timer = None
        self._outcome = None
        self._kernel = kernel
        self._caller = caller
        self._dest = dest
        self._topic = topic
        self._payload = payload
        self._target: Peer | None = None

    def ask(self) -> None:
        """Send the message, and watch who is to answer it."""
        payload, self._payload = self._payload, None
        target = self._kernel.post(self._caller, self._dest, self._topic, payload, self)
        self._target = target
        links.watch(self, target)

    def leave(self) -> None:
        """Watch the callee no longer."""
        target, self._target = self._target, None
        if target is not None:
            links.unwatch(self, target)

    def outcome(self, value: Any) -> Any:
        """The reply; an Error is raised."""
        self.stop()
        reply, self._outcome = self._outcome, None
        if isinstance(reply, Error):
            try:
                raise reply
            finally:
                del reply  # or the error, its traceback and this frame would keep each other alive
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

    def expire(self) -> None:
        """The callee has not replied in time."""
        self.settle(Timeout(f"no reply within {self._timeout:g} seconds", retryable=True))


class Waiting(Awaited):
    """A process whose result is waited for."""

    __slots__ = ("_process",)

    def __init__(self, scheduler: Scheduler, process: Peer) -> None:
        Awaited.__init__(self, scheduler)
        self._process = process

    def ask(self) -> None:
        """Hear of its end."""
        links.watch(self, self._process)

    def leave(self) -> None:
        """Hear of it no longer."""
        links.unwatch(self, self._process)

    def outcome(self, value: Any) -> Any:
        """The result of the process; its error is raised."""
        self.stop()
        exit: Event = self._outcome
        result, error = exit.result, exit.error
        # Nothing here may keep the error: with its cause it has the frames of another process.
        self._outcome = None
        del exit
        if error is None:
            return result
        try:
            raise error
        finally:
            del error  # see PendingCall

    def down(self, exit: Event) -> None:
        """The process has ended.

        Whoever waits for it here, in the same place, also learns what exactly was raised. It is
        the only object that two processes ever share; the one that it came from is dead.
        """
        copy = exit.copy()
        if copy.error is not None and exit.error is not None:
            copy.error.__cause__ = exit.error.__cause__
        self.settle(copy)
