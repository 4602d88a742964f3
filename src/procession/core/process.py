"""A process as the machine sees it: identity, mailbox, ties. What runs inside is a guest's matter.

A guest subclasses `Process`: `step` resumes the body, `kill` ends it, and both report the end,
once, by `kernel.exited`. A body that goes on for a while to clean up is reported before, by
`kernel.ending`. One object is both the process and its main strand, so that an idle
process is small and a step needs no indirection.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from procession.core import links
from procession.core.errors import Internal, ProcessTerminated
from procession.core.event import CANCEL, LINK_DOWN, Event
from procession.core.events import EVENT, MIN_EVENTS, too_many_events, weight_of
from procession.core.first_wait import FirstWait
from procession.core.link_failure import link_failure
from procession.core.mailbox import Mailbox
from procession.core.payload import SCALARS
from procession.core.scheduler import Strand
from procession.core.weight import WEIGHTLESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from procession.core.errors import Error
    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.core.message import ReplyTo
    from procession.core.peer import Peer, Watcher
    from procession.core.scheduler import Scheduler

CLEANUP_SHARE = 0.5
"""How much of the time that a process has to stop may, at most, be kept for its clean-up."""

current_process: ContextVar[Process] = ContextVar("procession.current_process")
"""The process that the running code belongs to: its main, or a task or callback it started."""


class Program(Protocol):
    """Something that can be spawned: an entry, loaded."""

    entry: str

    def start(self, kernel: Kernel, host: Host, pid: str, args: Sequence[Any], /) -> Process:
        """A process about to run for the first time. Raises Error if the arguments do not fit."""

    def replace(self, process: Process, args: Sequence[Any], /) -> Any:
        """What `process` has to wait for to go on as this program. Raises Error if it cannot."""


class Router:
    """What a process needs of its kernel: see there."""

    __slots__ = ()

    scheduler: Scheduler

    def post(
        self,
        caller: Process | None,
        dest: str,
        topic: str,
        payload: Any,
        reply_to: ReplyTo | None = None,
    ) -> Peer:
        """Deliver a message, or raise and deliver nothing."""
        raise NotImplementedError

    def exited(
        self, process: Process, result: Any, error: Error | None, noticed: bool = False
    ) -> None:
        """A guest reports that a process has ended."""
        raise NotImplementedError

    def doom(self, process: Process, error: Error, cleanup: float | None = None) -> None:
        """End a process before any other runs."""
        raise NotImplementedError


class Process(Strand):
    """The state of one process that every guest shares. Its ties: see Peer."""

    __slots__ = (
        "__weakref__",
        "_mailbox",
        "entry",
        "host",
        "kernel",
        "links",
        "monitoring",
        "more_watchers",
        "names",
        "pid",
        "program",
        "thread",
        "trap_links",
        "watcher",
    )

    away: ClassVar[bool] = False

    declared_only: ClassVar[bool] = False
    """Whether it can start entries of the manifest only, and no code by its name. SEMANTICS 14.3"""

    def __init__(self, kernel: Kernel, host: Host, pid: str, program: Program) -> None:
        self.set_up(kernel, host, pid, program)

    def set_up(self, kernel: Kernel, host: Host, pid: str, program: Program) -> None:
        """Be a process that has just been born."""
        self.scheduler = kernel.scheduler
        self.value = None
        self.parked = None
        self.turn = None
        self.order = 0
        self.kernel = kernel
        self.host = host
        self.pid = pid
        self.entry = program.entry
        self.program = program
        self._mailbox: Mailbox | None = None
        self.thread: int | None = self.scheduler.thread
        """The thread whose code may act as this process; None once it has ended."""
        self.trap_links = False
        self.links: dict[str, Peer] | None = None
        self.watcher: Watcher | None = None
        self.more_watchers: dict[Watcher, None] | None = None
        self.monitoring: dict[str, Peer] | None = None
        self.names: dict[str, bool] | None = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.thread is not None

    @property
    def mailbox(self) -> Mailbox:
        """What was sent to the process. Made when first needed: many never are sent anything."""
        if self._mailbox is None:
            self._mailbox = Mailbox(self.scheduler, self.host)
        return self._mailbox

    @property
    def ending(self) -> bool:
        """Whether its end is decided, and it cleans up: to whoever sends it is dead."""
        return False

    @property
    def cleanup(self) -> float:
        """For how many seconds it may clean up, once it is to end."""
        return 0.0

    def kill(self, error: Error, cleanup: float | None = None) -> None:
        """End with `error`, whatever the body says: now, or when it has cleaned up.

        `cleanup` bounds the seconds for that further. Killed again, it keeps its first error, and
        has no more time. Called between steps, never within one.
        """
        raise NotImplementedError

    def give_up(self, error: Error) -> None:
        """End with `error`, without running any of its code, as far as that can be done."""
        self.kernel.exited(self, None, error)

    def error_of(self, exc: BaseException) -> Error:
        """The error with which it ends by an exception that has left its step."""
        return Internal(f"{type(exc).__name__} in a step of the process")

    def crashed(self, exc: BaseException) -> None:
        """Its step, or its end, was cut short: it is over now, and all who wait for that hear it.

        The step limit of the host may have to be enforced by an exception: see Watchdog.
        """
        error = self.error_of(exc)
        try:
            self.give_up(error)
        except Exception as again:
            error.__context__ = again
        if (
            self.kernel.processes.get(self.pid) is self
            or self.watcher
            or self.more_watchers
            or self.links
        ):
            self.kernel.exited(self, None, error)
        if isinstance(exc, KeyboardInterrupt):  # it is for the whole program
            raise exc

    def close_mailbox(self) -> None:
        """Get no messages any more."""
        self.mailbox.close()

    # -- what the process is told ----------------------------------------------------------

    def down(self, exit: Event) -> None:
        """A process that this one monitors has ended; or one that it is linked to, and traps."""
        told = exit
        if exit.error is not None or type(exit.result) not in SCALARS:
            told = exit.copy()
        self.tell(told)
        if self.monitoring:
            self.monitoring.pop(exit.sender or "", None)

    def tell(self, event: Event) -> None:
        """Have it receive an event, none of which is lost; if too much waits, it ends instead."""
        mailbox = self._mailbox or self.mailbox
        events = mailbox.events_channel or mailbox.make_events()
        events.push(event)
        if events._buffer:  # else it was handed over
            if event.error is None and type(event.result) in WEIGHTLESS:
                events.weight += EVENT
            else:
                events.weight += weight_of(event)
            if events.weight > events.next_look:
                limit = max(self.host.mailbox_bytes, MIN_EVENTS)
                if events.exceeds(limit) and not self.ending:
                    self.kernel.doom(self, too_many_events(events.weight, limit))

    def link_down(self, exit: Event) -> None:
        """A process that was linked to this one has ended. SEMANTICS 9.3, 9.4, 9.5."""
        if exit.error is None:
            return
        if self.trap_links:
            self.down(msgspec.structs.replace(exit, kind=LINK_DOWN))
        else:
            self.kernel.doom(self, link_failure(exit))

    def link_failing(self, exit: Event) -> bool:
        """A process that this one is linked to is going to fail. SEMANTICS 9.4, 9.5."""
        if self.trap_links:
            return False
        links.unlink(self, exit.sender or "")
        self.link_down(exit)
        return True

    def linked(self, one: Peer) -> None:
        """Both ends are here: nobody else has to know."""

    def unlinked(self, one: Peer) -> None:
        """Both ends are here: nobody else has to know."""

    def doom(self, error: Error, cleanup: float | None = None) -> None:
        """End with `error`, before any other process runs; see `Kernel.doom`."""
        self.kernel.doom(self, error, cleanup)

    def ask_to_stop(
        self, sender: str | None, reason: str | None, deadline: float | None, or_end: bool
    ) -> None:
        """Get CANCEL; with a deadline, be terminated when it is over. SEMANTICS 10.1."""
        mailbox, kernel = self.mailbox, self.kernel
        if or_end and not mailbox.events_wanted and not self.ending:
            self.doom(terminated(), deadline)
            return
        event = Event(CANCEL, sender, kernel.now(), reason=reason, deadline=deadline)
        self.tell(event)
        if deadline is None:
            return
        cleanup = None
        if or_end:
            cleanup = 0.0 if self.ending else min(self.cleanup, deadline * CLEANUP_SHARE)
            deadline -= cleanup
        kernel.deadlines.set(self, deadline, cleanup)

    def when_waiting(self, then: Callable[[], None]) -> None:
        """Call `then` when it has come to its first wait, unless it ends before."""
        FirstWait(self, then)

    @property
    def is_interrupted(self) -> bool:
        """Whether its step was cut short, so that it is ready and does not wait."""
        return False

    def ask_ready(self, reply_to: ReplyTo) -> None:
        """Have `reply_to` answered once it has said that it is ready."""
        self.kernel.readiness.ask(self.pid, reply_to)

    def inherit(self, heritage: dict[str, Any]) -> None:
        """Take over the context of those who started it: a matter of guests that have one."""

    def statistics(self) -> dict[str, Any]:
        """What is to be seen of the process from outside."""
        return {
            "pid": self.pid,
            "entry": self.entry,
            "host": self.host.id,
            "state": self.condition,
            "names": [name for name, only_kept in (self.names or {}).items() if not only_kept],
            "mailbox": 0 if self._mailbox is None else self._mailbox.size,
            "mailbox_bytes": 0 if self._mailbox is None else self._mailbox.weight,
            "links": list(self.links or ()),
            "monitoring": list(self.monitoring or ()),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid} {self.entry} {self.condition}>"

    @property
    def condition(self) -> str:
        """In one word: waiting, ready, running, ending or dead."""
        if not self.alive:
            return "dead"
        if self.ending:
            return "ending"
        if self.scheduler.current is self:
            return "running"
        return "waiting" if self.parked is not None else "ready"


def terminated() -> ProcessTerminated:
    """The error of a process that was ended on request."""
    return ProcessTerminated("process terminated")
