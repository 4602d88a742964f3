"""From an exception to an Error: its message, its type, and a traceback of the user's frames.

The frames of the scheduler below the user's code, and of a call into the runtime above it, help
nobody to find a fault; they are left out.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from traceback import StackSummary, TracebackException
from typing import TYPE_CHECKING, Any

from procession.core.call import CALLER_GONE
from procession.core.errors import (
    Canceled,
    Error,
    Internal,
    LimitExceeded,
    ProcessTerminated,
    rebuild,
)
from procession.core.link_failure import root_of
from procession.core.payload import clean_text, copy_error

if TYPE_CHECKING:
    from procession.core.event import Event
    from procession.core.process import Process

log = logging.getLogger("procession.process")

_OURS = str(Path(__file__).parent.parent)
_STEPS = tuple(str(Path(__file__).with_name(name)) for name in ("python.py", "tasks.py"))
"""The files of what resumes the code of a process."""

MAX_MESSAGE = 16_384
"""Characters of an exception's text that are kept; and of its traceback four times as many."""


def only_one(exc: BaseException) -> BaseException:
    """The only error inside of a group, or of a group in a group; any other one as it is."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return exc


def error_from_exception(raised: BaseException) -> Error:
    """The Error with which a process ends when its main raises. SEMANTICS 7.1.

    Its `__cause__` is what was raised, for those who may have it: see Waiting.
    """
    exc = only_one(raised)
    extra: dict[str, Any] = {
        "type": type(exc).__name__,
        "traceback": format_user_traceback(raised),
    }
    if isinstance(exc, Error):
        try:
            # With room to nest: it will be part of the details of others (link failures, calls).
            error = copy_error(exc, depth=16)
        except Exception as refused:  # details that cannot cross must not hide the error itself
            extra["details_lost"] = clean_text(str(refused) or type(refused).__name__)
            error = rebuild(type(exc), _message_of(exc), None, None)
        if error.details is None:
            error.details = extra
        elif isinstance(error.details, dict):
            error.details = {**extra, **error.details}
            if is_system_exit(error):
                del error.details["code"]  # another process has called `sys.exit`, and not this one
    else:
        kind = Canceled if isinstance(exc, asyncio.CancelledError) else Internal
        error = kind(_message_of(exc), details=extra)
        if isinstance(exc, SystemExit):  # its text alone, a number, would say nothing
            extra["code"] = exc.code if isinstance(exc.code, int) else 1
            error.message = f"SystemExit: {error.message}"
    error.__cause__ = _without_steps(raised)
    return error


def _without_steps(exc: BaseException) -> BaseException | None:
    """What was raised, without the frames that have resumed the process, and refer to it."""
    trace = exc.__traceback__
    if trace is None:
        return None  # nobody has raised it: it came with the order to end
    while trace is not None and trace.tb_frame.f_code.co_filename in _STEPS:
        trace = trace.tb_next
    return exc.with_traceback(trace)


def is_system_exit(error: Error) -> bool:
    """Whether the process that ended with this error had called `sys.exit` itself."""
    details = error.details
    return isinstance(details, dict) and details.get("type") == "SystemExit" and "code" in details


def system_exit_of(error: Error) -> SystemExit | None:
    """What `sys.exit` had raised in the process that ended with this error."""
    if not is_system_exit(error):
        return None
    raised = None if error.__cause__ is None else only_one(error.__cause__)
    return raised if isinstance(raised, SystemExit) else SystemExit(error.details["code"])


def step_limit_exceeded(limit: float, stack: str, **details: str) -> LimitExceeded:
    """The error of a process that computed too long, in any language. SEMANTICS 11.4."""
    return LimitExceeded(
        f"step limit exceeded: more than {limit:g} seconds without a wait",
        retryable=False,
        details={**details, "traceback": stack},
    )


def describe(error: Error) -> str:
    """An error in a line: with the type of the exception, if it was one."""
    kind = error.details.get("type") if isinstance(error.details, dict) else None
    if not isinstance(kind, str) or error.message == kind or error.message.startswith(f"{kind}: "):
        return error.message
    return f"{kind}: {error.message}"


def traceback_of(error: Error) -> str | None:
    """The traceback that came with an error, as text."""
    text = error.details.get("traceback") if isinstance(error.details, dict) else None
    return text if isinstance(text, str) else None


def is_of_others(error: Error) -> bool:
    """Whether a process ended with this error for something that somebody else has done."""
    if isinstance(error, ProcessTerminated) or error.message.startswith(CALLER_GONE):
        return True
    return root_of(error) is not None


def log_failure(quiet_exits: bool, process: Process, exit: Event, noticed: bool) -> None:
    """Say once that a process has failed, unless that is somebody else's business.

    `noticed`: a monitor, link or caller is told of it.
    """
    error = exit.error
    assert error is not None
    quiet = noticed and (quiet_exits or is_system_exit(error))
    level = logging.DEBUG if quiet or is_of_others(error) else logging.ERROR
    if not log.isEnabledFor(level):
        return  # a long cascade comes through here
    log_with_traceback(
        log,
        level,
        f"{process.entry} {process.pid} failed: {describe(error)}",
        traceback_of(error),
        pid=process.pid,
        entry=process.entry,
        kind=error.kind,
    )


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
