"""The order to spawn a process in another place: what the caller says, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class SpawnOrder(msgspec.Struct, frozen=True, gc=False):
    """What to start, and for whom.

    `entry` is what the caller named; once it crosses to another place, a reference. `args` have
    been copied. `parent` is the PID of the caller, None outside of processes. `heritage` is the
    context that Lua programs hand down. `name` is registered before the process runs; `keeper` is
    who may give it one that is kept, the caller if None. It stays in the place of the caller.
    """

    entry: Any
    host: str
    args: Sequence[Any] = ()
    to_execute: bool = False
    parent: str | None = None
    heritage: dict[str, Any] | None = None
    name: str | None = None
    keeper: str | None = None
