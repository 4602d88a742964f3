"""Checks of single values: each returns the value in its final form, or raises Invalid."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from procession.core.duration import seconds
from procession.core.errors import Invalid, did_you_mean
from procession.core.names import check_name
from procession.core.payload import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

# ASCII only: a name is typed by people, and one look should tell two of them apart.
_LUA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MEMORY = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)")
_MOST = 1e300
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def shown(value: Any) -> str:
    """A value as an error message quotes it, in the words of YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str) and len(value) > 80:
        return f"{value[:77]!r}..."
    return repr(value)


def unknown(word: str, known: list[str]) -> str:
    """What follows 'unknown ...' in a message: the word that was meant, or else all there are."""
    return did_you_mean(word, known) or f"; it can be {', '.join(known)}"


def text(value: Any) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"expected a string, got {shown(value)}")
    return value


def integer(least: int = 0, most: int = INT_MAX) -> Callable[[Any], int]:
    """An integer, from `least` to `most`."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid(f"expected an integer, got {shown(value)}")
        if value < least:
            raise Invalid(f"expected an integer of {least} or more, got {value}")
        if value > most:
            got = value if value <= INT_MAX else "a number of more than 64 bits"
            raise Invalid(f"expected an integer of {most} or less, got {got}")
        return value

    return check


def number(least: float, most: float = _MOST) -> Callable[[Any], float]:
    """A number, from `least` to `most`."""

    def check(value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise Invalid(f"expected a number, got {shown(value)}")
        if not least <= value <= most:  # not a number is not either
            limit = f"from {least:g} to {most:g}" if most < _MOST else f"of {least:g} or more"
            raise Invalid(f"expected a number {limit}, got {value}")
        return float(value)

    return check


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Invalid(f"expected true or false, got {shown(value)}")
    return value


def one_of(*words: str) -> Callable[[Any], Any]:
    """One of the words."""

    def check(value: Any) -> Any:
        if value not in words:
            hint = did_you_mean(value, words) if isinstance(value, str) else ""
            raise Invalid(f"expected {' or '.join(words)}, got {shown(value)}{hint}")
        return value

    return check


def duration(value: Any) -> float:
    """The seconds of a duration that is longer than nothing."""
    result = _seconds(value)
    if result <= 0:
        raise Invalid(f"expected a duration longer than zero, got {shown(value)}")
    return result


def duration_or_zero(value: Any) -> float:
    """The seconds of a duration; zero is one."""
    result = _seconds(value)
    if result < 0:
        raise Invalid(f"expected a duration of zero or more, got {shown(value)}")
    return result


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Invalid(f'expected a duration such as "5s", got {shown(value)}')
    return seconds(value)


def memory(value: Any) -> int:
    """An amount of bytes, at least one."""
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        value = int(match[1]) * _BYTES[match[2]]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"expected a number of bytes, or a size such as 64MiB, got {shown(value)}")
    return integer(1)(value)


def name(value: Any) -> str:
    """The name of an entry, in its namespace."""
    if not _NAME.fullmatch(text(value)):
        raise Invalid(
            f"{shown(value)} is no name: write letters, digits, dots, hyphens and underscores"
        )
    return str(value)


def namespace(value: Any) -> str:
    """Identifiers with dots between."""
    if not _NAMESPACE.fullmatch(text(value)):
        raise Invalid(f"{shown(value)} is no namespace: write dotted identifiers, such as app.jobs")
    return str(value)


def process_name(value: Any) -> str:
    """A name under which a process can be registered."""
    check_name(text(value))
    return str(value)


def reference(value: Any, home: str) -> str:
    """The id of an entry, which may or may not exist; a name alone is one of the namespace `home`.

    Empty if that is empty, since it could not be read.
    """
    space, colon, word = text(value).partition(":")
    if not colon and _NAME.fullmatch(space):
        return home and f"{home}:{space}"
    if not _NAMESPACE.fullmatch(space) or not _NAME.fullmatch(word):
        raise Invalid(f"expected an entry id such as app:worker, got {shown(value)}")
    return str(value)


def identifier(value: Any) -> str:
    """The name of a function."""
    if not is_identifier(text(value)):
        raise Invalid(f"expected the name of a function, got {shown(value)}")
    return str(value)


def lua_identifier(value: Any) -> str:
    """The name of a function in Lua."""
    if not _LUA_NAME.fullmatch(text(value)):
        raise Invalid(f"expected the name of a function, got {shown(value)}")
    return str(value)


def python_function(value: Any) -> str:
    """Where Python finds a function, by import."""
    module, _, function = text(value).partition(":")
    if not all(map(is_identifier, (*module.split("."), function))):
        raise Invalid(f"expected package.module:function, got {shown(value)}")
    return str(value)


def is_identifier(word: str) -> bool:
    """Whether code can name something so."""
    return word.isidentifier() and not keyword.iskeyword(word)
