"""Names for processes: one table per node. SEMANTICS 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import AlreadyExists, Invalid, NotFound
from procession.core.pid import parse_pid

if TYPE_CHECKING:
    from procession.core.peer import Peer

MAX_LENGTH = 512


class NameRegistry:
    """Who has which name. A name has one owner; an owner may have many names."""

    __slots__ = ("_owners",)

    def __init__(self) -> None:
        self._owners: dict[str, Peer] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def items(self) -> list[tuple[str, str]]:
        """All names and the PIDs of their owners, in the order of registration."""
        return [(name, process.pid) for name, process in self._owners.items()]

    def register(self, name: str, process: Peer) -> None:
        """Give a name to a living process; again to the same one does nothing."""
        check_name(name)
        owner = self._owners.setdefault(name, process)
        if owner is not process:
            raise taken(name, owner.pid)
        if process.names is None:
            process.names = {}
        process.names[name] = None

    def check_free(self, name: str) -> None:
        """Raise AlreadyExists if somebody is known to have the name."""
        check_name(name)
        owner = self._owners.get(name)
        if owner is not None:
            raise taken(name, owner.pid)

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        check_name(name)
        owner = self._owners.pop(name, None)
        if owner is None:
            return False
        assert owner.names is not None
        del owner.names[name]
        return True

    def lookup(self, name: str) -> Peer:
        """The owner of a name. Raises NotFound."""
        check_name(name)
        owner = self.find(name)
        if owner is None:
            raise NotFound(f"name not registered: {name!r}")
        return owner

    def find(self, name: str) -> Peer | None:
        """The owner of a name, or None."""
        return self._owners.get(name)

    def born(self, process: Peer) -> None:
        """A process that another place has spawned here is about to run.

        For a registry that may have heard of its names before.
        """

    def forsake(self, pid: str) -> None:
        """A process that another place wanted to spawn here will never run. See `born`."""

    def release(self, process: Peer) -> None:
        """Free all names of a process that ends."""
        for name in process.names or ():
            del self._owners[name]
        process.names = None


def taken(name: str, pid: str) -> AlreadyExists:
    """The error of who wants a name that another process has."""
    return AlreadyExists(f"name {name!r} is taken by {pid}", details={"pid": pid})


def check_name(name: object) -> None:
    """Raise unless it can be the name of a process. SEMANTICS 12.2."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a string, not {type(name).__name__}")
    if not name or len(name) > MAX_LENGTH:
        raise Invalid(f"a name has 1 to {MAX_LENGTH} characters, not {len(name)}")
    if parse_pid(name):
        raise Invalid(f"{name!r} is a PID; a name must not look like one")
