"""Channels between the coroutines of one process, and waiting for several at once.

    from procession import channel

    ch = channel.new(10)
    got = await channel.select(ch, process.inbox(), out.case_send("x"))

Channels do not cross to other processes: between processes there are messages.
"""

from __future__ import annotations

from typing import Any

from procession.core import select as _core
from procession.core.case import ReceiveCase, Selected, SendCase
from procession.core.channel import Channel, ReceiveChannel
from procession.core.errors import ChannelClosed, Invalid
from procession.current import current, current_scheduler

__all__ = [
    "Channel",
    "ChannelClosed",
    "ReceiveCase",
    "ReceiveChannel",
    "Selected",
    "SendCase",
    "new",
    "select",
]


def new(capacity: int = 0) -> Channel[Any]:
    """A channel with room for `capacity` values; with none, a sender waits for its receiver."""
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise TypeError(f"a channel's capacity is an integer, not {type(capacity).__name__}")
    if capacity < 0:
        raise Invalid(f"a channel's capacity is not negative: {capacity}")
    return Channel(current().scheduler, capacity)


async def select(
    *cases: ReceiveChannel[Any] | ReceiveCase[Any] | SendCase[Any], default: bool = False
) -> Selected[Any]:
    """Wait until one case can go on, and let it. Exactly one goes on; the first listed wins.

    A case is a channel (to receive from), `ch.case_receive()` or `ch.case_send(value)`. The
    result has `channel` (the same object), `value`, received or sent, and `ok` (False: it is
    closed). With `default` it never waits: if nothing is ready, the result has `default` set and
    no channel. Raises Invalid for what is no case, ChannelClosed for a send on a closed channel.
    """
    return await _core.select(current_scheduler(), cases, default=default)
