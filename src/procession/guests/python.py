"""A Python coroutine as a process, and as the current asyncio task while it runs.

Any asyncio library works inside, since for it the process is a task: `asyncio.current_task()` is
the process, it can be cancelled and waits for futures. But it is no `asyncio.Task`: our scheduler
resumes it, four to five times as fast as the event loop would.

    yields PARKED                 it waits at a channel, a timer or a call, which will wake it
    yields a future               it is woken when the future is done
    yields None                   it lets others run, the event loop too (asyncio.sleep(0))

Tasks that a process creates stay with the event loop, and belong to it: see tasks.py.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from procession.core.process import current_process
from procession.core.switch import resume, settle, throw, unsettle
from procession.core.tokens import PARKED, RETURNED, THROWN
from procession.core.user_code import call_user
from procession.current import Terminated
from procession.guests import failure
from procession.guests.current_tasks import current_tasks
from procession.guests.ending import NORMAL_EXIT, Ending, ends_later, refuse
from procession.guests.failure import Unformatted, error_from_exception, formatted, is_a
from procession.guests.task_face import TaskFace
from procession.guests.tasks import Belongings
from procession.guests.upgrade import Upgrade

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from procession.core.errors import Error
    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.core.process import Program

log = logging.getLogger("procession.process")


class PythonProcess(TaskFace):
    """A process whose body is a coroutine."""

    __slots__ = ("_ending", "system_exit")

    def begin(
        self,
        kernel: Kernel,
        host: Host,
        pid: str,
        program: Program,
        coro: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> None:
        """Be a process that has just been born."""
        self.set_up(kernel, host, pid, program)
        self._coro = coro
        self._loop = loop
        self._context = context
        settle(self, context, coro, current_process)
        self._fut_waiter = None
        self._must_cancel = False
        self._detour = self._struck = False
        self._cancels = 0
        self._cancel_message = None
        self._name = None
        self.system_exit: SystemExit | None = None
        """What `sys.exit` has raised in it."""
        self._belongings = None
        self._failure = None
        self._ending: Ending | None = None  # while it cleans up; then it always takes the detour

    def __dealloc__(self) -> None:
        """Of a process that has not ended, and goes with its node. Called if it is compiled."""
        if self._coro is not None:
            unsettle(None, self._context, self._coro)  # Cython tracks the process itself, and once

    # -- for the scheduler -------------------------------------------------------------------

    def step(self) -> None:
        """Resume the coroutine."""
        if self._detour:
            self._take_detour()
            return
        try:
            trapped = resume(self, self._context, self._coro, current_tasks, self._loop)
        except BaseException as exc:
            self._body_raised(exc)
        else:
            if trapped is RETURNED:
                value, self.value = self.value, None
                self.end(value, self._failure)
            elif trapped is not PARKED:
                self._wait_for(trapped)
            elif self._detour:
                self._interrupt()  # cancelled while it was running

    def _take_detour(self) -> None:
        if not self.alive:
            return  # it was ready when it was killed
        if self._ending is not None:
            self._ending.step()
            return
        self._detour = self._struck = False
        self._throw(self.take_cancellation())

    def _throw(self, exc: BaseException) -> None:
        if self._ending is not None:
            self._ending.throw(exc)
            return
        try:
            trapped = throw(self, self._context, self._coro, exc, current_tasks, self._loop)
        except BaseException as raised:
            self._body_raised(raised)
        else:
            if trapped is RETURNED:
                value, self.value = self.value, None
                self.end(value, self._failure)
            elif trapped is THROWN:
                self._body_raised(exc)
            elif trapped is not PARKED:
                self._wait_for(trapped)
            elif self._detour:
                self._interrupt()

    def _wait_for(self, trapped: Any) -> None:
        """The coroutine waits for something of asyncio's."""
        if type(trapped) is Upgrade:
            self._become(trapped)
        elif trapped is None:
            # Through the loop: `await asyncio.sleep(0)` lets its tasks and callbacks run as well.
            self._loop.call_soon(self._go_on)
        else:
            try:
                refused = call_user(self._wait_for_future, trapped)
            except BaseException as exc:  # a future of the program's own, that is none
                self.let_go_of_future()
                refused = failure.within_body(exc)
            if refused is not None:
                self._throw(refused)

    def _go_on(self) -> None:
        self.wake(None)

    def _wait_for_future(self, trapped: Any) -> RuntimeError | None:
        """Be woken when a future is done; why not, if it cannot be waited for."""
        if not getattr(trapped, "_asyncio_future_blocking", None):
            return RuntimeError(f"a process can await asyncio and procession, not {trapped!r}")
        try:
            loop = trapped.get_loop()
        except AttributeError:  # only like a future of asyncio's
            loop = trapped._loop
        if loop is not self._loop:
            what = f"Task {self!r} got Future {trapped!r} attached to a different loop"
            return RuntimeError(what)
        trapped._asyncio_future_blocking = False
        self._fut_waiter = trapped
        trapped.add_done_callback(self._future_done, context=self._context)
        if self._must_cancel and trapped.cancel(msg=self._cancel_message):
            self._must_cancel = False
            self._detour = self.ending
        return None

    def _become(self, upgrade: Upgrade) -> None:
        """Go on with another coroutine. What the old one has to finish, it may; not wait."""
        old, self._coro = self._coro, upgrade.coro
        unsettle(self, self._context, old)
        if self._belongings is not None:
            self._belongings.cancel("its process was upgraded")
            self._belongings.renew()
        detached = self.mailbox.detached()  # held, or they would go with the old code
        try:
            self._context.run(old.close)
        except BaseException as exc:
            self.log_lost(exc, "in the code that was replaced")
        self.program, self.entry = upgrade.program, upgrade.program.entry
        self._context = upgrade.context
        settle(self, self._context, self._coro, current_process)
        self._detour = self._must_cancel = self._struck = False
        self._cancels = 0
        self.mailbox.renew(detached)
        self.wake(None)

    def _future_done(self, future: asyncio.Future[Any]) -> None:
        if self._fut_waiter is future:
            self.wake(None)
            self._fut_waiter = None

    def kill(self, error: Error, cleanup: float | None = None) -> None:
        """End by Terminated at the current wait, now or after its clean-up. SEMANTICS 7.3."""
        if self._ending is not None:
            self._ending.hurry(cleanup)
            return
        if self._failure is not None:
            self._failure = formatted(self._failure)
            error = self._failure or error
        self._detour = True
        self._must_cancel = False  # as far as it was not taken note of, this is the same
        self._cancels += 1
        patience = self.host.cleanup
        if cleanup is not None and cleanup < patience:
            patience = cleanup
        future = self._fut_waiter
        if future is not None:
            if call_user(ends_later, future) and patience > 0:
                Ending(self, error, patience).after_task()
                return
            self.let_go_of_future()
        raised: BaseException | None = None
        exc = Terminated(error.message)
        try:
            trapped = throw(self, self._context, self._coro, exc, current_tasks, self._loop)
        except asyncio.CancelledError:
            pass
        except BaseException as other:
            raised = other
        else:
            if trapped is RETURNED:
                self.value = None
            elif trapped is not THROWN:
                Ending(self, error, patience).waits(trapped)
                return
        del exc  # and with it the frames of the body
        if raised is None and self._belongings is None:  # as most: a cascade comes through here
            self.end(None, self._failure or error)
        else:
            Ending(self, error, patience).body_ended(raised)

    def _body_raised(self, exc: BaseException) -> None:
        exit = failure.only_one(exc)
        if is_a(exit, SystemExit) and self._failure is None:
            self._exit(exit)  # type: ignore[arg-type]
        self.end(None, self._failure or error_from_exception(exc))
        if is_a(exc, KeyboardInterrupt):
            raise exc

    def error_of(self, exc: BaseException) -> Error:
        """The error with which it ends by an exception that has left its step."""
        return formatted(self._failure) or error_from_exception(exc)

    def give_up(self, error: Error) -> None:
        """End, and let go of as much as can be: something of it has failed."""
        self._detour = True
        coro = self._coro
        try:
            if coro is not None:
                call_user(coro.close)
        except BaseException as exc:  # it waits again, or raises something of its own
            log.debug("%s %s was given up: %s", self.entry, self.pid, type(exc).__name__)
        if self.alive:
            self.end(None, error)

    def end(self, result: Any, error: Error | None, noticed: bool = False) -> None:
        """Be over. For `noticed` see `Kernel.exited`."""
        self._detour = True
        self._ending = None
        belongings, self._belongings = self._belongings, None
        if type(error) is Unformatted:
            error = formatted(error)
        if belongings is not None:
            if error is None and (unseen := belongings.unseen()) is not None:
                error = error_from_exception(unseen)
            belongings.cancel("its process has ended")
        if error is NORMAL_EXIT:
            error = None
        self.kernel.exited(self, None if error is not None else result, error, noticed)
        if error is not None:
            # Who waits for the end has it by now. Of all others some keep the error for long, and
            # with it this would keep the frames of the body, and all that they refer to.
            error.__cause__ = None
        if belongings is not None and belongings.callbacks:
            self.value, self._failure = result, error  # for the callbacks
            for callback, context in belongings.callbacks:
                self._loop.call_soon(callback, self, context=context)
        # Process, coroutine and context refer to each other: let go, or only the cycle collector
        # would free them. What the program has for a `__del__` may run here.
        if self._coro is not None:
            unsettle(self, self._context, self._coro)
            self._context = self._coro = None

    @property
    def ending(self) -> bool:
        """Whether it cleans up."""
        return self._ending is not None

    @property
    def cleanup(self) -> float:
        """For how many seconds it may clean up."""
        return self.host.cleanup

    def let_go_of_future(self) -> None:
        """Wait no longer for the future that it waits for, if any."""
        future, self._fut_waiter = self._fut_waiter, None
        if future is not None:
            call_user(refuse, future, self._future_done)

    def log_lost(self, exc: BaseException, when: str, *, by_itself: bool = True) -> None:
        """Say what was raised where it cannot change how the process ends.

        Unless that is done `by_itself`, in a step of its own, none of its code is run for it.
        """
        error = error_from_exception(exc) if by_itself else failure.error_from_outside(exc)
        failure.log_with_traceback(
            log,
            logging.WARNING,
            f"{self.entry} {self.pid} raised {when}: {failure.describe(error)}",
            failure.traceback_of(error),
            pid=self.pid,
            entry=self.entry,
            kind=error.kind,
        )

    # -- for the tasks it creates ------------------------------------------------------------

    def adopt_task(self, task: asyncio.Task[Any]) -> None:
        """Cancel the task when the process ends."""
        if self._belongings is None:
            self._belongings = Belongings(self.scheduler)
        self._belongings.add(task)

    def fail(self, exc: BaseException | None, cleanup: float | None = None) -> None:
        """An error in one of its tasks that nobody has taken note of. SEMANTICS 3.2.

        For `cleanup` see `Kernel.doom`.
        """
        if exc is None or not self.alive:
            return
        if self._failure is None:
            # Perhaps in the step of another process, where a collector has found the task: its
            # text is asked for in its own, see `kill`.
            self._failure = failure.Unformatted(exc)
        elif cleanup is None:  # that is how it ends, and not by this
            if self._ending is not None:
                self.log_lost(exc, "while it was being terminated", by_itself=False)
            return
        self.kernel.doom(self, self._failure, cleanup)

    def leave(self, exit: SystemExit) -> None:
        """`sys.exit` in one of its tasks: it ends the process, as in main. SEMANTICS 7.1."""
        if self.alive and self._failure is None:
            self.kernel.doom(self, self._exit(exit))

    def _exit(self, exit: SystemExit) -> Error:
        self.system_exit = exit
        code = failure.exit_code_of(exit)
        normal = code is None or code == 0
        self._failure = NORMAL_EXIT if normal else error_from_exception(exit)
        return self._failure

    def lost(self, exc: BaseException) -> None:
        """An error in one of its tasks that nobody took note of before the process ended."""
        if not is_a(exc, Terminated):
            self.log_lost(exc, "in a task, and nobody has awaited it", by_itself=False)


def running_process(loop: asyncio.AbstractEventLoop) -> PythonProcess | None:
    """The Python process of the loop that is calling, if it is one that has not ended.

    A context is copied along into threads, which may run other loops.
    """
    process = current_process.get(None)
    mine = isinstance(process, PythonProcess) and process.alive and process.get_loop() is loop
    return process if mine else None  # type: ignore[return-value]
