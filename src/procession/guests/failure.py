"""From an exception to an Error: its message, its type, and a traceback of the user's frames.

The frames of the scheduler below the user's code, and of a call into the runtime above it, help
nobody to find a fault; they are left out.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from traceback import StackSummary, TracebackException
from typing import TYPE_CHECKING, Any

from procession.core.errors import Canceled, Error, Internal
from procession.core.payload import clean_text, copy_error

if TYPE_CHECKING:
    import logging

_OURS = str(Path(__file__).parent.parent)
MAX_MESSAGE = 16_384
"""Characters of an exception's text that are kept; and of its traceback four times as many."""


def error_from_exception(exc: BaseException) -> Error:
    """The Error with which a process ends when its main raises. SEMANTICS 7.1."""
    extra = {"type": type(exc).__name__, "traceback": format_user_traceback(exc)}
    if isinstance(exc, Error):
        try:
            error = copy_error(exc)
        except Exception as refused:  # details that cannot cross must not hide the error itself
            error = type(exc)(clean_text(exc.message), retryable=exc.retryable)
            extra["details_lost"] = str(refused)
        if error.details is None:
            error.details = extra
        elif isinstance(error.details, dict):
            error.details = {**extra, **error.details}
        return error
    kind = Canceled if isinstance(exc, asyncio.CancelledError) else Internal
    return kind(_message_of(exc), details=extra)


def describe(error: Error) -> str:
    """An error in a line: with the type of the exception, if it was one."""
    details = error.details if isinstance(error.details, dict) else {}
    return f"{details['type']}: {error.message}" if "type" in details else error.message


def traceback_of(error: Error) -> str | None:
    """The traceback that came with an error, as text."""
    return error.details.get("traceback") if isinstance(error.details, dict) else None


def log_with_traceback(
    log: logging.Logger, level: int, message: str, traceback: str | None, **extra: object
) -> None:
    """Log a message with a traceback that is text, and fields for programs."""
    if log.isEnabledFor(level):
        record = log.makeRecord(log.name, level, __file__, 0, message, (), None, extra=extra)
        record.exc_text = traceback
        log.handle(record)


def _message_of(exc: BaseException) -> str:
    try:
        text = str(exc)
    except Exception as broken:
        text = f"(its text cannot be had: {type(broken).__name__})"
    text = clean_text(text[:MAX_MESSAGE])
    return text or type(exc).__name__


def format_user_traceback(exc: BaseException) -> str:
    """The traceback as Python prints it, with the user's frames only."""
    try:
        trace = TracebackException.from_exception(exc, limit=-50, compact=True)
        _strip(trace)
        text = "".join(trace.format())
    except Exception as broken:  # a hostile __str__ or __repr__
        return f"(no traceback: {type(broken).__name__})"
    return clean_text(text[-4 * MAX_MESSAGE :])


def _strip(trace: TracebackException | None) -> None:
    pending: list[Any] = [trace]
    while pending:
        one = pending.pop()
        if one is None:
            continue
        one.stack = StackSummary.from_list(
            [frame for frame in one.stack if not frame.filename.startswith(_OURS)]
        )
        pending += [one.__cause__, one.__context__, *(one.exceptions or ())]
