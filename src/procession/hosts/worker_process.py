"""One worker: an OS process of a host, as the parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from procession.compiled import environment
from procession.hosts import wire

if TYPE_CHECKING:
    from procession.core.host import Host
    from procession.hosts.link import Link

_BUFFER = 1 << 20
"""Bytes that the socket to a worker holds, each way."""


class Worker:
    """A place of its own. Its link exists before its OS process: what is written to it waits."""

    def __init__(self, place: int, host: Host, link: Link) -> None:
        self.place = place
        self.host = host
        self.link: Link | None = link
        self.process: subprocess.Popen[bytes] | None = None
        """None until it is launched."""
        self._loop = asyncio.get_running_loop()
        self._pidfd: int | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.started = time.monotonic()
        self.population = 0
        self.sent = 0  # spawns from here
        self.received = 0  # of which it has told
        self.heard = self.started
        self.asked: float | None = None
        self.stopped = False
        self.killed_for: str | None = None

    def launch(self) -> None:
        """Start the OS process, and connect the link to it."""
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                one.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        command = [sys.executable, "-m", "procession.worker", str(theirs.fileno())]
        try:
            self.process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.started = self.heard = time.monotonic()
        assert self.link is not None
        self.link.connect(ours)
        self._watch()

    def _watch(self) -> None:
        """Have its end noticed, where the system tells of it; else see `look`."""
        assert self.process is not None
        with contextlib.suppress(OSError, AttributeError):  # it is not Linux, or has no files left
            self._pidfd = os.pidfd_open(self.process.pid)
            self._loop.add_reader(self._pidfd, self.look)

    def look(self) -> None:
        """See whether its OS process has ended: a fork of it may keep its socket open."""
        if self.process is not None and not self.running:
            self._unwatch()
            if self.link is not None:
                self.link.finish()

    def _unwatch(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    @property
    def load(self) -> int:
        """How many processes it has, with those that are on their way."""
        return self.population + self.sent - self.received

    @property
    def os_pid(self) -> int | None:
        """The number of its OS process; None before there is one."""
        return None if self.process is None else self.process.pid

    @property
    def running(self) -> bool:
        """Whether its OS process lives."""
        return self.process is not None and self.process.poll() is None

    def hear(self) -> None:
        """It has given a sign of life."""
        self.heard = time.monotonic()
        self.asked = None

    def kill(self, reason: str | None = None) -> None:
        """End its OS process at once. `reason` is what its processes are told."""
        if reason is not None:
            self.killed_for = reason
        if self.process is not None:
            self.process.kill()

    def close(self) -> None:
        """End it, and wait for that."""
        self.stopped = True
        self.kill()
        if self.link is not None:
            self.link.close()
        self.gone()

    def gone(self) -> None:
        """It was killed, or has ended: wait for that."""
        self._unwatch()
        if self.process is not None:
            self.process.wait()

    def end_of(self, error: BaseException | None) -> str:
        """How it has ended, for people. `error`: what ended its link."""
        if self.killed_for is not None:
            return self.killed_for
        if isinstance(error, wire.WireError):
            return f"was killed: what it said makes no sense: {error}"
        if self.process is None:
            return f"could not be started: {error}" if error else "was never started"
        code = self.process.returncode
        if code is not None and code < 0:
            name = str(-code)
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
            hint = " (by hand, or out of memory)" if name == "SIGKILL" else ""
            return f"was killed by {name}{hint}"
        return f"has ended with exit code {code}"

    def statistics(self) -> dict[str, Any]:
        """What is to be seen of it from outside."""
        state = "stopped" if self.stopped else "ready" if self.ready.done() else "starting"
        return {
            "place": self.place,
            "host": self.host.id,
            "os_pid": self.os_pid,
            "state": state,
            "processes": self.load,
        }
