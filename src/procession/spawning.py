"""`process.spawn` and its sisters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from procession.current import current

if TYPE_CHECKING:
    from procession.core.kernel import Kernel

Entry = str | Callable[..., Coroutine[Any, Any, Any]]
"""What can be spawned: an entry reference such as `"app:main"`, or an `async def`."""

NO_HOST = ""  # no host has an empty id, so the kernel refuses it


def spawn(entry: Entry, host: str | None = NO_HOST, /, *args: Any, name: str | None = None) -> str:
    """Start a process and return its PID. It runs later; messages sent right away are kept for it.

    `host` None means the caller's own. Arguments arrive as copies. A `name` is registered for it
    before it runs. Raises NotFound for an unknown entry or host, LimitExceeded when the host is
    full, Unavailable when it is stopped, Internal when the source does not load, Invalid when the
    arguments do not fit (SEMANTICS 5.3), AlreadyExists for a name that is taken; then there is no
    process.
    """
    return _spawn(entry, host, args, False, False, name)


def spawn_monitored(
    entry: Entry, host: str | None = NO_HOST, /, *args: Any, name: str | None = None
) -> str:
    """`spawn` and `monitor` in one step: the end of the child arrives as EXIT on `events`."""
    return _spawn(entry, host, args, False, True, name)


def spawn_linked(
    entry: Entry, host: str | None = NO_HOST, /, *args: Any, name: str | None = None
) -> str:
    """`spawn` and `link` in one step: if one of the two fails, so does the other."""
    return _spawn(entry, host, args, True, False, name)


def spawn_linked_monitored(
    entry: Entry, host: str | None = NO_HOST, /, *args: Any, name: str | None = None
) -> str:
    """`spawn`, `link` and `monitor` in one step."""
    return _spawn(entry, host, args, True, True, name)


def _spawn(
    entry: Entry,
    host: str | None,
    args: tuple[Any, ...],
    linked: bool,
    monitored: bool,
    name: str | None,
) -> str:
    me = current()
    kernel: Kernel = me.kernel
    return kernel.spawn(me, entry, host, args, linked, monitored, name).pid
