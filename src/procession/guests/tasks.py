"""The asyncio tasks that Python processes create: whose they are, and what becomes of their errors.

A task stays with its event loop, which steps it. To its process it belongs in three ways: it is
cancelled when the process ends, an error of it that nobody takes note of ends the process, and so
does `sys.exit` in it (SEMANTICS 3.1, 3.2, 7.1).

Two methods of the loop are replaced on the instance for this, while a node runs on it:

    create_task               to know whose a task is. Not a task factory: that one is the
                              program's, which may set one of its own at any time; and libraries
                              look whether it is asyncio's eager one.
    call_exception_handler    to which asyncio tells of a task that is gone, and whose error nobody
                              has retrieved.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine
from contextlib import suppress
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.scheduler import Scheduler


class TaskOwner(Protocol):
    """A process, as far as its tasks concern it."""

    scheduler: Scheduler
    thread: int | None

    def adopt_task(self, task: Any, /) -> None:
        """Cancel the task when the process ends."""

    def fail(self, exc: BaseException | None, /) -> None:
        """End with the error of a task that nobody has taken note of."""

    def leave(self, exit: SystemExit, /) -> None:
        """End since a task has called `sys.exit`."""

    def lost(self, exc: BaseException, /) -> None:
        """Say that an error came too late to end the process."""


class GuardedCoroutine(Coroutine[Any, Any, Any]):
    """The coroutine of a task, in which `sys.exit` ends the process and not the event loop.

    KeyboardInterrupt ends both, the process without running it again: if that awaited the task, it
    would raise the interrupt once more, into the loop that is being closed.

    It shows the frame, name and state of the coroutine that it stands for.
    """

    __slots__ = ("_coro", "process")

    def __init__(self, coro: Any, process: TaskOwner) -> None:
        self._coro = coro
        self.process = process

    def send(self, value: Any) -> Any:
        """Go on until the next wait."""
        try:
            return self._coro.send(value)
        except SystemExit as exit:
            self.process.leave(exit)
        except KeyboardInterrupt as interrupt:
            self.process.fail(interrupt)
            raise
        raise asyncio.CancelledError("its process exits")

    def throw(self, *exc_info: Any) -> Any:
        """Go on with an exception."""
        try:
            return self._coro.throw(*exc_info)
        except SystemExit as exit:
            self.process.leave(exit)
        except KeyboardInterrupt as interrupt:
            self.process.fail(interrupt)
            raise
        raise asyncio.CancelledError("its process exits")

    def close(self) -> None:
        """Have it clean up."""
        self._coro.close()

    def __await__(self) -> Any:
        return self._coro.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)

    def __repr__(self) -> str:
        return repr(self._coro)


_add_done_callback = asyncio.Task.add_done_callback


class ProcessTask(asyncio.Task[Any]):
    """A task of a process whose program has no task factory of its own."""

    _procession_process: TaskOwner | None = None
    _procession_awaited = False

    def add_done_callback(self, fn: Callable[[Any], object], *, context: Any = None) -> None:
        """As ever; and remember whether the end of the task was waited for."""
        if _waits(fn):
            self._procession_awaited = True
        _add_done_callback(self, fn, context=context)


def _waits(callback: Any) -> bool:
    """Whether it is one of asyncio's, such as that of `asyncio.wait`.

    Any other one may be called for something else, such as `background_tasks.discard`: whether it
    takes note of an error is seen by whether it retrieves it.
    """
    return getattr(callback, "__module__", None) == "asyncio.tasks"


def _note_waits(task: Any) -> None:
    """What ProcessTask does, for the task of a factory that is not ours."""
    reference = weakref.ref(task)  # to the task, which will hold the function
    original = type(task).add_done_callback

    def add_done_callback(fn: Callable[[Any], object], *, context: Any = None) -> None:
        task = reference()
        if _waits(fn):
            task._procession_awaited = True  # type: ignore[union-attr]
        original(task, fn, context=context)

    task.add_done_callback = add_done_callback


def process_of(task: Any) -> Any:
    """The process that has created a task, or None."""
    process = getattr(task, "_procession_process", None)
    if process is None and isinstance(task, asyncio.Task):
        coro = task.get_coro()  # an eager task is not marked before it runs
        if type(coro) is GuardedCoroutine:
            process = coro.process
    return process


class Belongings:
    """What a process has in the event loop: its tasks, and callbacks that wait for its end."""

    __slots__ = ("_failed", "_scheduler", "_tasks", "_when_ended", "callbacks")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        # Dicts, for their order: it must not depend on addresses which error is told of first.
        self._tasks: dict[Any, None] | None = {}
        self._failed: weakref.WeakKeyDictionary[Any, None] | None = None
        self._when_ended: Callable[[], None] | None = None
        self.callbacks: list[tuple[Callable[[Any], object], Any]] | None = None

    @property
    def tasks(self) -> list[Any]:
        """The tasks that have not ended, in the order in which they were created."""
        return list(self._tasks or ())

    def add(self, task: Any) -> None:
        """A task that has just been created."""
        assert self._tasks is not None
        self._tasks[task] = None
        self._scheduler.tasks += 1
        if type(task) is ProcessTask:
            _add_done_callback(task, self._done)
        else:
            task.add_done_callback(self._done)

    def _done(self, task: Any) -> None:
        self._scheduler.tasks -= 1
        if self._tasks is not None:
            self._tasks.pop(task, None)
            if not self._tasks and self._when_ended is not None:
                self._when_ended()
            if _is_unseen(task):
                if self._failed is None:
                    self._failed = weakref.WeakKeyDictionary()
                self._failed[task] = None

    def unseen(self) -> BaseException | None:
        """The first error of a task of which nobody has taken note, if there is any."""
        for task in [*(self._failed or ()), *(self._tasks or ())]:
            if task.done() and _is_unseen(task):
                exc: BaseException | None = task.exception()  # and so it is seen
                return exc
        return None

    def cancel(self, why: str) -> None:
        """Cancel the tasks: their process ends, or goes on as another program."""
        tasks, self._tasks = self._tasks, None
        for task in tasks or ():
            task.cancel(why)

    def stop(self, why: str, when_ended: Callable[[], None]) -> None:
        """Cancel the tasks, and have `when_ended` called when the last one has ended."""
        self._when_ended = when_ended
        for task in self.tasks:
            task.cancel(why)

    def renew(self) -> None:
        """The process goes on as another program."""
        self._tasks, self._failed = {}, None


def _is_unseen(task: Any) -> bool:
    """Whether a task has failed, and nobody has retrieved its error, nor waited for its end."""
    return getattr(task, "_log_traceback", False) and not getattr(
        task, "_procession_awaited", False
    )


class TaskHooks:
    """What stands in front of two methods of an event loop. All nodes of the loop share it."""

    def __init__(self, loop: Any, running: Callable[[Any], TaskOwner | None]) -> None:
        self._loop = loop
        self._running = running
        self._nodes = 0
        self._create_task = loop.create_task
        self._report = loop.call_exception_handler
        # None for a method of its class. No look into its `__dict__`: that makes a loop slower.
        self._replaced = {
            name: None if method == getattr(type(loop), name).__get__(loop) else method
            for name, method in (
                ("create_task", self._create_task),
                ("call_exception_handler", self._report),
            )
        }

    @staticmethod
    def join(loop: Any, running: Callable[[Any], TaskOwner | None]) -> TaskHooks:
        """The hooks of the loop, for one more node. `running` gives its process that is calling."""
        hooks: TaskHooks | None = getattr(loop, "_procession_hooks", None)
        if hooks is None:
            hooks = TaskHooks(loop, running)
            loop._procession_hooks = hooks
            for name in hooks._replaced:
                setattr(loop, name, getattr(hooks, name))
        hooks._nodes += 1
        return hooks

    def leave(self) -> None:
        """A node has stopped. After the last one the loop is as it was before."""
        self._nodes -= 1
        if self._nodes:
            return
        del self._loop._procession_hooks
        for name, before in self._replaced.items():
            if getattr(self._loop, name) != getattr(self, name):
                continue  # somebody else has put something before it: it hands on to what was
            if before is None:
                delattr(self._loop, name)
            else:
                setattr(self._loop, name, before)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """In place of `loop.create_task`."""
        process = self._running(self._loop)
        if (
            process is None
            or type(coro).__name__ == "async_generator_athrow"  # closes one that anybody dropped
        ):
            return self._create_task(coro, **options)
        if type(coro) is CoroutineType or asyncio.iscoroutine(coro):  # else asyncio says it is none
            coro = GuardedCoroutine(coro, process)
        # An eager task runs at once, inside the step of its creator, yet is a task of its own.
        scheduler = process.scheduler
        stepping, scheduler.current = scheduler.current, None
        try:
            if self._loop.get_task_factory() is None:
                task: Any = ProcessTask(coro, loop=self._loop, **options)
                task._procession_process = process
            else:
                task = self._create_task(coro, **options)
                with suppress(AttributeError):  # a kind of task that lets nothing be noted on it
                    task._procession_process = process
                    _note_waits(task)
        finally:
            scheduler.current = stepping
        process.adopt_task(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """In place of the loop's own. Perhaps in another thread: a collector's."""
        future, exc = context.get("future"), context.get("exception")
        if (
            exc is None
            or getattr(future, "_procession_awaited", False)
            or "never retrieved" not in str(context.get("message"))
        ):
            self._report(context)
            return
        process = process_of(future)
        if process is None:  # the future of `asyncio.gather` has the errors of its tasks
            owners = map(process_of, getattr(future, "_children", ()))
            process = next((owner for owner in owners if owner is not None), None)
        if process is None:
            self._report(context)
        elif process.thread is None:
            process.lost(exc)
        elif process.thread == get_ident():
            process.fail(exc)
        else:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(process.fail, exc)
