"""Calls of functions of the manifest, for the Lua module `funcs`.

A call is a process on the host of its caller. It ends with its caller.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.call import CALLER_GONE
from procession.core.channel import ReceiveChannel
from procession.core.errors import Canceled, ChannelClosed, Error, Timeout
from procession.core.payload import copy_error
from procession.core.weight import weigh
from procession.guests.lua.answer import Wrapped
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.outside import CALL
from procession.guests.lua.values import text

if TYPE_CHECKING:
    from procession.core.event import Event
    from procession.core.peer import Peer
    from procession.core.timers import Timer
    from procession.guests.lua.process import LuaProcess


class Call:
    """A function that runs, or has run. It watches its process and is attached to its caller."""

    __slots__ = (
        "__weakref__",
        "_account",
        "_charged",
        "_done",
        "_owner",
        "_process",
        "_timer",
        "channel",
        "error",
        "is_canceled",
        "result",
    )

    def __init__(self, owner: LuaProcess, process: Peer, timeout: float | None = None) -> None:
        self._owner: LuaProcess | None = owner
        self._account = owner.account
        self._charged = CALL
        self._account.charge(CALL)
        self._process: Peer = process
        self._done = ReceiveChannel[Any](owner.scheduler)
        self.channel = ReceiveChannel[Any](owner.scheduler)
        """Gets the result, if there is one, and is closed."""
        self.result: Any = None
        self.error: Error | None = None
        self.is_canceled = False
        self._timer: Timer | None = None
        if timeout is not None:
            self._timer = owner.scheduler.call_later(timeout, lambda: self._give_up(timeout))
        links.watch(self, process)
        owner.attach(self)

    @property
    def is_complete(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._owner is None

    async def wait(self) -> None:
        """Wait for the end."""
        with suppress(ChannelClosed):
            await self._done.receive()

    async def outcome(self) -> Any:
        """Wait for the end: the result. Raises the error of the function."""
        await self.wait()
        if self.error is not None:
            raise copy_error(self.error)  # ours would keep this frame, and so itself, alive
        return self.result

    def cancel(self) -> bool:
        """End it; False if it has ended before."""
        if self.is_complete:
            return False
        self.is_canceled = True
        self._abandon(f"{CALLER_GONE}: the call was canceled")
        self._settle(None, Canceled("the call was canceled"))
        return True

    def down(self, exit: Event) -> None:
        """The function has ended."""
        exit = exit.copy()
        self._settle(exit.result, exit.error)

    def __del__(self) -> None:
        self._account.credit(self._charged)

    def owner_ended(self) -> None:
        """The caller has ended: nobody waits for the result."""
        self._abandon(CALLER_GONE)
        self._owner = None
        self._stop_timer()

    def _give_up(self, timeout: float) -> None:
        text = f"the call has not ended within {timeout:g} seconds"
        self._abandon(f"{CALLER_GONE}: {text}")
        self._settle(None, Timeout(text, retryable=True))

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _abandon(self, reason: str) -> None:
        process = self._process
        links.unwatch(self, process)
        if process.alive:
            process.doom(Canceled(reason))  # nobody logs that: see is_of_others

    def _settle(self, result: Any, error: Error | None) -> None:
        assert self._owner is not None
        self._owner.detach(self)
        compatible = self._owner.state.compatible
        self._owner = None
        self._stop_timer()
        self.result, self.error = result, error
        weight = weigh(result)
        self._charged += weight
        self._account.charge(weight)
        if compatible:
            self.channel.push(Wrapped(result) if error is None else error)
        elif error is None:
            self.channel.push(result)
        self.channel.close()
        self._done.close()


class Calls(Part):
    """What a program can do with calls."""

    @answering
    def start(self, entry: bytes, seconds: float | bool, *flat: Any) -> Any:
        """Call a function."""
        return self._start(entry, seconds, {}, self.values(flat))

    @answering
    def start_with(self, entry: bytes, seconds: float | bool, *flat: Any) -> Any:
        """Call a function with more context than the caller's own: it stands first."""
        more, *args = self.values(flat)
        return self._start(entry, seconds, more, args)

    def _start(
        self, entry: bytes, seconds: float | bool, more: dict[str, Any], args: list[Any]
    ) -> Call:
        me = self.me()
        merged = {**(me.context or {}), **more}
        process = self.kernel.spawn(
            me, text(entry), None, tuple(args), heritage=merged or None, to_execute=True
        )
        return Call(me, process, None if seconds is False else seconds)

    @answering
    def waiting(self, call: Call) -> Any:
        """What waits for the end of a call."""
        return call.wait

    @answering
    def outcome(self, call: Call) -> Any:
        """The result, or None while there is none. Raises the error of the function."""
        return self.carried(call.result) if call.error is None else self.failed(call.error)

    def is_complete(self, call: Call) -> bool:
        """Whether it has ended."""
        return call.is_complete

    def is_canceled(self, call: Call) -> bool:
        """Whether it was canceled."""
        return call.is_canceled

    def channel(self, call: Call) -> Any:
        """The channel that gets its result."""
        return call.channel

    @answering
    def cancel(self, call: Call) -> Any:
        """End it."""
        return True, call.cancel()
