"""UUIDs for the Lua module `uuid`."""

from __future__ import annotations

import re
import uuid
from os import urandom
from typing import TYPE_CHECKING, Any
from uuid import UUID

from procession.core.errors import Invalid
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.values import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.guests.lua.guest import LuaGuest

_HEX = r"[0-9a-fA-F]"
_FORM = re.compile(
    rf"(urn:uuid:)?{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|{_HEX}{{32}}"
)
_LONGEST = 45
"""Bytes of a text that may be a UUID."""
_LONGEST_NAME = 1 << 20
_VARIANTS = {
    uuid.RFC_4122: "RFC4122",
    uuid.RESERVED_NCS: "NCS",
    uuid.RESERVED_MICROSOFT: "Microsoft",
    uuid.RESERVED_FUTURE: "Future",
}
_FORMATS: dict[bytes, Callable[[UUID], str]] = {
    b"standard": str,
    b"simple": lambda one: one.hex,
    b"urn": lambda one: one.urn,
}
_BEFORE_1970 = 0x01B21DD213814000  # in units of 100 ns: version 1 counts from 1582
_RANDOM_BITS = 74


class Uuids(Part):
    """Make UUIDs, and take them apart."""

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        # A made-up node, as RFC 9562 has it: the address of the network card is nobody's business.
        self._node = int.from_bytes(urandom(6), "big") | 1 << 40
        self._last = 0, 0

    def v1(self) -> bytes:
        """By time and node."""
        return str(uuid.uuid1(self._node)).encode()

    def v4(self) -> bytes:
        """At random."""
        return str(uuid.uuid4()).encode()

    def v7(self) -> bytes:
        """By time, then at random; of one node, each is greater than those before it."""
        now = int(self.kernel.scheduler.clock.wall() * 1000)
        last, tail = self._last
        if now > last:
            tail = int.from_bytes(urandom(10), "big") >> (80 - _RANDOM_BITS + 1)
        else:
            now, tail = last, tail + 1 + int.from_bytes(urandom(4), "big")
            if tail >> _RANDOM_BITS:
                now, tail = now + 1, 0
        self._last = now, tail
        number = now << 80 | 7 << 76 | tail >> 62 << 64 | 2 << 62 | tail & (1 << 62) - 1
        return str(UUID(int=number)).encode()

    @answering
    def v3(self, namespace: bytes, name: bytes) -> Any:
        """By the MD5 of a name."""
        return str(uuid.uuid3(_parse(namespace), _name(name))).encode()

    @answering
    def v5(self, namespace: bytes, name: bytes) -> Any:
        """By the SHA-1 of a name."""
        return str(uuid.uuid5(_parse(namespace), _name(name))).encode()

    def validate(self, value: bytes) -> bool:
        """Whether it is a UUID."""
        return len(value) <= _LONGEST and _FORM.fullmatch(text(value)) is not None

    @answering
    def parse(self, value: bytes) -> Any:
        """What it is made of. Raises Invalid."""
        one = _parse(value)
        parts: dict[str, Any] = {
            "uuid": str(one),
            "version": one.version,
            "variant": _VARIANTS[one.variant],
        }
        if one.version == 1:
            parts["timestamp"] = (one.time - _BEFORE_1970) // 10_000_000
            parts["node"] = f"{one.node:012x}"
        elif one.version == 7:
            parts["timestamp"] = (one.int >> 80) // 1000
        return self.carried(parts)

    @answering
    def version(self, value: bytes) -> Any:
        """Its version. Raises Invalid."""
        version = _parse(value).version
        if version is None:
            raise Invalid(f"{text(value)!r} has no version")
        return version

    @answering
    def variant(self, value: bytes) -> Any:
        """Whose layout it has. Raises Invalid."""
        return _VARIANTS[_parse(value).variant].encode()

    @answering
    def format(self, value: bytes, form: bytes) -> Any:
        """Its text in another form. Raises Invalid."""
        one = _parse(value)
        written = _FORMATS.get(form)
        if written is None:
            raise Invalid(f"unknown format {text(form)!r:.100}: use standard, simple or urn")
        return written(one).encode()


def _name(name: bytes) -> str:
    if len(name) > _LONGEST_NAME:
        raise Invalid(f"a name has at most {_LONGEST_NAME} bytes, not {len(name)}")
    return text(name)


def _parse(value: bytes) -> UUID:
    found = text(value[: _LONGEST + 1])
    if not _FORM.fullmatch(found):
        raise Invalid(f"not a UUID: {found!r:.100}")
    return UUID(found)
