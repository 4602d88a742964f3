"""The coroutines of a Lua state that run, as another thread can read them while Lua is at work.

Of all coroutines that programs have made only those can execute an instruction that were resumed
and have not returned: a chain, each resumed by the one before it. Our Lua keeps it in a table of
fixed size (coroutine.lua), which costs a resume a few instructions; here its memory is read. Lua
itself can tell nobody: its functions must not be called while it is at work elsewhere.

What is read may be used only as long as it cannot be freed. So the reader asks first, waits until
that can be seen, and reads under a lock which every coroutine that leaves the chain takes after it
has left, while it is still referred to (`wait_for_guard`). Without being asked it takes no lock.

    guard     ask · wait · lock [ read the chain · lua_sethook on what is in it ] unlock
    Lua       leave the chain · asked? then lock, unlock · go on, and be collected some time
"""

from __future__ import annotations

import ctypes
from typing import Any

from lupa import lua54

CHAIN_START = 1
"""The place before the first coroutine, which is the length of a chain without any."""

PAUSE, LONG_PAUSE = 200, 400
"""When the collector of Lua begins anew, in percent: usually, and in a small state."""

_SIZE = 250
_TABLE, _INTEGER, _THREAD = 0x05, 0x03, 0x48
_GC_COUNT, _GC_SETPAUSE = 3, 6
_lua = ctypes.PyDLL(lua54.__file__)
_lua.lua_gc.argtypes = (ctypes.c_void_p, ctypes.c_int)

_ITEM = 16
"""Bytes of an item of a table: eight of the value, one of its type, the rest unused."""


class Chain:
    """The chain of one state. `runtime` is its owner: its memory is there as long as this is.

    Raises OSError if the memory of Lua is not as it should be.
    """

    __slots__ = ("_asked", "_items", "_none", "_pause", "_runtime", "first")

    def __init__(self, runtime: Any, table: bytes, none: bytes) -> None:
        self._runtime = runtime
        address = int(table, 16)
        # CommonHeader with the type of the object, flags, lsizenode, alimit, array: Table of 5.4
        kind = ctypes.c_ubyte.from_address(address + 8).value
        size = ctypes.c_uint32.from_address(address + 12).value
        if ctypes.sizeof(ctypes.c_void_p) != 8 or kind != _TABLE or size != _SIZE:
            raise OSError("tables of this Lua are unknown")
        array = ctypes.c_uint64.from_address(address + 16).value
        self._none = int(none, 16)
        self._pause = PAUSE
        self._asked = ctypes.c_int64.from_address(array)
        self._items = (ctypes.c_uint64 * (2 * _SIZE)).from_address(array)
        self.first = ctypes.c_uint64.from_address(array + _ITEM)
        """The address of the first coroutine."""
        kinds = [ctypes.c_ubyte.from_address(array + i * _ITEM + 8).value for i in range(_SIZE)]
        values = self._items[::2]
        if kinds != [_INTEGER] + [_THREAD] * (_SIZE - 1) or values != [0] + [self._none] * (
            _SIZE - 1
        ):
            raise OSError("tables of this Lua are unknown")

    @property
    def is_empty(self) -> bool:
        """Whether no coroutine of a program is in it."""
        return self.first.value == self._none

    def ask(self) -> None:
        """Have every coroutine that leaves the chain wait for the guard. Seen soon, not at once."""
        self._asked.value = 1

    def release(self) -> None:
        """Ask no more."""
        self._asked.value = 0

    def used(self) -> int:
        """The bytes that the state uses, garbage included; about, if Lua is at work."""
        return int(max(_lua.lua_gc(self._none, _GC_COUNT), 0)) << 10

    def set_pause(self, pause: int) -> None:
        """Have the collector begin anew at this many percent of what is in use when it is done.

        It is one byte for Lua, so it may be at work.
        """
        if pause != self._pause:
            self._pause = pause
            _lua.lua_gc(self._none, _GC_SETPAUSE, pause)

    def pointers(self, before: int = CHAIN_START) -> list[int]:
        """The addresses of the coroutines behind a place, outermost first."""
        none = self._none
        return [pointer for pointer in self._items[2 * before :: 2] if pointer != none]


class NoChain:
    """Of a state that no other thread looks into."""

    is_empty = True

    def used(self) -> int:
        """Unknown."""
        return 0


def check_memory() -> None:
    """Read a chain made as coroutine.lua makes it. Raises OSError if that is not possible."""
    runtime = lua54.LuaRuntime(encoding=None)
    make = runtime.eval(f"""
        function()
          local none, places = coroutine.create(print), {{}}
          for place = 2, {_SIZE} do places[place] = none end
          chain = {{ 0, table.unpack(places, 2, {_SIZE}) }}
          return string.format("%p", chain), string.format("%p", none)
        end""")
    Chain(runtime, *make())
