"""Which processes have said that they are ready, and who waits for it.

A process says so, once, with `process.ready()`. Whoever wants to know hands over a `ReplyTo`, as
for a call: it is answered at once or when the time has come, and never if the process ends before,
which a monitor tells. So the answer finds its way back from any place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.core.message import ReplyTo

READY = "@ready"
"""The topic on which another place is asked. Processes cannot send on it."""


class Readiness:
    """What is known of the processes of one place, by PID. Nothing of those that never say it."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[str, list[ReplyTo] | None] = {}
        """Who has asked; None: it is ready."""

    def declare(self, pid: str) -> None:
        """The process is ready. Again: nothing happens."""
        waiting = self.known.get(pid)
        while waiting:
            waiting[0].answer(None)
            del waiting[0]
        self.known[pid] = None

    def ask(self, pid: str, reply_to: ReplyTo) -> None:
        """Have `reply_to` answered once the process, which is alive, is ready."""
        waiting = self.known.setdefault(pid, [])
        if waiting is None:
            reply_to.answer(None)
        else:
            waiting.append(reply_to)

    def forget(self, pid: str) -> None:
        """The process has ended."""
        self.known.pop(pid, None)
