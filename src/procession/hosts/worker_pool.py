"""The workers of one host: which of them gets the next process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.core.host import Host
    from procession.core.order import SpawnOrder
    from procession.core.peer import Peer
    from procession.hosts.os_workers import OsWorkers
    from procession.hosts.worker_process import Worker

_STEADY = 5.0
"""A worker that has lived so long, in seconds, is replaced at once when it dies."""

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
"""Seconds before a worker is started that replaces one which died young."""


class WorkerPool:
    """`count` workers; each may be silent for `patience` seconds and has `memory` bytes at most."""

    def __init__(
        self, workers: OsWorkers, host: Host, count: int, patience: float, memory: int
    ) -> None:
        self._workers = workers
        self.host = host
        self.count = count
        self.patience = patience
        self.memory = memory
        self.workers: dict[int, Worker] = {}
        self._young_deaths = 0

    def spawn(self, host: Host, order: SpawnOrder) -> Peer | None:
        """Start a process in the worker that has the fewest, of those that are up.

        If none is, because one is being replaced, it waits in the link to that one.
        """
        order = self._workers.addressed(order)
        worker = min(self.workers.values(), key=_preference)
        process = self._workers.router.exchange.spawn(worker.place, host.pid_prefix, order)
        worker.sent += 1
        host.population += 1
        return process

    def count_processes(self) -> None:
        """Have the host know how many processes there are."""
        self.host.population = sum(worker.load for worker in self.workers.values())

    def delay_after(self, worker: Worker) -> float:
        """Seconds to wait before a worker that died is replaced: longer if they die young."""
        if time.monotonic() - worker.started >= _STEADY:
            self._young_deaths = 0
            return 0.0
        self._young_deaths += 1
        return float(min(_FIRST_DELAY * 2 ** (self._young_deaths - 1), _LONGEST_DELAY))


def _preference(worker: Worker) -> tuple[bool, int]:
    return not worker.ready.done(), worker.load
