"""How long what a process leaves to be closed (`local x <close>`) may take at its end.

Lua closes the variables of a coroutine that does not go on in C: that can be ended, but nothing
else runs meanwhile. So the coroutines of a process have one time for it together, and where it is
used up the others are dropped as they are. A process that has to wait for nobody (it returns, or
raises) closes its variables itself, as a part of its last step.
"""

from __future__ import annotations

from time import monotonic

_AT_ONCE = 0.25
"""Seconds for the end of one process, if its step limit allows for as much."""
_AT_LEAST = 0.008
"""Seconds that it has in any case: what the guard needs to interrupt anything."""
_SHARE = 0.1
"""Of all time, what closing may take for long: some many processes end one after the other."""


class ClosingTime:
    """What closing has taken lately, of all processes of one event loop."""

    __slots__ = ("_last", "_spent")

    def __init__(self) -> None:
        self._spent = 0.0
        self._last = 0.0

    def allowance(self, step_limit: float) -> float:
        """The seconds that the process has that ends now."""
        now = monotonic()
        self._spent = max(0.0, self._spent - _SHARE * (now - self._last))
        self._last = now
        return min(step_limit, max(_AT_LEAST, _AT_ONCE - self._spent))

    def spend(self, seconds: float) -> None:
        """So much has been used."""
        self._spent += seconds
