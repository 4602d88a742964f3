"""What entries say about each other: who exists, is of the right kind, and starts before whom."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from procession.core.errors import did_you_mean
from procession.manifest.entry import KINDS, Entry, HostEntry, ServiceEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from procession.manifest.document import Keys
    from procession.manifest.loader import Manifest
    from procession.manifest.report import Report

_PROCESSES = ("process.py", "process.lua")
_HOSTS = ("process.host", "terminal.host")
_IMPORTABLE = ("library.lua", "function.lua", "function.py")


class _Reference(NamedTuple):
    keys: Keys
    target: str
    kinds: Collection[str]
    role: str


def check_references(
    entries: Mapping[str, Entry], reports: Mapping[str, Report], *, complete: bool
) -> None:
    """Report every reference that leads nowhere or to the wrong kind, and every cycle.

    `reports` has each id that is declared, also of entries too wrong to be read. Unless it is
    `complete`, an id that is not there is no error: it may be in a file that is unreadable.
    """
    for id, entry in entries.items():
        for keys, target, kinds, role in _references(entry):
            if target in entries:
                kind = entries[target].kind
                if kind not in kinds:
                    reports[id](f"expected {role}, but {target} is a {kind}", *keys)
            elif target and target not in reports and complete:
                fitting = [known for known, other in entries.items() if other.kind in kinds]
                reports[id](f"there is no entry {target!r}{did_you_mean(target, fitting)}", *keys)
    _check_cycles(entries, reports)


def start_order(manifest: Manifest) -> list[ServiceEntry]:
    """All services, each after those that it requires; else in the order of the files."""
    services = _services(manifest.entries)
    sorter = TopologicalSorter[str]()
    for id in services:
        sorter.add(id)
    for id, service in services.items():
        sorter.add(id, *service.lifecycle.requires)
    return [services[id] for id in sorter.static_order() if id in services]


def _references(entry: Entry) -> Iterator[_Reference]:
    """What the entry refers to; a target is empty where there was no reference to read."""
    if isinstance(entry, ServiceEntry):
        yield _Reference(("process",), entry.process, _PROCESSES, "a process")
        yield _Reference(("host",), entry.host, _HOSTS, "a host")
        for index, required in enumerate(entry.lifecycle.requires):
            yield _Reference(("lifecycle", "requires", index), required, KINDS, "an entry")
    elif not isinstance(entry, HostEntry):
        for alias, imported in entry.imports.items():
            yield _Reference(("imports", alias), imported, _IMPORTABLE, "a library or a function")


def _check_cycles(entries: Mapping[str, Entry], reports: Mapping[str, Report]) -> None:
    """Report the services that could start only after themselves, until no cycle is left."""
    services = _services(entries)
    requires = {id: dict.fromkeys(one.lifecycle.requires) for id, one in services.items()}
    order = {id: position for position, id in enumerate(services)}
    while True:
        try:
            TopologicalSorter(requires).prepare()
        except CycleError as error:
            # It comes in the order of starting, with one id at both ends.
            cycle = error.args[1][:0:-1]
            start = cycle.index(min(cycle, key=order.__getitem__))
            first, *others = cycle[start:] + cycle[:start]
            after = others[0] if others else first
            index = services[first].lifecycle.requires.index(after)
            path = " requires ".join([first, *others, first])
            reports[first](f"a cycle: {path}", "lifecycle", "requires", index)
            del requires[first][after]
        else:
            return


def _services(entries: Mapping[str, Entry]) -> dict[str, ServiceEntry]:
    return {id: entry for id, entry in entries.items() if isinstance(entry, ServiceEntry)}
