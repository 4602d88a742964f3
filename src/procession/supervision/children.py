"""The children of one supervisor: found by id and by PID, and kept in the order of their start.

A dynamic supervisor may have a hundred thousand of them, so nothing here looks through all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procession.core.errors import Error
    from procession.supervision.spec import ChildSpec


class Child:
    """A child. `pid` is None while it does not run; `halted`, if `terminate_child` has seen to it:
    then only `restart_child` starts it again. `died`, if it ended with an error when it last ran.
    `keeps_name`: its name is kept for it."""

    __slots__ = ("args", "died", "halted", "keeps_name", "pid", "spec")

    def __init__(self, spec: ChildSpec, args: list[Any]) -> None:
        self.spec = spec
        self.args = args
        self.pid: str | None = None
        self.died = False
        self.halted = False
        self.keeps_name = False


class NotStarted(Exception):
    """A child could not be started."""

    def __init__(self, child: Child, error: Error) -> None:
        self.child = child
        self.error = error


class Children:
    """All children. Those of a dynamic supervisor share one spec, and so have no id."""

    def __init__(self, *, dynamic: bool) -> None:
        self._dynamic = dynamic
        self._all: dict[Child, None] = {}
        self._by_id: dict[str, Child] = {}
        self._by_pid: dict[str, Child] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Child]:
        return iter(self._all)

    def __contains__(self, child: object) -> bool:
        return child in self._all

    @property
    def active(self) -> int:
        """How many run."""
        return len(self._by_pid)

    def add(self, child: Child) -> None:
        """One more, after all others."""
        self._all[child] = None
        if not self._dynamic:
            self._by_id[child.spec.id] = child

    def remove(self, child: Child) -> None:
        """Forget one that does not run."""
        assert child.pid is None
        del self._all[child]
        if not self._dynamic:
            del self._by_id[child.spec.id]

    def started(self, child: Child, pid: str) -> None:
        """It runs."""
        child.pid = pid
        child.halted = False
        self._by_pid[pid] = child

    def ended(self, child: Child, error: Error | None) -> None:
        """It does not run any more."""
        assert child.pid is not None
        child.died = error is not None
        del self._by_pid[child.pid]
        child.pid = None

    def with_pid(self, pid: Any) -> Child | None:
        """The one that runs as `pid`, or None."""
        return self._by_pid.get(pid) if isinstance(pid, str) else None

    def with_id(self, id: Any) -> Child | None:
        """The one of that id, or None."""
        return self._by_id.get(id) if isinstance(id, str) else None
