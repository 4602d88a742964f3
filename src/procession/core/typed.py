"""Payloads as the types that their receivers ask for. SEMANTICS 5.5, 6.4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import Invalid
from procession.core.payload import NATIVE_TYPES
from procession.core.tokens import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.message import Message


def decoder(topic: str, messages: bool, payload_type: Any) -> Callable[[Message[Any]], Any] | None:
    """From a message to what the receiver of a typed channel gets.

    A call that does not fit is answered with the error, and its receiver never sees it: it is the
    caller's fault, and it is the caller who waits. A message that was only sent raises Invalid.
    """
    if payload_type is None:
        return None

    def decode(message: Message[Any]) -> Any:
        try:
            payload = decode_payload(message.payload, payload_type, f"payload on {topic!r}")
        except Invalid as error:
            if not message.refuse(error):
                raise
            return ANSWERED
        return message.with_payload(payload) if messages else payload

    return decode


def decode_payload(payload: Any, payload_type: Any, what: str) -> Any:
    """The payload as `payload_type`. Raises Invalid, naming the path, if it does not fit."""
    try:
        return msgspec.convert(payload, payload_type, builtin_types=NATIVE_TYPES)
    except msgspec.ValidationError as error:
        name = getattr(payload_type, "__name__", str(payload_type))
        raise Invalid(f"{what} does not fit {name}: {error}") from None
