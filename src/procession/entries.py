"""What can be started: the entries of a manifest, and Python functions, as programs.

A text that may have come as data (from Lua, in a request to a supervisor, from another place) names
an entry of the manifest and nothing else: see `check_declared`. Code is named by Python programs
alone, which can import it anyway: as a function, or by `package.module:function`. SEMANTICS 14.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import Invalid, NotFound, did_you_mean
from procession.core.order import Importable
from procession.core.pid import split_reference
from procession.guests.importable import importable
from procession.guests.source import PythonSources
from procession.manifest.entry import (
    FUNCTION_KINDS,
    PROCESS_KINDS,
    Declared,
    LuaEntry,
    PythonEntry,
    ServiceEntry,
    SupervisorEntry,
)
from procession.supervision.supervisor import function_of_entry

if TYPE_CHECKING:
    from procession.core.order import SpawnOrder
    from procession.core.process import Program
    from procession.guests.lua.guest import LuaGuest
    from procession.guests.python_guest import PythonGuest
    from procession.manifest.loader import Manifest


class Entries:
    """The entries of one manifest. The guests, which run them, are set when the node starts."""

    def __init__(self, manifest: Manifest) -> None:
        self._entries = manifest.entries
        self._sources = PythonSources(manifest.root)
        self._has_manifest = bool(manifest.files)
        self.python: PythonGuest | None = None
        self.lua: LuaGuest | None = None

    def check_declared(self, entry: str) -> None:
        """Raise NotFound for a reference to what the manifest does not declare. Nothing is run.

        Without a manifest, the modules below the app folder are what is declared.
        """
        if entry in self._entries:
            return
        split_reference(entry)
        if self._has_manifest:
            hint = self._hint(entry)
            raise NotFound(f"entry not found: {entry!r:.200} is not in the manifest{hint}")
        self._sources.check_below(entry)

    def load(self, entry: Any, to_execute: bool) -> Program:
        """The program of an entry, a reference or a Python function. Raises Error.

        The functions of the manifest are only to execute, not to spawn. To be called for a Python
        program: see `check_declared` for all others.
        """
        assert self.python is not None
        if isinstance(entry, Importable):
            function = self._sources.function_by_reference(entry.reference)
            return self.python.program(function, entry.reference)
        if isinstance(entry, str):
            declared = self._entries.get(entry)
            if isinstance(declared, LuaEntry):
                assert self.lua is not None
                self._check_kind(declared, to_execute)
                return self.lua.program(declared)
            if isinstance(declared, SupervisorEntry):
                function = function_of_entry(declared, self._entries)
                return self.python.program(function, declared.id)
            return self.python.program(self._function(entry, to_execute), entry)
        if not callable(entry):
            raise TypeError(
                f"an entry is a reference such as 'app:main' or an async function, not "
                f"{type(entry).__name__}"
            )
        module = getattr(entry, "__module__", "?")
        name = getattr(entry, "__qualname__", repr(entry))
        return self.python.program(entry, f"{module}:{name}")

    def addressed(self, order: SpawnOrder) -> SpawnOrder:
        """The order with an entry that a worker finds. Raises as spawn does."""
        entry = order.entry
        declared = self._entries.get(entry) if isinstance(entry, str) else None
        if declared is not None:
            self._check_kind(declared, order.to_execute)
            return order
        self.load(entry, order.to_execute)
        if isinstance(entry, str):
            entry = Importable(entry)
        elif not isinstance(entry, Importable):
            entry = importable(entry)
        return msgspec.structs.replace(order, entry=entry)

    def in_lua(self, reference: str) -> LuaEntry | None:
        """The entry of a reference, if it is in Lua."""
        entry = self._entries.get(reference)
        return entry if isinstance(entry, LuaEntry) else None

    def _function(self, reference: str, to_execute: bool) -> Any:
        entry = self._entries.get(reference)
        if entry is None:
            hint = self._hint(reference)
            try:
                if self._has_manifest:
                    return self._sources.function_by_reference(reference)
                return self._sources.function_below(reference)
            except Invalid as error:
                raise Invalid(f"{error.message}{hint}") from None
            except NotFound as error:
                raise NotFound(f"{error.message}{hint}") from None
        self._check_kind(entry, to_execute)
        assert isinstance(entry, PythonEntry)
        if entry.python is not None:
            return self._sources.function_by_reference(entry.python)
        return self._sources.function_in_file(entry.path, entry.method)

    def _hint(self, reference: str) -> str:
        return did_you_mean(reference, self._entries)

    @staticmethod
    def _check_kind(entry: Declared, to_execute: bool) -> None:
        kinds = (*PROCESS_KINDS, *FUNCTION_KINDS) if to_execute else PROCESS_KINDS
        if entry.kind not in kinds:
            hint = f"; it runs {entry.process!r}" if isinstance(entry, ServiceEntry) else ""
            raise NotFound(f"entry not found: {entry.id!r} is no process, but a {entry.kind}{hint}")
