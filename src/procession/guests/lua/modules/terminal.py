"""The terminal for the Lua module `io`: standard input, output and error of the OS process.

Input is read by a thread, only while somebody waits for it, and as bytes below Python's own
`sys.stdin`, whose lock such a thread must not hold when the interpreter ends. Nothing is handed
to a reader that might be killed before it can take it: a reader is woken to look for itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from procession.core.errors import Unavailable
from procession.core.wait import park
from procession.guests.lua.modules.part import Part, answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.scheduler import Scheduler, Strand
    from procession.guests.lua.guest import LuaGuest

_CHUNK = 65536
_MAX_LINE = 64 << 20  # a longer line comes in pieces
_EMPTY = object()


class Terminal(Part):
    """What a process on a `terminal.host` can do with its terminal."""

    def __init__(self, guest: LuaGuest) -> None:
        super().__init__(guest)
        self._input = _Input()
        self._broken: dict[str, str] = {}

    def is_here(self) -> bool:
        """Whether the process that calls is on a host with a terminal."""
        return self._guest.is_terminal(self.me().host.id)

    @answering
    def args(self) -> Any:
        """The arguments of the process that are strings."""
        return self.carried(self._guest.arguments.get(self.me(), []))

    @answering
    def write(self, stream: bytes, content: bytes) -> Any:
        """Write to `stdout` or `stderr`. Raises Unavailable."""
        self._with_stream(stream.decode(), partial(_write, content=content))
        return True

    @answering
    def flush(self) -> Any:
        """Let nothing that was written wait in a buffer. Raises Unavailable."""
        self._with_stream("stdout", lambda stream: stream.flush())
        return True

    @answering
    def read(self, count: int) -> Any:
        """What waits for the next bytes, at most so many; it gives None at the end."""
        return self._reading(partial(self._input.some, count))

    @answering
    def read_line(self) -> Any:
        """What waits for the next line; it gives None at the end."""
        return self._reading(self._input.line)

    def _reading(self, attempt: Callable[[], Any]) -> Any:
        if "stdout" not in self._broken:
            self._with_stream("stdout", lambda stream: stream.flush())  # it may be a question
        return partial(self._input.take, self.kernel.scheduler, attempt)

    def _with_stream(self, name: str, act: Callable[[Any], object]) -> None:
        stream = getattr(sys, name)
        try:
            if name in self._broken:
                raise OSError(self._broken[name])
            if stream is None:
                raise OSError("it is closed")
            act(stream)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, BrokenPipeError):
                self._broken[name] = reason
                _lead_nowhere(stream)
            raise Unavailable(f"cannot write to {name}: {reason}") from None


def _write(stream: Any, content: bytes) -> None:
    try:
        stream.write(content.decode())
    except UnicodeError:  # no text, or none for this terminal: as it is
        binary = getattr(stream, "buffer", None)
        if binary is None:
            stream.write(content.decode(errors="replace"))
        else:
            stream.flush()
            binary.write(content)


def _lead_nowhere(stream: Any) -> None:
    """What is still buffered for a broken pipe must not fail once more when Python ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass


class _Input:
    """Standard input, for readers that take turns. Where they are parked."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # so far there is no line end in the buffer
        self._ended = False
        self._failure: str | None = None
        self._is_fetching = False
        self._readers: deque[Strand] = deque()

    async def take(self, scheduler: Scheduler, attempt: Callable[[], Any]) -> Any:
        """Wait for one's turn, and until the attempt succeeds."""
        strand = scheduler.strand()
        self._readers.append(strand)
        try:
            while True:
                if self._readers[0] is strand:
                    value = attempt()
                    if value is not _EMPTY:
                        return value
                    self._fetch()
                await park(strand, self)
        finally:
            self._readers.remove(strand)
            self._wake_first()

    def withdraw(self, strand: Strand) -> None:
        """A reader was interrupted: `take` sees to it."""

    def restore(self, value: object, turn: object = None) -> None:
        """A reader was interrupted that was about to look: `take` wakes the next one."""

    def some(self, count: int) -> Any:
        """At most `count` bytes, None at the end, or _EMPTY."""
        if not self._buffer:
            return self._nothing()
        return self._cut(min(count, len(self._buffer)))

    def line(self) -> Any:
        """A line without its end, None at the end, or _EMPTY."""
        end = self._buffer.find(b"\n", self._searched)
        if end >= 0:
            return self._cut(end + 1)[:-1].removesuffix(b"\r")
        self._searched = len(self._buffer)
        if self._searched >= _MAX_LINE or (self._ended and self._buffer):
            return self._cut(self._searched)
        return self._nothing()

    def _cut(self, count: int) -> bytes:
        cut = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return cut

    def _nothing(self) -> Any:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise Unavailable(f"cannot read the standard input: {failure}")
        return None if self._ended else _EMPTY

    def _fetch(self) -> None:
        """Have a thread read once. It is a daemon: a program may end while it waits for a key."""
        if self._is_fetching:
            return
        try:
            descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            raise Unavailable("there is no standard input to read") from None
        self._is_fetching = True
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=self._read, args=(loop, descriptor), name="procession stdin", daemon=True
        ).start()

    def _read(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        data, failure = b"", None
        try:
            data = os.read(descriptor, _CHUNK)
        except OSError as error:
            failure = error.strerror or str(error)
        with suppress(RuntimeError):  # the loop is closed: nobody is left to read it
            loop.call_soon_threadsafe(self._arrived, data, failure)

    def _arrived(self, data: bytes, failure: str | None) -> None:
        self._is_fetching = False
        self._buffer += data
        self._failure = failure
        self._ended = not data and failure is None
        self._wake_first()

    def _wake_first(self) -> None:
        if self._readers and self._readers[0].parked is self:
            self._readers[0].wake(None)
