"""A channel that knows how much waits in it, in bytes: see core/weight.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from procession.core.channel import ReceiveChannel

if TYPE_CHECKING:
    from procession.core.scheduler import Scheduler

T = TypeVar("T")


class Weighed:
    """A value that knows what it weighs."""

    __slots__ = ("value", "weight")

    def __init__(self, value: Any, weight: int) -> None:
        self.value = value
        self.weight = weight


class WeighedChannel(ReceiveChannel[T]):
    """A channel whose values are not bounded in number alone."""

    __slots__ = ("weight",)

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.weight = 0
        """Of all that waits."""

    def weigh(self, value: Any) -> int:
        """The weight of one value, the same each time."""
        raise NotImplementedError

    def push(self, value: Any) -> None:
        """Hand a value to the receiver that has waited longest, or keep it for the next one."""
        waits = self._receiver is None or not self.has_receiver()
        weight = self.weigh(value) if waits else 0
        super().push(value)
        self.weight += weight

    def attempt(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        weight = self.weigh(self._buffer[0]) if self._buffer else 0
        value = super().attempt()
        self.weight -= weight
        return value

    def restore(self, value: Any, turn: Any = None) -> None:
        """Put back, at the front, a value that its receiver could not use."""
        before = self.buffered
        super().restore(value, turn)
        if self.buffered > before:
            self.weight += self.weigh(value)
