"""What starts Python processes: the guest of an event loop, and the programs that it has loaded."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from procession.core.errors import Invalid, NotFound
from procession.core.process import Process, current_process
from procession.core.scheduler import Strand
from procession.guests.arguments import ArgumentTypes
from procession.guests.python import PythonProcess, Upgrade, running_process
from procession.guests.tasks import TaskHooks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextvars import Context

    from procession.core.host import Host
    from procession.core.kernel import Kernel


class TaskStrand(Strand):
    """An asyncio task that waits at a channel, timer or call: it is woken through a future."""

    __slots__ = ("trap",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel.scheduler)
        self.trap = asyncio.get_running_loop().create_future()  # type: ignore[misc]
        self.trap._asyncio_future_blocking = True

    def wake(self, value: Any) -> None:
        """Make the task ready. It may have been cancelled meanwhile: then `park` gives back."""
        self.value = value
        self.parked = None
        if not self.trap.done():
            self.trap.set_result(None)


class PythonGuest:
    """Python processes on one event loop."""

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
        if not inspect.iscoroutinefunction(function):
            raise NotFound(
                f"entry not found: {entry} is no process, which starts with `async def`, but of "
                f"type {type(function).__name__}"
            )
        return PythonProgram(self, function, entry)

    def adopt(self, kernel: Kernel) -> Strand:
        """A strand for the asyncio task that is running.

        The wait of a task that has outlived its process is cancelled.
        """
        strand = TaskStrand(kernel)
        process = current_process.get(None)
        if process is not None and not process.alive:
            strand.trap.cancel("its process has ended")
        return strand


class PythonProgram:
    """An `async def` that can be spawned."""

    __slots__ = ("_guest", "_types", "entry", "function")

    def __init__(self, guest: PythonGuest, function: Callable[..., Any], entry: str) -> None:
        self._guest = guest
        self.function = function
        self.entry = entry
        self._types = ArgumentTypes(function)

    def start(self, kernel: Kernel, host: Host, pid: str, args: Sequence[Any]) -> PythonProcess:
        """A process about to run. Raises Invalid if the arguments do not fit main."""
        coro = self._call(args)
        guest = self._guest
        return PythonProcess(kernel, host, pid, self, coro, guest.loop, guest.new_context())

    def replace(self, process: Process, args: Sequence[Any]) -> Upgrade:
        """What a process awaits to become this program. Raises Invalid."""
        if not isinstance(process, PythonProcess):
            raise Invalid(f"{self.entry} is Python: only a Python process can become it")
        return Upgrade(self, self._call(args), self._guest.new_context())

    def _call(self, args: Sequence[Any]) -> Coroutine[Any, Any, Any]:
        if self._types:
            args = self._types.fit(args, self.entry)
        try:
            return self.function(*args)  # type: ignore[no-any-return]
        except TypeError as error:
            raise Invalid(f"{self.entry}: the arguments do not fit: {error}") from None
