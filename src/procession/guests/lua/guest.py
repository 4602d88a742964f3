"""Lua programs on one event loop: their states, and from an entry to a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from procession.core.errors import Internal, Invalid, NotFound, did_you_mean
from procession.guests.lua.functions import Functions
from procession.guests.lua.modules import MODULES, functions_of_modules
from procession.guests.lua.preempt import new_guard
from procession.guests.lua.process import LuaProcess
from procession.guests.lua.shared_memory import Relief
from procession.guests.lua.state import LuaState, Source, compile_error
from procession.manifest.entry import FUNCTION_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.core.process import Process
    from procession.manifest.entry import Declared, HostOptions, LuaEntry


class Place:
    """What a new process of a host needs of the guest; without a `state` it gets one of its own."""

    __slots__ = ("is_terminal", "options", "state", "step_limit")

    def __init__(self, options: HostOptions, is_terminal: bool, state: LuaState | None) -> None:
        self.options = options
        self.step_limit = options.step_limit
        self.is_terminal = is_terminal
        self.state = state


class LuaGuest:
    """Lua processes on one event loop.

    `entry_of` gives the Lua entry of a reference, or None; `declared` any entry of the manifest.
    """

    def __init__(
        self,
        root: Path,
        entry_of: Callable[[str], LuaEntry | None],
        options_of: Callable[[str], HostOptions],
        declared: Callable[[str], Declared | None],
    ) -> None:
        self._root = root
        self._entry_of = entry_of
        self._options_of = options_of
        self._declared = declared
        self._sources: dict[str, Source] = {}
        self._states: dict[str, LuaState] = {}
        self.places: dict[Host, Place] = {}
        self._functions = Functions(self)
        self.modules = MODULES
        self.arguments: WeakKeyDictionary[Process, list[str]] = WeakKeyDictionary()
        """The string arguments of processes on a terminal."""
        self.module_functions: dict[str, Any] = functions_of_modules(self)
        self.guard = new_guard()
        self.kernel: Kernel = None  # type: ignore[assignment]  # set by whoever makes both

    def close(self) -> None:
        """Give the states back."""
        self.guard.close()
        for state in self._states.values():
            state.close()
        self._states.clear()
        self.places.clear()

    def program(self, entry: LuaEntry) -> LuaProgram:
        """An entry, ready to be spawned. Raises Internal if it cannot be read."""
        return LuaProgram(self, self.source(entry), entry)

    def source(self, entry: LuaEntry) -> Source:
        """The text of an entry, read once. Raises Internal."""
        source = self._sources.get(entry.id)
        if source is None:
            source = self._sources[entry.id] = read_source(entry, self._root)
        return source

    def options(self, host: Host) -> HostOptions:
        """How the host runs Lua."""
        return self._options_of(host.id)

    def state(self, host: Host, options: HostOptions) -> LuaState:
        """The state for a new process of the host."""
        lua = options.lua
        own = lua.state == "own"
        state = None if own else self._states.get(host.id)
        if state is None:
            state = LuaState(
                self._functions,
                compatible=lua.compat == "wippy",
                counting=not self.guard.preempts,
                memory=lua.memory if own else None,
                outside=lua.memory,
            )
            if not own:
                state.relief = Relief(self.kernel, state, lua.shared_memory, host.id)
                self._states[host.id] = state
        return state

    def add_place(self, host: Host) -> Place:
        """Make the place for the processes of a host."""
        options = self.options(host)
        state = None if options.lua.state == "own" else self.state(host, options)
        place = self.places[host] = Place(options, self.is_terminal(host.id), state)
        return place

    def is_terminal(self, host_id: str) -> bool:
        """Whether the processes of a host have the terminal."""
        entry = self._declared(host_id)
        return entry is not None and entry.kind == "terminal.host"

    def is_function(self, reference: str) -> bool:
        """Whether an entry can be executed only."""
        entry = self._declared(reference)
        return entry is not None and entry.kind in FUNCTION_KINDS

    def meta_of(self, reference: str) -> dict[Any, Any]:
        """What the manifest says about an entry for whoever wants to know."""
        entry = self._declared(reference)
        return {} if entry is None else entry.meta

    def library(self, state: LuaState, reference: str) -> int:
        """Compile what another entry imports; its chunk. Raises NotFound or Internal."""
        entry = self._entry_of(reference)
        if entry is None:
            raise NotFound(f"import not found: {reference!r}")
        return state.chunk(self.source(entry))

    def module_hint(self, name: str) -> str:
        """What to do about a module that a program requires and may not."""
        if name in MODULES:
            return f"; add it to `modules` of the entry: [{name}]"
        return did_you_mean(name, MODULES)


def source_error(entry: LuaEntry, root: Path) -> str | None:
    """Why the source of an entry does not compile, or None. Nothing is run."""
    try:
        return compile_error(read_source(entry, root))
    except Internal as error:
        return error.message


def module_errors(entry: LuaEntry) -> dict[int, str]:
    """What is wrong with the modules that an entry lists, by their place in the list."""
    return {
        place: f"unknown module {name!r}"
        + (did_you_mean(name, MODULES) or f"; there are {', '.join(MODULES)}")
        for place, name in enumerate(entry.modules)
        if name and name not in MODULES
    }


def read_source(entry: LuaEntry, root: Path) -> Source:
    """The text of an entry. Raises Internal if it cannot be read."""
    name = entry.path.relative_to(root).as_posix()
    try:
        content = entry.path.read_bytes()
    except OSError as error:
        raise Internal(f"{name}: {error.strerror}") from None
    method = None if entry.kind == "library.lua" else entry.method
    modules = [module for module in entry.modules if module in MODULES]
    return Source(entry.id, name, content, method, modules, entry.imports)


class LuaProgram:
    """A Lua entry that can be spawned."""

    __slots__ = ("_guest", "_source", "entry")

    def __init__(self, guest: LuaGuest, source: Source, entry: LuaEntry) -> None:
        self._guest = guest
        self._source = source
        self.entry = entry.id

    def start(self, kernel: Kernel, host: Host, pid: str, args: Sequence[Any]) -> LuaProcess:
        """A process about to run main; its chunk has run. Raises what the chunk raises."""
        guest = self._guest
        place = guest.places.get(host) or guest.add_place(host)
        state = place.state or guest.state(host, place.options)
        chunk = state.chunks.get(self.entry)
        if chunk is None or state.dropped:
            chunk = state.chunk(self._source)
        process = LuaProcess(kernel, host, pid, self, state, guest.guard, place.step_limit)
        if place.is_terminal:
            guest.arguments[process] = [arg for arg in args if isinstance(arg, str)]
        try:
            process.launch(chunk, args)
        except BaseException:
            process.drop_attached()
            raise
        return process

    def replace(self, process: Process, args: Sequence[Any]) -> Any:
        """What a process waits for to become this program. Raises what its chunk raises."""
        if not isinstance(process, LuaProcess):
            raise Invalid(f"{self.entry} is Lua: only a Lua process can become it")
        chunk = process.state.chunk(self._source)
        return process.prepare(self, chunk, args)
