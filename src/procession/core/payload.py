"""The one rule for what crosses from process to process, and how. SEMANTICS 3.3.

Everything crosses as a copy, to a neighbour as to another machine, so that moving a process
changes nothing. A value that has a form in every guest and on the wire crosses; anything else
is refused at the sender with the path to it.

The copy is a walk over containers. Leaves are immutable and shared; only integers and
strings are looked at, since 64 bits and UTF-8 are all that a wire and Lua can hold. The walk
does not track paths: when it fails, a second walk finds the place, so success pays nothing.
Depth is bounded, which also ends cycles.
"""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from procession.core.errors import Error, Invalid, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_DEPTH = 128
"""How deep a payload may nest. JSON decoders stop at about the same depth."""

NATIVE_TYPES = (bytes, datetime, UUID)
"""What `msgspec` is to leave as it is, beyond JSON's own types."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1

# Immutable and valid whatever the value: shared, not copied.
_FREE = frozenset((type(None), bool, float, bytes, UUID))
SCALARS = _FREE | {int, str}
"""The types of leaves: immutable, so that a valid one is shared and not copied."""

_STRINGS_IN_LUA = frozenset((bytes, UUID))

# A subclass crosses as what it is underneath, whatever it overrides.
_UNDERNEATH: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (dict, dict),
    (list, list),
    (tuple, list),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
)


class _Refused(Exception):
    """What cannot cross, before its path is known."""


def copy_payload(value: Any, what: str = "payload") -> Any:
    """A copy of `value` that shares nothing changeable with it.

    Raises Invalid, naming `what` and the path inside it, if any part cannot cross.
    """
    kind = type(value)
    if (
        (kind is str and value.isascii())
        or (kind is int and value >> 63 in (0, -1))
        or kind in _FREE
    ):
        return value
    try:
        return _copy_map(value, 1) if kind is dict else _copy(value, 0)
    except Exception as refused:  # also whatever a property or an iterator of the user's raises
        raise _refusal(value, what, refused) from None


def copy_items(values: tuple[Any, ...], what: str) -> Sequence[Any]:
    """A copy of each: the arguments of a process. Raises Invalid like `copy_payload`."""
    for value in values:
        kind = type(value)
        if not (
            (kind is str and value.isascii())
            or (kind is int and value >> 63 in (0, -1))
            or kind in _FREE
        ):
            break
    else:
        return values
    try:
        return _copy_items(values, 0)
    except Exception as refused:
        raise _refusal(values, what, refused) from None


def _refusal(value: Any, what: str, refused: Exception) -> Invalid:
    path, reason = what, _reason(refused)
    try:
        path, reason = _locate(value, what, 0) or (path, reason)
    except Exception as error:
        reason = _reason(error)
    if len(path) > 120:
        path = f"{path[:60]} ... {path[-40:]}"
    return Invalid(f"{path} cannot cross to another process: {reason}", details={"path": path})


def _reason(refused: Exception) -> str:
    if isinstance(refused, _Refused):
        return str(refused)
    return f"to read it raises {type(refused).__name__}"


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _FREE:
        return value
    if kind is str:
        if not value.isascii():
            _check_text(value)
        return value
    if kind is int:
        if value >> 63 not in (0, -1):
            raise _Refused(f"an integer of {value.bit_length()} bits; 64 is the limit")
        return value
    if depth >= MAX_DEPTH:
        raise _Refused(f"it nests deeper than {MAX_DEPTH} levels, or contains itself")
    if kind is dict:
        return _copy_map(value, depth + 1)
    if kind is list or kind is tuple:
        return _copy_items(value, depth + 1)
    return _copy_other(value, depth)


def _copy_map(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    result = value.copy()
    for key, item in value.items():
        if not (type(key) is str and key.isascii()):
            return _copy_map_with_keys(value, depth)
        kind = type(item)  # the commonest leaves without a call: a fifth of the time
        if not (
            (kind is str and item.isascii())
            or (kind is int and item >> 63 in (0, -1))
            or kind in _FREE
        ):
            result[key] = _copy(item, depth)
    return result


def _copy_map_with_keys(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    result = {_copy_key(key, depth): _copy(item, depth) for key, item in value.items()}
    count = len(result)
    if not _STRINGS_IN_LUA.isdisjoint(map(type, result)):
        count = len(set(map(_key_in_lua, result)))
    if count < len(value):
        raise _Refused("two of its keys are the same on the other side")
    return result


def _key_in_lua(key: Any) -> Any:
    """What tells a key from the others, in Lua as well."""
    return key.encode() if type(key) is str else str(key).encode() if type(key) is UUID else key


def _copy_items(value: Any, depth: int) -> list[Any]:
    if len(value) > 8 and _FREE.issuperset(map(type, value)):
        return list(value)
    return [
        item
        if ((kind := type(item)) is str and item.isascii())
        or (kind is int and item >> 63 in (0, -1))
        or kind in _FREE
        else _copy(item, depth)
        for item in value
    ]


def in_order(items: list[Any]) -> list[Any]:
    """What had no order of its own, in one that depends on nothing but its values."""
    kinds = set(map(type, items))
    if len(kinds) > 1 or not kinds <= {str, int, bytes}:
        items.sort(key=lambda item: (type(item).__name__, repr(item)))
    else:
        items.sort()
    return items


def _copy_key(key: Any, depth: int) -> Any:
    key = _copy(key, depth)
    if type(key) not in SCALARS or key is None:
        raise _Refused(f"a map key of type {type(key).__name__}")
    if type(key) is float and isnan(key):
        raise _Refused("a map key that is not a number")
    return key


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Refused(
            f"a string that is not valid Unicode at character {error.start} (send bytes instead)"
        ) from None


def _copy_other(value: Any, depth: int) -> Any:
    """The types that change on the way: to a list, a map, bytes, an error, a base type."""
    if isinstance(value, (set, frozenset)):
        return in_order(_copy_items(list(value), depth + 1))
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime):
        return _copy_timestamp(value)
    if isinstance(value, Error):
        return copy_error(value, depth)
    if isinstance(value, (date, time, timedelta, Decimal)):
        return msgspec.to_builtins(value)  # as text, which a typed receiver reads again
    if _is_record(value):
        return _copy(_fields(value), depth)
    if isinstance(value, enum.Enum):
        return _copy(value.value, depth + 1)
    for base, plain in _UNDERNEATH:
        if isinstance(value, base):
            return _copy(plain(value), depth)
    raise _Refused(f"it is of type {type(value).__name__}")


def _is_record(value: Any) -> bool:
    return isinstance(value, msgspec.Struct) or (
        dataclasses.is_dataclass(value) and not isinstance(value, type)
    )


def _fields(value: Any) -> Any:
    """A Struct or dataclass as what its type is decoded from: a map, or a list if array_like."""
    if not isinstance(value, msgspec.Struct):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    config = value.__struct_config__
    values = [getattr(value, name) for name in value.__struct_fields__]
    if config.array_like:
        return values if config.tag is None else [config.tag, *values]
    fields = dict(zip(value.__struct_encode_fields__, values, strict=True))
    if config.tag is not None and config.tag_field is not None:
        fields = {config.tag_field: config.tag, **fields}
    return fields


def _copy_timestamp(value: datetime) -> datetime:
    """A plain datetime: with a fixed offset if it has one, since a zone's rules cannot cross."""
    offset = value.utcoffset()
    zone = None if offset is None else timezone(offset) if offset else UTC
    return datetime.combine(value.date(), value.time(), zone)


