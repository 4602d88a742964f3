"""The limit of a Lua state that many processes share: the largest of them ends.

The guard's thread looks how much a state uses while Lua is at work. Beyond the limit it asks for a
`Relief`, a strand that goes ahead of all others, so that it runs between two steps, when nothing
of ours is half done: it collects what is garbage, and as long as that is not enough, ends whoever
has most. A single allocation may go beyond the limit; what one call can allocate is bounded.

No limit is set in Lua itself: memory that lacks in the midst of our own Lua would break what all
share.
"""

from __future__ import annotations

import ctypes
import logging
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, LimitExceeded
from procession.core.scheduler import Strand

if TYPE_CHECKING:
    from procession.core.kernel import Kernel
    from procession.guests.lua.process import LuaProcess
    from procession.guests.lua.state import LuaState
    from procession.guests.lua.strand import LuaBody

log = logging.getLogger("procession.lua")

_VISITS = (20_000, 200_000, 1_000_000)
"""So many values of a process are looked at; of those that have more, then more, up to the last."""

_ALL_VISITS = 2_000_000
"""So many values are looked at to find out who has most: about a second."""

_PIECE = 50

_TABLE, _ARRAY_ITEM, _NODE = 56, 16, 40


class Relief(Strand):
    """Makes room in a state. `limit` is in bytes."""

    __slots__ = ("_base", "_kernel", "_state", "_suspect", "host_id", "limit", "wanted")

    def __init__(self, kernel: Kernel, state: LuaState, limit: int, host_id: str) -> None:
        super().__init__(kernel.scheduler)
        self._kernel = kernel
        self._state = state
        self._suspect: LuaProcess | None = None
        self._base = state.chain.used()
        self.limit = limit
        self.host_id = host_id
        self.wanted = False
        """Whether it is about to run."""

    def want(self, strand: LuaBody) -> None:
        """Run before any other strand. Called from the guard's thread, for what `strand` uses."""
        self.wanted = True
        self._suspect = strand.process
        self.scheduler.ready.appendleft(self)
        try:
            self.scheduler.rouse()
        except RuntimeError:  # the loop is closed, and nothing will run
            return

    def step(self) -> None:
        """Collect, and end processes, until an eighth of the limit is free."""
        state, suspect = self._state, self._suspect
        self._suspect = None
        try:
            if state.runtime is None:
                return
            enough = self.limit - self.limit // 8
            if self._collected() <= enough:
                return
            for size, process in self._by_size(suspect):
                if process.alive:
                    self.scheduler.current = process
                    process.kill(self.error(size))
                if self._collected() <= enough:
                    return
            log.warning(
                "the Lua state of %s uses %s of lua.shared_memory, %s, and no process has them",
                self.host_id,
                _amount(state.chain.used()),
                _amount(self.limit),
            )
        finally:
            self.wanted = False

    def error(self, size: int | None) -> Error:
        """The error of the process that is ended."""
        most = f"had most of it, about {_amount(size)}" if size else "needed more"
        return LimitExceeded(
            f"out of memory: the processes of {self.host_id} share {_amount(self.limit)} "
            f"(lua.shared_memory), and this one {most}",
            retryable=False,
        )

    def _collected(self) -> int:
        """The bytes that are in use when all garbage is collected."""
        state = self._state
        state.collect()
        while state.dropped:  # what channels had buffered is known to nobody when those are freed
            state.discard_dropped()
            state.collect()
        used: int = state.chain.used()
        # The collector has to come around before the limit is reached.
        state.collect(b"setpause", min(200, max(110, 90 * self.limit // max(used, 1))))
        state.discard_dropped()  # what channels held that were garbage
        state.collect()  # what had a finalizer is freed only now
        return int(state.chain.used())

    def _by_size(self, suspect: LuaProcess | None) -> list[tuple[int, LuaProcess]]:
        """The processes of the state with what they have, the largest first.

        The one that was at work is looked at first: if it has most of all, nobody else is.
        """
        state = self._state
        everyone: list[Any] = [
            one
            for one in self._kernel.processes.values()
            if getattr(one, "state", None) is state and hasattr(one, "coroutine")
        ]
        if suspect in everyone:
            everyone.remove(suspect)
            everyone.insert(0, suspect)
        used, left = state.chain.used(), _ALL_VISITS
        sizes: dict[LuaProcess, int] = {}
        unknown = everyone
        for most in _VISITS:
            looked_at, unknown = unknown, []
            for process in looked_at:
                share = min(most, left)
                size, rest = self._size(process, share)
                left -= share - rest
                sizes[process] = size
                if size > used // 2:
                    return [(size, process)]
                if rest < 0:
                    unknown.append(process)
            if len(unknown) <= 1 or left <= 0:
                break
        # What nobody else has is theirs.
        known = sum(size for process, size in sizes.items() if process not in unknown)
        for process in unknown:
            sizes[process] = max(sizes[process], (used - self._base - known) // len(unknown))
        by_size = [(size, process) for process, size in sizes.items()]
        return sorted(by_size, key=lambda one: one[0], reverse=True)

    def _size(self, process: LuaProcess, visits: int) -> tuple[int, int]:
        """The bytes that it has, as far as so many visits go, and how many are left."""
        state = self._state
        state.begin_measure(visits)
        coroutines = [one.coroutine for one in (process, *(process.strands or ()))]
        coroutines = [one for one in coroutines if one is not None]
        try:
            for start in range(0, len(coroutines), _PIECE):
                state.measure(coroutines[start : start + _PIECE])
            size, left = state.measured()
        finally:
            state.collect(b"restart")  # it was stopped for the measure
        mailbox = process._mailbox
        return int(size) + (0 if mailbox is None else mailbox.weight), int(left)


def table_bytes(addresses: bytes) -> int:
    """The size of tables, by their addresses as Lua prints them. Only in the thread of Lua."""
    total = 0
    for address in addresses.split():
        # flags, lsizenode, alimit of Table in Lua 5.4: see chain.py, which has checked them
        head = ctypes.string_at(int(address, 16) + 10, 6)
        size = int.from_bytes(head[2:6], "little")
        if head[0] & 0x80 and size:  # it is not the real size, which then is a power of two
            size = 1 << (size - 1).bit_length()
        total += _TABLE + _ARRAY_ITEM * size + (_NODE << head[1])
    return total


def _amount(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"
