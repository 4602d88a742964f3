"""What entries say about each other: who exists, is of the right kind, and starts before whom."""

from __future__ import annotations

import os
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

from procession.core.errors import did_you_mean
from procession.manifest.entry import (
    FUNCTION_KINDS,
    HOST_KINDS,
    KINDS,
    PROCESS_KINDS,
    Entry,
    HostEntry,
    ServiceEntry,
    SupervisorEntry,
)
from procession.manifest.permission import references_in

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping

    from procession.manifest.document import Keys
    from procession.manifest.loader import Manifest
    from procession.manifest.permission import Permissions
    from procession.manifest.report import Report

_PERMITTED = {
    "spawn": (PROCESS_KINDS, "a process"),
    "funcs": (FUNCTION_KINDS, "a function"),
    "hosts": (HOST_KINDS, "a host"),
}
_IMPORTABLE = ("library.lua", *FUNCTION_KINDS)


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
    _check_workers(entries, reports)
    _check_cycles(entries, reports)


def _check_workers(entries: Mapping[str, Entry], reports: Mapping[str, Report]) -> None:
    total = 0
    for id, entry in entries.items():
        if isinstance(entry, HostEntry) and entry.host.os_workers:
            total += entry.host.os_workers
            if message := too_many_workers(total):
                reports[id](message, "host", "os_workers")


def too_many_workers(count: int) -> str | None:
    """What is wrong with so many OS workers of all hosts of an app; None if nothing is.

    Each is an OS process with an interpreter: more than some for each core only take memory.
    """
    most = max(64, 4 * (os.cpu_count() or 1))
    if count <= most:
        return None
    return (
        f"{count} OS workers, those of all hosts so far, are too many: each is an OS process, and "
        f"an app has {most} on this machine at most"
    )


def start_order(manifest: Manifest) -> list[ServiceEntry]:
    """All services, each after those that it requires; else in the order of the files."""
    services = _services(manifest.entries)
    sorter = TopologicalSorter[str]()
    for id in services:
        sorter.add(id)
    for id, service in services.items():
        sorter.add(id, *required_services(service, services))
    return [services[id] for id in sorter.static_order()]


def required_services(service: ServiceEntry, others: Container[str]) -> dict[str, Keys]:
    """The services that have to run before this one, each with where that is said.

    They are those that its lifecycle names, and those whose id is a string in `input`. Of all
    else that it requires, hosts and programs, there is nothing to start.
    """
    found: dict[str, Keys] = {}
    for keys, id in _required(service):
        if id in others:
            found.setdefault(id, keys)
    for keys, text in _texts(service.input, ("input",)):
        if text in others and text != service.id:
            found.setdefault(text, keys)
    return found


def _required(service: ServiceEntry) -> Iterator[tuple[Keys, str]]:
    for key in ("requires", "depends_on"):
        for index, id in enumerate(getattr(service.lifecycle, key)):
            yield ("lifecycle", key, index), id


def _texts(value: Any, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """Every string in plain data, with the way to it."""
    pending = [(keys, value)]
    while pending:
        place, one = pending.pop()
        if isinstance(one, str):
            yield place, one
        elif isinstance(one, list):
            pending += [((*place, index), item) for index, item in enumerate(one)][::-1]
        elif isinstance(one, dict):
            pending += [((*place, key), item) for key, item in one.items()][::-1]


def _references(entry: Entry) -> Iterator[_Reference]:
    """What the entry refers to; a target is empty where there was no reference to read."""
    if isinstance(entry, ServiceEntry):
        yield _Reference(("process",), entry.process, PROCESS_KINDS, "a process")
        yield _Reference(("host",), entry.host, HOST_KINDS, "a host")
        for keys, required in _required(entry):
            yield _Reference(keys, required, KINDS, "an entry")
    elif isinstance(entry, SupervisorEntry):
        if entry.host is not None:
            yield _Reference(("host",), entry.host, HOST_KINDS, "a host")
        for index, child in enumerate(entry.children):
            keys = ("children", index)
            yield _Reference((*keys, "process"), child.process, PROCESS_KINDS, "a process")
            if child.host is not None:
                yield _Reference((*keys, "host"), child.host, HOST_KINDS, "a host")
    elif isinstance(entry, HostEntry):
        yield from _permitted(entry.permissions, ("host",))
    else:
        for alias, imported in entry.imports.items():
            yield _Reference(("imports", alias), imported, _IMPORTABLE, "a library or a function")
        yield from _permitted(entry.permissions, ())


def _permitted(permissions: Permissions | None, keys: Keys) -> Iterator[_Reference]:
    for place, id, what in references_in(permissions, keys):
        yield _Reference(place, id, *_PERMITTED[what])


def _check_cycles(entries: Mapping[str, Entry], reports: Mapping[str, Report]) -> None:
    """Report services that could start only after themselves, and supervisors in themselves."""
    services = _services(entries)
    requires = {id: required_services(one, services) for id, one in services.items()}
    _report_cycles(requires, "requires", reports)
    supervisors = {id: one for id, one in entries.items() if isinstance(one, SupervisorEntry)}
    children: dict[str, dict[str, Keys]] = {}
    for id, supervisor in supervisors.items():
        children[id] = {}
        for index, child in enumerate(supervisor.children):
            if child.process in supervisors:
                children[id].setdefault(child.process, ("children", index, "process"))
    _report_cycles(children, "supervises", reports)


def _report_cycles(
    graph: dict[str, dict[str, Keys]], verb: str, reports: Mapping[str, Report]
) -> None:
    """Report one cycle after the other, each where it is closed, until none is left."""
    order = {id: position for position, id in enumerate(graph)}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # It comes in the order of starting, with one id at both ends.
            cycle = error.args[1][:0:-1]
            start = cycle.index(min(cycle, key=order.__getitem__))
            first, *others = cycle[start:] + cycle[:start]
            after = others[0] if others else first
            path = f" {verb} ".join([first, *others, first])
            reports[first](f"a cycle: {path}", *graph[first].pop(after))
        else:
            return


def _services(entries: Mapping[str, Entry]) -> dict[str, ServiceEntry]:
    return {id: entry for id, entry in entries.items() if isinstance(entry, ServiceEntry)}
