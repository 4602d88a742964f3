"""Names in a node of several OS processes. SEMANTICS 12.3.

The parent decides who has a name, and tells every worker of each change. A worker answers from
its copy; to register, or for a name that its copy lacks, it asks the parent and waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.names import NameRegistry, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.kernel import Kernel
    from procession.core.process import Process


class ParentNames(NameRegistry):
    """The registry of the node. `publish` tells the workers a name, and its owner's PID or None."""

    def __init__(self, publish: Callable[[str, str | None], None]) -> None:
        super().__init__()
        self._publish = publish

    def register(self, name: str, process: Process) -> None:
        """Give a name to a process, wherever it runs."""
        super().register(name, process)
        self._publish(name, process.pid)

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        freed = super().unregister(name)
        if freed:
            self._publish(name, None)
        return freed

    def release(self, process: Process) -> None:
        """Free all names of a process that ends."""
        names = list(process.names or ())
        super().release(process)
        for name in names:
            self._publish(name, None)


class WorkerNames(NameRegistry):
    """What a worker knows of the names. `ask` puts a question to the parent; it gives the answer,
    or raises the Error that is one. `tell` needs no answer."""

    def __init__(self, kernel: Kernel, ask: Callable[..., Any], tell: Callable[..., None]) -> None:
        super().__init__()
        self._kernel = kernel
        self._ask = ask
        self._tell = tell
        self._pids: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._pids)

    def items(self) -> list[tuple[str, str]]:
        """The names in the copy."""
        return list(self._pids.items())

    def changed(self, name: str, pid: str | None) -> None:
        """The parent says who has a name now."""
        if pid is None:
            self._pids.pop(name, None)
        else:
            self._pids[name] = pid

    def register(self, name: str, process: Process) -> None:
        """Give a name to a process; again to the same one does nothing."""
        check_name(name)
        self._ask("register", name, process.pid)
        self.own(name, process)

    def own(self, name: str, process: Process) -> None:
        """Note that a process has a name."""
        self._pids[name] = process.pid
        if process.names is None:
            process.names = {}
        process.names[name] = None

    def disown(self, name: str, process: Process) -> None:
        """Note that a process has a name no more."""
        if process.names:
            process.names.pop(name, None)

    def unregister(self, name: str) -> bool:
        """Free a name; False if nobody had it."""
        check_name(name)
        freed: bool = self._ask("unregister", name)
        pid = self._pids.pop(name, None)
        owner = self._kernel.processes.get(pid) if pid is not None else None
        if owner is not None:
            self.disown(name, owner)
        return freed

    def find(self, name: str) -> Process | None:
        """The owner of a name, or None."""
        if name.startswith("{"):
            return None  # a PID
        pid = self._pids.get(name)
        if pid is None:
            pid = self._ask("lookup", name)
            if pid is None:
                return None
            self._pids[name] = pid
        exchange = self._kernel.exchange
        assert exchange is not None
        return self._kernel.processes.get(pid) or exchange.find(pid)  # type: ignore[return-value]

    def release(self, process: Process) -> None:
        """Free all names of a process that ends."""
        for name in process.names or ():
            if self._pids.get(name) == process.pid:
                del self._pids[name]
            self._tell("released", name, process.pid)
        process.names = None
