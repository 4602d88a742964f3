"""How a process starts, here or in another place.

spawn -> the program of its entry -> start, with copies of the arguments -> routing table
      -> run queue -> its name and its ties, all before it has run
"""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.call import TAKEN_BACK
from procession.core.errors import Canceled
from procession.core.host import no_host
from procession.core.order import Importable, SpawnOrder
from procession.core.payload import copy_items
from procession.core.process import Process, Router
from procession.core.stack import check_stack
from procession.core.text import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procession.core.host import Host
    from procession.core.names import NameRegistry
    from procession.core.peer import Peer
    from procession.core.process import Program

_PROGRAMS = 1024
_KEYS = (str, FunctionType, MethodType, partial, Importable)
"""The types of entries by which programs are kept: to compare others may run code of a program."""


class Starter(Router):
    """The half of the kernel that starts processes."""

    _load: Callable[[Any, bool], Program]
    check_declared: Callable[[str], object]
    programs: dict[Any, Program]
    """What was spawned before, by entry."""
    functions: dict[Any, Program]
    """What was executed before."""
    processes: dict[str, Peer]
    hosts: dict[str, Host]
    names: NameRegistry
    _serial: Iterator[int]

    def spawn(
        self,
        caller: Process | None,
        entry: Any,
        host_id: str | None,
        args: tuple[Any, ...],
        linked: bool = False,
        monitored: bool = False,
        name: str | None = None,
        keeper: str | None = None,
        heritage: dict[str, Any] | None = None,
        to_execute: bool = False,
    ) -> Peer:
        """Start a process. It runs later; ties to its caller and its name are in place before.

        SEMANTICS 5. The host None is that of the caller. `heritage`: see `Process.inherit`;
        `keeper`: see SpawnOrder.
        """
        if caller is not None and caller.declared_only:
            self.check_declared(entry)
        if host_id is None and caller is not None:
            host = caller.host
        else:
            host = self.hosts.get(host_id) or no_host(host_id, self.hosts)  # type: ignore[arg-type]
        if name is not None:
            name = exact(name)
            if keeper is None and caller is not None:
                keeper = caller.pid
            self.names.check_free(name, keeper)
        if host.pool is not None:
            away = self._spawn_away(
                host,
                SpawnOrder(
                    entry,
                    host.id,
                    copy_items(args, "arguments") if args else args,
                    to_execute,
                    None if caller is None else caller.pid,
                    heritage,
                    name,
                    keeper,
                ),
            )
            if away is not None:
                if monitored and caller is not None:
                    links.monitor(caller, away)
                if linked and caller is not None:
                    links.link(caller, away)
                return away
        try:
            program = (self.functions if to_execute else self.programs)[entry]
        except (KeyError, TypeError):  # TypeError: it has no hash, so `load` will refuse it
            program = None
        if program is None:  # not in the handler: the KeyError is no part of what load raises
            program = self._load_program(entry, to_execute)
        if host.population >= host.room:
            host.refuse()
        copies = copy_items(args, "arguments") if args else args
        scheduler = self.scheduler
        if name is not None or heritage is not None or not scheduler.awake:
            check_stack()  # else nothing below nests deeper than `start`
        serial = next(self._serial)
        if serial > 0xFFFF:  # `hex` is twice as fast as a format that pads
            pid = f"{host.pid_prefix}{hex(serial)}}}"
        else:
            pid = f"{host.pid_prefix}0x{serial:05x}}}"
        process = program.start(self, host, pid, copies)  # type: ignore[arg-type]  # it is a Kernel
        try:
            self.processes[pid] = process
            host.population += 1
            scheduler.ready.append(process)
            if not scheduler.awake:
                scheduler.rouse()
            if heritage is not None or name is not None:
                self._introduce(process, name, keeper, heritage)
            if monitored and caller is not None:
                links.monitor(caller, process)
            if linked and caller is not None:
                links.link(caller, process)
        except BaseException:
            self.take_back(caller, process)
            raise
        return process

    def take_back(self, parent: Process | None, child: Peer) -> None:
        """Undo a spawn, before the child has run any of main: nobody hears of it."""
        if parent is not None:
            links.unmonitor(parent, child.pid)
            links.unlink(parent, child.pid)
        if isinstance(child, Process):
            if child.pid not in self.processes:  # it was not counted yet
                self.processes[child.pid] = child
                child.host.population += 1
            child.kill(Canceled(TAKEN_BACK))
        else:
            child.doom(Canceled(TAKEN_BACK))

    def _spawn_away(self, host: Host, order: SpawnOrder) -> Peer | None:
        assert host.pool is not None
        if host.population >= host.room:
            host.refuse()
        return host.pool.spawn(host, order)

    def start(self, pid: str, order: SpawnOrder) -> None:
        """Start a process that another place has spawned here. Raises Error."""
        if isinstance(order.entry, str):
            self.check_declared(order.entry)
        program = (self.functions if order.to_execute else self.programs).get(order.entry)
        if program is None:
            program = self._load_program(order.entry, order.to_execute)
        host = self.hosts.get(order.host) or no_host(order.host, self.hosts)
        if host.population >= host.room:
            host.refuse()
        process = program.start(self, host, pid, order.args)  # type: ignore[arg-type]  # it is a Kernel
        try:
            self.processes[pid] = process
            host.population += 1
            self.scheduler.ready.append(process)
            self.scheduler.rouse()
            self.names.born(process)
            self._introduce(process, order.name, order.parent, order.heritage)
        except BaseException:
            self.take_back(None, process)
            raise

    def _introduce(
        self,
        process: Process,
        name: str | None,
        keeper: str | None,
        heritage: dict[str, Any] | None,
    ) -> None:
        """Give a process that has not run yet what it is to have from the start."""
        if heritage is not None:
            process.inherit(heritage)
        if name is not None:
            self.names.register(name, process, keeper)

    def upgrade(self, caller: Process, entry: Any, args: tuple[Any, ...]) -> Any:
        """What a process has to wait for to go on as another program. See `process.upgrade`."""
        program = caller.program
        if entry is not None:
            if caller.declared_only:
                self.check_declared(entry)
            known = self.programs.get(entry) if isinstance(entry, str) else None
            program = known or self._load_program(entry, False)
        return program.replace(caller, copy_items(args, "arguments"))

    def _load_program(self, entry: Any, to_execute: bool) -> Program:
        program = self._load(entry, to_execute)
        known = self.functions if to_execute else self.programs
        if len(known) >= _PROGRAMS:  # functions made on the spot come and go: they must not stay
            known.clear()
        if type(entry) in _KEYS:
            known[entry] = program
        return program
