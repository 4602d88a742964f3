"""Which code a thread is at, frame by frame: a process's own, or the runtime's.

An exception may be raised in a process from outside only where this does no harm to anybody else:
see `is_its_own`.
"""

from __future__ import annotations

import asyncio
import dis
import os
import sys
import threading
from pathlib import Path
from traceback import StackSummary
from typing import TYPE_CHECKING, Any

import procession.process as face
from procession.compiled import FILES
from procession.core.kernel import Kernel
from procession.core.payload import copy_payload
from procession.core.switch import resume, throw
from procession.core.user_code import call_user
from procession.guests import ending, failure
from procession.guests.ending import Ending
from procession.guests.python import PythonProcess
from procession.guests.tasks import GuardedCoroutine
from procession.security.guarded import GuardedKernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

_FRAMES = 50

_ASYNCIO = str(Path(asyncio.__file__).parent)
_LOOP_FILES = frozenset(
    os.path.join(_ASYNCIO, name)
    for name in (
        "base_events.py",
        "events.py",
        "proactor_events.py",
        "selector_events.py",
        "sslproto.py",
        "unix_events.py",
        "windows_events.py",
    )
)
"""The event loop's own code, which all processes share. The rest of asyncio is like user code."""


_PASSABLE = frozenset(
    function.__code__
    for function in (
        Kernel.post,
        Kernel.spawn,
        GuardedKernel.post,
        GuardedKernel.spawn,
        face.send,
        face.spawn,
        face.spawn_monitored,
        face.spawn_linked,
        face.spawn_linked_monitored,
        PythonProcess._wait_for_future,
        ending.ends_later,
        ending.refuse,
    )
    if hasattr(function, "__code__")  # what is compiled has no frames
)
_PASSABLE_FILES = frozenset((copy_payload.__code__.co_filename, failure.__file__))
"""These copy or describe before they change anything, and that may be to run code of the process,
such as a property. An exception out of that code is as good as any other."""


_DOORS = frozenset(
    function.__code__
    for function in (
        call_user,
        resume,
        throw,
        PythonProcess.step,
        PythonProcess._throw,
        PythonProcess.end,
        PythonProcess.kill,
        Ending._resume,
        GuardedCoroutine.send,
        GuardedCoroutine.throw,
    )
    if hasattr(function, "__code__")
)
"""These call code of a process, and take whatever it raises. Not only its body: when that is over,
what was in it is freed, which runs `__del__`."""


def is_ours(code: CodeType) -> bool:
    """Whether it is code of the runtime, or of the event loop."""
    return code.co_filename.startswith(FILES) or code.co_filename in _LOOP_FILES


def down_to(base: FrameType | None, frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost frame to that of the body of the process."""
    while frame is not None:
        yield frame
        if frame is base:
            return
        frame = frame.f_back


def is_its_own(frame: FrameType, base: FrameType | None) -> bool:
    """Whether all that is at work is code of the process, down to its body or to what calls it."""
    for one in down_to(base, frame):
        code = one.f_code
        if code in _DOORS:
            return one is not frame
        if is_ours(code) and (
            one is frame or not (code in _PASSABLE or code.co_filename in _PASSABLE_FILES)
        ):
            return False
        if one is base:
            return True
    return False


def format_stack(frames: list[FrameType]) -> str:
    """The stack as Python prints it."""
    frames = [one for one in frames[: _FRAMES + 1] if not is_ours(one.f_code)]
    summary = StackSummary.extract((one, one.f_lineno) for one in reversed(frames))
    return "Traceback (most recent call last):\n" + "".join(summary.format()).rstrip("\n")


def is_debugged(frame: FrameType) -> bool:
    """Whether somebody traces the code, other than to count what was run."""
    trace: object = frame.f_trace
    if trace is None and threading.current_thread() is threading.main_thread():
        trace = sys.gettrace()
    if trace is not None:
        module = getattr(trace, "__module__", None) or type(trace).__module__
        return not str(module).startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


_CHECKS = {dis.opmap[name] for name in ("JUMP_BACKWARD", "RESUME")}


def stands_at_a_check(frame: FrameType) -> bool:
    """Whether the thread, which does not have the interpreter's lock, gave it up at a check.

    At these two instructions there is no other place to give it up. When it gets the lock back,
    the next thing it does is to look for an exception.
    """
    at = frame.f_lasti
    code = frame.f_code.co_code
    return 0 <= at < len(code) and code[at] in _CHECKS


def nobody() -> Any:
    """In place of a weak reference, where there is nothing to refer to."""
    return None
