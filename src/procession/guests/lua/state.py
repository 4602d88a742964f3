"""One Lua state: our own Lua in it, and the chunks of programs, compiled once.

`kit` in the Lua files is what setup.lua makes; each file adds to it. Which Python functions Lua can
call is said by `functions`: anything else of Python is out of reach.

Two rules keep lupa safe to use. Python holds Lua tables, functions and threads only if Lua yielded
or returned them to the main thread of the state: one that was an argument of a call from a
coroutine belongs to that coroutine, which may be gone when Python drops it. And a Python function
called from Lua never raises: the exception would be a Python object in the hands of a program.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lupa import lua54

from procession.core.errors import Error, Internal, LimitExceeded
from procession.guests.lua.chain import Chain, NoChain
from procession.guests.lua.marks import BUFFERED, MARKS
from procession.guests.lua.tail_calls import keep_callers
from procession.guests.lua.types import TypeSyntaxError, erase_types, locate
from procession.guests.lua.values import from_flat, is_plain, to_flat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procession.core.mailbox import Letter
    from procession.guests.lua.shared_memory import Relief

FILES = (
    "raising.lua",
    "slow.lua",
    "matcher.lua",
    "patterns.lua",
    "string.lua",
    "table.lua",
    "math.lua",
    "os.lua",
    "sandbox.lua",
    "errors.lua",
    "message.lua",
    "values.lua",
    "channel.lua",
    "coroutine.lua",
    "process.lua",
    "checked.lua",
    "sizes.lua",
    "body.lua",
)
"""Our own Lua, in the order in which it is loaded, after setup.lua."""

INTERRUPTED = (
    "slow.lua",
    "matcher.lua",
    "patterns.lua",
    "string.lua",
    "table.lua",
    "math.lua",
    "os.lua",
    "errors.lua",
    "message.lua",
    "checked.lua",
)
"""Those that work on values of the program alone: interrupted and ended like the program itself."""

_HERE = files("procession.guests.lua")
_FEED = 5000
"""How many values go into Lua by one call."""


@cache
def lua_file(name: str) -> bytes:
    """The text of a file of ours."""
    return _HERE.joinpath(name).read_bytes()


class Source:
    """The program of an entry: its text, and what it may require."""

    __slots__ = ("error", "id", "imports", "method", "modules", "name", "text")

    def __init__(
        self,
        id: str,
        name: str,
        content: bytes,
        method: str | None,
        modules: list[str],
        imports: dict[str, str],
    ) -> None:
        self.id = id.encode()
        self.name = name
        self.method = None if method is None else method.encode()
        """The function that is its main; None if it is a library."""
        self.modules = "\n".join(modules).encode()
        self.imports = "\n".join(f"{alias}\t{id}" for alias, id in imports.items()).encode()
        self.error: str | None = None
        if content.startswith(b"\x1b"):
            self.error = f"{name}: this is compiled Lua; only its source text is run"
        if content.startswith(b"#"):  # a line for the shell
            content = b"--" + content[1:] if content[1:2] == b"\n" else b"--" + content[2:]
        try:
            self.text = erase_types(content)
        except TypeSyntaxError as problem:
            self.text = content
            self.error = f"{name}:{problem.line}:{problem.column}: {problem}"


def compile_error(source: Source) -> str | None:
    """Why a program does not compile, with file and line; or None. Nothing is run."""
    if source.error is not None:
        return source.error
    try:
        lua54.LuaRuntime(encoding=None).compile(source.text, name=f"@{source.name}", mode="t")
    except lua54.LuaSyntaxError as error:
        problem = error.args[0]  # bytes, or text, by the way that it was raised
        text = problem.decode(errors="replace") if isinstance(problem, bytes) else str(problem)
        return _with_column(text, source)
    return None


class Parcel(int):
    """The number of a payload that waits in the state of its sender, who is a neighbour.

    Lua forgets it when it is unpacked there; whoever drops one unread has to tell the state. Above
    its lower 32 bits it has the weight of the payload: see `store` in values.lua.
    """

    __slots__ = ()

    @property
    def weight(self) -> int:
        """How much the payload weighs: see core/weight.py."""
        return self >> 32


class LuaState:
    """A Lua state with our Lua in it. `memory` bounds what programs may use, in bytes.

    `compatible`: as programs of another system expect it (docs/reference/lua/wippy.md).
    `counting`: Lua has to look itself whether it exceeds its limit (see CountingGuard).
    """

    def __init__(
        self,
        functions: Callable[[bytes], Any],
        *,
        compatible: bool = False,
        counting: bool = False,
        memory: int | None = None,
    ) -> None:
        self.dropped: list[int] = []
        self.compatible = compatible
        self.own = memory is not None
        """Whether it is that of one process, and ends with it."""
        self.runtime: Any = lua54.LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_no_attributes,
            max_memory=memory,
        )
        self._limit = memory
        self.collect: Any = self.runtime.globals()[b"collectgarbage"]
        if memory is not None:
            self.runtime.set_max_memory(_NO_LIMIT)
        self._fed: list[Any] = []
        own = {b"feed": self._feed}
        marks = self.runtime.table_from({name.encode(): mark for name, mark in MARKS.items()})
        setup = self._load("setup.lua")
        kit = setup(
            lambda name: own.get(name) or functions(name), marks, compatible, counting, self.own
        )
        exports = None
        for name in FILES:
            exports = self._load(name)(kit) or exports
        assert exports is not None
        self.new_body = exports[b"new_body"]
        self.new_strand = exports[b"new_strand"]
        self.close_coroutine = exports[b"close"]
        self.release = exports[b"release"]
        self.traceback_of = exports[b"traceback_of"]
        self._compile = exports[b"compile"]
        self._more = exports[b"more"]
        self._flat_of_parcel = exports[b"flat_of_parcel"]
        self._feed_lua = exports[b"feed"]
        self._build_parcel = exports[b"build_parcel"]
        self._discard = exports[b"discard"]
        self.settle = exports[b"settle"]
        self.begin_measure = exports[b"begin_measure"]
        self.measure = exports[b"measure"]
        self.measured = exports[b"measured"]
        self.chain_length = exports[b"chain_length"]
        self.chain: Any = NoChain() if counting else Chain(self.runtime, *exports[b"chain"]())
        if memory is not None:
            self.runtime.set_max_memory(memory)
        self._compiled: set[bytes] = set()
        self.relief: Relief | None = None
        """What ends processes if they use too much together; None if each has a limit."""
        if not self.own:
            exports[b"mark_ours"]()

    def _load(self, name: str) -> Any:
        shown = "[library]" if name in INTERRUPTED else f"[procession] {name}"
        return self.runtime.compile(lua_file(name), name=f"={shown}", mode="t")

    def close(self) -> None:
        """Give everything back: its memory, and what its programs held.

        Lua holds functions of Python, and they this object: without the way back to the runtime
        there is no circle, and it is freed at once.
        """
        held = vars(self)
        for name in [name for name in held if name not in _KEPT]:
            held[name] = None

    # -- memory --------------------------------------------------------------------------------

    def _without_limit(self, function: Any, *values: Any) -> Any:
        """Call a function of our Lua with values of Python; see `has_room` for what comes of it.

        lupa hands values to Lua outside of any protected call: if memory lacks there, Lua ends the
        whole OS process.
        """
        if self._limit is None:
            return function(*values)
        self.runtime.set_max_memory(_NO_LIMIT)
        try:
            return function(*values)
        finally:
            self.runtime.set_max_memory(self._limit)

    def has_room(self, values: Iterable[Any] = ()) -> bool:
        """Whether a state with a limit can be given these values, and go on after that."""
        if self._limit is None:
            return True
        needed = _SLACK + sum(len(one) for one in values if type(one) is bytes)
        if self.runtime.get_memory_used() + needed <= self._limit:
            return True
        self._without_limit(self.collect)
        return bool(self.runtime.get_memory_used() + needed <= self._limit)

    # -- chunks --------------------------------------------------------------------------------

    def chunk(self, source: Source) -> bytes:
        """Compile a program, once; its id, for `body`. Raises Internal, LimitExceeded."""
        if self.dropped:
            self.discard_dropped()
        if source.id not in self._compiled:
            if source.error is not None:
                raise Internal(source.error)
            ok, problem = self._call_compile(source)
            if not ok:
                raise Internal(_with_column(problem.decode(errors="replace"), source))
            self._compiled.add(source.id)
            if not self.has_room():
                raise out_of_memory()
        return source.id

    def _call_compile(self, source: Source) -> tuple[bool, bytes]:
        answer = self._without_limit(
            self._compile,
            source.id,
            source.text,
            keep_callers(source.text),
            source.name.encode(),
            source.method,
            source.modules,
            source.imports,
        )
        return (True, b"") if answer is True else answer

    # -- values --------------------------------------------------------------------------------

    def _feed(self, *values: Any) -> None:
        self._fed += values

    def flat(self, values: tuple[Any, ...]) -> Any:
        """The values of a call from Lua; what it has fed before, if there was too much."""
        if values and values[0] is BUFFERED:
            fed, self._fed = self._fed, []
            return fed
        return values

    def unpack_flat(self, count: int) -> Any:
        """The value of `count` flat values that Lua has ready."""
        values: list[Any] = []
        while len(values) < count:
            more = self._more(len(values) + 1)
            values += more if type(more) is tuple else (more,)
        return from_flat(values)

    def unpack_parcel(self, number: int) -> Any:
        """The value of a parcel, which then is gone."""
        return self.unpack_flat(self._flat_of_parcel(number))

    def drop(self, letters: Iterable[Letter] | None) -> None:
        """Forget what was sent from Lua to Lua among some letters of a mailbox."""
        for _, _, _, payload, _, _ in letters or ():
            if type(payload) is Parcel:
                self.dropped.append(payload)

    def discard_dropped(self) -> None:
        """Have Lua forget the parcels that nobody will unpack."""
        dropped, self.dropped = self.dropped, []
        for start in range(0, len(dropped), 100):
            self._discard(*dropped[start : start + 100])

    def build(self, value: Any) -> int:
        """A value of Python in Lua, as a parcel."""
        number: int = self._without_limit(self._build_parcel, *self.fed(to_flat(value)))
        return number

    def fed(self, flat: list[Any]) -> list[Any]:
        """The arguments for a flat list: itself, or a mark, after it was fed in pieces."""
        if len(flat) <= _FEED:
            return flat
        for start in range(0, len(flat), _FEED):
            self._without_limit(self._feed_lua, *flat[start : start + _FEED])
        return [BUFFERED]

    def carry(self, value: Any) -> tuple[bool, Any]:
        """Whether it is a parcel, and its number; or the value that Lua can have as it is."""
        if is_plain(value):
            return False, value
        if type(value) is str:
            return False, value.encode(errors="replace")
        return True, self.build(value)


_NO_LIMIT = 1 << 62
_SLACK = 4096
"""What must be free in a state with a limit before it is given anything."""


def out_of_memory() -> Error:
    """The error of a process that used up its memory."""
    return LimitExceeded("out of memory", retryable=False)


_KEPT = ("dropped", "own", "compatible")
"""What a state still has when it is closed."""


def _no_attributes(obj: object, name: object, is_setting: bool) -> Any:
    raise AttributeError("no attributes")


def _with_column(problem: str, source: Source) -> str:
    """The message of Lua's compiler, `file:line: what near 'token'`, with the column too."""
    place, separator, what = problem.removeprefix(source.name + ":").partition(": ")
    if not problem.startswith(source.name + ":") or not separator or not place.isdecimal():
        return problem
    near = what.rpartition(" near ")[2] if " near " in what else None
    column = locate(source.text, int(place), near)
    if column is None:
        return problem
    return f"{source.name}:{place}:{column}: {what}"
