"""A host: the limits under which its processes run. SEMANTICS 11.1."""

from __future__ import annotations

import sys
from typing import NoReturn

from procession.core.errors import LimitExceeded, Unavailable
from procession.core.pid import pid_prefix

DEFAULT_MAILBOX = 100_000


class Host:
    """The bookkeeping of one host; zero `max_processes` means no limit."""

    __slots__ = ("id", "mailbox", "max_processes", "pid_prefix", "population", "room")

    def __init__(
        self, host_id: str, *, max_processes: int = 0, mailbox: int = DEFAULT_MAILBOX
    ) -> None:
        self.id = host_id
        self.max_processes = max_processes
        self.mailbox = mailbox
        self.pid_prefix = pid_prefix(host_id)
        self.population = 0
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
