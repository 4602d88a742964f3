"""What whoever enters Lua tells the guard, which watches from a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.guests.lua.strand import LuaBody


class Watch:
    """Where a guard looks: see preempt.py."""

    def __init__(self) -> None:
        self.running: LuaBody | None = None
        """The strand whose code is at work."""
        self.entered = False
        """Whether Lua was entered since the last look."""
        self.asleep = False
        """Whether nobody looks, until the guard is roused."""
        self.interrupted = 0
        """How many processes are interrupted just now."""

    def enter(self, strand: LuaBody) -> None:
        """Lua starts to run for `strand`."""
        self.running = strand
        self.entered = True
        if self.asleep:
            self.rouse()

    def rouse(self) -> None:
        """Have the guard look again."""
        raise NotImplementedError
