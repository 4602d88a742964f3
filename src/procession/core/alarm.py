"""Timers and tickers: channels that the clock sends to. SEMANTICS 13.2.

The alarm is its channel. The timer queue knows it only weakly, so one that nobody holds any more
is as good as stopped: `select(events, after("1h"))` in a loop leaves nothing behind. Whoever
waits at the channel holds it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeVar

from procession.core.channel import ReceiveChannel
from procession.core.errors import ChannelClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.scheduler import Scheduler

T = TypeVar("T")


class Timer(ReceiveChannel[T]):
    """A channel that gets the time once its delay is over."""

    __slots__ = ("_closes", "_due", "_timer")

    def __init__(
        self,
        scheduler: Scheduler,
        delay: float,
        decode: Callable[[float], T],
        *,
        closes: bool = False,
    ) -> None:
        super().__init__(scheduler, decode)
        self._closes = closes
        self._set(scheduler.clock.monotonic() + delay)

    @property
    def channel(self) -> ReceiveChannel[T]:
        """The timer as a channel: itself."""
        return self

    def stop(self) -> bool:
        """Do not ring. False if it has rung or was stopped before. The channel stays open."""
        return self._timer.cancel()

    def reset(self, delay: float) -> bool:
        """Ring `delay` seconds from now, whether or not it has rung; a ring not received is lost.

        True if it was still to ring. Raises ChannelClosed once it is closed.
        """
        if self.closed:
            raise ChannelClosed("the timer is closed")
        was_active = self.stop()
        if self._buffer:
            self._buffer.clear()
            self._returned = None
        self._set(self.scheduler.clock.monotonic() + delay)
        return was_active

    def close(self) -> None:
        """Stop, and let nothing more in."""
        self.stop()
        super().close()

    def _set(self, due: float) -> None:
        reference = weakref.ref(self)

        def ring() -> None:
            timer = reference()
            if timer is not None:
                timer._ring()

        self._due = due
        self._timer = self.scheduler.call_at(due, ring)

    def _ring(self) -> None:
        self.push(self.scheduler.clock.wall())
        if self._closes:
            super().close()

    def __del__(self) -> None:
        self._timer.cancel()


class Ticker(Timer[T]):
    """A channel that gets the time every interval, unless the last tick was not taken yet."""

    __slots__ = ("_interval",)

    def __init__(self, scheduler: Scheduler, interval: float, decode: Callable[[float], T]) -> None:
        self._interval = interval
        super().__init__(scheduler, interval, decode)

    def reset(self, interval: float) -> bool:
        """Tick every `interval` seconds from now on."""
        self._interval = interval
        return super().reset(interval)

    def _ring(self) -> None:
        if not self._buffer:
            self.push(self.scheduler.clock.wall())
        # On the grid of the first tick, and in the future also when the loop was late.
        missed = (self.scheduler.clock.monotonic() - self._due) // self._interval
        self._set(self._due + self._interval * (max(missed, 0) + 1))
