"""What starts Python processes: the guest of an event loop, and the programs that it has loaded."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Internal, Invalid, NotFound
from procession.core.user_code import call_user
from procession.guests.arguments import ArgumentTypes
from procession.guests.failure import describe, error_from_exception, traceback_of
from procession.guests.python import PythonProcess, running_process
from procession.guests.task_strand import adopt
from procession.guests.tasks import TaskHooks
from procession.guests.upgrade import Upgrade

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence
    from contextvars import Context

    from procession.core.host import Host
    from procession.core.kernel import Kernel
    from procession.core.process import Process


class PythonGuest:
    """Python processes on one event loop."""

    adopt = staticmethod(adopt)

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self.loop = loop
        # A process starts in the context of its node, so that nothing leaks between processes.
        self.new_context = context.copy
        self._hooks = TaskHooks.join(loop, running_process)

    def close(self) -> None:
        """Give the loop back as it was."""
        self._hooks.leave()

    def program(self, function: Callable[..., Any], entry: str) -> PythonProgram:
        """A function, ready to be spawned. Raises NotFound unless it is an `async def`."""
        if not _contained(entry, inspect.iscoroutinefunction, function):
            raise NotFound(
                f"entry not found: {entry} is no process, which starts with `async def`, but of "
                f"type {type(function).__name__}"
            )
        program: PythonProgram = _contained(entry, PythonProgram, self, function, entry)
        return program


class PythonProgram:
    """An `async def` that can be spawned."""

    __slots__ = ("_guest", "_typed", "_types", "entry", "function")

    def __init__(self, guest: PythonGuest, function: Callable[..., Any], entry: str) -> None:
        self._guest = guest
        self.function = function
        self.entry = entry
        self._types = ArgumentTypes(function)
        self._typed = bool(self._types)

    def start(self, kernel: Kernel, host: Host, pid: str, args: Sequence[Any]) -> PythonProcess:
        """A process about to run. Raises Invalid if the arguments do not fit main."""
        coro = self._call(args)
        guest = self._guest
        process = PythonProcess.__new__(PythonProcess)  # which takes half as long as to call it
        process.begin(kernel, host, pid, self, coro, guest.loop, guest.new_context())
        return process

    def replace(self, process: Process, args: Sequence[Any]) -> Upgrade:
        """What a process awaits to become this program. Raises Invalid."""
        if not isinstance(process, PythonProcess):
            raise Invalid(f"{self.entry} is Python: only a Python process can become it")
        return Upgrade(self, self._call(args), self._guest.new_context())

    def _call(self, args: Sequence[Any]) -> Coroutine[Any, Any, Any]:
        if self._typed:
            args = _contained(self.entry, self._types.fit, args, self.entry)
        try:
            return self.function(*args)  # type: ignore[no-any-return]
        except TypeError as error:
            raise Invalid(f"{self.entry}: the arguments do not fit: {error}") from None
        except BaseException as raised:  # it is no `async def`, and only looks like one
            raise _not_started(self.entry, raised) from None


def _contained(entry: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call what may run code of an entry, for who wants to start it: it raises an Error.

    Who starts it may be another place, with no process here that an exit or a fault could end.
    """
    try:
        return call_user(function, *args)
    except Error:
        raise
    except BaseException as raised:
        raise _not_started(entry, raised) from None


def _not_started(entry: str, raised: BaseException) -> Error:
    error = error_from_exception(raised)
    return Internal(f"{entry}: {describe(error)}", details={"traceback": traceback_of(error)})
