"""What workers say to the parent, and not to a process in it."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import TYPE_CHECKING, Any

from procession.hosts.log_forwarding import log_here
from procession.hosts.names import answer_about_names, note_about_names
from procession.hosts.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.exchange import Exchange
    from procession.core.kernel import Kernel
    from procession.hosts.worker_process import Worker

log = logging.getLogger("procession.hosts")

_LOADS_EVERY = 0.02
"""Seconds for which changes of the loads are collected before the workers are told."""


class Control:
    """Acts on what workers say. `tell` says something to one; `workers` are all that there are."""

    def __init__(
        self,
        kernel: Kernel,
        exchange: Exchange,
        workers: dict[int, Worker],
        tell: Callable[..., None],
    ) -> None:
        self._kernel = kernel
        self._exchange = exchange
        self._workers = workers
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._loads_due: asyncio.TimerHandle | None = None
        self._questions: dict[int, tuple[int, asyncio.Future[Any]]] = {}
        self._numbers = count(1)
        self._on: dict[str, Callable[..., None]] = {
            "ready": self._on_ready,
            "pong": self._on_pong,
            "load": self._on_load,
            "log": self._on_log,
            "ask": self._on_ask,
            "names": self._on_names,
            "answer": self._on_answer,
            "stopped": self._on_stopped,
            "nonsense": self._on_nonsense,
        }

    def receive(self, place: int, what: str, *args: Any) -> None:
        """Act on one thing said. Raises WireError if there is no such thing."""
        worker = self._workers.get(place)
        if worker is None:
            return
        on = self._on.get(what)
        if on is None:
            raise WireError(f"a worker says {what!r:.100}, which means nothing")
        on(worker, *args)

    async def ask_all(self, what: str, timeout: float) -> dict[int, Any]:
        """Put a question to every worker that is up. Their answers, None for who is late.

        A worker that is lost meanwhile is not waited for.
        """
        asked: dict[int, asyncio.Future[Any]] = {}
        numbers = []
        for place, worker in self._workers.items():
            if worker.ready.done() and not worker.stopped:
                number = next(self._numbers)
                numbers.append(number)
                asked[place] = future = self._loop.create_future()
                self._questions[number] = (place, future)
                self._tell(place, "question", number, what)
        if not asked:
            return {}
        try:
            await asyncio.wait(asked.values(), timeout=timeout)
        finally:
            for number in numbers:
                self._questions.pop(number, None)
        return {
            place: future.result() if future.done() else None
            for place, future in asked.items()
            if not future.cancelled()
        }

    def place_down(self, place: int) -> None:
        """A worker is lost: it answers nothing any more."""
        for asked, future in self._questions.values():
            if asked == place:
                future.cancel()

    def close(self) -> None:
        """Tell nobody anything any more."""
        if self._loads_due is not None:
            self._loads_due.cancel()
        for _, future in self._questions.values():
            future.cancel()

    def _on_ready(self, worker: Worker) -> None:
        if not worker.ready.done():
            worker.ready.set_result(None)
            self._exchange.starting.discard(worker.place)
            for place in self._workers:
                if place != worker.place:
                    self._tell(place, "ready", worker.place)

    def _on_pong(self, worker: Worker) -> None:
        """That it was heard of is what counts."""

    def _on_load(self, worker: Worker, population: int, received: int) -> None:
        host = worker.host
        host.population -= worker.load
        worker.population, worker.received = population, received
        host.population += worker.load
        if self._loads_due is None and len(self._workers) > 1:
            self._loads_due = self._loop.call_later(_LOADS_EVERY, self._tell_loads)

    def _tell_loads(self) -> None:
        self._loads_due = None
        loads = {place: one.load for place, one in self._workers.items() if one.ready.done()}
        for place in loads:
            self._tell(place, "loads", loads)

    def _on_log(self, worker: Worker, record: Any) -> None:
        log_here(record)

    def _on_ask(
        self, worker: Worker, what: str, name: str, pid: str = "", keeper: str | None = None
    ) -> None:
        """A question about names: the worker does nothing else until it has the answer."""
        answer = answer_about_names(self._kernel, what, name, pid, keeper)
        self._tell(worker.place, "answer", answer)

    def _on_names(self, worker: Worker, what: str, name: str, pid: str) -> None:
        note_about_names(self._kernel, what, name, pid)

    def _on_answer(self, worker: Worker, number: int, answer: Any) -> None:
        _, future = self._questions.get(number, (None, None))
        if future is not None and not future.done():
            future.set_result(answer)

    def _on_stopped(self, worker: Worker) -> None:
        worker.stopped = True

    def _on_nonsense(self, worker: Worker, place: int, error: str) -> None:
        """Another one has said to it what makes no sense."""
        other = self._workers.get(place)
        if other is not None:
            other.kill(f"was killed: what it said makes no sense: {error:.200}")
