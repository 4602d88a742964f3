"""How much a payload weighs: an estimate of its bytes, by which mailboxes are bounded.

SEMANTICS 6.10. Text and bytes count by their length; a container and each of its items have a
price. What a payload shares with another counts each time: it would be there twice, were the two
processes on different machines, and moving one must change nothing. A number alone counts nothing,
since the number of messages is bounded as well.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from procession.core.errors import Error

WEIGHTLESS = frozenset((type(None), bool, int, float))
"""The types of payloads that count nothing."""

SMALL = 256 + 2 * 512
"""What weighs no more is small: see `weigh_small`."""

_CONTAINER, _ITEM = 64, 32

_FIXED = WEIGHTLESS | {datetime, UUID}  # as parts of a payload: covered by the price of an item

_encode = msgspec.msgpack.Encoder().encode


class Weighed(Protocol):
    """A payload that a guest keeps elsewhere, and has weighed."""

    @property
    def weight(self) -> int:
        """Its weight."""


def weigh(payload: Any) -> int:
    """The weight of a payload that may cross (see core/payload.py)."""
    kind = type(payload)
    if kind is str or kind is bytes:
        return len(payload)
    if kind is dict:
        total = _CONTAINER + 2 * _ITEM * len(payload)
        for key, item in payload.items():
            kind = type(key)
            if kind is str or kind is bytes:
                total += len(key)
            kind = type(item)
            if kind is str:
                total += len(item)
            elif kind not in _FIXED:
                total += weigh(item)
        return total
    if kind is list or kind is tuple:
        total = _CONTAINER + _ITEM * len(payload)
        return total if _FIXED.issuperset(map(type, payload)) else total + sum(map(weigh, payload))
    if kind in _FIXED:
        return 0
    if isinstance(payload, Error):
        return _CONTAINER + weigh(payload.message) + weigh(payload.details)
    weighed: Weighed = payload
    return weighed.weight


def units_of(payload: Any, limit: int, limit_bytes: int) -> int:
    """As how many messages a payload counts, if `limit` of them may weigh `limit_bytes`."""
    if type(payload) in WEIGHTLESS:
        return 1
    return 1 + weigh(payload) * limit // limit_bytes


def weigh_small(payload: Any) -> int:
    """The weight of a payload that is probably small.

    To write a small map is three times as fast as to walk it. But a large text is shared by all
    who have it, and would be copied here: whoever has got more than SMALL calls `weigh` next time.
    """
    kind = type(payload)
    if kind is dict or kind is list:
        try:
            length = len(_encode(payload))
        except TypeError:  # an error is in it
            return weigh(payload)
        if length <= 512:
            return 256 + 2 * length
    return weigh(payload)
