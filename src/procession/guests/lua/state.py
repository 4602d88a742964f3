"""One Lua state: our own Lua in it, and the chunks of programs, compiled once.

`kit` in the Lua files is what setup.lua makes; each file adds to it. Which Python functions Lua can
call is said by `functions`: anything else of Python is out of reach.

Two rules keep lupa safe to use. Python holds Lua tables, functions and threads only if Lua yielded
or returned them to the main thread of the state: one that was an argument of a call from a
coroutine belongs to that coroutine, which may be gone when Python drops it. And a Python function
called from Lua never raises: the exception would be a Python object in the hands of a program.

A third keeps a limit of memory safe. lupa gives values to Lua outside of any protected call: if
memory lacks there, Lua ends the whole OS process, or leaves Python's frames by a jump. So

    a call from Python    is made without the limit, of our own Lua alone (`_without_limit`)
    an answer to a wait   goes in if there is ample room; else Lua asks for it (PULL)
    a function's result   likewise; else it goes in above the limit, which Lua sets again before
                          it does anything else (LIFTED), or is refused (FULL)
    what Lua yields       is numbers, strings and objects of Python: none of that allocates

In short, Lua allocates for a program only where Lua itself can fail, and be caught.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lupa import lua54

from procession.core.errors import Error, Internal, LimitExceeded
from procession.guests.lua.chain import CHAIN_START, Chain, NoChain
from procession.guests.lua.crossing import Crossing, handle_of
from procession.guests.lua.marks import FULL, LIFTED, MARKS
from procession.guests.lua.tail_calls import keep_callers
from procession.guests.lua.types import TypeSyntaxError, erase_types, locate

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
    "walk.lua",
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
    "walk.lua",
    "checked.lua",
)
"""Those that work on values of the program alone: interrupted and ended like the program itself."""

UNWRAPPED = frozenset((b"send", b"send_copy", b"wait_for_guard", b"overdue"))
"""Functions that Lua calls where it must be fast: what they give allocates nothing."""

SCALAR = frozenset((b"send", b"send_copy", b"spawn", b"pid", b"monitor", b"link", b"terminate"))
"""Functions that Lua calls often, and that give nothing but scalars."""

_HERE = files("procession.guests.lua")

_NO_LIMIT = 1 << 62
_AT_ONCE = 16
"""How many arguments a call from Python has at most: lupa takes for granted that they fit."""
_SLACK = 4096
"""What a program must have free, and what a few small values take."""
_OVER = 65536
"""By so much at most is a limit exceeded by what functions of Python give."""


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
        self.id = id
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


class Kept:
    """A value of Lua in a channel of its process, known here by its number.

    If nobody receives it, Lua is told to forget it.
    """

    __slots__ = ("number", "state")

    def __init__(self, state: LuaState, number: int) -> None:
        self.state = state
        self.number: int | None = number

    def __del__(self) -> None:
        if self.number is not None:
            self.state.dropped.append(self.number)


class LuaState:
    """A Lua state with our Lua in it. `memory` bounds what programs may use, in bytes; `outside`
    what a process of it may hold outside of it.

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
        outside: int,
    ) -> None:
        self.dropped: list[int] = []
        self.compatible = compatible
        self.outside_limit = outside
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
        self.limit: int | None = None
        self._used = self.runtime.get_memory_used
        self._is_lifted = False
        self.collect: Any = self.runtime.globals()[b"collectgarbage"]
        if memory is not None:
            self.runtime.set_max_memory(_NO_LIMIT)
        self.crossing: Any = Crossing(self.runtime)
        own = {b"set_limit": self.set_limit}
        marks = self.runtime.table_from({name.encode(): mark for name, mark in MARKS.items()})
        setup = self._load("setup.lua")
        limited = memory is not None

        def function(name: bytes) -> Any:
            found = own.get(name) or functions(name)
            if found is None or name in own:
                return found
            if limited and name not in UNWRAPPED:
                return self._limited(found)
            if name in SCALAR:
                return self.crossing.function(found)
            return found

        function_of = self._limited(function) if limited else function
        unwrapped = self.runtime.table_from(dict.fromkeys((*UNWRAPPED, *own), True))
        own_type = self.crossing.type_function() or False
        kit = setup(
            function_of, marks, compatible, counting, self.own, limited, unwrapped, own_type
        )
        exports = None
        for name in FILES:
            exports = self._load(name)(kit) or exports
        assert exports is not None
        self.crossing.make = exports[b"new"]
        self.spare: list[tuple[Any, int]] = []
        """Coroutines whose programs are over, and their addresses: others may run in them."""
        self.new_coroutine = self._unlimited(self.crossing.new)
        """A coroutine for one of the bodies, and its address."""
        self._close = exports[b"close"]
        self.release = self._unlimited(exports[b"release"])
        """Forget what a process left in the state."""
        self._traceback = self._unlimited(exports[b"traceback_of"])
        self._compile = exports[b"compile"]
        self._more = exports[b"more"]
        self._discard = exports[b"discard"]
        self._count = exports[b"count"]
        self.settle = exports[b"settle"]
        self.begin_measure = exports[b"begin_measure"]
        self._measure = exports[b"measure"]
        self.measured = exports[b"measured"]
        self._chain_length = exports[b"chain_length"]
        self.chain: Any = NoChain() if counting else Chain(self.runtime, *exports[b"chain"]())
        self.limit = memory
        self.set_limit()
        self.chunks: dict[str, int] = {}
        """The numbers of what is compiled, by entry."""
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
        """Call a function of our Lua with values of Python."""
        if self.limit is None:
            return function(*values)
        self.runtime.set_max_memory(_NO_LIMIT)
        try:
            return function(*values)
        finally:
            self.set_limit()

    def _unlimited(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of our Lua for values of Python."""
        return partial(self._without_limit, function) if self.own else function

    def set_limit(self) -> None:
        """From here on the limit holds, if there is one."""
        if self.limit is not None:
            self._is_lifted = False
            self.runtime.set_max_memory(self.limit)

    def is_roomy(self, given: Any) -> bool:
        """Whether there is so much room that Lua can surely be given this.

        Half of the limit: an object of Python may make lupa's table of all of them grow at once.
        """
        needed = _SLACK + bytes_of(given)
        return bool(self._used() + needed <= self.limit >> 1)  # type: ignore[operator]

    def has_room(self, needed: int = _SLACK) -> bool:
        """Whether there are so many bytes to be had."""
        if self.limit is None or self._used() + needed <= self.limit:
            return True
        self._without_limit(self.collect)
        return bool(self._used() + needed <= self.limit)

    def _limited(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function for Lua where memory is limited; setup.lua has the other half."""

        def limited(*args: Any) -> Any:
            try:
                given = function(*args)
            except lua54.LuaMemoryError:
                return FULL
            if self.limit is None or self.is_roomy(given):
                return given
            needed = bytes_of(given)
            # What is small may exceed the limit a little: whatever Lua allocates next fails anyway.
            allowed = needed if needed > _SLACK else -_OVER
            if not self.has_room(allowed):
                return FULL
            self._is_lifted = True
            self.runtime.set_max_memory(_NO_LIMIT)
            return (LIFTED, *given) if type(given) is tuple else (LIFTED, given)

        return limited

    def stopped(self) -> None:
        """A program has been ended, maybe between a result and the limit that follows it."""
        if self._is_lifted:
            self.set_limit()

    # -- chunks --------------------------------------------------------------------------------

    def chunk(self, source: Source) -> int:
        """Compile a program, once; its number, for its body. Raises Internal, LimitExceeded."""
        if self.dropped:
            self.discard_dropped()
        number = self.chunks.get(source.id)
        if number is None:
            if source.error is not None:
                raise Internal(source.error)
            number, problem = self._call_compile(source)
            if not number:
                raise Internal(_with_column(problem.decode(errors="replace"), source))
            self.chunks[source.id] = number
            if not self.has_room():
                raise out_of_memory()
        return number

    def _call_compile(self, source: Source) -> tuple[int, bytes]:
        answer = self._without_limit(
            self._compile,
            source.text,
            keep_callers(source.text),
            source.name.encode(),
            source.method,
            source.modules,
            source.imports,
        )
        return answer if type(answer) is tuple else (answer, b"")

    # -- values --------------------------------------------------------------------------------

    def pull(self) -> list[Any]:
        """The flat list that the call or yield which is just being made hands over."""
        values: list[Any] = []
        while True:
            try:
                count, *piece = self._more(len(values) + 1)
            except lua54.LuaError:
                # It can fail by nothing else; but where the stack cannot grow, Lua says "too many
                # results to unpack".
                raise lua54.LuaMemoryError("not enough memory") from None
            values += piece
            if len(values) >= count:
                return values

    def drop(self, letters: Iterable[Letter] | None) -> None:
        """Forget what was sent from Lua to Lua among some letters of a mailbox."""
        for _, _, _, payload, _, _ in letters or ():
            if type(payload) is Parcel:
                self.dropped.append(payload)

    def discard_dropped(self) -> None:
        """Have Lua forget the parcels that nobody will unpack."""
        dropped, self.dropped = self.dropped, []
        for start in range(0, len(dropped), _AT_ONCE):
            self._without_limit(self._discard, *dropped[start : start + _AT_ONCE])

    def kept(self) -> int:
        """How many parcels and values of channels Lua keeps."""
        return int(self._count())

    # -- coroutines ----------------------------------------------------------------------------

    def chain_length(self) -> int:
        """How long the chain of those that run is: see `Chain`."""
        return CHAIN_START if self.chain.is_empty else int(self._chain_length())

    def traceback_of(self, coroutine: Any) -> bytes:
        """Where a coroutine is."""
        shown: bytes = self._traceback(handle_of(coroutine))
        return shown

    def close_coroutine(self, coroutine: Any) -> None:
        """End a suspended coroutine: its to-be-closed variables are closed."""
        self._close(handle_of(coroutine))

    def measure(self, coroutines: list[Any]) -> None:
        """Look at these coroutines too: see sizes.lua."""
        self._measure(*map(handle_of, coroutines))


def bytes_of(given: Any) -> int:
    """How many bytes Lua needs for the strings in what it is given."""
    if type(given) is tuple or type(given) is list:
        return sum([len(one) for one in given if type(one) is bytes])
    return len(given) if type(given) is bytes else 0


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
