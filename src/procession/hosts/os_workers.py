"""Hosts whose processes run in OS processes of their own: the parent's side. SEMANTICS 11.2.

Each worker is one `python -m procession.worker`, with a socket to the parent and to nobody else:
what one has for another goes through here, unread. So all that happens in a node has one order,
and a monitor that hears of an end finds the name free.

A worker that dies ends exactly the processes that it had, and another one, with a number of its
own, takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, Invalid, Unavailable
from procession.core.exchange import Exchange
from procession.hosts import wire
from procession.hosts.link import Link
from procession.hosts.names import ParentNames
from procession.hosts.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.host import Host
    from procession.core.order import SpawnOrder
    from procession.core.peer import Peer
    from procession.hosts.inline import InlineDriver

log = logging.getLogger("procession.hosts")

_STEADY = 5.0
"""A worker that has lived so long, in seconds, is replaced at once when it dies."""

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
"""Seconds before a worker is started that replaces one which died young."""

_HIGH, _LOW = 64 << 20, 16 << 20
"""Bytes waiting for one worker at which the others are not read, and are read again."""

READY_TIMEOUT = 60.0

MAIN = "__procession_main__"
"""What the parent's main script is called in a worker."""


class Worker:
    """One OS process of a host."""

    def __init__(self, place: int, host: Host, process: subprocess.Popen[bytes]) -> None:
        self.place = place
        self.host = host
        self.process = process
        self.link: Link | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.started = time.monotonic()
        self.population = 0
        self.sent = 0  # spawns from here
        self.received = 0  # of which it has told
        self.heard = self.started
        self.asked: float | None = None
        self.stopped = False
        self.killed_for: str | None = None

    @property
    def load(self) -> int:
        """How many processes it has, with those that are on their way."""
        return self.population + self.sent - self.received

    def statistics(self) -> dict[str, Any]:
        """What is to be seen of it from outside."""
        state = "stopped" if self.stopped else "ready" if self.ready.done() else "starting"
        return {
            "place": self.place,
            "host": self.host.id,
            "os_pid": self.process.pid,
            "state": state,
            "processes": self.load,
        }


class WorkerPool:
    """The workers of one host."""

    def __init__(
        self, workers: OsWorkers, host: Host, count: int, patience: float, memory: int
    ) -> None:
        self._workers = workers
        self.host = host
        self.count = count
        self.patience = patience
        self.memory = memory
        self.workers: dict[int, Worker] = {}
        self.young_deaths = 0

    def spawn(self, host: Host, order: SpawnOrder) -> Peer | None:
        """Start a process in the worker that has the fewest."""
        if not self.workers:
            raise Unavailable(f"host {host.id} has no worker at the moment", retryable=True)
        order = self._workers.addressed(order)
        worker = min(self.workers.values(), key=_load)
        process = self._workers.exchange.spawn(worker.place, host.pid_prefix, order)
        worker.sent += 1
        host.population += 1
        return process

    def count_processes(self) -> None:
        """Have the host know how many processes there are."""
        self.host.population = sum(worker.load for worker in self.workers.values())


def _load(worker: Worker) -> int:
    return worker.load


