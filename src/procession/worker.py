"""The OS process of a host with workers: `python -m procession.worker`, started by the parent only.

It is a node of its own, of which one host is its own, and all others are elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Internal
from procession.core.exchange import Exchange
from procession.core.frames import CONTROL, PARENT, SPAWN
from procession.core.host import Host
from procession.core.order import Importable
from procession.entries import Entries
from procession.guests.importable import MAIN
from procession.hosts import wire
from procession.hosts.frame_check import check_frames
from procession.hosts.link import Link
from procession.hosts.log_forwarding import ForwardLogs
from procession.hosts.names import WorkerNames
from procession.hosts.places import Places, log_lost
from procession.manifest.entry import HostEntry
from procession.node import Node
from procession.program import run_loop
from procession.security import seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.order import SpawnOrder
    from procession.core.peer import Peer
    from procession.core.process import Program
    from procession.hosts.inline import InlineDriver
    from procession.manifest.loader import Manifest


_AT_ONCE = ("name", "answer")


class _Elsewhere:
    """The pool of a host as it is seen from a worker: of its own, or of somebody else's."""

    def __init__(self, node: WorkerNode) -> None:
        self._node = node

    def spawn(self, host: Host, order: SpawnOrder) -> Peer | None:
        """Start a process in the place that has the fewest; None if that is this one.

        What another place could not run is refused here too: where a process starts is chance.
        """
        order = self._node._entries.addressed(order)
        place = self._node.least_loaded(host.id)
        if place == self._node.place:
            return None
        process = self._node.exchange.spawn(place, host.pid_prefix, order)
        self._node.count_spawn(place)
        return process


class _WorkerEntries(Entries):
    """Those of a worker, which loads the main script of the parent when a function of it is due."""

    def __init__(self, manifest: Manifest, main: str | None) -> None:
        super().__init__(manifest)
        self._main = None if main is None else Path(main)

    def load(self, entry: Any, to_execute: bool) -> Program:
        """The program of an entry."""
        named = entry.reference if isinstance(entry, Importable) else entry
        if isinstance(named, str) and named.startswith("__main__:") and self._main is not None:
            path, self._main = self._main, None
            _load_main(path)
        return super().load(entry, to_execute)


