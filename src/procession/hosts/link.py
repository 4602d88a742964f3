"""One end of the link between two OS processes: a Unix socket, written in batches.

What is posted while the kernel runs is sent when it has finished its slice: one system call for all
that one slice had to say.
"""

from __future__ import annotations

import os
import select
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from procession.core.frames import MESSAGE
from procession.hosts import wire

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

MAX_WAITING = 64 << 20
"""Bytes that may wait to be sent over one link before a send is refused."""

MAX_FRAMES = 200_000
"""Messages that may wait for the end of a slice."""

_READ = 1 << 18

_MOMENT = 20e-6
"""Seconds for which a link whose place has nothing to do looks whether an answer comes."""

_TURNS = 50
"""How often in a row it may do so; then the loop has its turn."""

_MOST_MISSES = 10


_MOST_LEFT = 64
"""Reads of what a place that has died had still sent: more than its socket holds."""

_sockets: WeakSet[socket.socket] = WeakSet()


def _close_sockets() -> None:
    for sock in list(_sockets):
        sock.close()


# A fork of an OS process has its sockets too: while it lived, nobody would see that a link ended.
os.register_at_fork(after_in_child=_close_sockets)


class Outbox:
    """The frames for one place, in order; messages in a row that differ only in payload as one."""

    __slots__ = ("_last", "_payloads", "count", "frames", "full", "size")

    def __init__(self) -> None:
        self.full = False
        """Whether too much waited to be sent when it was sent last."""
        self.frames: list[Any] = []
        self.count = 0
        self.size = 0
        """About how many bytes its larger parts are."""
        self._last: tuple[str, str | None, str] | None = None
        self._payloads: list[Any] = []

    def add(self, frame: tuple[Any, ...]) -> None:
        """A frame."""
        self._last = None
        self.count += 1
        self.frames.append(frame)

    def add_message(self, dest: str, sender: str | None, topic: str, payload: Any) -> None:
        """A message."""
        self.count += 1
        key = (dest, sender, topic)
        if key == self._last:
            self._payloads.append(payload)
        else:
            payloads = [payload]
            self.frames.append((MESSAGE, dest, sender, topic, payloads))
            self._last = None  # if only one of the two gets changed, no message is added to either
            self._payloads = payloads
            self._last = key

    def take(self) -> list[Any]:
        """All of them; then it is empty."""
        frames, self.frames = self.frames, []
        self.count = self.size = 0
        self._last = None
        return frames


