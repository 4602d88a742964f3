"""Patterns of a manifest: what `*` stands for."""

from __future__ import annotations


class Pattern:
    """A text in which `*` stands for any characters, also for none; nothing else is special.

    To match takes no longer than the texts are long, times each other: who is matched may have
    chosen the text.
    """

    __slots__ = ("_first", "_last", "_middle", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._first, *rest = text.split("*")
        self._last = rest.pop() if rest else None
        self._middle = [part for part in rest if part]

    @property
    def is_plain(self) -> bool:
        """Whether it has no star, and so matches itself only."""
        return self._last is None

    def matches(self, text: str) -> bool:
        """Whether the whole text fits."""
        if self._last is None:
            return text == self._first
        place, end = len(self._first), len(text) - len(self._last)
        if place > end or not text.startswith(self._first) or not text.endswith(self._last):
            return False
        for part in self._middle:
            found = text.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True
