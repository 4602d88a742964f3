"""How services hear of their processes: whether one has started, and that it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.core.event import Event
    from procession.supervision.service import Service, Services

STARTING = "starting"


class Watch:
    """Hears of the end of the process of a service."""

    def __init__(self, services: Services, service: Service) -> None:
        self._services = services
        self._service = service

    def down(self, exit: Event) -> None:
        """It has ended."""
        self._services.ended(self._service, exit)


class Ready:
    """What gets the answer of the process of a service that is asked whether it is ready."""

    def __init__(self, services: Services, service: Service) -> None:
        self._services = services
        self._service = service
        self._process = service.process

    def answer(self, reply: object) -> bool:
        """It is, wherever it runs."""
        service = self._service
        if service.process is not self._process or service.state != STARTING:
            return False
        self._services.runs(service)
        return True
