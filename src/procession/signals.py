"""SIGINT and SIGTERM stop a node."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procession.node import Node


def unclaimed_signals() -> list[signal.Signals]:
    """Those of the two for which the program has no handler of its own, and does not ignore."""
    if threading.current_thread() is not threading.main_thread():
        return []  # only the main thread may say what happens at a signal
    usual = (signal.SIG_DFL, signal.default_int_handler)
    return [which for which in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(which) in usual]


class StopOnSignals:
    """Starts a node, and stops it: at the end within `grace_at_end`, or on signals within `grace`.

    Services are stopped before all else, or with `services_last` after it: then `grace` is theirs
    at the end as well. `tell` is called with what to say of a signal, and its name. A second signal
    ends the grace, a third one the program.

    The handlers are the interpreter's and not the loop's: they also run while a process computes
    without waiting, so that the third signal can always end the program.
    """

    def __init__(
        self,
        node: Node,
        grace: float,
        tell: Callable[[str, str], None],
        signals: Iterable[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
        *,
        grace_at_end: float = 0,
        services_last: bool = False,
    ) -> None:
        self.requested: list[signal.Signals] = []
        """The signals that have come."""
        self._node = node
        self._grace = grace
        self._tell = tell
        self._signals = signals
        self._grace_at_end = grace_at_end
        self._services_last = services_last
        self._started = False
        self._early: list[tuple[str, bool]] = []
        self._stops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> StopOnSignals:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._previous = {which: signal.signal(which, self._on_signal) for which in self._signals}
        try:
            await self._node.start()
        except BaseException:
            self._restore()
            raise
        self._started = True
        for name, again in self._early:
            self._stop(name, again)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # Main may have ended first: then the others keep what is left of the grace. Else what main
        # leaves behind gets that of an ordinary end, but the services do have their own.
        at_end = self._grace_at_end
        try:
            if not self._stops:
                self._begin(self._grace if self._services_last else at_end, at_end)
            while not all(one.done() for one in self._stops):  # a signal may add one
                await asyncio.wait(self._stops)
            for one in self._stops:
                one.result()
        finally:
            self._restore()

    def _restore(self) -> None:
        for which, handler in self._previous.items():
            signal.signal(which, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        which = signal.Signals(number)
        self.requested.append(which)
        self._node.hold_services()
        if len(self.requested) > 2:
            os._exit(128 + number)
        again = len(self.requested) > 1
        # In our context: the one that was interrupted may be that of a process, to which the
        # stopping would then belong, and with which it would end.
        self._loop.call_soon_threadsafe(self._stop, which.name, again, context=self._context)

    def _stop(self, name: str, again: bool) -> None:
        if not self._started:
            self._early.append((name, again))
            return
        self._tell(f"{name}: stopping{' now' if again else ''}", name)
        grace = 0 if again else self._grace
        self._begin(grace, grace)

    def _begin(self, grace: float, before_services: float) -> None:
        stop = self._node.stop(
            grace, before_services=before_services if self._services_last else None
        )
        self._stops.append(self._loop.create_task(stop))
