"""From an exception to an Error: its message, its type, and a traceback of the user's frames.

The frames of the scheduler below the user's code, and of a call into the runtime above it, help
nobody to find a fault; they are left out.
"""

from __future__ import annotations

import asyncio
import logging
import os
from traceback import StackSummary, TracebackException, walk_tb
from typing import TYPE_CHECKING, Any

from procession.compiled import FILES
from procession.core.call import CALLER_GONE, TAKEN_BACK
from procession.core.errors import (
    Canceled,
    Error,
    Internal,
    LimitExceeded,
    ProcessTerminated,
    rebuild,
)
from procession.core.link_failure import LinkFailure, root_of
from procession.core.payload import clean_text, copy_error
from procession.core.user_code import call_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.event import Event
    from procession.core.process import Process

log = logging.getLogger("procession.process")

_STEPS = tuple(
    folder + os.path.join(*name)
    for folder in FILES
    for name in (
        ("guests", "python.py"),
        ("guests", "tasks.py"),
        ("core", "switch.py"),
        ("core", "switch.pyx"),
    )
)
"""The files of what resumes the code of a process."""

MAX_MESSAGE = 16_384
"""Characters of an exception's text that are kept; and of its traceback four times as many."""


def is_a(exc: BaseException, kind: type[BaseException]) -> bool:
    """Whether it is of a kind. `isinstance` asks the object too, which may run code of its own."""
    return issubclass(type(exc), kind)


def only_one(exc: BaseException) -> BaseException:
    """The only error inside of a group, or of a group in a group; any other one as it is."""
    while is_a(exc, BaseExceptionGroup):
        inside = _GROUPED(exc)
        if len(inside) != 1:
            break
        exc = inside[0]
    return exc


def _slot(owner: type, name: str) -> Callable[[Any], Any]:
    """What reads an attribute as the class has it, whatever a subclass has in its place."""
    getter: Callable[[Any], Any] = vars(owner)[name].__get__
    return getter


_GROUPED = _slot(BaseExceptionGroup, "exceptions")
_CODE = _slot(SystemExit, "code")
_TRACEBACK = _slot(BaseException, "__traceback__")
_CAUSE = _slot(BaseException, "__cause__")
_CONTEXT = _slot(BaseException, "__context__")
_ARGS = _slot(BaseException, "args")
_FIELDS = _slot(BaseException, "__dict__")


