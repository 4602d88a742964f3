"""JSON for the Lua module `json`."""

from __future__ import annotations

from datetime import datetime
from math import inf, isfinite
from typing import Any

import msgspec

from procession.core.errors import Error, Invalid
from procession.core.payload import INT_MAX, INT_MIN, MAX_DEPTH
from procession.guests.lua.modules.part import Part, answering

_SAFE = 2.0**53  # up to here a float without a fraction is an integer, exactly


class Json(Part):
    """Encode and decode."""

    @answering
    def encode(self, *flat: Any) -> Any:
        """The JSON text of a value. Raises Invalid, naming the path."""
        try:
            plain = _plain(self.value(flat), [] if self.me().state.compatible else {})
        except _Refused as refused:
            path = "value" + "".join(reversed(refused.path))
            if len(path) > 120:
                path = f"{path[:60]} ... {path[-40:]}"
            raise Invalid(
                f"{path} cannot be encoded as JSON: {refused}", details={"path": path}
            ) from None
        return msgspec.json.encode(plain, order="deterministic")

    @answering
    def decode(self, text: bytes) -> Any:
        """The value of a JSON text. Raises Invalid, naming the position."""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(str(error).removesuffix(".")) from None
        except RecursionError:
            raise _too_deep() from None
        return self.carried(_fitting(value, 0))


class _Refused(Exception):
    """What has no form in JSON. `path`: the steps to it, the last one first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: list[str] = []


def _plain(value: Any, empty: Any) -> Any:
    """The value as JSON has it. `empty`: what an empty table is there."""
    kind = type(value)
    if kind is float:
        if not isfinite(value):
            raise _Refused(f"there is no {value} in JSON")
        return int(value) if value.is_integer() and abs(value) <= _SAFE else value
    if kind is bytes:
        raise _Refused("the string is not UTF-8")
    if kind is list:
        result = []
        for index, item in enumerate(value, 1):
            try:
                result.append(_plain(item, empty))
            except _Refused as refused:
                refused.path.append(f"[{index}]")
                raise
        return result
    if kind is dict:
        return _plain_map(value, empty) if value else empty
    if isinstance(value, Error):
        parts = {key: item for key, item in value.to_dict().items() if item is not None}
        return _plain(parts, empty)
    assert value is None or isinstance(value, (str, int, datetime))
    return value


def _plain_map(value: dict[Any, Any], empty: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        step = f'["{key}"]' if type(key) is str else f"[{key}]"
        try:
            name = _plain_key(key)
            if name in result:
                raise _Refused("another key has the same text")
            result[name] = _plain(item, empty)
        except _Refused as refused:
            refused.path.append(step)
            raise
    return result


def _plain_key(key: Any) -> str:
    if type(key) is int:
        return str(key)
    if type(key) is bytes:
        raise _Refused("the key is not UTF-8")
    if type(key) is not str:
        raise _Refused("a key is a string or an integer")
    return key


def _fitting(value: Any, depth: int) -> Any:
    """The value with integers that Lua can hold. In place."""
    kind = type(value)
    if kind is int:
        if INT_MIN <= value <= INT_MAX:
            return value
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    if kind is dict or kind is list:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        for key, item in value.items() if kind is dict else enumerate(value):
            if type(item) is not str:
                value[key] = _fitting(item, depth + 1)
    return value


def _too_deep() -> Invalid:
    return Invalid(f"JSON nests deeper than {MAX_DEPTH} levels")
