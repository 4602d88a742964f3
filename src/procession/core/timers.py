"""Timers in the order in which they fall due.

A cancelled timer stays in the heap until its time comes or until half of the heap is such
leftovers, when the heap is swept: so cancelling is O(1) and memory is bounded by what is live.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_FROM = 64


class Timer:
    """One appointment. Also a place to park: interrupting a sleep cancels it."""

    __slots__ = ("_queue", "callback", "when")

    def __init__(self, when: float, callback: Callable[[], None], queue: TimerQueue) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback
        self._queue = queue

    @property
    def active(self) -> bool:
        """Whether it will still fire."""
        return self.callback is not None

    def cancel(self) -> bool:
        """Never fire. False if it has fired or was cancelled before."""
        if self.callback is None:
            return False
        self.callback = None
        self._queue.litter += 1
        return True

    def withdraw(self, strand: object) -> None:
        """The sleeper was interrupted."""
        self.cancel()

    def restore(self, value: object, turn: object = None) -> None:
        """The sleeper was interrupted after its time had come: nothing to give back."""


class TimerQueue:
    """All timers of a scheduler. Equal times fire in the order in which they were set."""

    __slots__ = ("_heap", "_serial", "litter")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._serial = 0
        self.litter = 0

    def __len__(self) -> int:
        return len(self._heap) - self.litter

    def add(self, when: float, callback: Callable[[], None]) -> Timer:
        """Set a timer."""
        if self.litter > _SWEEP_FROM and self.litter * 2 > len(self._heap):
            self._sweep()
        timer = Timer(when, callback, self)
        self._serial += 1
        heappush(self._heap, (when, self._serial, timer))
        return timer

    def next_due(self) -> float | None:
        """When the next timer falls due; None if there is none."""
        heap = self._heap
        while heap:
            when, _, timer = heap[0]
            if timer.callback is not None:
                return when
            heappop(heap)
            self.litter -= 1
        return None

    def fire(self, now: float) -> None:
        """Call back all that are due at `now`. A callback must set its next timer after `now`."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heappop(heap)
            timer = entry[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self.litter -= 1
                continue
            try:
                callback()
            except BaseException as exc:
                if isinstance(exc, MemoryError) or not isinstance(exc, Exception):
                    timer.callback = callback  # not by its own fault: call it again
                    heappush(heap, entry)
                raise

    def _sweep(self) -> None:
        """Throw out the cancelled, now that they are the majority.

        Here, and not when a timer is cancelled: that may happen in a finalizer, in any thread.
        """
        self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
        heapify(self._heap)
        self.litter = 0
