"""The signal SIGURG, by which a watchdog gets into the main thread.

SIGURG since it is ignored by default and nobody's: SIGALRM, SIGPROF and the timers belong to
others. It is the whole program's, so all watchdogs share it: installed with the first, restored
with the last. The handler is Python's: it is called between two instructions, and what it raises
surfaces in the frame that it is given.
"""

from __future__ import annotations

import ctypes
import functools
import signal
import threading
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from procession.current import Terminated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class StepLimitExceeded(Terminated):
    """Raised in the code of a process that has computed too long without a wait.

    As with every termination, `finally` blocks run, and catching it does not save the process.
    Unlike after others, they may not wait.
    """


class Verdict(Enum):
    """What a signal does to the code that it has interrupted."""

    LEAVE = 0
    AGAIN = 1
    STRIKE = 2
    STRIKE_AND_AGAIN = 3


class Watched(Protocol):
    """Who may have sent the signal."""

    waiting: bool
    """Whether it has, and the handler was not called since."""

    def starved(self) -> bool:
        """Whether it would have, had it had the chance."""

    def judge(self, frame: FrameType | None, /) -> Verdict:
        """What the signal does to the code in `frame`."""


class Urgent:
    """The handler of SIGURG, which all watchdogs of the main thread share."""

    def __init__(self) -> None:
        self._watchdogs: list[Watched] = []
        self._previous: Any = None

    def join(self, watchdog: Watched) -> bool:
        """Send its signals to a watchdog; False if there can be none."""
        if not _SIGNALS or threading.current_thread() is not threading.main_thread():
            return False
        if not self._watchdogs:
            self._previous = signal.signal(signal.SIGURG, self._handle)
        self._watchdogs.append(watchdog)
        return True

    def leave(self, watchdog: Watched) -> None:
        """Forget a watchdog, and after the last one be what was before."""
        if watchdog not in self._watchdogs:
            return
        self._watchdogs.remove(watchdog)
        if not self._watchdogs and signal.getsignal(signal.SIGURG) == self._handle:
            previous = self._previous
            signal.signal(signal.SIGURG, signal.SIG_DFL if previous is None else previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        verdict = None
        for watchdog in self._watchdogs:
            if watchdog.waiting or watchdog.starved():
                try:
                    verdict = watchdog.judge(frame)
                except RecursionError:  # it is deep down: at the next signal it may not be
                    verdict = Verdict.LEAVE
                if verdict is not Verdict.LEAVE:
                    break
        if verdict is None:
            if callable(self._previous):
                self._previous(number, frame)
            return
        # To be called again at Python's next look for signals. It must be the last that is done
        # here, and no call, after which Python looks; to go on with an iterator is none.
        if verdict is Verdict.AGAIN:
            for _ in _AGAIN:
                return
        elif verdict is not Verdict.LEAVE:
            exceeded = StepLimitExceeded("step limit exceeded")
            if verdict is Verdict.STRIKE_AND_AGAIN:
                for _ in _AGAIN:
                    raise exceeded
            raise exceeded


def _again() -> Iterator[Any]:
    """Each item of it is as if the signal had come once more."""
    if not _SIGNALS:
        return iter(())
    try:
        arrive = ctypes.pythonapi.PyErr_SetInterruptEx
    except AttributeError:
        return iter(())
    arrive.argtypes, arrive.restype = (ctypes.c_int,), ctypes.c_int
    return iter(functools.partial(arrive, int(signal.SIGURG)), None)


_SIGNALS = hasattr(signal, "pthread_kill") and hasattr(signal, "SIGURG")

_AGAIN = _again()

urgent = Urgent()
