"""Frames for processes whose SPAWN has still to come.

A process can be sent to by somebody who has heard of its PID before the place where it is to live
has: the SPAWN is on another way. The spawns of one place arrive in order, so a number that is
higher than its last one is of a process that is still to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.pid import creator_of, number_of, parse_pid, place_of

if TYPE_CHECKING:
    from procession.core.frames import Frame

_MOST = 1_000_000
"""How many frames are held."""


class Unborn:
    """Those that other places have started, or will start, at `place`."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._last: dict[int, int] = {}
        """The number of the last SPAWN of each other place that is up."""
        self._held: dict[str, list[tuple[int, Frame]]] = {}
        self._count = 0

    def __contains__(self, pid: str) -> bool:
        parsed = parse_pid(pid)
        if parsed is None or place_of(parsed.serial) != self._place:
            return False
        last = self._last.get(creator_of(parsed.serial))
        return last is not None and number_of(parsed.serial) > last

    def place_up(self, place: int) -> None:
        """A place may spawn here from now on."""
        self._last.setdefault(place, 0)

    def place_down(self, place: int) -> list[tuple[int, Frame]]:
        """A place is lost: what it was about to spawn will never run. What was held for that."""
        self._last.pop(place, None)
        held = []
        for pid in [pid for pid in self._held if self._creator(pid) == place]:
            held += self._held.pop(pid)
        self._count -= len(held)
        return held

    def hold(self, pid: str, place: int, frame: Frame) -> bool:
        """Keep a frame until the process is there. False if too many are kept already."""
        if self._count >= _MOST:
            return False
        self._count += 1
        self._held.setdefault(pid, []).append((place, frame))
        return True

    def born(self, pid: str) -> list[tuple[int, Frame]]:
        """Its SPAWN has come: what was held for it, and where each frame came from."""
        parsed = parse_pid(pid)
        assert parsed is not None
        self._last[creator_of(parsed.serial)] = number_of(parsed.serial)
        held = self._held.pop(pid, [])
        self._count -= len(held)
        return held

    @staticmethod
    def _creator(pid: str) -> int:
        parsed = parse_pid(pid)
        return -1 if parsed is None else creator_of(parsed.serial)
