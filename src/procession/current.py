"""The process that is calling, for everything in `process`, `channel` and `time`."""

from __future__ import annotations

from asyncio import CancelledError
from threading import get_ident
from typing import TYPE_CHECKING

from procession.core.errors import Invalid
from procession.core.process import Process, current_process

if TYPE_CHECKING:
    from procession.core.mailbox import Mailbox
    from procession.core.scheduler import Scheduler


class Terminated(CancelledError):
    """Raised inside a process at its current wait when it is ended from outside. SEMANTICS 7.3.

    To asyncio and its libraries it is a cancellation: locks, pools and task groups hand on what
    they hold. `finally` and `async with` run, and may wait for what is asyncio's for as long as
    the `cleanup` of the host says; a wait at a channel, a timer or a call raises it again.
    Catching it does not save the process. Its text is what monitors will get.
    """


def current() -> Process:
    """The calling process: its main, or a task or callback that it started.

    Raises Invalid outside of a process and in another thread than the node's, and Terminated in
    a task that has outlived its process.
    """
    process = current_process.get(None)
    if process is None or process.thread != get_ident():
        raise _why_not(process)
    return process


def current_mailbox() -> Mailbox:
    """The mailbox of the calling process, to wait at a channel of it: see `current_scheduler`."""
    process = current_process.get(None)
    if process is None or process.scheduler.thread != get_ident():
        raise _why_not(process)
    return process.mailbox


def current_scheduler() -> Scheduler:
    """The scheduler of the calling process, to wait.

    A task that has outlived its process is refused not here but at its wait, where it gives up
    the event loop: or one that catches everything in a loop would never do so again.
    """
    process = current_process.get(None)
    if process is None or process.scheduler.thread != get_ident():
        raise _why_not(process)
    return process.scheduler


def _why_not(process: Process | None) -> BaseException:
    if process is None:
        return Invalid("not inside a process: from outside, use the methods of the Node")
    if process.scheduler.thread != get_ident():
        return Invalid(
            "called from another thread than the process runs in: hand results back by `await "
            "asyncio.to_thread(...)`, or go through `loop.call_soon_threadsafe`"
        )
    return Terminated(f"{process.pid} has ended, and this task with it")
