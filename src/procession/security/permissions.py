"""What the programs of an app may do. SEMANTICS 14.6.

An app is open until an entry or a host of its manifest has the key `permissions`; then every Lua
entry has permissions: its own, for what they do not say those of the host on which it runs, and
else the defaults below. So has an entry in Python that says some itself or runs on such a host,
against mistakes only: Python code can reach everything in its OS process.

What a process may do depends on the entry that it runs now, and not on who has started it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from procession.core.errors import PermissionDenied
from procession.core.pid import parse_pid
from procession.manifest.entry import FUNCTION_KINDS, Code, HostEntry, LuaEntry, PythonEntry
from procession.manifest.permission import Permissions
from procession.security.pattern import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.core.process import Process
    from procession.manifest.entry import Entry
    from procession.manifest.loader import Manifest

KEYS = Permissions.__struct_fields__

ANY_PID = "{*}"
_LONGEST = 200
"""Characters of a text that are remembered, or shown in an error."""
_DESTS = 1000
"""So many destinations are remembered as allowed, for one entry."""
_PROGRAMS = 1000
"""For so many entries and hosts it is remembered what they may do."""
_PLAIN = re.compile(r"[A-Za-z0-9_.-][A-Za-z0-9_.:*-]*")


def defaults_of(entry: Code) -> Permissions:
    """What an entry may do of which neither it nor its host says anything."""
    own = f"{entry.id.partition(':')[0]}:*"
    return Permissions(spawn=[own], funcs=[own], hosts=[], send=[ANY_PID], names=[], env=[])


def permissions_of(entry: Entry | None, host: Entry | None) -> Permissions | None:
    """What an entry may do on a host (None: on one that says nothing), in a closed app.

    None: everything.
    """
    if not isinstance(entry, (LuaEntry, PythonEntry)) or entry.kind == "library.lua":
        return None
    of_host = host.permissions if isinstance(host, HostEntry) else None
    if isinstance(entry, PythonEntry) and entry.permissions is None and of_host is None:
        return None
    said = [one for one in (entry.permissions, of_host, defaults_of(entry)) if one is not None]
    return Permissions(
        **{
            key: next(found for one in said if (found := getattr(one, key)) is not None)
            for key in KEYS
        }
    )


def is_closed(manifest: Manifest) -> bool:
    """Whether an entry or a host has the key `permissions`."""
    return any(getattr(one, "permissions", None) is not None for one in manifest.entries.values())


def is_open(manifest: Manifest) -> bool:
    """Whether it has Lua programs that may do everything."""
    has_lua = any(isinstance(one, LuaEntry) for one in manifest.entries.values())
    return has_lua and not is_closed(manifest)


OPEN = (
    "the app is open: its manifest has no `permissions`, so its Lua programs may start every "
    "entry, reach every process and take every name"
)


class Rules:
    """What one entry may do on one host. A method that is asked raises PermissionDenied."""

    def __init__(self, entry: Code, permissions: Permissions, policy: Policy) -> None:
        self._entry = entry
        self._policy = policy
        self._patterns = {key: [Pattern(one) for one in getattr(permissions, key)] for key in KEYS}
        self.sends_to_all = self._allows("send", "")
        self._startable: set[str] = set()
        self.known_dests: set[str] = set()
        """PIDs and names that a pattern for `send` allows, whoever they belong to."""

    def check_start(self, me: Process, entry: object, host: str | None, name: str | None) -> None:
        """To start, or to become, an entry, on a host, and to give it a name."""
        if isinstance(entry, str) and entry not in self._startable:
            self._check_entry(entry)
        if isinstance(host, str) and host != me.host.id:
            is_host = host in self._policy.entries  # else it is not found
            if is_host and not self._allows("hosts", host):
                raise self._denied("hosts", host, f"start anything on {host}")
        if isinstance(name, str):
            self.check_name(name, "give a process the name")

    def _check_entry(self, id: str) -> None:
        declared = self._policy.entries.get(id)
        if declared is None:  # code of a Python program; or refused for what it is
            return
        is_function = declared.kind in FUNCTION_KINDS
        key, verb = ("funcs", "call") if is_function else ("spawn", "start")
        if not self._allows(key, id):
            raise self._denied(key, id, f"{verb} {id}")
        self._startable.add(id)

    def check_send(self, me: Process, dest: object, verb: str) -> None:
        """To do something to a process, by its PID or a name."""
        if self.sends_to_all or not isinstance(dest, str) or dest == me.pid:
            return
        if dest in self.known_dests:
            return
        is_pid = parse_pid(dest) is not None
        # A name that only looks like a PID is not meant by a pattern for these.
        if self._allows("send", dest) and (is_pid or not dest.startswith("{")):
            if len(self.known_dests) >= _DESTS:
                self.known_dests.clear()
            if len(dest) <= _LONGEST:
                self.known_dests.add(dest)
            return
        kernel = me.kernel
        if is_pid:
            allowed = self._allows_a_name_of(dest, kernel)
        else:  # if it may look the name up, it may do what it may do to the PID
            allowed = self._allows("names", dest)
            owner = kernel.names.find(dest) if allowed else None
            allowed = allowed and (owner is None or self._allows("send", owner.pid))
        if not allowed:
            raise self._denied("send", dest, f"{verb} {_shown(dest)}")

    def check_name(self, name: object, verb: str) -> None:
        """To give a name, or to free it."""
        if isinstance(name, str) and not self._allows("names", name):
            raise self._denied("names", name, f"{verb} {_shown(name)}")

    def check_lookup(self, name: object) -> None:
        """To learn whose a name is."""
        if isinstance(name, str) and not self._allows("send", name):
            self.check_name(name, "look up the name")

    def may_read(self, variable: str) -> bool:
        """Whether it may read an environment variable."""
        return self._allows("env", variable)

    def check_read(self, variable: str) -> None:
        """To read an environment variable."""
        if not self.may_read(variable):
            raise self._denied("env", variable, f"read the environment variable {_shown(variable)}")

    def _allows_a_name_of(self, pid: str, kernel: Kernel) -> bool:
        patterns = self._patterns["send"]
        for one in patterns:
            owner = kernel.names.find(one.text) if one.is_plain else None
            if owner is not None and owner.pid == pid:
                return True
        if all(one.is_plain for one in patterns):
            return False
        names = kernel.names.of(pid, kernel.processes.get(pid))
        return any(self._allows("send", name) for name in names)

    def _allows(self, key: str, text: str) -> bool:
        return any(one.matches(text) for one in self._patterns[key])

    def _denied(self, key: str, wanted: str, what: str) -> PermissionDenied:
        id = self._entry.id
        line = ", ".join(_in_yaml(one) for one in [*self._texts(key), wanted])
        return PermissionDenied(
            f"{id} may not {what}: its `permissions` would have to say `{key}: [{line}]` "
            f"({self._policy.place_of(self._entry)})",
            retryable=False,
            details={"entry": id, "permission": key, "wanted": wanted},
        )

    def _texts(self, key: str) -> Iterable[str]:
        return (one.text for one in self._patterns[key])


class Policy:
    """The rules of a closed app."""

    def __init__(self, manifest: Manifest) -> None:
        self.entries: Mapping[str, Entry] = manifest.entries
        self._root: Path = manifest.root
        self.known: dict[tuple[str, Host], Rules | None] = {}
        """What `rules_of` has found, by entry and host."""

    def rules_of(self, process: Process) -> Rules | None:
        """Those of what a process runs now; None: it may do everything."""
        key = (process.entry, process.host)
        if key not in self.known:
            if len(self.known) >= _PROGRAMS:  # functions of Python come and go
                self.known.clear()
            self.known[key] = self._rules(process.entry, process.host.id)
        return self.known[key]

    def _rules(self, entry_id: str, host_id: str) -> Rules | None:
        entry = self.entries.get(entry_id)
        permissions = permissions_of(entry, self.entries.get(host_id))
        if permissions is None or not isinstance(entry, Code):
            return None
        return Rules(entry, permissions, self)

    def place_of(self, entry: Code) -> str:
        """Where an entry is declared."""
        return f"{entry.file.relative_to(self._root).as_posix()}:{entry.line}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _in_yaml(text: str) -> str:
    """A text as it can be written into a list in a manifest."""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def overview(manifest: Manifest) -> Iterator[tuple[Code, str | None, Permissions | None]]:
    """What each entry of a closed app may do; then on which host it may do something else.

    The permissions None are everything.
    """
    hosts = [one for one in manifest.entries.values() if isinstance(one, HostEntry)]
    for entry in manifest.entries.values():
        if isinstance(entry, (LuaEntry, PythonEntry)) and entry.kind != "library.lua":
            usual = permissions_of(entry, None)
            yield entry, None, usual
            for host in hosts:
                there = permissions_of(entry, host)
                if there != usual:
                    yield entry, host.id, there
