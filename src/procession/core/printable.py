"""Text from anywhere, as it may be shown to people."""

from __future__ import annotations

from unicodedata import category


def printable(text: str, keep: str = "") -> str:
    """The text with all that is no visible character written as an escape, but for those to `keep`.

    So nothing in it moves the cursor of a terminal, changes a colour or begins a line of its own.
    """
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or c in keep or category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def in_lines(text: str, indent: str = "  ") -> str:
    """The text with its lines, each of which is indented: none looks like a line of its own."""
    return indent + printable(text, keep="\n\t").replace("\n", f"\n{indent}")
