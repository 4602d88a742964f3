"""Interrupts Lua that computes too long: so that others run meanwhile, or to end it.

A thread looks every few milliseconds whether the same step of Lua is still under way. If so, it
sets a hook on the coroutines that are running (see chain.py), and the hook, which Lua calls before
its next instruction, yields. Until then nothing is paid for: no instruction is counted.
Our own Lua is never interrupted, since it works on what the processes of a state share.

    thread    sees a step that lasts -> lua_sethook(coroutine, hook, count 1)
    hook      in the thread of Lua: yields, where Lua can (the process then is preempted); where it
              cannot (inside a comparison of table.sort), looks again after some instructions. A
              coroutine that was resumed where nothing can be passed on is resumed at once
    limit     beyond it, the hook notes the stack and leaves `luaL_error` itself as the hook: each
              further instruction raises, so no pcall, handler or metamethod keeps it alive. If our
              own Lua is at work, it comes to its end first: the hook is called when it returns

`luaL_error` is called by Lua, not through ctypes, since it leaves by longjmp, which must not cross
a Python frame. It takes the hook's second argument for its format, a struct that starts with the
number 3: the message is that character.

The functions come from the lupa library itself. Where they cannot be had, `CountingGuard` takes
over: Lua counts its instructions all the time, which costs it speed, and can only be ended.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from typing import TYPE_CHECKING

from lupa import lua54

from procession.guests.lua.chain import LONG_PAUSE, PAUSE, check_memory
from procession.guests.lua.closing import ClosingTime
from procession.guests.lua.watch import Watch

if TYPE_CHECKING:
    from procession.core.errors import Error
    from procession.guests.lua.chain import Chain
    from procession.guests.lua.strand import LuaBody

log = logging.getLogger("procession.lua")

TICK = 0.004
"""Seconds between two looks; a step is interrupted after one to two of them."""

_GRACE = 0.0002
"""Seconds until Lua sees for certain that it is asked: far more than a processor's caches take."""

_SMALL = 32 << 20
"""A state that uses less is a small one."""

_IDLE_TICKS = 50
"""After so many looks without any Lua at work, the thread sleeps until there is some."""

_MASK_COUNT, _MASK_RETURN = 8, 2
_HOOK_RETURN = 1
_GC_COLLECT = 2
_LOOK_AGAIN = 20_000
"""Instructions until a coroutine that cannot yield is looked at again: well below a tick."""

_OUR_INSTRUCTIONS = 499
"""Instructions after which a coroutine is looked at again that is in our own Lua."""

_CLOSE_LOOKS = 200
"""So many instructions of our own Lua are looked at one by one first: a program whose time goes to
what we call for it is nearly always met there, and comes back to its own code after some of ours.
"""

_UNEVEN = 64
"""So many more at most, ever different: a loop whose rounds have a divisor of the others as their
length would be looked at in the same place for ever."""

_MAX_FRAMES = 22


