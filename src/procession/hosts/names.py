"""Names in a node of several OS processes. SEMANTICS 12.3.

The parent decides who has a name, and tells every worker of each change. A worker answers from
its copy; to register, or for a name that its copy lacks, it asks the parent and waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.errors import AlreadyExists, Error
from procession.core.names import KEPT, NameRegistry, check_name, note_name, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.exchange import Exchange
    from procession.core.kernel import Kernel
    from procession.core.peer import Peer


class ParentNames(NameRegistry):
    """The registry of the node. `publish` tells the workers a name, and its owner's PID, KEPT or
    None."""

    def __init__(self, publish: Callable[[str, str | None], None]) -> None:
        super().__init__()
        self._publish = publish

    def _changed(self, name: str) -> None:
        super()._changed(name)
        owner = self._owners.get(name)
        self._publish(name, owner.pid if owner is not None else KEPT if name in self.kept else None)


def answer_about_names(
    kernel: Kernel, what: str, name: str, pid: str = "", keeper: str | None = None
) -> Any:
    """What the parent answers to a worker that asks about a name: what it wants, or an Error."""
    try:
        if what == "lookup":
            owner = kernel.names.find(name)
            return None if owner is None else owner.pid
        if what == "unregister":
            return kernel.unregister(None, name)
        if what == "keep":
            kernel.names.keep(name, pid, kernel.resolve(pid))
        else:
            kernel.names.register(name, kernel.resolve(pid), keeper)
    except Error as error:
        return error
    return True


def note_about_names(kernel: Kernel, what: str, name: str, pid: str) -> None:
    """What the parent does when a worker says that a process there has a name no longer."""
    names = kernel.names
    if what == "let_go":
        names.let_go(name, pid, kernel.processes.get(pid))
        return
    owner = names.find(name)
    if owner is not None and owner.pid == pid:  # else it has been given to another one meanwhile
        kernel.unregister(None, name)


class WorkerNames(NameRegistry):
    """What a worker knows of the names. `ask` puts a question to the parent; it gives the answer,
    or raises the Error that is one. `tell` needs no answer.

    What the parent publishes is taken in in its order, also while an answer is waited for. So when
    an answer comes, the copy is as the parent saw it. A process of this place learns that way, too,
    which names it has, whoever gave them to it; it tells the parent of those that its end frees.
    """

    def __init__(self, kernel: Kernel, ask: Callable[..., Any], tell: Callable[..., None]) -> None:
        super().__init__()
        self._kernel = kernel
        self._ask = ask
        self._tell = tell
        self._pids: dict[str, str] = {}
        self._early: dict[str, list[str]] = {}
        """The names of processes whose SPAWN has still to come, by PID."""

    def __len__(self) -> int:
        return len(self._pids)

    def items(self) -> list[tuple[str, str]]:
        """The names in the copy."""
        return list(self._pids.items())

    def published(self, name: str, pid: str | None) -> None:
        """The parent says who has a name now."""
        if pid == KEPT:
            self.kept[name], pid = None, None
        else:
            self.kept.pop(name, None)
        owner = self._pids.pop(name, "")
        before = self._kernel.processes.get(owner)
        if before is not None and before.names:
            before.names.pop(name, None)
        early = self._early.get(owner)
        if early is not None and name in early:
            early.remove(name)
            if not early:
                del self._early[owner]
        if pid is not None:
            self._pids[name] = pid
            self._hand_out(name, pid)
        self._changed(name)

    def _hand_out(self, name: str, pid: str) -> None:
        exchange = self._exchange
        if not exchange.lives_here(pid):
            return
        process = self._kernel.processes.get(pid)
        if process is not None:
            note_name(process, name)
        elif exchange.has_ended(pid):  # before the name came
            self._tell("names", "released", name, pid)
        else:
            self._early.setdefault(pid, []).append(name)
            self.kept[name] = None  # until it is born: who calls it by name waits

    def register(self, name: str, process: Peer, keeper: str | None = None) -> None:
        """Give a name to a process; again to the same one does nothing."""
        check_name(name)
        try:
            self._ask("register", name, process.pid, keeper)
        except AlreadyExists as error:
            owner = (error.details or {}).get("pid")
            if owner is None or not self._exchange.has_ended(owner):
                raise
            # It has ended, which the parent has not heard of yet.
            self._tell("names", "released", name, owner)
            self._ask("register", name, process.pid, keeper)

    def check_free(self, name: str, keeper: str | None = None) -> None:
        """Raise AlreadyExists if the copy has an owner of the name."""
        check_name(name)
        pid = self._pids.get(name)
        if pid is not None and self._process(pid) is not None:
            raise taken(name, pid)

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        check_name(name)
        freed: bool = self._ask("unregister", name)
        return freed

    def find(self, name: str) -> Peer | None:
        """The owner of a name, or None."""
        if name.startswith("{"):
            return None  # a PID
        pid = self._pids.get(name)
        if pid is None:
            if name in self.kept:
                return None
            # The copy is now as new as the answer, or newer: the answer itself may be out of date.
            self._ask("lookup", name)
            pid = self._pids.get(name)
            if pid is None:
                return None
        return self._process(pid)

    def of(self, pid: str, process: Peer | None) -> list[str]:
        """The names of a process; of one elsewhere, what the parent has told."""
        if self._exchange.lives_here(pid):
            return super().of(pid, process)
        return [name for name, owner in self._pids.items() if owner == pid]

    def born(self, process: Peer) -> None:
        """It gets the names that came before it."""
        for name in self._early.pop(process.pid, ()):
            note_name(process, name)
            self.kept.pop(name, None)
            self._changed(name)

    def forsake(self, pid: str) -> None:
        """Free the names of a process that will never run."""
        for name in self._early.pop(pid, ()):
            self._tell("names", "released", name, pid)

    def forsake_unborn(self) -> None:
        """A place is lost: what it was about to spawn here will never run."""
        for pid in [pid for pid in self._early if self._exchange.has_ended(pid)]:
            self.forsake(pid)

    def release(self, process: Peer) -> None:
        """Free all names of a process that ends, and those that it keeps."""
        for name, only_kept in (process.names or {}).items():
            if only_kept:
                self._tell("names", "let_go", name, process.pid)
                continue
            if self._pids.get(name) == process.pid:
                del self._pids[name]
            self._tell("names", "released", name, process.pid)
        process.names = None

    def keep(self, name: str, keeper: str, process: Peer | None) -> None:
        """Keep a name for processes that `keeper`, a process of this place, is going to spawn."""
        assert process is not None
        check_name(name)
        self._ask("keep", name, keeper)
        note_name(process, name, only_kept=True)

    def let_go(self, name: str, keeper: str, process: Peer | None = None) -> None:
        """Keep a name no longer."""
        if process is not None and process.names:
            process.names.pop(name, None)
        self._tell("names", "let_go", name, keeper)

    @property
    def _exchange(self) -> Exchange:
        assert self._kernel.exchange is not None
        return self._kernel.exchange

    def _process(self, pid: str) -> Peer | None:
        """The process of a PID; None if it is known to have ended."""
        return self._kernel.processes.get(pid) or self._exchange.find(pid)
