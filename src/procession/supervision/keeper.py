"""The services of a node, for those who wait: until they run, until they have come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import Canceled, Unavailable
from procession.core.wait import park
from procession.guests.failure import describe
from procession.supervision.service import EXITED, FAILED, RUNNING, Service, Services

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from procession.core.peer import Peer
    from procession.core.scheduler import Scheduler, Strand


class Keeper(Services):
    """Starts and stops services, and waits. Not for processes, which it would keep from running."""

    async def start_one(self, id: str) -> None:
        """Start a service and what it requires; wait until it runs. See `Node.start_service`."""
        self.start([id])
        service = self[id]
        await self._until([service], lambda: service.at_rest or service.state == RUNNING)
        if service.state == FAILED and service.error is not None:
            raise service.error

    async def start_all(self, ids: Iterable[str]) -> None:
        """Start services and what they require; wait until all run. See `Node.start_services`."""
        services = self.start(ids)
        up = (RUNNING, EXITED)
        await self._until(
            services,
            lambda: (
                all(service.state in up for service in services)
                or any(service.at_rest and service.state != EXITED for service in services)
            ),
        )
        for service in services:  # one that has failed comes before those that require it
            if service.state == FAILED and service.error is not None:
                error = service.error.to_dict()
                raise Unavailable(
                    f"service {service.id} has failed: {describe(service.error)}",
                    retryable=False,
                    details={"service": service.id, "error": error},
                )
        if not all(service.state in up for service in services):
            raise Canceled("the services were stopped before they ran")

    async def stop_one(self, id: str) -> None:
        """Stop a service and what requires it; wait for their end."""
        await self._rest_of(self.stop([id]))

    async def run(self, ids: Iterable[str]) -> bool:
        """Start services; wait for the end of all. False if one failed or had to be terminated."""
        services = self.start(ids)
        await self._rest_of(services)
        return all(service.error is None for service in services)

    def family(self, apart_from: Container[str]) -> set[str]:
        """The PIDs of all services, and of what they monitor or are linked to, and so on."""
        pending: list[Peer] = [one.process for one in self.all if one.process is not None]
        found = {process.pid for process in pending}
        while pending:
            process = pending.pop()
            for ties in (process.links, process.monitoring):
                for pid, other in (ties or {}).items():
                    if pid not in found and pid not in apart_from:
                        found.add(pid)
                        pending.append(other)
        return found

    def halt(self, grace: float) -> None:
        """Start nothing any more, and stop everything: the node stops."""
        self.held = True
        self.stop(None, "the node is stopping", grace)

    async def rest(self) -> None:
        """Wait until everything has come to rest."""
        await self._rest_of(self.all)

    async def _rest_of(self, services: list[Service]) -> None:
        await self._until(services, lambda: all(service.at_rest for service in services))

    async def _until(self, services: list[Service], enough: Callable[[], bool]) -> None:
        while not enough():
            await _Change(self._kernel.scheduler).of(services, self)


class _Change:
    """The wait for the next change of some services."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._strand: Strand = scheduler.strand()
        self._awaited: list[Service] = []
        self._settled = False

    async def of(self, services: list[Service], keeper: Services) -> None:
        """Wait for it."""
        self._awaited = services
        keeper.watchers.append(self._look)
        try:
            await park(self._strand, self)
        finally:
            keeper.watchers.remove(self._look)

    def _look(self, service: Service) -> None:
        if service in self._awaited and not self._settled:
            self._settled = True
            self._strand.wake(None)

    def withdraw(self, strand: object) -> None:
        """The one who waits was interrupted."""
        self._settled = True

    def restore(self, value: object, turn: object = None) -> None:
        """The same, a moment too late."""
