"""Logs for a thread that must not wait.

Whoever logs waits for the locks of the handlers. A process that is computing may hold one, while
its text is made by code of its own: a watchdog that waited for it would never end that process.
"""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue

from procession.guests.failure import log_with_traceback

log = logging.getLogger("procession.process")

_PATIENCE = 1.0
"""Seconds for which the last words are waited for."""


class LogThread:
    """A thread that logs what it is given, and starts with the first of it."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[int, str, str | None, str, str] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, level: int, text: str, stack: str | None, pid: str, entry: str) -> None:
        """Log this soon."""
        self._queue.put((level, text, stack, pid, entry))
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._log, name="procession-watchdog-log", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Log what is left, and no more."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_PATIENCE)

    def _log(self) -> None:
        while (given := self._queue.get()) is not None:
            level, text, stack, pid, entry = given
            log_with_traceback(log, level, text, stack, pid=pid, entry=entry)
