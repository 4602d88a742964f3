"""A timer of the operating system that counts the computing time of one thread, and signals it.

For what no Python thread can see: C code that holds the interpreter's lock. Two signals are sent
when the thread has computed for so long since `set`: SIGURG, for Python's handlers, which C code
that looks for signals (a regular expression) runs at once; and, a moment later, one that has the
thread's Python stack written to stderr by `faulthandler`, which needs no lock. Both are repeated.

Linux only; elsewhere there is no alarm.
"""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import sys
import threading
import time

_SIGEV_THREAD_ID = 4
_DELAY = 0.5
_STDERR = 2


class _Event(ctypes.Structure):
    """`struct sigevent`, of 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("padding", ctypes.c_char * 44),
    )


class _Interval(ctypes.Structure):
    """`struct itimerspec`: when again, and when first."""

    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


class CpuAlarm:
    """The alarm of the calling thread. Raises OSError where there can be none."""

    def __init__(self, *, urgent: bool) -> None:
        if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("no timers of threads on this platform")
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self._create, self._settime = library.timer_create, library.timer_settime
            self._delete = library.timer_delete
        except AttributeError as error:
            raise OSError(str(error)) from None
        self._settime.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._delete.argtypes = (ctypes.c_void_p,)
        self.clock = time.pthread_getcpuclockid(threading.get_ident())
        self._timers: list[tuple[ctypes.c_void_p, float]] = []
        global _dump
        if _dump is None:
            _dump = _register()
        if urgent:
            self._timers.append((self._new(signal.SIGURG), 0.0))
        if _dump:
            self._timers.append((self._new(_dump), _DELAY))

    def _new(self, which: int) -> ctypes.c_void_p:
        event = _Event(None, which, _SIGEV_THREAD_ID, threading.get_native_id(), b"")
        timer = ctypes.c_void_p()
        if self._create(self.clock, ctypes.byref(event), ctypes.byref(timer)):
            raise OSError(ctypes.get_errno(), "timer_create")
        return timer

    def computed(self) -> float:
        """Seconds that the thread has computed so far."""
        return time.clock_gettime(self.clock)

    def set(self, seconds: float) -> None:
        """Signal when it has computed for so long from now; zero: not at all."""
        every = max(seconds, 1.0) if seconds else 0.0
        for timer, delay in self._timers:
            first = seconds + delay if seconds else 0.0
            interval = _Interval(int(every), int(every % 1 * 1e9), int(first), int(first % 1 * 1e9))
            self._settime(timer, 0, ctypes.byref(interval), None)

    def close(self) -> None:
        """Never signal again."""
        for timer, _ in self._timers:
            self._delete(timer)
        self._timers = []


def _register() -> int:
    """The signal that has a thread's stack written; 0 if there is none. Once for all."""
    which = int(signal.SIGRTMAX) - 5
    if signal.getsignal(which) is not signal.SIG_DFL:
        return 0  # somebody else's
    try:
        faulthandler.register(which, _STDERR, all_threads=False)
    except (OSError, RuntimeError, ValueError):
        return 0
    return which


_dump: int | None = None
"""It stays registered: a signal on its way when the last node stops would end the program."""
