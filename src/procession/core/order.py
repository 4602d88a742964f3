"""The order to spawn a process in another place: what the caller says, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Importable(msgspec.Struct, frozen=True):
    """Where the code of a Python function is: `package.module:function`.

    Only a Python program of the node can have named it so. A text is something else: it may have
    come as data, and names an entry of the manifest. SEMANTICS 14.3.
    """

    reference: str


class SpawnOrder(msgspec.Struct, frozen=True, gc=False):
    """What to start, and for whom.

    `entry` is what the caller named. Once it crosses to another place it is the id of an entry of
    the manifest, or Importable. `args` have been copied. `parent` is the PID of the caller, None
    outside of processes. `heritage` is the context that Lua programs hand down. `name` is
    registered before the process runs; `keeper` is who may give it one that is kept, the caller if
    None. It stays in the place of the caller.
    """

    entry: Any
    host: str
    args: Sequence[Any] = ()
    to_execute: bool = False
    parent: str | None = None
    heritage: dict[str, Any] | None = None
    name: str | None = None
    keeper: str | None = None
