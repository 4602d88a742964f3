"""Values that stand for themselves."""

from __future__ import annotations

from typing import Any


class Token:
    """A value that stands for itself, and prints its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NOTHING = Token("NOTHING")
"""The value of a parked strand: nothing was handed over yet."""

PARKED = Token("PARKED")
"""What a process yields to its scheduler when it waits."""

RETURNED = Token("RETURNED")
"""What `resume` gives for a coroutine that has returned; its strand has the value."""

THROWN = Token("THROWN")
"""What `throw` gives for a coroutine that has let out what was thrown into it."""

EMPTY = Token("EMPTY")
"""An attempt found nothing: a receiver, or a sender, would have to wait."""

CLOSED = Token("CLOSED")
"""The channel is closed, and there is nothing left to take."""

ANSWERED: Any = Token("ANSWERED")
"""What decoding gives for a value that needs no receiver any more: see TopicChannel."""
