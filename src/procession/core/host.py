"""A host: the limits under which its processes run. SEMANTICS 11.1."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn, Protocol

from procession.core.errors import Invalid, LimitExceeded, NotFound, Unavailable, did_you_mean
from procession.core.pid import pid_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from procession.core.order import SpawnOrder
    from procession.core.peer import Peer

DEFAULT_MAILBOX = 100_000
DEFAULT_MAILBOX_BYTES = 256 * 1024 * 1024
DEFAULT_STEP_LIMIT = 5.0
DEFAULT_CLEANUP = 1.0


class Pool(Protocol):
    """Where the processes of a host with OS processes of its own are started."""

    def spawn(self, host: Host, order: SpawnOrder, /) -> Peer | None:
        """Start a process in another place; None if it should rather be started in this one.

        Raises Invalid if the entry can only be run here, Unavailable if no place is up.
        """


class Host:
    """The bookkeeping of one host; zero `max_processes` means no limit."""

    __slots__ = (
        "cleanup",
        "id",
        "mailbox",
        "mailbox_bytes",
        "max_processes",
        "pid_prefix",
        "pool",
        "population",
        "room",
        "step_limit",
    )

    def __init__(
        self,
        host_id: str,
        *,
        max_processes: int = 0,
        mailbox: int = DEFAULT_MAILBOX,
        mailbox_bytes: int = DEFAULT_MAILBOX_BYTES,
        step_limit: float = DEFAULT_STEP_LIMIT,
        cleanup: float = DEFAULT_CLEANUP,
    ) -> None:
        self.id = host_id
        self.max_processes = max_processes
        self.mailbox = mailbox
        """How many messages may wait for one process. SEMANTICS 6.8."""
        self.mailbox_bytes = mailbox_bytes
        """How much they may weigh. SEMANTICS 6.10."""
        self.step_limit = step_limit
        """Seconds that a process may compute without a wait. SEMANTICS 11.4."""
        self.cleanup = cleanup
        """Seconds that a process may wait while it cleans up, once terminated. SEMANTICS 7.3."""
        self.pid_prefix = pid_prefix(host_id)
        self.population = 0
        self.pool: Pool | None = None
        """The OS processes that it has; None if its processes run in this one."""
        self.room = max_processes or sys.maxsize
        """At this population nothing more may start: the limit, or zero once it is stopped."""

    def stop(self) -> None:
        """Let nothing more start here."""
        self.room = 0

    def refuse(self) -> NoReturn:
        """Say why nothing more may start here."""
        if not self.room:
            raise Unavailable(f"host {self.id} is stopped", retryable=True)
        raise LimitExceeded(
            f"max processes: host {self.id} is full with {self.max_processes}", retryable=True
        )

    def __repr__(self) -> str:
        limit = self.max_processes or "any number"
        return f"<Host {self.id}: {self.population} of {limit}>"


def no_host(host_id: object, known: Iterable[str]) -> NoReturn:
    """Say that there is no such host, and which ones there are."""
    if not isinstance(host_id, str):
        raise TypeError(f"a host is a string, not {type(host_id).__name__}")
    if not host_id:
        raise Invalid("to spawn takes an entry and a host (None: the caller's own)")
    hint = did_you_mean(host_id, known) or f"; it can be {', '.join(known)}"
    raise NotFound(f"host not found: {host_id!r}{hint}")
