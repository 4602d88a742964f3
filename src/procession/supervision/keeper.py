"""The services of a node, for those who wait: until they run, until they have come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.supervision.service import FAILED, RUNNING, Service, Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

    async def stop_one(self, id: str) -> None:
        """Stop a service and what requires it; wait for their end."""
        await self._rest_of(self.stop([id]))

    async def run(self, ids: Iterable[str]) -> bool:
        """Start services; wait for the end of all. False if one failed or had to be terminated."""
        services = self.start(ids)
        await self._rest_of(services)
        return all(service.error is None for service in services)

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
            await self._strand.park(self)
        finally:
            keeper.watchers.remove(self._look)

    def _look(self, service: Service) -> None:
        if service in self._awaited and not self._settled:
            self._settled = True
            self._strand.wake(None)

    def withdraw(self, strand: object) -> None:
        """The one who waits was interrupted."""
        self._settled = True

    def restore(self, value: object, turn: int = 0) -> None:
        """The same, a moment too late."""
