"""What Lua is given for what it has waited for: the Python half of what channel.lua reads.

An answer is a tuple of a few values. What is more than a scalar becomes a flat list, which its Lua
then pulls, piece by piece. Both belong to the strand, so no other can ever read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.channel import ReceiveChannel
from procession.core.event import Event
from procession.core.message import Message
from procession.core.process import Process
from procession.core.tokens import CLOSED
from procession.core.weighed import Weighed
from procession.guests.lua.marks import PULL
from procession.guests.lua.state import Kept, Parcel, bytes_of
from procession.guests.lua.values import PLAIN, kind_of, to_flat

if TYPE_CHECKING:
    from procession.core.errors import Error

WITHOUT_MEMORY = frozenset((int, float, bool, type(None)))
"""The types of values that Lua takes in without memory."""

PIECE = 200
"""How many values Lua pulls at once."""

PIECE_BYTES = 65536
"""It gets no more of them if they have so many bytes."""


class Wrapped:
    """A value for a channel of Lua, where it is received as a payload."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Sent:
    """How a select ended that has sent: by the case at this place."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place


class Answered(Process):
    """A strand as the one that gets answers.

    It derives from Process, though not every strand of Lua is one, since a compiled class has one
    line of bases: of a further strand what belongs to a process stays empty (see strand.py).
    """

    __slots__ = ("answer", "handed", "state", "taken")

    state: Any
    handed: list[Any] | None
    """The flat values of an answer, for its Lua to pull."""
    taken: int
    """How many of them it has."""
    answer: tuple[Any, ...]
    """What its Lua is about to ask for."""

    def carry(self, value: Any, *, more: bool = False) -> tuple[Any, Any]:
        """A value for `carried` in values.lua: as it is, or how long its flat list is.

        Lua pulls that list, at once. `more`: it comes behind what is handed already.
        """
        kind = type(value)
        if kind in PLAIN:
            return False, value
        if kind is str:
            return False, value.encode(errors="replace")
        flat = to_flat(value)
        count = len(flat)
        if more and self.handed is not None:
            self.handed += flat
        else:
            self.handed, self.taken = flat, 0
        return count, None

    def piece(self) -> tuple[Any, ...]:
        """The next few values of what is handed to Lua."""
        handed, begin = self.handed, self.taken
        if handed is None:
            return ()
        piece = handed[begin : begin + PIECE]
        if self.state.limit is not None and bytes_of(piece) > PIECE_BYTES:
            piece = piece[:1]
        self.taken = begin + len(piece)
        if self.taken == len(handed):
            self.handed = None
        return tuple(piece)

    def fit(self, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        """Where memory is limited: the answer if it surely fits; else Lua has to ask for it."""
        if answer[0] is PULL or self.state.is_roomy(answer):
            return answer
        self.answer = answer
        return (PULL,)

    def failed(self, error: Error) -> tuple[Any, ...]:
        """The answer for a wait that has failed."""
        answer = (
            b"error",
            kind_of(error),
            error.message.encode(errors="replace"),
            error.retryable,
            *self.carry(error.details),
        )
        return answer if self.state.limit is None else self.fit(answer)

    def chosen(self, selected: Any) -> tuple[Any, ...]:
        """The answer for how a select ended."""
        if selected.default:
            return (b"default",)
        value = selected.value
        if type(value) is Sent:
            answer: tuple[Any, ...] = (selected.channel, value.place)
            return answer if self.state.limit is None else self.fit(answer)
        answer = self.received(value) if selected.ok else (False,)
        if answer[0] is PULL:
            answer = self.answer
        answer = (selected.channel, False, *answer)
        return answer if self.state.limit is None else self.fit(answer)

    def received(self, value: Any) -> tuple[Any, ...]:
        """The answer for a value, in the form that `received` in channel.lua reads."""
        kind = type(value)
        if kind in PLAIN:
            answer: tuple[Any, ...] = (True, value)
        elif kind is Parcel:
            return (value,)
        elif kind is str:
            answer = (True, value.encode(errors="replace"))
        else:
            answer = self._answer(value, kind)
        return answer if self.state.limit is None else self.fit(answer)

    def _answer(self, value: Any, kind: type[Any]) -> tuple[Any, ...]:
        if value is CLOSED:
            return (False,)
        if kind is Kept:
            number, value.number = value.number, None
            return (Parcel(number),)
        carry = self.carry
        if kind is Message:
            payload = value.payload
            sender = None if value.sender is None else value.sender.encode()
            carried = (True, payload) if type(payload) is Parcel else carry(payload)
            call = value if value.wants_reply else None
            return (b"message", sender, value.topic.encode(), call, *carried)
        if kind is Event:
            sender = None if value.sender is None else value.sender.encode()
            reason = None if value.reason is None else value.reason.encode(errors="replace")
            self.handed = None
            return (
                b"event",
                value.kind.encode(),
                sender,
                int(value.time * 1e9),
                *carry(value.result, more=True),
                *carry(value.error, more=True),
                reason,
                value.deadline,
            )
        if kind is Wrapped:
            return (b"payload", *carry(value.value))
        if isinstance(value, ReceiveChannel):
            return (True, value)
        return (b"flat", carry(value.value if kind is Weighed else value)[0])
