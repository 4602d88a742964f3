"""What goes over the link between two OS processes: batches of frames, as msgpack.

    length      4 bytes, of all that follows
    place       4 bytes, where the batch goes: it is passed on without being read
    from        4 bytes, where it comes from
    frames      a msgpack array

The types that msgpack lacks are extensions, so a payload arrives as it was sent. There is no way in
for code: nothing is decoded into anything but plain data, errors, timestamps and UUIDs.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from procession.core.errors import KINDS, Error, Internal, Invalid, rebuild
from procession.core.payload import SCALARS

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BATCH = 64 << 20
"""Bytes of a batch. What is longer is refused where it arrives."""

MAX_PAYLOAD = 16 << 20
"""Bytes of one payload, argument or result. What is longer is refused where it is sent."""

_HEAD = struct.Struct(">III")
_DATETIME, _UUID, _ERROR, _PAIRS = 1, 2, 3, 4  # the last: a map with UUIDs as keys
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)

_encoder = msgspec.msgpack.Encoder()
_PLAIN = SCALARS - {UUID}


class WireError(Exception):
    """What came over the link is no batch: the other side is broken."""


def encode(place: int, origin: int, frames: list[Any]) -> bytes:
    """A batch. Raises ValueError if it is too long."""
    body = _encoder.encode(frames)
    if len(body) > MAX_BATCH:
        raise ValueError(f"{len(body)} bytes in one batch; {MAX_BATCH} is the limit")
    return _HEAD.pack(len(body) + 8, place, origin) + body


def pack(value: Any) -> Any:
    """A payload, already copied, as it goes into a frame. Raises Invalid if it is too long."""
    kind = type(value)
    if kind in _PLAIN:
        if (kind is str or kind is bytes) and len(value) > MAX_PAYLOAD:
            raise _too_long(len(value))
        return value
    packed = _encoder.encode(to_wire(value))
    if len(packed) > MAX_PAYLOAD:
        raise _too_long(len(packed))
    return msgspec.Raw(packed)


def _too_long(size: int) -> Invalid:
    return Invalid(f"{size} bytes are too long for another OS process: {MAX_PAYLOAD} is the limit")


def to_wire(value: Any) -> Any:
    """A payload, already copied (see core/payload.py), as msgpack can hold it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        if UUID in map(type, value):
            pairs = [(to_wire(key), to_wire(item)) for key, item in value.items()]
            return msgspec.msgpack.Ext(_PAIRS, _encoder.encode(pairs))
        if _PLAIN.issuperset(map(type, value.values())):
            return value
        return {key: to_wire(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return value if _PLAIN.issuperset(map(type, value)) else [to_wire(one) for one in value]
    if kind is UUID:
        return msgspec.msgpack.Ext(_UUID, value.bytes)
    if kind is datetime:
        return msgspec.msgpack.Ext(_DATETIME, _encoder.encode(_datetime_parts(value)))
    if isinstance(value, Error):
        parts = (value.kind, value.message, value.retryable, to_wire(value.details))
        return msgspec.msgpack.Ext(_ERROR, _encoder.encode(parts))
    raise TypeError(f"no form on the wire for {kind.__name__}")


def _datetime_parts(moment: datetime) -> tuple[int, int, int | None]:
    offset = moment.utcoffset()
    distance = moment - (_NAIVE_EPOCH if offset is None else _EPOCH)
    seconds = distance.days * 86400 + distance.seconds
    return seconds, distance.microseconds, None if offset is None else int(offset.total_seconds())


def _from_extension(code: int, data: memoryview) -> Any:
    if code == _UUID:
        return UUID(bytes=bytes(data))
    parts = _decoder.decode(data)
    if code == _DATETIME:
        seconds, microseconds, offset = parts
        # By its own clock, which is within the range of datetimes: in UTC it may be beyond.
        distance = timedelta(seconds=seconds + (offset or 0), microseconds=microseconds)
        moment = _NAIVE_EPOCH + distance
        if offset is None:
            return moment
        return moment.replace(tzinfo=timezone(timedelta(seconds=offset)) if offset else UTC)
    if code == _ERROR:
        kind, message, retryable, details = parts
        return rebuild(KINDS.get(kind, Internal), message, retryable, details)
    if code == _PAIRS:
        return dict(parts)
    raise WireError(f"extension {code}")


_decoder = msgspec.msgpack.Decoder(ext_hook=_from_extension)


def decode(body: bytes | memoryview) -> list[Any]:
    """The frames of a batch. Raises WireError."""
    try:
        frames = _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WireError(str(error)) from None
    if not isinstance(frames, list):
        raise WireError("a batch is a list")
    return frames


class Reader:
    """Puts batches together from what arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[int, int, bytes]]:
        """Each batch that is complete: where it goes, where it comes from, and its frames.

        Raises WireError if it is too long.
        """
        rest: Any = self._buffer
        if rest:
            rest += data
        else:
            rest = data  # the common case: what comes is whole, and is not copied to and fro
        start, size = 0, len(rest)
        try:
            while size - start >= 12:
                length, place, origin = _HEAD.unpack_from(rest, start)
                if not 8 <= length <= MAX_BATCH + 8:
                    raise WireError(f"a batch of {length} bytes")
                end = start + 4 + length
                if size < end:
                    break
                body = bytes(rest[start + 12 : end])
                start = end
                yield place, origin, body
        finally:
            if rest is self._buffer:
                del self._buffer[:start]
            else:
                self._buffer += rest[start:]


def forward(place: int, origin: int, body: bytes) -> bytes:
    """A batch as it came, to be passed on."""
    return _HEAD.pack(len(body) + 8, place, origin) + body
