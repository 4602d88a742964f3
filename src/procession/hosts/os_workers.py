"""Hosts whose processes run in OS processes of their own: their life. SEMANTICS 11.2.

Each worker is one `python -m procession.worker`, with a socket to the parent and to nobody else:
what one has for another goes through here, unread. So all that happens in a node has one order,
and a monitor that hears of an end finds the name free.

    worker_process   one worker          routing          the links, and what goes over them
    worker_pool      those of one host   worker_control   what workers say to the parent

A worker that dies ends exactly the processes that it had, and another one, with a number of its
own, takes its place: at once as far as others can tell, since what is for it waits in its link.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procession.core.errors import Unavailable
from procession.hosts import wire
from procession.hosts.routing import Router
from procession.hosts.worker_control import Control
from procession.hosts.worker_pool import WorkerPool
from procession.hosts.worker_process import Worker
from procession.security import seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.host import Host
    from procession.core.order import SpawnOrder
    from procession.hosts.inline import InlineDriver

log = logging.getLogger("procession.hosts")

READY_TIMEOUT = 60.0
"""Seconds that a worker may take to start."""

_places = count(1)
"""Of all nodes in this OS process, so that a PID of one is nobody in the others."""


def _this_program() -> dict[str, Any]:
    """What a worker is told of the program that it is a part of."""
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None) if not getattr(main, "__spec__", None) else None
    return {
        "path": list(sys.path),
        "main": None if script is None else str(Path(script).resolve()),
        "parent": os.getpid(),
        "log_level": logging.getLogger().getEffectiveLevel(),
        "secret": seal.secret(),
    }


class OsWorkers:
    """All workers of a node. `addressed` gives a spawn order in which the entry is a reference that
    every OS process can find; `config` is what a worker is told of the node when it starts."""

    def __init__(
        self,
        driver: InlineDriver,
        config: dict[str, Any],
        addressed: Callable[[SpawnOrder], SpawnOrder],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._kernel = driver.kernel
        self._config = {**_this_program(), **config}
        self.addressed = addressed
        self._pools: list[WorkerPool] = []
        self._workers: dict[int, Worker] = {}
        self._stopping = False
        self._timers: set[asyncio.TimerHandle] = set()
        self.router = Router(driver, self._loop, self._on_control)
        self._control = Control(driver.kernel, self.router.exchange, self._workers, self._tell)

    def add(self, host: Host, count: int, step_limit: float, memory: int) -> None:
        """Give a host its workers; `memory`, in bytes, is for each of them, zero is no limit."""
        # A worker that is silent for so long is in C code that nothing interrupts.
        pool = WorkerPool(self, host, count, 1.5 * step_limit + 0.5, memory)
        host.pool = pool
        self._pools.append(pool)
        for _ in range(count):
            self._add_worker(pool).launch()

    async def ready(self) -> None:
        """Wait until all workers are up. Raises Unavailable if one is not."""
        waits = [worker.ready for worker in self._workers.values()]
        done, pending = await asyncio.wait(waits, timeout=READY_TIMEOUT)
        for one in done:
            one.result()
        if pending:
            raise Unavailable(f"{len(pending)} workers did not start in {READY_TIMEOUT:g} seconds")
        self._look_after()

    async def stop(self, grace: float, others_do: set[str]) -> None:
        """End all workers: their processes have `grace` seconds to stop. Another call hurries.

        `others_do` are the processes that are not to be told: their supervisors will.
        """
        self._stopping = True
        for worker in list(self._workers.values()):
            if worker.process is None:
                self._reap(worker, None)
            else:
                self.router.places.control(worker.place, "stop", grace, list(others_do))
        self.router.places.flush()
        cleanup = max(host.cleanup for host in self._kernel.hosts.values())
        deadline = self._loop.time() + max(grace, cleanup) + 5.0
        while self._workers and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        self.close()

    def close(self) -> None:
        """Kill what is left, and be done."""
        self._stopping = True
        self._control.close()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for worker in list(self._workers.values()):
            worker.close()
        self._workers.clear()

    async def ask_all(self, what: str, timeout: float) -> dict[int, Any]:
        """The answers of all places that are up: see `Control.ask_all`."""
        return await self._control.ask_all(what, timeout)

    @property
    def population(self) -> int:
        """How many processes there are in all workers, as far as they have told."""
        return sum(worker.load for worker in self._workers.values())

    def statistics(self) -> list[dict[str, Any]]:
        """Each worker, by its place."""
        return [worker.statistics() for worker in self._workers.values()]

    # -- the life of a worker -------------------------------------------------------------------

    def _add_worker(self, pool: WorkerPool) -> Worker:
        """A worker whose OS process is not launched yet. All others learn that it is there."""
        place, router = next(_places), self.router

        def on_closed(error: BaseException | None) -> None:
            self._on_closed(worker, error)

        link = router.open(place, lambda: worker.hear(), on_closed)
        worker = Worker(place, pool.host, link)
        config = {
            **self._config,
            "place": place,
            "host": pool.host.id,
            "count": pool.count,
            "memory": pool.memory,
        }
        router.places.control(place, "config", config)
        for other in self._workers.values():
            router.places.control(other.place, "up", place, pool.host.id)
            router.places.control(place, "up", other.place, other.host.id)
            if other.ready.done():
                router.places.control(place, "ready", other.place)
        for name, pid in self._kernel.names.states():
            router.places.control(place, "name", name, pid)
        self._workers[place] = pool.workers[place] = worker
        router.exchange.place_up(place)
        router.exchange.starting.add(place)
        router.places.flush()
        return worker

    def _on_closed(self, worker: Worker, error: BaseException | None) -> None:
        """The link has ended: so has the worker, or it is no use any more."""
        worker.link = None
        tries = 50 if worker.running and not isinstance(error, wire.WireError) else 0
        self._reap_soon(worker, error, tries)

    def _reap_soon(self, worker: Worker, error: BaseException | None, tries: int) -> None:
        if worker.running and tries:  # to learn how it ends
            self._later(0.001, lambda: self._reap_soon(worker, error, tries - 1))
        else:
            self._reap(worker, error)

    def _reap(self, worker: Worker, error: BaseException | None) -> None:
        """A worker is lost, and every process that it had."""
        if worker.process is not None:
            if worker.running:
                worker.kill()
            worker.gone()
        place = worker.place
        if self._workers.pop(place, None) is None:
            return
        pool = next(one for one in self._pools if place in one.workers)
        del pool.workers[place]
        if worker.link is not None:
            worker.link.close()
        router = self.router
        router.forget(place)
        reason = worker.end_of(error)
        where = {"host": pool.host.id, "os_pid": worker.os_pid}
        if not worker.stopped and not (self._stopping and worker.process is None):
            text = "host %s: worker %d (OS process %s) %s"
            log.warning(text, pool.host.id, place, worker.os_pid, reason, extra=where)
        lost = Unavailable(
            f"the OS process of the host {reason}",
            retryable=True,
            details={**where, "reason": reason},
        )
        # Its successor is there before anybody hears of the loss: what is spawned then waits.
        successor = None if self._stopping else self._add_worker(pool)
        self._control.place_down(place)
        router.exchange.place_down(place, lost)
        router.tell_all("down", place, lost)
        pool.count_processes()
        if not worker.ready.done():
            worker.ready.set_exception(Unavailable(f"a worker of {pool.host.id} {reason}"))
            worker.ready.exception()  # somebody may be waiting for it, or nobody
        router.places.flush()
        if successor is not None:
            self._later(pool.delay_after(worker), lambda: self._launch(successor))

    def _launch(self, worker: Worker) -> None:
        if self._stopping:
            return
        try:
            worker.launch()
        except OSError as error:  # no memory, too many processes or files: try again later
            self._reap(worker, error)

    def _look_after(self) -> None:
        """Ask each worker for a sign of life, and kill one that has given none for too long."""
        if self._stopping:
            return
        now = time.monotonic()
        for pool in self._pools:
            for worker in list(pool.workers.values()):
                worker.look()
                if worker.link is None:
                    continue
                if not worker.ready.done():
                    if worker.process is not None and now - worker.started > READY_TIMEOUT:
                        worker.kill(f"was killed: it did not start in {READY_TIMEOUT:g} seconds")
                elif worker.asked is None:
                    if now - worker.heard > pool.patience / 4:
                        worker.asked = now
                        self.router.places.control(worker.place, "ping")
                elif now - worker.asked > pool.patience:
                    worker.kill(
                        "was killed: it gave no sign of life for "
                        f"{now - worker.asked:.1f} seconds (step limit exceeded in code that "
                        "cannot be interrupted)"
                    )
        self.router.places.flush()
        interval = min((pool.patience for pool in self._pools), default=1.0) / 8
        self._later(min(interval, 1.0), self._look_after)

    def _later(self, delay: float, callback: Callable[[], None]) -> None:
        def call() -> None:
            self._timers.discard(timer)
            callback()

        timer = self._loop.call_later(delay, call)
        self._timers.add(timer)

    # -- what is said ---------------------------------------------------------------------------

    def _tell(self, place: int, what: str, *args: Any) -> None:
        self.router.places.control(place, what, *args)
        self.router.places.flush()

    def _on_control(self, place: int, what: str, *args: Any) -> None:
        self._control.receive(place, what, *args)