class Unformatted(Internal):
    """In place of the error of an exception whose text is not known yet: see `formatted`."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(type(raised).__name__)
        self.raised = raised


def formatted(error: Error | None) -> Error | None:
    """The error itself. To be called in a step of the process that it belongs to."""
    return error_from_exception(error.raised) if type(error) is Unformatted else error


def within_body(exc: BaseException) -> BaseException:
    """What is to be raised in the body of a process for what code of it has raised outside.

    An exit or an interrupt out of there is meant for nobody: it is an error like any other.
    """
    if not is_a(exc, SystemExit) and not is_a(exc, KeyboardInterrupt):
        return exc
    error = RuntimeError(f"what it awaits has raised {type(exc).__name__}")
    error.__cause__ = exc
    return error


def exit_code_of(exit: SystemExit) -> Any:
    """What was given to `sys.exit`, if that is nothing, or a number, or plain text; else 1."""
    code = _CODE(exit)
    return code if type(code) in (int, bool, str, type(None)) else 1


def error_from_exception(raised: BaseException) -> Error:
    """The Error with which a process ends when its main raises. SEMANTICS 7.1.

    Its `__cause__` is what was raised, for those who may have it: see Waiting. To have its text is
    to run code of the process: to be called in a step of it, whose limit holds. It never raises.
    """
    try:
        error: Error = call_user(_error_from, raised)
    except BaseException as broken:
        error = error_from_outside(raised)
        error.message = f"{error.message} ({_unavailable(broken)})"
    error.__cause__ = _without_steps(raised)
    return error


def error_from_outside(raised: BaseException) -> Error:
    """The same where nothing holds back its code: none of it is run, so its text may be missing."""
    if all(map(_is_harmless, _chain(raised))):
        return _error_from(raised)
    exc = only_one(raised)
    stack = StackSummary.extract(walk_tb(_TRACEBACK(raised)), limit=-50, lookup_lines=False)
    frames = [one for one in stack if not one.filename.startswith(FILES)]
    lines = [f'  File "{one.filename}", line {one.lineno}, in {one.name}\n' for one in frames]
    text = "".join(["Traceback (most recent call last):\n", *lines, type(raised).__name__])
    kind = Canceled if is_a(exc, asyncio.CancelledError) else Internal
    details: dict[str, Any] = {"type": type(exc).__name__, "traceback": clean_text(text)}
    if is_a(exc, SystemExit):
        code = exit_code_of(exc)  # type: ignore[arg-type]
        details["code"] = code if type(code) is int else 1
    return kind(type(exc).__name__, details=details)


def _chain(exc: BaseException) -> list[BaseException]:
    """It, and all that would be printed with it."""
    found: dict[int, BaseException] = {}
    waiting: list[Any] = [exc]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            waiting += [_CAUSE(one), _CONTEXT(one)]
            if is_a(one, BaseExceptionGroup):
                waiting += _GROUPED(one)
    return list(found.values())


_HARMLESS_MODULES = frozenset(("builtins", "asyncio", "procession"))
_INERT = frozenset(("__module__", "__qualname__", "__doc__", "__weakref__", "__init__", "__dict__"))
"""Attributes of the class of an exception that are no code which is run to print it."""
_PLAIN = frozenset((str, int, float, bool, bytes, type(None)))


def _is_harmless(exc: BaseException) -> bool:
    """Whether to print it runs no code of the program."""
    for base in type(exc).__mro__:
        if base.__module__.partition(".")[0] in _HARMLESS_MODULES:
            continue
        if type(base) is not type or not _INERT.issuperset(vars(base)):
            return False
    return _PLAIN.issuperset(map(type, (*_ARGS(exc), *_FIELDS(exc).values())))


def _unavailable(broken: BaseException) -> str:
    return f"its text cannot be had: {type(broken).__name__}"


def _error_from(raised: BaseException) -> Error:
    exc = only_one(raised)
    extra: dict[str, Any] = {
        "type": type(exc).__name__,
        "traceback": format_user_traceback(raised),
    }
    if is_a(exc, Error):
        try:
            # With room to nest: it will be part of the details of others (link failures, calls).
            error = copy_error(exc, depth=16)  # type: ignore[arg-type]
        except Exception as refused:  # details that cannot cross must not hide the error itself
            extra["details_lost"] = clean_text(str(refused) or type(refused).__name__)
            error = rebuild(type(exc), _message_of(exc), None, None)  # type: ignore[arg-type]
        if error.details is None:
            error.details = extra
        elif isinstance(error.details, dict):
            error.details = {**extra, **error.details}
            if is_system_exit(error):
                del error.details["code"]  # another process has called `sys.exit`, and not this one
    else:
        kind = Canceled if is_a(exc, asyncio.CancelledError) else Internal
        error = kind(_message_of(exc), details=extra)
        if is_a(exc, SystemExit):  # its text alone, a number, would say nothing
            code = exit_code_of(exc)  # type: ignore[arg-type]
            extra["code"] = code if type(code) is int else 1
            error.message = f"SystemExit: {error.message}"
    return error


def _without_steps(exc: BaseException) -> BaseException | None:
    """What was raised, without the frames that have resumed the process, and refer to it."""
    trace = _TRACEBACK(exc)
    if trace is None:
        return None  # nobody has raised it: it came with the order to end
    while trace is not None and trace.tb_frame.f_code.co_filename in _STEPS:
        trace = trace.tb_next
    return BaseException.with_traceback(exc, trace)


def is_system_exit(error: Error) -> bool:
    """Whether the process that ended with this error had called `sys.exit` itself."""
    details = error.details
    return isinstance(details, dict) and details.get("type") == "SystemExit" and "code" in details


def system_exit_of(error: Error) -> SystemExit | None:
    """What `sys.exit` had raised in the process that ended with this error."""
    if not is_system_exit(error):
        return None
    raised = None if error.__cause__ is None else only_one(error.__cause__)
    if raised is not None and is_a(raised, SystemExit):
        return raised  # type: ignore[return-value]
    return SystemExit(error.details["code"])


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
    if isinstance(error, ProcessTerminated) or error.message.startswith((CALLER_GONE, TAKEN_BACK)):
        return True
    return root_of(error) is not None


def log_failure(quiet_exits: bool, process: Process, exit: Event, noticed: bool) -> None:
    """Say once that a process has failed, unless that is somebody else's business.

    `noticed`: a monitor, link or caller is told of it.
    """
    error = exit.error
    assert error is not None
    if type(error) is LinkFailure and not log.isEnabledFor(logging.DEBUG):
        return  # as below, but sooner: a long cascade comes through here
    quiet = noticed and (quiet_exits or is_system_exit(error))
    level = logging.DEBUG if quiet or is_of_others(error) else logging.ERROR
    if not log.isEnabledFor(level):
        return
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
    except BaseException as broken:
        text = f"({_unavailable(broken)})"
    text = clean_text(text[:MAX_MESSAGE])
    return text or type(exc).__name__


def format_user_traceback(exc: BaseException) -> str:
    """The traceback as Python prints it, with the user's frames only."""
    try:
        trace = TracebackException.from_exception(exc, limit=-50, compact=True)
        _strip(trace)
        text = "".join(trace.format())
    except BaseException as broken:  # a hostile __str__ or __repr__
        return f"(no traceback: {type(broken).__name__})"
    return clean_text(text[-4 * MAX_MESSAGE :])


def _strip(trace: TracebackException | None) -> None:
    pending: list[Any] = [trace]
    while pending:
        one = pending.pop()
        if one is None:
            continue
        one.stack = StackSummary.from_list(
            [frame for frame in one.stack if not frame.filename.startswith(FILES)]
        )
        pending += [one.__cause__, one.__context__, *(one.exceptions or ())]