class OsWorkers:
    """All workers of a node. `addressed` gives a spawn order in which the entry is a reference that
    every OS process can find; `config` is what a worker is told when it starts."""

    def __init__(
        self,
        driver: InlineDriver,
        config: dict[str, Any],
        addressed: Callable[[SpawnOrder], SpawnOrder],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._driver = driver
        self._config = config
        self.addressed = addressed
        self._pools: list[WorkerPool] = []
        self._workers: dict[int, Worker] = {}
        self._next_place = 1
        self._stopping = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._loads_due = False
        kernel = driver.kernel
        self.places = Places(0, driver, self._link_to)
        self.exchange = Exchange(kernel, 0, self.places, self._on_lost, self._on_control)
        kernel.settle(self.exchange)
        driver.after_run += [self.exchange.give_credit, self.places.flush]
        kernel.names = ParentNames(self._publish)

    # -- life -----------------------------------------------------------------------------------

    def add(self, host: Host, count: int, step_limit: float, memory: int) -> None:
        """Give a host its workers; `memory`, in bytes, is for each of them, zero is no limit."""
        # A worker that is silent for so long is in C code that nothing interrupts.
        pool = WorkerPool(self, host, count, 1.5 * step_limit + 0.5, memory)
        host.pool = pool
        self._pools.append(pool)
        for _ in range(count):
            self._start(pool)

    async def ready(self) -> None:
        """Wait until all workers are up. Raises Unavailable if one is not."""
        waits = [worker.ready for worker in self._workers.values()]
        done, pending = await asyncio.wait(waits, timeout=READY_TIMEOUT)
        for one in done:
            one.result()
        if pending:
            raise Unavailable(f"{len(pending)} workers did not start in {READY_TIMEOUT:g} seconds")
        self._look_after()

    async def stop(self, grace: float) -> None:
        """End all workers: their processes have `grace` seconds to stop. Another call hurries."""
        self._stopping = True
        for worker in self._workers.values():
            self.places.control(worker.place, "stop", grace)
        self.places.flush()
        deadline = self._loop.time() + grace + 5.0
        while self._workers and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        self.close()

    def close(self) -> None:
        """Kill what is left, and be done."""
        self._stopping = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for worker in list(self._workers.values()):
            worker.stopped = True
            worker.process.kill()
            if worker.link is not None:
                worker.link.close()
            worker.process.wait()
        self._workers.clear()

    def statistics(self) -> list[dict[str, Any]]:
        """Each worker, by its place."""
        return [worker.statistics() for worker in self._workers.values()]

    # -- workers --------------------------------------------------------------------------------

    def _start(self, pool: WorkerPool) -> None:
        place, self._next_place = self._next_place, self._next_place + 1
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                one.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        command = [sys.executable, "-m", "procession.worker", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        worker = Worker(place, pool.host, process)
        self._workers[place] = pool.workers[place] = worker
        worker.link = Link(
            self._loop,
            ours,
            lambda dest, origin, body: self._on_batch(worker, dest, origin, body),
            self._driver.receive,
            self._driver.is_idle,
            lambda error: self._on_closed(pool, worker, error),
        )
        config = {
            **self._config,
            "place": place,
            "host": pool.host.id,
            "count": pool.count,
            "memory": pool.memory,
        }
        self.places.control(place, "config", config)
        for other in self._workers.values():
            if other is not worker:
                self.places.control(other.place, "up", place, pool.host.id)
                self.places.control(place, "up", other.place, other.host.id)
        for name, pid in self._driver.kernel.names.items():
            self.places.control(place, "name", name, pid)
        self.exchange.place_up(place)
        self.places.flush()

    def _on_closed(self, pool: WorkerPool, worker: Worker, error: BaseException | None) -> None:
        """The link has ended: so has the worker, or it is no use any more."""
        worker.link = None
        if worker.process.poll() is None and not isinstance(error, wire.WireError):
            self._later(0.001, lambda: self._reap(pool, worker, error, 50))
        else:
            self._reap(pool, worker, error, 0)

    def _reap(
        self, pool: WorkerPool, worker: Worker, error: BaseException | None, tries: int
    ) -> None:
        if worker.process.poll() is None:
            if tries:
                self._later(0.001, lambda: self._reap(pool, worker, error, tries - 1))
                return
            worker.process.kill()
            worker.process.wait()
        place = worker.place
        if self._workers.pop(place, None) is None:
            return
        del pool.workers[place]
        self.places.forget(place)
        reason = _reason(worker, error)
        if not worker.stopped:
            log.warning(
                "host %s: worker %d (OS process %d) %s",
                pool.host.id,
                place,
                worker.process.pid,
                reason,
                extra={"host": pool.host.id, "os_pid": worker.process.pid},
            )
        lost = Unavailable(
            f"the OS process of the host {reason}",
            retryable=True,
            details={"host": pool.host.id, "os_pid": worker.process.pid, "reason": reason},
        )
        self.exchange.place_down(place, lost)
        for other in self._workers.values():
            self.places.control(other.place, "down", place, lost)
        pool.count_processes()
        if not worker.ready.done():
            worker.ready.set_exception(Unavailable(f"a worker of {pool.host.id} {reason}"))
            worker.ready.exception()  # somebody may be waiting for it, or nobody
        if not self._stopping:
            self._replace(pool, worker)
        self.places.flush()

    def _replace(self, pool: WorkerPool, worker: Worker) -> None:
        if time.monotonic() - worker.started >= _STEADY:
            pool.young_deaths = 0
            self._start(pool)
            return
        delay = min(_FIRST_DELAY * 2**pool.young_deaths, _LONGEST_DELAY)
        pool.young_deaths += 1
        self._later(delay, lambda: None if self._stopping else self._start(pool))

    def _later(self, delay: float, callback: Callable[[], None]) -> None:
        def call() -> None:
            self._timers.discard(timer)
            callback()

        timer = self._loop.call_later(delay, call)
        self._timers.add(timer)

    def _look_after(self) -> None:
        """Ask each worker for a sign of life, and kill one that has given none for too long."""
        if self._stopping:
            return
        now = time.monotonic()
        for pool in self._pools:
            for worker in pool.workers.values():
                if worker.asked is None:
                    if now - worker.heard > pool.patience / 4:
                        worker.asked = now
                        self.places.control(worker.place, "ping")
                elif now - worker.asked > pool.patience and worker.ready.done():
                    worker.killed_for = (
                        "was killed: it gave no sign of life for "
                        f"{now - worker.asked:.1f} seconds (step limit exceeded in code that "
                        "cannot be interrupted)"
                    )
                    worker.process.kill()
        self.places.flush()
        interval = min((pool.patience for pool in self._pools), default=1.0) / 8
        self._later(min(interval, 1.0), self._look_after)

    # -- traffic --------------------------------------------------------------------------------

    def _link_to(self, place: int) -> Link | None:
        worker = self._workers.get(place)
        return None if worker is None else worker.link

    def _on_batch(self, worker: Worker, place: int, origin: int, body: bytes) -> None:
        worker.heard = time.monotonic()
        worker.asked = None
        if origin != worker.place:
            raise wire.WireError(f"a batch in the name of {origin} from {worker.place}")
        if place:
            link = self._link_to(place)
            if link is not None:
                # What an earlier batch of this worker made the parent say, such as that a name is
                # free, goes first: whoever reads this one may have seen the end of its owner.
                self.places.flush()
                link.write(wire.forward(place, origin, body))
                if link.waiting_bytes > _HIGH and worker.link is not None:
                    worker.link.pause(True)
                    self._later(0.01, lambda: self._resume(worker, place))
            return
        try:
            self.exchange.receive(origin, wire.decode(body))
        except (TypeError, IndexError, AssertionError) as error:
            raise wire.WireError(f"a frame that makes no sense: {error}") from None

    def _resume(self, worker: Worker, place: int) -> None:
        link = self._link_to(place)
        if link is not None and link.waiting_bytes > _LOW:
            self._later(0.01, lambda: self._resume(worker, place))
        elif worker.link is not None:
            worker.link.pause(False)

    def _on_lost(self, pid: str, error: Error) -> None:
        log.warning("to %s: lost: %s", pid, error.message, extra={"pid": pid})

    def _publish(self, name: str, pid: str | None) -> None:
        for place in self._workers:
            self.places.control(place, "name", name, pid)

    def _on_control(self, place: int, what: str, *args: Any) -> None:
        worker = self._workers.get(place)
        if worker is not None:
            getattr(self, f"_on_{what}")(worker, *args)

    def _on_ready(self, worker: Worker) -> None:
        if not worker.ready.done():
            worker.ready.set_result(None)

    def _on_pong(self, worker: Worker) -> None:
        """That it was heard of is what counts."""

    def _on_load(self, worker: Worker, population: int, received: int) -> None:
        worker.population, worker.received = population, received
        for pool in self._pools:
            if worker.place in pool.workers:
                pool.count_processes()
        if not self._loads_due and len(self._workers) > 1:
            self._loads_due = True
            self._later(0.02, self._tell_loads)

    def _tell_loads(self) -> None:
        self._loads_due = False
        loads = {place: worker.load for place, worker in self._workers.items()}
        for place in loads:
            self.places.control(place, "loads", loads)
        self.places.flush()

    def _on_log(self, worker: Worker, record: dict[str, Any]) -> None:
        name, level = record.pop("name"), record.pop("level")
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            extra = record["extra"]
            made = logger.makeRecord(name, level, "", 0, record["message"], (), None, extra=extra)
            made.exc_text = record["traceback"]
            logger.handle(made)

    def _on_ask(self, worker: Worker, what: str, name: str, pid: str | None = None) -> None:
        kernel = self._driver.kernel
        answer: Any
        try:
            if what == "lookup":
                owner = kernel.names.find(name)
                answer = None if owner is None else owner.pid
            elif what == "unregister":
                answer = kernel.unregister(None, name)
            else:
                kernel.register(None, name, pid)
                answer = True
        except Error as error:
            answer = error
        self.places.control(worker.place, "answer", answer)
        self.places.flush()

    def _on_released(self, worker: Worker, name: str, pid: str) -> None:
        owner = self._driver.kernel.names.find(name)
        if owner is not None and owner.pid == pid:
            self._driver.kernel.names.unregister(name)

    def _on_stopped(self, worker: Worker) -> None:
        worker.stopped = True


def _reason(worker: Worker, error: BaseException | None) -> str:
    code = worker.process.returncode
    if worker.killed_for is not None:
        return worker.killed_for
    if isinstance(error, wire.WireError):
        return f"was killed: what it said makes no sense: {error}"
    if code is not None and code < 0:
        name = str(-code)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
        hint = " (by hand, or out of memory)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"has ended with exit code {code}"


def importable_reference(entry: Any) -> str:
    """The reference of a function that another OS process can import. Raises Invalid."""
    module = getattr(entry, "__module__", None)
    name = getattr(entry, "__qualname__", "")
    if not module or not name.isidentifier():
        raise Invalid(
            f"{name or entry!r} cannot be run in another OS process: it has to be a function at "
            "the top level of a module, or an entry of the manifest"
        )
    return f"{'__main__' if module == MAIN else module}:{name}"
