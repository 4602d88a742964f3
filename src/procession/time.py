"""Time for processes: sleep, alarms and tickers as channels. Real, or virtual in a simulation.

    from procession import time

    got = await channel.select(process.events(), time.after("10s"))

A duration is a string (`"100ms"`, `"1h30m"`), a number of seconds, or a `timedelta`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from procession.core import alarm
from procession.core.duration import Duration, seconds
from procession.core.errors import Invalid
from procession.core.sleep import sleep as _sleep
from procession.current import current, current_scheduler

if TYPE_CHECKING:
    from procession.core.channel import ReceiveChannel

__all__ = ["Duration", "Ticker", "Timer", "after", "now", "seconds", "sleep", "ticker", "timer"]


class Timer(alarm.Timer[datetime]):
    """A channel that gets the time once; `stop` it, or `reset` it to ring again."""

    __slots__ = ()

    def reset(self, delay: Duration) -> bool:
        """Ring `delay` from now, whether or not it has rung; a ring not received is lost.

        True if it was still to ring.
        """
        return super().reset(seconds(delay))


class Ticker(alarm.Ticker[datetime]):
    """A channel that gets the time every interval, until you `stop` it."""

    __slots__ = ()

    def reset(self, interval: Duration) -> bool:
        """Tick every `interval` from now on. True if it was ticking."""
        return super().reset(_interval(interval))


def now() -> datetime:
    """The wall clock, in UTC."""
    return _from_wall(current().scheduler.clock.wall())


async def sleep(duration: Duration, /) -> None:
    """Wait at least that long. Zero or less lets others run."""
    await _sleep(current_scheduler(), seconds(duration))


def after(duration: Duration, /) -> ReceiveChannel[datetime]:
    """A channel that gets one value, the time, when the duration is over, and closes.

    Drop it when you like: an alarm that nobody can receive is gone.
    """
    return Timer(current().scheduler, seconds(duration), _from_wall, closes=True)


def timer(duration: Duration, /) -> Timer:
    """A timer that can be stopped and set anew. Its channel stays open."""
    return Timer(current().scheduler, seconds(duration), _from_wall)


def ticker(interval: Duration, /) -> Ticker:
    """A ticker. A tick that is due while the last one is not received yet is dropped."""
    return Ticker(current().scheduler, _interval(interval), _from_wall)


def _interval(interval: Duration) -> float:
    length = seconds(interval)
    if length <= 0:
        raise Invalid(f"a ticker needs an interval longer than nothing, not {interval!r}")
    return length


def _from_wall(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