class _Debug(ctypes.Structure):
    """`lua_Debug` of Lua 5.4."""

    _fields_ = (
        ("event", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("namewhat", ctypes.c_char_p),
        ("what", ctypes.c_char_p),
        ("source", ctypes.c_char_p),
        ("srclen", ctypes.c_size_t),
        ("currentline", ctypes.c_int),
        ("linedefined", ctypes.c_int),
        ("lastlinedefined", ctypes.c_int),
        ("nups", ctypes.c_ubyte),
        ("nparams", ctypes.c_ubyte),
        ("isvararg", ctypes.c_char),
        ("istailcall", ctypes.c_char),
        ("ftransfer", ctypes.c_ushort),
        ("ntransfer", ctypes.c_ushort),
        ("short_src", ctypes.c_char * 60),
        ("private", ctypes.c_void_p * 8),  # larger than it is: room is what matters
    )


class HookGuard(Watch):
    """Watches the Lua of one event loop, in one thread of its own."""

    preempts = True

    def __init__(self) -> None:
        super().__init__()
        check_memory()
        library = ctypes.PyDLL(lua54.__file__)  # keeps the GIL: a look and its hook are one step
        self._sethook = library.lua_sethook
        self._sethook.argtypes = (
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_int,
        )
        self._sethook.restype = None
        self._isyieldable = library.lua_isyieldable
        self._isyieldable.argtypes = (ctypes.c_void_p,)
        self._status = library.lua_status
        self._status.argtypes = (ctypes.c_void_p,)
        self._yieldk = library.lua_yieldk
        self._yieldk.argtypes = (
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_ssize_t,
            ctypes.c_void_p,
        )
        self._gc = library.lua_gc
        self._gc.argtypes = (ctypes.c_void_p, ctypes.c_int)
        self._getstack = library.lua_getstack
        self._getstack.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._getinfo = library.lua_getinfo
        self._getinfo.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        self._debug = _Debug()
        self._record = ctypes.byref(self._debug)
        self._raise = ctypes.cast(library.luaL_error, ctypes.c_void_p)
        hook_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        self._hook_function = hook_type(self._hook)  # as long as it may be called
        self._hook_pointer = ctypes.cast(self._hook_function, ctypes.c_void_p)
        self.asleep = True
        self.stack = ""
        """Where the process was that exceeded its limit."""
        self.memory_error: Error | None = None
        """The error of that process, if it was not its time that it exceeded."""
        self.closing = ClosingTime()
        self._asked: Chain | None = None
        """The chain of which this thread may read."""
        self._lock = threading.Lock()
        self._close_looks = 0
        self._uneven = 0
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def elapsed(self) -> float:
        """How long the step that was interrupted has lasted, about, in seconds."""
        return time.monotonic() - self.since

    def wait(self) -> None:
        """Wait until this thread holds no address of a coroutine."""
        with self._lock:
            pass

    def close(self) -> None:
        """Watch no more."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def rouse(self) -> None:
        """Have the thread look again: there is Lua at work."""
        self.asleep = False
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="procession-lua-guard", daemon=True
            )
            self._thread.start()
        self._wake.set()

    def _watch(self) -> None:
        idle = 0
        while not self._closed:
            time.sleep(TICK)
            strand = self.running
            if strand is not None:
                self._weigh(strand)
            if strand is not None and not self.entered:
                self._arm(strand)
                continue
            self._release()
            if strand is not None:
                self.entered = False
                self.armed = None
                self.since = time.monotonic()
                continue
            idle = 0 if self.entered else idle + 1
            self.entered = False
            if idle > _IDLE_TICKS:
                self._wake.clear()
                self.asleep = True
                # Else Lua was entered, or all is over, before we could be seen asleep.
                if not self.entered and not self._closed:
                    self._wake.wait()
                idle = 0

    def _weigh(self, strand: LuaBody) -> None:
        """Have room made, if the state uses more than it may."""
        state = strand.state
        relief = None if state is None else state.relief
        chain: Chain | None = None if state is None else state.chain
        if relief is None or chain is None or relief.wanted:
            return
        used = chain.used()
        if used > relief.limit:
            relief.want(strand)
        else:  # what is small may leave more garbage: to come around costs the same each time
            chain.set_pause(LONG_PAUSE if used < min(_SMALL, relief.limit >> 3) else PAUSE)

    def _arm(self, strand: LuaBody) -> None:
        """Set the hook on all that may be running: at each look, since others may have resumed."""
        state = strand.state
        chain: Chain | None = None if state is None else state.chain
        if chain is None:
            return  # it has just ended, and its state too
        if chain is not self._asked:
            self._release()
            self._asked = chain
            chain.ask()
            time.sleep(_GRACE)
        with self._lock:
            coroutine, pointer = strand.coroutine, strand.pointer
            if self.running is not strand or self.entered or coroutine is None:
                return
            if self._asked is None:
                return  # the hook of an earlier look has done its work
            if strand.coroutine is not coroutine or strand.pointer != pointer:
                return  # they were just exchanged
            if strand.exceeded:
                return  # each of its instructions fails already
            # So the pointer is that of the coroutine, which is there as long as we hold it.
            self.armed, self._close_looks = strand, _CLOSE_LOOKS
            self._sethook(pointer, self._hook_pointer, _MASK_COUNT, 1)
            for pointer in chain.pointers():
                self._sethook(pointer, self._hook_pointer, _MASK_COUNT, 1)

    def _release(self) -> None:
        """Read the chain no more: whoever leaves it need not wait."""
        with self._lock:
            if self._asked is not None:
                self._asked.release()
                self._asked = None

    def _hook(self, state: int, debug: int) -> None:
        """Called by Lua, in its thread, between two instructions. Must not raise."""
        strand = self.running
        if strand is None or self.entered or self.armed is not strand:
            self._sethook(state, None, 0, 0)
            return
        is_over = strand.computed + self.elapsed() > strand.step_limit
        is_return = ctypes.c_int.from_address(debug).value == _HOOK_RETURN
        if self._is_ours(state):
            if is_over and is_return and not self._is_called_by_ours(state):
                self._end_by_time(strand, state)  # what it has called of ours has done its work
            elif is_over:
                self._sethook(state, self._hook_pointer, _MASK_COUNT | _MASK_RETURN, _LOOK_AGAIN)
            elif self._close_looks:
                self._close_looks -= 1  # it looks at each instruction
            else:
                self._look_again(state, _OUR_INSTRUCTIONS)
        elif is_return:
            return  # something else has returned: what is waited for is the return of ours
        elif is_over:
            self._end_by_time(strand, state)
        elif self._isyieldable(state):
            self._release()
            self._sethook(state, None, 0, 0)
            self._yieldk(state, 0, 0, None)
        elif (error := self._excess(strand, state)) is not None:
            self.memory_error = error
            self._end(strand, state)
        else:
            self._look_again(state, _LOOK_AGAIN)

    def _excess(self, strand: LuaBody, state: int) -> Error | None:
        """The error of one that uses too much, where it cannot yield, so that it could be ended."""
        relief, chain = strand.state.relief, strand.state.chain
        most = 0 if relief is None else relief.limit * 5 // 4
        if relief is not None and relief.wanted and chain.used() > most:
            self._gc(state, _GC_COLLECT)
            if chain.used() > most:
                error: Error = relief.error(None)
                return error
        return strand.process.excess

    def _end_by_time(self, strand: LuaBody, state: int) -> None:
        if not strand.exceeded:  # else it is in ours by now, which tells of its end
            self.stack, self.memory_error = self._stack_of(state), None
        self._end(strand, state)

    def _end(self, strand: LuaBody, state: int) -> None:
        """Have whatever runs for the strand fail, at each of its instructions."""
        strand.exceeded = True
        chain: Chain = strand.state.chain
        for pointer in (strand.pointer, *chain.pointers(strand.chain_before)):
            if self._status(pointer) == 0:  # it is not suspended: see coroutine.lua
                self._sethook(pointer, self._raise, _MASK_COUNT, 1)
        self._sethook(state, self._raise, _MASK_COUNT, 1)

    def _look_again(self, state: int, instructions: int) -> None:
        self._uneven = (self._uneven * 5 + 1) % _UNEVEN
        self._sethook(state, self._hook_pointer, _MASK_COUNT, instructions + self._uneven)

    def _is_ours(self, state: int) -> bool:
        """Whether our own Lua is at work, which must not be left half-way: others use it too."""
        record = self._record
        return bool(
            self._getstack(state, 0, record)
            and self._getinfo(state, b"S", record)
            and self._debug.source.startswith(b"=[procession]")
        )

    def _is_called_by_ours(self, state: int) -> bool:
        """Whether our own Lua has called the function at work, be it through functions of C.

        Else the program has, or C on its behalf: that may do so again and again, such as gsub with
        a function of ours, where no instruction of the program comes in between.
        """
        record, level = self._record, 1
        while self._getstack(state, level, record) and self._getinfo(state, b"S", record):
            if self._debug.what != b"C":
                return bool(self._debug.source.startswith(b"=[procession]"))
            level += 1
        return True

    def _stack_of(self, state: int) -> str:
        """The stack as Lua prints it; without its own allocator, which might raise."""
        lines = ["stack traceback:"]
        record = self._debug
        level = 0
        while len(lines) < _MAX_FRAMES and self._getstack(state, level, self._record):
            self._getinfo(state, b"nSl", self._record)
            level += 1
            if record.source.startswith((b"=[procession", b"=[library]")):
                continue
            source = record.short_src.decode(errors="replace")
            place = f"{source}:{record.currentline}:" if record.currentline > 0 else f"{source}:"
            if record.name:
                what = f"function '{record.name.decode(errors='replace')}'"
            else:
                what = f"function <{source}:{record.linedefined}>"
            lines.append(f"\t{place} in {what}")
        return "\n".join(lines)


class CountingGuard(Watch):
    """For a platform without the hook functions: Lua counts, and can be ended, not preempted."""

    preempts = False
    COUNT = 100_000

    def __init__(self) -> None:
        super().__init__()
        self.stack = ""
        self.memory_error: Error | None = None
        self.closing = ClosingTime()

    def rouse(self) -> None:
        """Nothing to do."""

    def elapsed(self) -> float:
        """How long the step has lasted, about, in seconds."""
        return time.monotonic() - self.since

    def wait(self) -> None:
        """Nothing to do."""

    def overdue(self) -> bool:
        """Called by Lua every so many instructions: whether the limit is exceeded."""
        strand = self.running
        if strand is None:
            return False
        if self.entered:
            self.entered, self.since = False, time.monotonic()
        if strand.computed + self.elapsed() <= strand.step_limit:
            return False
        strand.exceeded = True
        return True

    def close(self) -> None:
        """Nothing to do."""


Guard = HookGuard | CountingGuard


def new_guard() -> Guard:
    """The guard that this platform allows."""
    try:
        return HookGuard()
    except (OSError, AttributeError) as error:
        log.warning(
            "Lua cannot be preempted on this platform (%s): a long computation holds up its host "
            "until the step limit ends it",
            error,
        )
        return CountingGuard()
