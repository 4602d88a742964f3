"""What whoever enters Lua tells the guard, which watches from a thread of its own."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

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
        self.since = 0.0
        """When the step that is under way was seen for the first time."""
        self.armed: LuaBody | None = None
        """Whose hooks are set: one that fires after Lua was entered anew means nothing."""

    def enter(self, strand: LuaBody) -> None:
        """Lua starts to run for `strand`."""
        self.running = strand
        self.entered = True
        if self.asleep:
            self.rouse()

    def suspend(self) -> tuple[Any, float, Any]:
        """Other Lua is about to run in the middle of a step; `resume` takes what this gives.

        Else a step that enters other Lua again and again, such as by spawning, would seem to have
        just begun at every look, and could last for ever.
        """
        if self.entered:
            return self.running, monotonic(), None
        return self.running, self.since, self.armed

    def resume(self, suspended: tuple[Any, float, Any]) -> None:
        """The step in whose middle other Lua has run goes on."""
        self.running, self.since, self.armed = suspended
        self.entered = False

    def rouse(self) -> None:
        """Have the guard look again."""
        raise NotImplementedError