def copy_error(error: Error, depth: int = 0) -> Error:
    """A copy of an error: kind, message, retryable and details, and nothing else."""
    details = None if error.details is None else _copy(error.details, depth + 1)
    message = clean_text(error.message) or type(error).__name__
    return rebuild(error.crosses_as or type(error), message, error.retryable, details)


def clean_text(text: str) -> str:
    """The text with what is not valid Unicode written as escapes, so that it can cross."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _locate(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    """The path to the first part that is refused, and why; None if nothing is."""
    if depth >= MAX_DEPTH:
        return path, f"it nests deeper than {MAX_DEPTH} levels, or contains itself"
    if isinstance(value, dict):
        for key, item in value.items():
            try:
                _copy_key(key, depth)
            except _Refused as refused:
                return path, str(refused)
            found = _locate(item, f"{path}[{key!r}]", depth + 1)
            if found:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found = _locate(item, f"{path}[{index}]", depth + 1)
            if found:
                return found
        return None
    if _is_record(value):
        names = (
            value.__struct_fields__
            if isinstance(value, msgspec.Struct)
            else [field.name for field in dataclasses.fields(value)]
        )
        for name in names:
            found = _locate(getattr(value, name), f"{path}.{name}", depth + 1)
            if found:
                return found
        return None
    try:
        _copy(value, depth)
    except Exception as refused:
        return path, _reason(refused)
    return None
