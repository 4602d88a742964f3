"""What a channel and a select say to each other: tokens, who waits, and the cases of a select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from procession.core.errors import ChannelClosed
from procession.core.tokens import CLOSED, EMPTY

if TYPE_CHECKING:
    from procession.core.channel import Channel, ReceiveChannel

T = TypeVar("T")


class SendWaiter(Protocol):
    """Who waits at a channel for its value to be taken."""

    value: Any

    def waits_at(self, at: Any, /) -> bool:
        """Whether it still waits there."""

    def wake(self, value: Any, /) -> None:
        """Its value was taken (None), or the channel was closed (CLOSED)."""


class ReceiveCase(Generic[T]):
    """A receive that a select may choose."""

    __slots__ = ("channel",)

    def __init__(self, channel: ReceiveChannel[T]) -> None:
        self.channel = channel

    def attempt(self) -> Any:
        """Do it without waiting: the value, CLOSED, or EMPTY if it would wait."""
        return self.channel.attempt()

    def enlist(self, arm: Any) -> None:
        """Wait at the channel."""
        self.channel.enlist_arm(arm)

    def withdraw(self, arm: Any) -> None:
        """Wait no longer."""
        self.channel.withdraw(arm)

    def restore(self, value: Any, turn: Any = None) -> None:
        """Give back what was received."""
        self.channel.restore(value, turn)

    def outcome(self, value: Any) -> Selected[Any]:
        """What the select returns for this case."""
        if value is CLOSED:
            return Selected(self.channel, None, ok=False)
        decode = self.channel._decode
        return Selected(self.channel, value if decode is None else decode(value), ok=True)


class SendCase(Generic[T]):
    """A send that a select may choose."""

    __slots__ = ("channel", "value")

    def __init__(self, channel: Channel[T], value: T) -> None:
        self.channel = channel
        self.value = value

    def attempt(self) -> Any:
        """Do it without waiting: None, or EMPTY if it would wait. Raises ChannelClosed."""
        return None if self.channel.put(self.value) else EMPTY

    def enlist(self, arm: Any) -> None:
        """Wait at the channel."""
        arm.value = self.value
        self.channel.enlist_sender(arm)

    def withdraw(self, arm: Any) -> None:
        """Wait no longer."""
        self.channel.withdraw_sender(arm)

    def restore(self, value: Any, turn: Any = None) -> None:
        """A value that was taken stays sent."""

    def outcome(self, value: Any) -> Selected[Any]:
        """What the select returns for this case."""
        if value is CLOSED:
            raise send_on_closed()
        return Selected(self.channel, self.value, ok=True)


class Selected(Generic[T]):
    """How a select ended: the channel, the value received or sent, and `ok` (False: it was closed).

    With `default`, nothing was ready: there is no channel.
    """

    __slots__ = ("channel", "default", "ok", "value")

    def __init__(
        self,
        channel: ReceiveChannel[Any] | None,
        value: T,
        *,
        ok: bool,
        default: bool = False,
    ) -> None:
        self.channel = channel
        self.value = value
        self.ok = ok
        self.default = default

    def __repr__(self) -> str:
        if self.default:
            return "<Selected default>"
        return f"<Selected {self.value!r} from {self.channel!r}, ok={self.ok}>"


Case = ReceiveCase[Any] | SendCase[Any]


def send_on_closed() -> ChannelClosed:
    """The error of who sends on a closed channel."""
    return ChannelClosed("send on closed channel")
