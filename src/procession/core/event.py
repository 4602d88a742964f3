"""What happens to processes, as values on the `events` channel. SEMANTICS 8."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from procession.core.errors import Error  # noqa: TC001 (msgspec reads it)
from procession.core.payload import copy_error, copy_payload

EXIT = "pid.exit"
LINK_DOWN = "pid.link.down"
CANCEL = "pid.cancel"
NODE_UP = "node.up"
NODE_DOWN = "node.down"


class Event(msgspec.Struct, frozen=True):
    """One lifecycle event. The EXIT of a process is also how the kernel itself passes on its end.

    EXIT and LINK_DOWN: `sender` is the process that ended, with `result` (what its main returned)
    or `error` (None after a normal exit). CANCEL: `sender` asked to stop, for a `reason`, and
    `deadline` is how many seconds remain until termination (None: it is only advice).
    """

    kind: str
    sender: str | None
    time: float
    result: Any = None
    error: Error | None = None
    reason: str | None = None
    deadline: float | None = None

    @property
    def at(self) -> datetime:
        """When it happened, by the wall clock."""
        return datetime.fromtimestamp(self.time, UTC)

    def copy(self) -> Event:
        """The same event for one more receiver, sharing nothing changeable."""
        error = None if self.error is None else copy_error(self.error)
        return msgspec.structs.replace(self, result=copy_payload(self.result), error=error)
