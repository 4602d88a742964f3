"""How much of the stack is left: asked before something is changed that must not be cut short."""

from __future__ import annotations

_CALLS = 24
"""More than any change of the core nests."""


def check_stack(calls: int = _CALLS) -> None:
    """Raise RecursionError now, while nothing has happened, unless so many calls more may nest.

    A program may recurse until it has a handful of calls left, and then ask for something that
    takes more. For the hottest paths this costs too much: they do the deepest call first.
    """
    if calls:
        check_stack(calls - 1)
