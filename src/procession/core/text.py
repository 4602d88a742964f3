"""Values of programs as plain data that can be logged: as text where they are nothing simpler.

They may hold anything: half of a character that no encoding knows, an integer of a million digits,
an object whose `repr` is code of the program.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from procession.core.payload import INT_MAX, INT_MIN, clean_text
from procession.core.user_code import call_user


def exact(text: Any) -> Any:
    """A text of a subclass of `str` as plain text, for a table that others look into.

    What it overrides is code of a program, which is to run in no step but its own.
    """
    return str.__str__(text) if type(text) is not str and isinstance(text, str) else text


def cut(text: str, limit: int) -> str:
    """The text in valid Unicode, without what is beyond the limit."""
    if len(text) > limit:
        text = f"{text[:limit]} ... (cut: it has {len(text)} characters)"
    return clean_text(text)


def plain(value: Any, limit: int) -> str | int | float | bool | None:
    """A value as a number, a truth value, or text, which may be that of its `repr`."""
    kind = type(value)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return (
            value if INT_MIN <= value <= INT_MAX else f"(an integer of {value.bit_length()} bits)"
        )
    if kind is float:
        return value if isfinite(value) else str(value)
    if kind is str:
        return cut(value, limit)
    try:
        return cut(call_user(repr, value), limit)
    except Exception as broken:
        return f"(its text cannot be had: {type(broken).__name__})"
