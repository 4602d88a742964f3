"""Names for processes: one table per node. SEMANTICS 12."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from procession.core.errors import AlreadyExists, Invalid, LimitExceeded, NotFound
from procession.core.pid import parse_pid
from procession.core.stack import check_stack

if TYPE_CHECKING:
    from procession.core.peer import Peer

MAX_LENGTH = 512

MAX_NAMES = 10_000
"""So many names a process can have."""

KEPT = ""
"""What stands in place of the PID of its owner while a name waits for its next one."""


class Attendant(Protocol):
    """Who waits for something to happen to a name."""

    def changed(self) -> None:
        """It has an owner now, or none any more."""


class NameRegistry:
    """Who has which name. A name has one owner; an owner may have many names.

    A name may also have a keeper: a supervisor or service, by its PID or id, that starts a process
    under that name, and starts it again. While the process is restarted the name has no owner, but
    is `kept`: only a process that its keeper spawns can get it, and calls wait for that.
    """

    __slots__ = ("_keepers", "_owners", "_waiting", "kept")

    def __init__(self) -> None:
        self._owners: dict[str, Peer] = {}
        self._keepers: dict[str, str] = {}
        self.kept: dict[str, None] = {}
        """The names that have a keeper, and no owner now."""
        self._waiting: dict[str, deque[Attendant]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def items(self) -> list[tuple[str, str]]:
        """All names and the PIDs of their owners, in the order of registration."""
        return [(name, process.pid) for name, process in self._owners.items()]

    def states(self) -> list[tuple[str, str]]:
        """All that a copy of this registry has to know: the same, and KEPT for those that are."""
        return [*self.items(), *((name, KEPT) for name in self.kept)]

    def register(self, name: str, process: Peer, keeper: str | None = None) -> None:
        """Give a name to a living process; again to the same one does nothing.

        `keeper` spawns it: one that is kept by somebody else is not to be had.
        """
        check_name(name)
        owner = self._owners.get(name)
        if owner is process:
            return
        self._check(name, owner, keeper)
        if len(process.names or ()) >= MAX_NAMES:
            raise LimitExceeded(f"a process can have {MAX_NAMES} names, and {process.pid} has them")
        check_stack()
        note_name(process, name)
        self._owners[name] = process
        self.kept.pop(name, None)
        self._changed(name)

    def check_free(self, name: str, keeper: str | None = None) -> None:
        """Raise AlreadyExists if somebody is known to have the name, or to keep it."""
        check_name(name)
        self._check(name, self._owners.get(name), keeper)

    def _check(self, name: str, owner: Peer | None, keeper: str | None) -> None:
        if owner is not None:
            raise taken(name, owner.pid)
        kept_by = self._keepers.get(name)
        if kept_by not in (None, keeper):
            raise AlreadyExists(
                f"name {name!r} is kept by {kept_by} for the process that it restarts",
                details={"keeper": kept_by},
            )

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        check_name(name)
        owner = self._owners.get(name)
        if owner is None:
            return False
        check_stack()
        del self._owners[name]
        assert owner.names is not None
        owner.names.pop(name, None)
        self._freed(name)
        return True

    def lookup(self, name: str) -> Peer:
        """The owner of a name. Raises NotFound."""
        check_name(name)
        owner = self.find(name)
        if owner is None:
            if name in self.kept:
                what = f"name not registered: {name!r}: the process of that name is being restarted"
                raise NotFound(what, retryable=True)
            raise NotFound(f"name not registered: {name!r}")
        return owner

    def find(self, name: str) -> Peer | None:
        """The owner of a name, or None."""
        return self._owners.get(name)

    def of(self, pid: str, process: Peer | None) -> list[str]:
        """The names of a process, known here as `process` if it is."""
        names = None if process is None else process.names
        return [name for name, only_kept in (names or {}).items() if not only_kept]

    def born(self, process: Peer) -> None:
        """A process that another place has spawned here is about to run.

        For a registry that may have heard of its names before.
        """

    def forsake(self, pid: str) -> None:
        """A process that another place wanted to spawn here will never run. See `born`."""

    def release(self, process: Peer) -> None:
        """Free all names of a process that ends, and those that it keeps."""
        names = process.names or {}
        for name, only_kept in list(names.items()):
            if only_kept:
                self.let_go(name, process.pid)
            elif self._owners.get(name) is process:
                del self._owners[name]
                self._freed(name)
            names.pop(name, None)
        process.names = None

    # -- names that outlive their owners -----------------------------------------------------

    def keep(self, name: str, keeper: str, process: Peer | None) -> None:
        """Keep a name for processes that `keeper` is going to spawn. Raises AlreadyExists.

        `process` is the keeper, if it is one: at its end the name is let go.
        """
        check_name(name)
        if self._keepers.get(name) == keeper:
            return
        self._check(name, self._owners.get(name), None)
        self._keepers[name] = keeper
        if process is not None:
            note_name(process, name, only_kept=True)
        self._freed(name)

    def let_go(self, name: str, keeper: str, process: Peer | None = None) -> None:
        """Keep a name no longer. Its owner, if there is one, has it until it ends."""
        if process is not None and process.names:
            process.names.pop(name, None)
        if self._keepers.get(name) == keeper:
            del self._keepers[name]
            if name in self.kept:
                del self.kept[name]
                self._changed(name)

    def _freed(self, name: str) -> None:
        """It has no owner any more; perhaps a keeper."""
        if name in self._keepers:
            self.kept[name] = None
        self._changed(name)

    # -- waiting -----------------------------------------------------------------------------

    def attend(self, name: str, attendant: Attendant) -> None:
        """Have somebody told of the next thing that happens to a name."""
        self._waiting.setdefault(name, deque()).append(attendant)

    def leave(self, name: str, attendant: Attendant) -> None:
        """Undo that, if it has not happened."""
        waiting = self._waiting.get(name)
        if waiting and attendant in waiting:
            waiting.remove(attendant)
            if not waiting:
                del self._waiting[name]

    def _changed(self, name: str) -> None:
        if self._waiting:
            waiting = self._waiting.get(name)
            while waiting:
                waiting[0].changed()
                del waiting[0]
            self._waiting.pop(name, None)


def note_name(process: Peer, name: str, *, only_kept: bool = False) -> None:
    """Note with a process that it has a name, or keeps it for others."""
    if process.names is None:
        process.names = {}
    process.names[name] = only_kept


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