class WorkerNode(Node):
    """The node of a worker."""

    def __init__(self, sock: socket.socket, config: dict[str, Any]) -> None:
        app = config["app"]
        super().__init__(app, settings=config["settings"], quiet_exits=config["quiet_exits"])
        self.place: int = config["place"]
        self._socket = sock
        self._config = config
        self._own = config["host"]
        self._entries = _WorkerEntries(self.manifest, config["main"])
        self._hosts_of: dict[int, str] = {self.place: self._own}
        self._loads: dict[int, int] = {self.place: 0}
        self._asking = False
        self._answers: list[Any] = []
        self._delayed: list[tuple[int, list[Any]]] = []
        self._grace = 0.0
        self._told = (-1, -1)
        self._received = 0
        self.ended = asyncio.get_running_loop().create_future()
        self._on: dict[str, Callable[..., None]] = {
            "up": self._on_up,
            "ready": self._on_ready,
            "down": self._on_down,
            "loads": self._on_loads,
            "name": self._on_name,
            "answer": self._on_answer,
            "question": self._on_question,
            "ping": self._on_ping,
            "stop": self._on_stop,
        }

    def _tell_open(self) -> None:
        """The parent says it."""

    def make_hosts(self, driver: InlineDriver) -> None:
        """Its own host, and the others as places elsewhere."""
        self._places = Places(self.place, driver, lambda place: self._link, one_link=True)
        self.exchange = Exchange(
            driver.kernel, self.place, self._places, log_lost, self._on_control
        )
        self._link = Link(
            asyncio.get_running_loop(),
            self._on_batch,
            driver.receive,
            driver.is_idle,
            self._on_closed,
        )
        self._link.connect(self._socket)
        driver.kernel.settle(self.exchange)
        self._names = WorkerNames(driver.kernel, self.ask, self.tell)
        driver.kernel.names = self._names
        driver.after_run.append(self._after_run)
        self.exchange.place_up(PARENT)
        entries = [one for one in self.manifest.entries.values() if isinstance(one, HostEntry)]
        for id in [entry.id for entry in entries] or [self._own]:
            options = self._host_options(id)
            limit = -(-options.max_processes // self._config["count"])
            host = Host(id, **{**options.limits, "max_processes": limit})
            driver.kernel.hosts[id] = host
            host.pool = _Elsewhere(self)
        self._say("ready")  # before it starts anything: that may not come back
        if self._config["rest"]:
            self._link.take_in(self._config["rest"])

    def least_loaded(self, host_id: str) -> int:
        """The place for a new process of a host; itself if none of the host has fewer."""
        places = [place for place, id in self._hosts_of.items() if id == host_id]
        if not places:
            return PARENT
        loads, starting = self._loads, self.exchange.starting
        loads[self.place] = self._kernel.hosts[self._own].population
        return min(places, key=lambda one: (one in starting, loads.get(one, 0), one != self.place))

    def count_spawn(self, place: int) -> None:
        """A process is on its way to a place, which has not told of it yet."""
        self._loads[place] = self._loads.get(place, 0) + 1

    # -- to the parent --------------------------------------------------------------------------

    def tell(self, what: str, *args: Any) -> None:
        """Say something to the parent."""
        self._places.control(PARENT, what, *args)

    def say_goodbye(self) -> None:
        """All processes have ended, and all that they had to say is said."""
        self._say("stopped")

    def _say(self, what: str, *args: Any) -> None:
        """Say something to the parent, now."""
        self.tell(what, *args)
        self._places.flush()
        self._link.flush()

    def ask(self, what: str, *args: Any) -> Any:
        """Ask the parent, and wait: everything else in this place waits meanwhile."""
        self._say("ask", what, *args)
        self._asking = True
        try:
            while not self._answers:
                self._link.read_now()  # if the parent is gone, so are we: see _on_closed
        finally:
            self._asking = False
        if self._delayed:
            asyncio.get_running_loop().call_soon(self._catch_up)
        answer = self._answers.pop()
        if isinstance(answer, Error):
            raise answer
        return answer

    def _after_run(self) -> None:
        load = (self._kernel.hosts[self._own].population, self._received)
        if load != self._told:
            self._told = load
            self.tell("load", *load)
        self.exchange.credit.settle()
        self._places.flush()

    # -- from the parent ------------------------------------------------------------------------

    def _on_batch(self, place: int, origin: int, body: bytes) -> None:
        # What is said of names, and an answer, is taken in at once, in its order. All else has to
        # wait while a process asks, since that process is running.
        try:
            said = wire.decode(body)
            check_frames(self.place, origin, said)
        except wire.WireError as error:
            if origin == PARENT:
                raise
            self.tell("nonsense", origin, str(error))  # which ends it; nothing of it is done here
            return
        frames = []
        for frame in said:
            if frame[0] == CONTROL and frame[1] in _AT_ONCE:
                self._act(origin, [frame])
            else:
                frames.append(frame)
        if self._asking or self._delayed:
            self._delayed.append((origin, frames))
        else:
            self._act(origin, frames)

    def _catch_up(self) -> None:
        delayed, self._delayed = self._delayed, []
        for origin, frames in delayed:
            self._act(origin, frames)
        self._after_run()

    def _act(self, origin: int, frames: list[Any]) -> None:
        if origin == PARENT:
            self._received += sum(1 for frame in frames if frame[0] == SPAWN)
        try:
            self.exchange.receive(origin, frames)
        except (TypeError, LookupError, AssertionError) as error:
            raise wire.WireError(f"a frame that makes no sense: {error}") from None

    def _on_closed(self, error: BaseException | None) -> None:
        os._exit(1)  # the parent is gone, or speaks nonsense: nobody is left to work for

    def _on_control(self, place: int, what: str, *args: Any) -> None:
        on = self._on.get(what)
        if place != PARENT or on is None:
            raise wire.WireError(f"{place} says {what!r:.100}, which means nothing")
        on(*args)

    def _on_up(self, place: int, host_id: str) -> None:
        self.exchange.place_up(place)
        self._hosts_of[place] = host_id
        self.exchange.starting.add(place)

    def _on_ready(self, place: int) -> None:
        self.exchange.starting.discard(place)

    def _on_down(self, place: int, error: Error) -> None:
        self._hosts_of.pop(place, None)
        self._loads.pop(place, None)
        self._places.forget(place)
        self.exchange.place_down(place, error)
        self._names.forsake_unborn()

    def _on_loads(self, loads: dict[int, int]) -> None:
        self._loads.update((place, load) for place, load in loads.items() if place != self.place)

    def _on_name(self, name: str, pid: str | None) -> None:
        self._names.published(name, pid)

    def _on_answer(self, answer: Any) -> None:
        self._answers.append(answer)

    def _on_question(self, number: int, what: str) -> None:
        answer: Any = None
        if what == "processes":
            answer = self.processes()
        elif what == "supervised":
            answer = list(self.supervised())
        self.tell("answer", number, answer)
        self._places.flush()

    def _on_ping(self) -> None:
        self.tell("pong")

    def _on_stop(self, grace: float, others_do: list[str]) -> None:
        self._grace = grace
        self._others_do = set(others_do)
        if not self.ended.done():
            self.ended.set_result(None)
        else:
            self._stop_again = asyncio.create_task(self.stop(grace))


async def work(sock: socket.socket, config: dict[str, Any]) -> None:
    """Be a worker until the parent says stop."""
    node = WorkerNode(sock, config)
    root = logging.getLogger()
    root.handlers[:] = [ForwardLogs(node.tell)]
    root.setLevel(config["log_level"])
    await node.start()
    await node.ended
    await node.stop(node._grace)
    node.say_goodbye()


def read_config(sock: socket.socket) -> tuple[dict[str, Any], bytes]:
    """The first thing that the parent says, and what has come after it."""
    data = b""
    while True:
        data += sock.recv(1 << 16) or sys.exit(1)
        for place, origin, body in wire.Reader().feed(data):
            frames = wire.decode(body)
            rest = data[len(wire.forward(place, origin, body)) :]
            config: dict[str, Any] = frames.pop(0)[2]
            if frames:
                rest = wire.encode(place, origin, frames) + rest
            return config, rest


def _load_main(path: Path) -> None:
    """The script of the parent, for a function of it; not as the main program."""
    module = types.ModuleType(MAIN)
    module.__file__ = str(path)
    sys.modules["__main__"] = sys.modules[MAIN] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except Exception as error:
        raise Internal(f"{path}: {type(error).__name__}: {error}") from None


def die_with_parent() -> None:
    """Have the system end this process with its parent, where it can, however busy we are."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def be_no_worker() -> None:
    """In a process that was forked here: its signals, and what it logs, are its own again.

    The link is closed there: see hosts/link.py. What it prints goes where the worker prints.
    """
    with contextlib.suppress(ValueError):  # forked in another thread, where Python allows no change
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.getLogger().handlers[:] = [logging.StreamHandler()]


def main() -> None:
    """Start, as the parent has told."""
    die_with_parent()
    # Ctrl-C, or a service manager that stops a whole group, is for the parent: it tells us to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    os.register_at_fork(after_in_child=be_no_worker)
    config, rest = read_config(sock)
    if os.getppid() != config["parent"]:
        sys.exit(1)
    sys.path[:] = config["path"]
    seal.share(config["secret"])
    if config["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (config["memory"], config["memory"]))
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    config["rest"] = rest
    run_loop(work(sock, config))


if __name__ == "__main__":
    main()
