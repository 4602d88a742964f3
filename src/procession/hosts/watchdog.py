"""Ends a Python process that computes too long without a wait. SEMANTICS 11.4.

A thread looks a few times a second whether the same step is still under way. At a fifth of the
limit it warns; at the limit it has an exception raised in the code of that process:

    thread    sees a step that lasts -> a signal (SIGURG) to the main thread
    handler   runs in the main thread, between two instructions of whatever is at work there: raises
              if that is code of the process, called by nothing of the runtime
    else      nothing is raised, and it is tried again a moment later

So the runtime, and the event loop, are never left half-way. The handler is Python's, and Python
calls it where the exception then surfaces: what was judged is what is struck. A blocking call is
interrupted by the signal as well. Whatever the process does with the exception, its end is decided
by then: if it goes on to a wait, it ends there. A task of a process is treated like its main.

A node in another thread than the main one gets no signals. There the exception is Python's
asynchronous one, and is set only while the thread stands at an instruction where Python looks for
such an exception next of all (see `stands_at_a_check`): it surfaces in the frame that was judged.

What holds the interpreter's lock in C also holds up this thread: see cpu_alarm.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from procession.core.process import Process
from procession.guests.failure import step_limit_exceeded
from procession.guests.python import PythonProcess
from procession.guests.tasks import process_of
from procession.hosts.cpu_alarm import CpuAlarm
from procession.hosts.frames import (
    down_to,
    format_stack,
    is_debugged,
    is_its_own,
    is_ours,
    nobody,
    stands_at_a_check,
)
from procession.hosts.log_thread import LogThread
from procession.hosts.urgent import StepLimitExceeded, Verdict, urgent

if TYPE_CHECKING:
    from asyncio import Task
    from types import FrameType

    from procession.core.errors import Error
    from procession.core.kernel import Kernel
    from procession.core.scheduler import Strand

_LOOKS = 10
"""How many looks fit into the limit, at least; so often a process that goes on is struck."""

_TICK = 0.05
"""Seconds between two looks, at most."""

_RETRY = 0.002
"""Seconds after which a strike is tried again that would have hit the runtime."""

_IDLE_LOOKS = 20
"""After so many looks at nothing the thread sleeps until there is something."""

_STRIKES = 20
"""How often a process may catch the exception before we give up."""

_PERSISTENT = 3
"""From this strike on it strikes at every chance, until the code of the process is left."""

_MISSES = 300
"""How often in a row a signal is taken up again that came while the runtime was at work."""

_PATIENCE = 200
"""Milliseconds for which the main thread waits for a look that is overdue."""

_REPORT = 1.0
"""Seconds between two reports of what cannot be interrupted."""


class Watchdog:
    """Watches the steps of one kernel, from a thread of its own.

    Whoever drives the kernel calls `enter` before each run.
    """

    def __init__(self, kernel: Kernel, loop: asyncio.AbstractEventLoop) -> None:
        self._kernel = kernel
        self._scheduler = kernel.scheduler
        self._loop = loop
        self._ident = threading.get_ident()
        self.asleep = True
        self.began = 0.0
        """When the run of the kernel began that is under way, or the last one."""
        self._closed = False
        self._log_thread = LogThread()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._signals = urgent.join(self)
        try:
            self._alarm: CpuAlarm | None = CpuAlarm(urgent=self._signals)
        except OSError:
            self._alarm = None
        self._looked = 0.0  # when the last look began
        self._held = 0.0
        self._held_by = 0  # the step that the alarm has interrupted
        self._seen = 0.0  # when the last look began that is complete
        self._computed = 0.0  # by the thread of the kernel, until the last look
        # The step that is under way, as far as it was seen.
        self._key = 0
        self._since = 0.0
        self._watched = nobody  # weakly: it may end, and be gone, before the next look
        self._watched_task = nobody
        self._beaten = False  # the loop has gone on since the task was seen
        self._beat_sent = False
        self._warned = False
        self._warned_lua: weakref.WeakSet[Any] = weakref.WeakSet()
        # What is done about it.
        self._due = False
        self._first_try = 0.0
        self._next_try = 0.0
        self._next_report = 0.0
        self._strikes = 0
        self._misses = 0
        self.waiting = False
        """A signal was sent whose handler has not run."""
        self._spared = False
        """It is being debugged, or beyond our means."""

    def close(self) -> None:
        """Watch no more. Called in the thread of the kernel."""
        self._closed = True
        self._due = False
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._log_thread.close()
        if self._alarm is not None:
            self._alarm.close()
        urgent.leave(self)

    def enter(self) -> None:
        """The kernel is about to run."""
        self.began = time.monotonic()
        self._scheduler.stepped = True  # before it is seen whether the thread sleeps
        if self.asleep:
            self.rouse()

    def rouse(self) -> None:
        """Have the thread look again: there is something to watch."""
        if self._closed:
            return
        self.asleep = False
        self._starved_for()
        self._seen = self._looked
        self._set_alarm()  # before a step can keep the thread from doing it
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="procession-watchdog", daemon=True
            )
            self._thread.start()
        self._wake.set()

    # -- in the thread -----------------------------------------------------------------------

    def _watch(self) -> None:
        idle = 0
        while not self._closed:
            starved = self._starved_for()
            limit = self._set_alarm()
            tick = min(limit / _LOOKS, _TICK)
            strand = self._scheduler.current
            task = None if strand is not None else self._current_task()
            if strand is not None or task is not None:
                idle = 0
                pause = self._look(strand, task, tick, starved)
                strand = task = None  # nothing is kept alive by being watched
                self._closing.wait(pause)
                continue
            self._forget()
            self._seen = self._looked
            idle = 0 if self._scheduler.stepped else idle + 1
            self._scheduler.stepped = False
            if idle <= _IDLE_LOOKS:
                self._closing.wait(tick)
            elif self._scheduler.tasks > 0:
                self._closing.wait(max(tick, limit / 5))  # a task may run without any step
            else:
                if self._alarm is not None:
                    self._alarm.set(0)
                self._wake.clear()
                self.asleep = True
                if not self._scheduler.stepped and not self._closed:
                    self._wake.wait()  # else there was a step before it could see us asleep
                self.asleep = False
                idle = 0

    def _current_task(self) -> Task[Any] | None:
        task = asyncio.current_task(self._loop)
        return task if process_of(task) is not None else None

    def _set_alarm(self) -> float:
        """For when the thread gets no chance to look; the shortest limit of all hosts."""
        limit = min((host.step_limit for host in self._kernel.hosts.values()), default=1.0)
        if self._alarm is not None and not self._closed:
            self._alarm.set(limit + 4 * _TICK)  # then what kept us from looking has exceeded it
        return limit

    def _starved_for(self) -> float:
        """How long, at least, what is at work now has held the interpreter's lock.

        If this look comes late, and not because the whole program was stopped or waited for a
        processor, then one call has kept the lock from us: Python code gives it away when asked.
        """
        now, before = time.monotonic(), self._looked
        computed = 0.0 if self._alarm is None else self._alarm.computed()
        late, held = now - before - 2 * _TICK, computed - self._computed - 2 * _TICK
        self._looked, self._computed = now, computed
        if self._alarm is None or late <= 0:
            return 0.0
        held = max(min(late, held), 0.0)
        self._since += late - held
        return held

    def _look(
        self, strand: Strand | None, task: Task[Any] | None, tick: float, starved: float
    ) -> float:
        """Look at what is at work; the seconds until the next look."""
        now = self._looked  # and no later: between the two the lock may have been lost for long
        key = id(task if strand is None else strand)
        if key != self._key or (self._beaten if strand is None else self._scheduler.stepped):
            self._scheduler.stepped = False
            self._begin(key, strand, task, now)
            if key == self._held_by:
                self._since = max(now - starved, self.began)
            elif strand is not None:
                self._held = starved  # perhaps by this step: the alarm's handler will know
        self._held_by = 0
        process = self._watched()
        if process is None:
            self._seen = self._looked
            return tick
        elapsed = now - self._since
        limit = process.host.step_limit
        if starved and elapsed >= limit and self._signals:
            self._due = self.waiting = True  # before it goes on: its alarm may have come
        self._seen = self._looked
        if elapsed >= limit / 5 and not self._warned:
            self._warned = True
            stack = self._stack(process) if isinstance(process, PythonProcess) else None
            self._say(process, f"has been computing for {_time(elapsed)} without a wait", stack)
        if elapsed < limit or self._spared or not isinstance(process, PythonProcess):
            return tick
        if now < self._next_try:
            return min(tick, self._next_try - now)
        return self._strike(process, elapsed, now, tick)

    def _begin(self, key: int, strand: Strand | None, task: Task[Any] | None, now: float) -> None:
        """A step that was not seen before."""
        self._forget()
        self._since = now
        process: Process | None
        if task is not None:
            self._watched_task = weakref.ref(task)
            process = process_of(task)
            self._beaten = False
            if not self._beat_sent:
                self._beat_sent = True
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._beat)
        else:
            process = getattr(strand, "owner", None)  # a further coroutine of a Lua process has one
            if process is None and isinstance(strand, Process):
                process = strand
        self._key = key
        if process is not None:
            self._watched = weakref.ref(process)
            computed = getattr(strand, "computed", None)
            if computed is not None:
                self._look_at_lua(strand, process, computed)

    def _look_at_lua(self, strand: Any, process: Process, computed: float) -> None:
        """Lua is interrupted all the time, and by another: it counts itself how long it took."""
        if computed < process.host.step_limit / 5:
            self._warned_lua.discard(strand)
        elif strand not in self._warned_lua:
            self._warned_lua.add(strand)
            self._say(process, f"has been computing for {_time(computed)} without a wait", None)

    def _forget(self) -> None:
        self._due = self._warned = self._spared = self.waiting = False
        self._key = self._strikes = 0
        self._first_try = self._next_try = self._next_report = 0.0
        self._watched = self._watched_task = nobody
        self._held = 0.0

    def _beat(self) -> None:
        """Called by the loop: no task is in the midst of a step that it was in before."""
        self._beat_sent = False
        self._beaten = True

    def _strike(self, process: PythonProcess, elapsed: float, now: float, tick: float) -> float:
        """Try to raise the exception in the process; the seconds until the next look."""
        if self._strikes >= _STRIKES:
            self._spared = True
            self._say(
                process,
                f"was interrupted {self._strikes} times by the step limit, and goes on: "
                "it holds up its host",
                self._stack(process),
                logging.ERROR,
            )
            return tick
        if not self._first_try:
            self._first_try = now
            self._next_report = now + (tick * 2 if self._signals else 0.0)
        if not self._strikes and now >= self._next_report:
            answered = self._signals and not self.waiting  # by code that must not be struck
            if not answered or now >= self._first_try + _REPORT:
                self._next_report = now + _REPORT
                self._report(process, elapsed)
        self._due = True
        self._misses = 0
        if self._signals:
            self.waiting = True
            signal.pthread_kill(self._ident, signal.SIGURG)
            time.sleep(_RETRY)
            return tick if self.waiting else _RETRY
        return _RETRY if _ASYNC and self._strike_by_exception(process) else tick

    def _report(self, process: PythonProcess, elapsed: float) -> None:
        """Name what cannot be interrupted."""
        frame = sys._current_frames().get(self._ident)
        while frame is not None and is_ours(frame.f_code):
            frame = frame.f_back
        if frame is None:
            return
        code = frame.f_code
        place = f"{code.co_filename}:{frame.f_lineno} ({code.co_name})"
        if not self._signals:
            what = f"at {place}; in this thread it cannot be interrupted there"
        elif self.waiting:
            what = f"in C code called at {place}; it cannot be interrupted"
        else:
            what = f"in the runtime, called at {place}; it cannot be interrupted there"
        self._say(process, f"has been computing for {_time(elapsed)} {what}", None)

    def _stack(self, process: PythonProcess) -> str | None:
        base = self._base(process)
        for _ in range(3):  # it may go on while we look
            frames = list(down_to(base, sys._current_frames().get(self._ident)))
            if frames and frames[-1] is base:
                return format_stack(frames)
        return None

    def _say(
        self, process: Process, what: str, stack: str | None, level: int = logging.WARNING
    ) -> None:
        self._log_thread.put(
            level, f"{process.entry} {process.pid} {what}", stack, process.pid, process.entry
        )

    def _strike_by_exception(self, process: PythonProcess) -> bool:
        """Set the exception for a thread that gets no signals; whether to try again soon."""
        stack = self._stack(process)
        if stack is None:
            return True
        error = _error_of(process, stack)
        base = self._base(process)
        time.sleep(0)  # the interpreter's lock is ours anew: for milliseconds nobody takes it away
        frame = sys._current_frames().get(self._ident)
        if (
            frame is None
            or not self._still()
            or not is_its_own(frame, base)
            or not stands_at_a_check(frame)
        ):
            return True
        if is_debugged(frame):
            self._spare(process)
            return False
        if process._failure is None:
            process._failure = error
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._ident), ctypes.py_object(StepLimitExceeded)
        )
        self._struck()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._kernel.doom, process, error, 0)
        return False

    # -- in either thread --------------------------------------------------------------------

    def _still(self) -> bool:
        """Whether the step is under way that was found to last too long."""
        current = self._scheduler.current
        if self._watched_task() is None:
            return self._key != 0 and id(current) == self._key and not self._scheduler.stepped
        return current is None and self._current_task() is self._watched_task() and not self._beaten

    def _base(self, process: PythonProcess) -> FrameType | None:
        coro = (self._watched_task() or process).get_coro()
        return getattr(coro, "cr_frame", None)

    def _struck(self) -> None:
        self._strikes += 1
        self._due = False
        process = self._watched()
        limit = process.host.step_limit if process is not None else 1.0
        self._next_try = time.monotonic() + limit / _LOOKS

    def _spare(self, process: Process) -> None:
        self._spared = True
        self._due = False
        self._say(
            process, "has computed beyond its step limit; it is being debugged, so it goes on", None
        )

    # -- in the main thread, by the signal ---------------------------------------------------

    def starved(self) -> bool:
        """Whether what is interrupted has exceeded its limit, while the thread could not look.

        Called for the alarm, and so within the step that has set it off. The thread now gets the
        chance to look, or it had it a moment ago.
        """
        now = time.monotonic()
        process = self._watched()
        if self.asleep:
            pass
        elif self._held and process is not None and self._still():
            self._since = max(self._since - self._held, self.began)
            self._held = 0.0
            if now - self._since >= process.host.step_limit:
                self._due = self.waiting = True
        elif now - self._seen > 2 * _TICK:
            self._held_by = id(self._scheduler.current)
            for _ in range(_PATIENCE):
                if self._seen > now or self.asleep:
                    break
                time.sleep(0.001)
        return self.waiting

    def judge(self, frame: FrameType | None) -> Verdict:
        """Whether the signal may raise the exception in `frame`."""
        self.waiting = False
        process = self._watched()
        if (
            not self._due
            or frame is None
            or not isinstance(process, PythonProcess)
            or not self._still()
        ):
            return Verdict.LEAVE
        base = self._base(process)
        if not is_its_own(frame, base):
            self._misses += 1
            if self._misses > _MISSES:
                return Verdict.LEAVE  # until the thread tries again
            self.waiting = True
            return Verdict.AGAIN
        if is_debugged(frame):
            self._spare(process)
            return Verdict.LEAVE
        self._struck()
        stack = format_stack(list(down_to(base, frame)))
        process.fail(_error_of(process, stack), cleanup=0)
        if self._strikes < _PERSISTENT or self._strikes >= _STRIKES:
            return Verdict.STRIKE
        self._due = self.waiting = True
        return Verdict.STRIKE_AND_AGAIN


_ASYNC = sys.version_info < (3, 13)
"""Whether a thread that was made to wait at a check sees an exception set meanwhile right there."""


def _error_of(process: Process, stack: str) -> Error:
    kind = StepLimitExceeded.__name__
    return step_limit_exceeded(process.host.step_limit, stack, type=kind)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
