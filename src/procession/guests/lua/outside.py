"""What a Lua process holds outside of its Lua state, where its memory does not count it.

Channels, timers, subscriptions and the results of calls are objects of Python. A small one in Lua
can stand for a large one here, and what a channel has buffered is here alone. So each process has
an account of them, by estimates. It may hold as much as `lua.memory`, in whatever state it runs;
beyond that it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from procession.core import alarm
from procession.core.channel import Channel
from procession.core.errors import Error, LimitExceeded
from procession.core.switch import Ring

if TYPE_CHECKING:
    from procession.core.scheduler import Scheduler
    from procession.guests.lua.process import LuaProcess

CHANNEL, TIMER, SUBSCRIPTION, CALL, ITEM = 512, 1024, 1536, 1024, 128
STRAND, CASE = 1024, 256
"""What each of them takes, about, in bytes; a buffered value is an item. A strand is a coroutine
that the process has spawned, a case one of a select that waits."""


class Account:
    """What one process holds. It is charged with what is made, and credited when that is freed."""

    __slots__ = ("_process", "error", "held", "limit")

    def __init__(self, process: LuaProcess, limit: int) -> None:
        self._process: LuaProcess | None = process
        self.limit = limit
        self.held = 0
        self.error: Error | None = None
        """Why the process is about to end."""

    def charge(self, count: int) -> None:
        """So many bytes more are held. The process ends soon if that is too much."""
        self.held += count
        if self.held > self.limit:
            self._exceeded()

    def credit(self, count: int) -> None:
        """So many bytes are held no longer."""
        self.held -= count

    def close(self) -> None:
        """The process has ended."""
        self._process = None

    def _exceeded(self) -> None:
        process = self._process
        if process is None or self.error is not None:
            return
        process.state.collect()  # some of it may be held by garbage of Lua
        if self.held <= self.limit - self.limit // 8:
            return
        self.error = LimitExceeded(
            f"out of memory: its channels, timers and other objects hold about {self.held} bytes, "
            f"and the limit is {self.limit} (lua.memory of {process.host.id})",
            retryable=False,
        )
        if process.kernel.processes.get(process.pid) is process:  # else its chunk is still running
            process.kernel.doom(process, self.error)


class LuaChannel(Channel[Any]):
    """A channel that a Lua program has made."""

    __slots__ = ("_account",)

    def __init__(self, scheduler: Scheduler, capacity: int, account: Account) -> None:
        super().__init__(scheduler, capacity)
        self._account = account
        account.charge(CHANNEL)

    # What the core does, and the account of it: for the usual case in one call instead of several.

    def put(self, value: Any) -> bool:
        """Send without waiting; False if that is not possible now. Raises ChannelClosed."""
        if self._receiver is not None or self.closed:
            return super().put(value)
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = Ring()
        if len(buffer) >= self.capacity:
            return False
        account = self._account
        account.held += ITEM
        if account.held > account.limit:
            account.charge(0)  # ends the process, unless garbage was a part of it
        buffer.append(value)
        return True

    def push(self, value: Any) -> None:
        """Hand a value to the receiver that has waited longest, or keep it for the next one."""
        if not self.has_receiver():
            self._account.charge(ITEM)
        super().push(value)

    def attempt(self) -> Any:
        """The next value without waiting, or EMPTY, or CLOSED."""
        if self._senders or self._returned or not self._buffer:
            before = self.buffered
            value = super().attempt()
            self._account.held += ITEM * (self.buffered - before)
            return value
        self._account.held -= ITEM
        return self._buffer.popleft()

    def restore(self, value: Any, turn: Any = None) -> None:
        """Put back, at the front, a value that its receiver could not use."""
        before = self.buffered
        super().restore(value, turn)
        self._account.held += ITEM * (self.buffered - before)

    def __del__(self) -> None:
        self._account.credit(CHANNEL + ITEM * self.buffered)


class _OfAccount:
    """What a timer and a ticker of Lua have in common."""

    if not TYPE_CHECKING:
        __slots__ = ()

    _account: Account

    def push(self, value: Any) -> None:
        """Hand over the time, as a moment."""
        super().push(datetime.fromtimestamp(value, UTC))  # type: ignore[misc]

    def __del__(self) -> None:
        self._account.credit(TIMER)
        super().__del__()  # type: ignore[misc]


class LuaTimer(_OfAccount, alarm.Timer[Any]):
    """A timer whose value is a moment for Lua."""

    __slots__ = ("_account",)

    def __init__(
        self, scheduler: Scheduler, delay: float, account: Account, *, closes: bool = False
    ) -> None:
        self._account = account
        super().__init__(scheduler, delay, _as_is, closes=closes)
        account.charge(TIMER)


class LuaTicker(_OfAccount, alarm.Ticker[Any]):
    """A ticker whose values are moments for Lua."""

    __slots__ = ("_account",)

    def __init__(self, scheduler: Scheduler, interval: float, account: Account) -> None:
        self._account = account
        super().__init__(scheduler, interval, _as_is)
        account.charge(TIMER)


def _as_is(value: Any) -> Any:
    return value
