"""The logs of a worker, which the parent puts out: it has the one output.

To log never fails, whatever is logged: what is too large is cut, and what cannot be had is named.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.text import cut, plain
from procession.core.user_code import call_user

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 1 << 18
"""Characters of a message, and of a traceback. With all fields it fits into a frame."""

_MAX_FIELD = 1 << 14
_MAX_FIELDS = 100
_MAX_NAME = 1 << 8

ORDINARY = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))
"""What every record has: all else are fields of the program."""


class LogRecord(msgspec.Struct):
    """A record on its way."""

    name: str
    level: int
    message: str
    traceback: str | None
    extra: dict[str, str | int | float | bool | None]


class ForwardLogs(logging.Handler):
    """Hands records to the parent. `tell` says something to it, in the thread of the loop."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__()
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Post a record. What its program has for texts is asked for first."""
        try:
            told = _told(record)
            if self._lost:
                told["message"] += f" (after {self._lost} that could not be logged)"
            if threading.get_ident() == self._thread:
                self._tell("log", told)
            else:
                self._loop.call_soon_threadsafe(self._tell, "log", told)
            self._lost = 0
        except Exception:  # no memory, no stack, no loop any more: nobody is to fail for that
            self._lost += 1


def _told(record: logging.LogRecord) -> dict[str, Any]:
    try:
        message = call_user(record.getMessage)
    except Exception as broken:
        message = f"{plain(record.msg, _MAX_FIELD)} (not formatted: {type(broken).__name__})"
    if record.exc_info and not record.exc_text:
        try:
            record.exc_text = call_user(logging.Formatter().formatException, record.exc_info)
        except Exception as broken:
            record.exc_text = f"(no traceback: {type(broken).__name__})"
    fields = [name for name in vars(record) if name not in ORDINARY]
    extra = {
        cut(str(name), _MAX_NAME): plain(vars(record)[name], _MAX_FIELD)
        for name in fields[:_MAX_FIELDS]
    }
    if len(fields) > _MAX_FIELDS:
        extra["fields_cut"] = len(fields) - _MAX_FIELDS
    trace = record.exc_text
    return {
        "name": cut(str(record.name), _MAX_NAME),
        "level": record.levelno if isinstance(record.levelno, int) else logging.INFO,
        "message": cut(str(message), MAX_TEXT),
        "traceback": None if not trace else cut(str(trace), MAX_TEXT),
        "extra": extra,
    }


def log_here(told: Any) -> None:
    """Log what a worker has forwarded. Raises msgspec.ValidationError if it is no record."""
    record = msgspec.convert(told, LogRecord)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.level):
        extra = {name: one for name, one in record.extra.items() if name not in ORDINARY}
        made = logger.makeRecord(
            record.name, record.level, "", 0, record.message, (), None, extra=extra
        )
        made.exc_text = record.traceback
        logger.handle(made)
