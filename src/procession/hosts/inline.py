"""Drives a kernel from an asyncio event loop: inline, in the loop's own thread.

The kernel is run in slices of a few milliseconds, each one callback of the loop, so I/O and the
tasks of a surrounding program get their turn in between.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from procession.core.errors import Invalid
from procession.core.kernel import Kernel
from procession.core.user_code import call_user
from procession.guests.current_tasks import current_tasks
from procession.hosts.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procession.core.event import Event
    from procession.core.process import Process, Program
    from procession.core.scheduler import Strand


class LoopClock:
    """The clocks of an event loop and of the machine."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.monotonic = loop.time
        self.wall = time.time


class InlineDriver:
    """A kernel and the event loop that runs it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        adopt: Callable[[Kernel], Strand],
        load: Callable[[Any, bool], Program],
        check_declared: Callable[[str], object],
        on_failure: Callable[[Process, Event, bool], None],
        serials: Iterator[int],
        kernel: Callable[..., Kernel] = Kernel,
    ) -> None:
        self.loop = loop
        self._alarm: asyncio.Handle | None = None
        self._alarm_due: float | None = None
        self._closed = False
        self.after_run: list[Callable[[], None]] = []
        """Called after each slice: to send what it had to say to other places."""
        self.kernel: Kernel = kernel(
            clock=LoopClock(loop),
            notify=self._notify,
            adopt=lambda: adopt(self.kernel),
            load=load,
            check_declared=check_declared,
            on_failure=on_failure,
            serials=serials,
        )
        self.kernel.scheduler.thread = threading.get_ident()
        self._watchdog = Watchdog(self.kernel, loop)

    def close(self) -> None:
        """Run no more."""
        self._closed = True
        self._watchdog.close()
        if self._alarm is not None:
            self._alarm.cancel()

    def check_caller(self) -> None:
        """Raise Invalid unless called from its own thread, and in its own loop if one runs."""
        if self.kernel.scheduler.thread != threading.get_ident():
            raise Invalid(
                "called from another thread than the node runs in: use "
                "`loop.call_soon_threadsafe` or `asyncio.run_coroutine_threadsafe`"
            )
        running = asyncio._get_running_loop()
        if running is not None and running is not self.loop:
            raise Invalid(
                "called from another event loop than the node was started in, which does not run "
                "meanwhile, so nothing would ever happen: start a node in each loop"
            )

    def call_after_run(self, callback: Callable[[], None]) -> None:
        """Have `callback` called soon, if no slice is under way or to come."""
        if not self.kernel.scheduler.awake:
            self.loop.call_soon(callback)

    def is_idle(self) -> bool:
        """Whether no process is ready to run."""
        return not self.kernel.scheduler.ready

    def receive(self, take_in: Callable[[], object]) -> None:
        """Take in what has come from another place, and run a slice at once."""
        self.kernel.scheduler.awake = True  # so that nobody asks for a slice meanwhile
        try:
            take_in()
        finally:
            if not self._closed:
                self._run()

    def _notify(self) -> None:
        if self._closed:
            return
        if threading.get_ident() == self.kernel.scheduler.thread:
            self.loop.call_soon(self._run)
        else:  # a reply or a close from elsewhere: not a thing to do, but it must not sleep
            self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        scheduler = self.kernel.scheduler
        self._watchdog.enter()
        try:
            call_user(scheduler.run)  # where it is compiled, no frame says what calls a process
        finally:
            current_tasks.pop(self.loop, None)
            for callback in self.after_run:
                callback()
            self._set_alarm(scheduler.timers.next_due())

    def _set_alarm(self, due: float | None) -> None:
        if due == self._alarm_due:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = due
        if due is not None and not self._closed:
            self._alarm = self.loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = self._alarm_due = None
        self._run()
