"""Names for processes: one table per node. SEMANTICS 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import AlreadyExists, Invalid, NotFound
from procession.core.pid import parse_pid

if TYPE_CHECKING:
    from procession.core.process import Process

MAX_LENGTH = 512


class NameRegistry:
    """Who has which name. A name has one owner; an owner may have many names."""

    __slots__ = ("_owners",)

    def __init__(self) -> None:
        self._owners: dict[str, Process] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def items(self) -> list[tuple[str, str]]:
        """All names and the PIDs of their owners, in the order of registration."""
        return [(name, process.pid) for name, process in self._owners.items()]

    def register(self, name: str, process: Process) -> None:
        """Give a name to a living process; again to the same one does nothing."""
        check_name(name)
        owner = self._owners.setdefault(name, process)
        if owner is not process:
            raise AlreadyExists(
                f"name {name!r} is taken by {owner.pid}", details={"pid": owner.pid}
            )
        if process.names is None:
            process.names = {}
        process.names[name] = None

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        check_name(name)
        owner = self._owners.pop(name, None)
        if owner is None:
            return False
        assert owner.names is not None
        del owner.names[name]
        return True

    def lookup(self, name: str) -> Process:
        """The owner of a name. Raises NotFound."""
        check_name(name)
        owner = self.find(name)
        if owner is None:
            raise NotFound(f"name not registered: {name!r}")
        return owner

    def find(self, name: str) -> Process | None:
        """The owner of a name, or None."""
        return self._owners.get(name)

    def release(self, process: Process) -> None:
        """Free all names of a process that ends."""
        for name in process.names or ():
            del self._owners[name]
        process.names = None


def check_name(name: object) -> None:
    """Raise unless it can be the name of a process. SEMANTICS 12.2."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a string, not {type(name).__name__}")
    if not name or len(name) > MAX_LENGTH:
        raise Invalid(f"a name has 1 to {MAX_LENGTH} characters, not {len(name)}")
    if parse_pid(name):
        raise Invalid(f"{name!r} is a PID; a name must not look like one")
