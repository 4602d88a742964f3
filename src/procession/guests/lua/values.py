"""Values between Python and Lua, as flat lists. The other half is values.lua.

A string of Lua is bytes. What is UTF-8 becomes `str`, anything else `bytes`; on the way back both
become the string that they were.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

from procession.core.errors import KINDS, Error, Internal, Invalid, rebuild
from procession.core.payload import in_order
from procession.guests.lua.marks import ERROR, LIST, MAP, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PLAIN = frozenset((int, float, bool, type(None), bytes))
"""The types of values that Lua is given as they are."""


def text(value: bytes) -> str:
    """A string of Lua for people: what is not UTF-8 in it is replaced."""
    return value.decode(errors="replace")


def from_scalar(value: Any) -> Any:
    """What a scalar of Lua is in Python."""
    if type(value) is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def from_flat(values: Iterable[Any]) -> Any:
    """The one value that a flat list holds."""
    return _read(iter(values))


def all_from_flat(values: Iterable[Any], count: int | None = None) -> list[Any]:
    """The values that a flat list holds, one after the other."""
    iterator = iter(values)
    if count is not None:
        return [_read(iterator) for _ in range(count)]
    result = []
    while True:
        try:
            result.append(_read(iterator))
        except StopIteration:
            return result


def _read(values: Iterator[Any]) -> Any:
    value = next(values)
    if type(value) is bytes:
        return from_scalar(value)
    if value is MAP:
        return _read_map(values)
    if value is LIST:
        return [_read(values) for _ in range(next(values))]
    if value is ERROR:
        kind, message, retryable = (from_scalar(next(values)) for _ in range(3))
        return new_error(kind, message, retryable, _read(values))
    if value is TIME:
        return _timestamp(next(values), next(values), next(values))
    return value


def _read_map(values: Iterator[Any]) -> dict[Any, Any]:
    count = next(values)
    result: dict[Any, Any] = {}
    for _ in range(count):
        key = _read(values)
        result[key] = _read(values)
    if len(result) < count:  # such as 1 and true, which are equal in Python
        raise Invalid("a map with two keys that are the same in Python cannot cross")
    if count > 1:  # Lua's own order depends on where its strings lie in memory
        return {key: result[key] for key in in_order(list(result))}
    return result


class Unspecified(Internal):
    """An error of a Lua program that says no kind, which is possible in the compatible mode.

    Lua gets it back as it was. For Python, and in another OS process, it is Internal.
    """


def new_error(kind: Any, message: Any, retryable: Any, details: Any) -> Error:
    """An error of Lua as one of Python."""
    cls = KINDS.get(kind, Internal) if kind else Unspecified
    message = message if isinstance(message, str) else repr(message)
    return rebuild(cls, message, retryable, details)


def _timestamp(seconds: int, nanoseconds: int, offset: int) -> datetime:
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
        if not offset:
            return moment
        return moment.astimezone(timezone(timedelta(seconds=offset)))
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def kind_of(error: Error) -> bytes:
    """The kind of an error for Lua."""
    return b"" if type(error) is Unspecified else error.kind.encode()


def to_flat(value: Any) -> list[Any]:
    """A value that may cross (see core/payload.py) as a flat list."""
    flat: list[Any] = []
    _write(value, flat)
    return flat


def is_plain(value: Any) -> bool:
    """Whether Lua can be given the value as it is."""
    return type(value) in PLAIN


def _write(value: Any, flat: list[Any]) -> None:
    kind = type(value)
    if kind in PLAIN:
        flat.append(value)
    elif kind is str:
        flat.append(value.encode(errors="replace"))
    elif kind is dict:
        flat += (MAP, len(value))
        for key, item in value.items():
            _write(key, flat)
            _write(item, flat)
    elif kind is list or kind is tuple:
        flat += (LIST, len(value))
        for item in value:
            _write(item, flat)
    elif isinstance(value, Error):
        flat += (ERROR, kind_of(value), value.message.encode(errors="replace"))
        flat.append(value.retryable)
        _write(value.details, flat)
    elif isinstance(value, datetime):
        flat += _parts_of(value)
    elif isinstance(value, UUID):
        flat.append(str(value).encode())
    else:
        raise TypeError(f"no form in Lua for {kind.__name__}")


def _parts_of(moment: datetime) -> tuple[Any, int, int, int]:
    offset = moment.utcoffset()
    if offset is None:
        moment = moment.astimezone()  # without a zone it is local time, as everywhere in Python
        offset = moment.utcoffset()
    assert offset is not None
    distance = moment - _EPOCH
    seconds = distance.days * 86400 + distance.seconds
    return TIME, seconds, distance.microseconds * 1000, int(offset.total_seconds())