class Link:
    """A socket in a loop. `on_batch` gets what arrives, within a call of `receive`; `on_closed`
    is told why the link has ended, once. `is_idle`: whether the place has nothing to do.

    What is written before it is connected waits."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_batch: Callable[[int, int, bytes], None],
        receive: Callable[[Callable[[], object]], None],
        is_idle: Callable[[], bool],
        on_closed: Callable[[BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._socket: socket.socket | None = None
        self._closed = False
        self._reader = wire.Reader()
        self._batches: deque[tuple[int, int, bytes]] = deque()
        self._chunk = memoryview(bytearray(_READ))  # one for all reads: a new one each costs more
        self._on_batch = on_batch
        self._receive = receive
        self._is_idle = is_idle
        self._poll = select.poll()
        self._misses = self._skips = 0
        self._on_closed = on_closed
        self._waiting: deque[memoryview] = deque()
        self.waiting_bytes = 0
        self._paused = False

    def connect(self, sock: socket.socket) -> None:
        """Send and read over a socket from now on."""
        if self._closed:
            sock.close()
            return
        sock.setblocking(False)
        self._socket = sock
        _sockets.add(sock)
        self._poll.register(sock, select.POLLIN)
        if not self._paused:
            self._loop.add_reader(sock.fileno(), self._readable)
        if self._waiting:
            self._loop.add_writer(sock.fileno(), self._writable)

    @property
    def full(self) -> bool:
        """Whether too much waits to be sent."""
        return self.waiting_bytes > MAX_WAITING

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest when it takes more."""
        if self._closed:
            return
        sock = self._socket
        if sock is not None and not self._waiting:
            try:
                sent = sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._close(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(sock.fileno(), self._writable)
        self._waiting.append(memoryview(data))
        self.waiting_bytes += len(data)

    def flush(self) -> None:
        """Send all that waits, and wait for it: for the short exchange of a name."""
        sock = self._socket
        if sock is None or not self._waiting:
            return
        sock.setblocking(True)
        try:
            while self._waiting:
                sock.sendall(self._waiting.popleft())
        except OSError as error:
            self._close(error)
            return
        finally:
            self.waiting_bytes = 0
            if self._socket is not None:
                sock.setblocking(False)
                self._loop.remove_writer(sock.fileno())

    def read_now(self) -> bool:
        """Wait for something to arrive and take it in; False if the link has ended."""
        sock = self._socket
        if sock is None:
            return False
        sock.setblocking(True)
        try:
            size = sock.recv_into(self._chunk)
        except OSError as error:
            self._close(error)
            return False
        finally:
            if self._socket is not None:
                sock.setblocking(False)
        return self.take_in(self._chunk[:size])

    def pause(self, paused: bool) -> None:
        """Read no more for now: somebody further on cannot keep up."""
        if paused == self._paused:
            return
        self._paused = paused
        if self._socket is not None:
            if paused:
                self._loop.remove_reader(self._socket.fileno())
            else:
                self._loop.add_reader(self._socket.fileno(), self._readable)

    def finish(self) -> None:
        """The place has died: take in what it had still sent, and hang up.

        Not until its socket is closed: a process that it has forked may have that as well.
        """
        for _ in range(_MOST_LEFT):
            if not self._read():
                break
        self._close(None)

    def close(self) -> None:
        """Hang up."""
        self._close(None)

    def _readable(self) -> None:
        for _ in range(_TURNS):
            if not self._read() or self._socket is None:
                return
            if not self._is_idle() or not self._more_comes_soon():
                return

    def _read(self) -> bool:
        """Take in what has come; False if that is nothing, or nothing comes any more."""
        sock = self._socket
        if sock is None:
            return False
        try:
            size = sock.recv_into(self._chunk)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._close(error)
            return False
        self._receive(lambda: self.take_in(self._chunk[:size]))
        return True

    def _more_comes_soon(self) -> bool:
        """Whether more has come within a moment: to be woken by the system takes as long.

        Where it was waited for in vain, that is not tried again for a while.
        """
        if self._skips:
            self._skips -= 1
            return False
        end = perf_counter() + _MOMENT
        while not self._poll.poll(0):
            if perf_counter() > end:
                self._misses = min(self._misses + 1, _MOST_MISSES)
                self._skips = 1 << self._misses
                return False
        self._misses = 0
        return True

    def take_in(self, data: bytes | memoryview) -> bool:
        """Act on what has arrived; False if that is the end of the link."""
        if not data:
            self._close(None)
            return False
        try:
            # All of it is read before any is acted on: that may read more, for an answer.
            batches = self._batches
            batches.extend(self._reader.feed(data))
            while batches:
                self._on_batch(*batches.popleft())
        except wire.WireError as error:
            self._close(error)
            return False
        return True

    def _writable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            while self._waiting:
                data = self._waiting[0]
                sent = sock.send(data)
                self.waiting_bytes -= sent
                if sent < len(data):
                    self._waiting[0] = data[sent:]
                    return
                self._waiting.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._close(error)
            return
        self._loop.remove_writer(sock.fileno())

    def _close(self, error: BaseException | None) -> None:
        if self._closed:
            return
        self._closed = True
        sock, self._socket = self._socket, None
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            sock.close()
        self._waiting.clear()
        self.waiting_bytes = 0
        self._on_closed(error)
