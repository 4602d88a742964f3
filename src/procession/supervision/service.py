"""Services: the processes that a manifest wants to be kept running.

    stopped -> starting -> running -> exited                   main has returned
                  ^  |        |  \\--> stopping -> stopped      as asked
                  |  v        v
                  (back-off)  failed                           no more restarts

A service is starting while it waits for what it requires, for its back-off, and for its process to
come to its first wait; with `ready`, to call `process.ready()`. It requires other services: they
run (or have exited normally, as a job that sets something up) before it starts, and it has stopped
before they are stopped. A service that fails for good takes those that require it with it.

It is driven by the events of the kernel and by its timers, and so runs in virtual time as well.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from procession.core import links
from procession.core.duration import seconds
from procession.core.errors import (
    Conflict,
    Error,
    Internal,
    Invalid,
    NotFound,
    PermissionDenied,
    ProcessTerminated,
    Timeout,
    Unavailable,
    did_you_mean,
)
from procession.manifest.resolve import required_services, start_order
from procession.supervision.observer import STARTING, Ready, Watch
from procession.supervision.restart import Attempts, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from procession.core.duration import Duration
    from procession.core.event import Event
    from procession.core.kernel import Kernel
    from procession.core.peer import Peer
    from procession.core.timers import Timer
    from procession.manifest.entry import ServiceEntry
    from procession.manifest.loader import Manifest

log = logging.getLogger("procession.service")

RUNNING = "running"
STOPPING = "stopping"
STOPPED = "stopped"
EXITED = "exited"
FAILED = "failed"

AT_REST = (STOPPED, EXITED, FAILED)
"""Nothing happens any more, unless it is started."""

_HOPELESS = (Invalid, NotFound, PermissionDenied)
"""To spawn again what was refused so is refused again."""


class Service:
    """One service, as it stands."""

    def __init__(self, entry: ServiceEntry) -> None:
        lifecycle = entry.lifecycle
        options = msgspec.structs.asdict(lifecycle.restart)
        self.entry = entry
        self.id = entry.id
        self.policy = RestartPolicy(**options, stable_threshold=lifecycle.stable_threshold)
        self.attempts = Attempts(self.policy)
        self.state = STOPPED
        self.error: Error | None = None
        """Why it failed last, or that it had to be terminated."""
        self.process: Peer | None = None
        self.pid: str | None = None
        """Of its process, also when that has ended."""
        self.requires: list[Service] = []
        self.dependents: list[Service] = []
        self.timer: Timer | None = None
        """The back-off, the start that is due, or the limit of the start."""
        self.question: Ready | None = None
        """Whether its process is ready: asked, and held here until it is answered."""
        self.halt: _Halt | None = None
        """Why it is to be stopped, once no dependent runs any more."""

    @property
    def keeper(self) -> str:
        """As whom it keeps the name of its process while that is restarted."""
        return f"service {self.id}"

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens any more unless it is started."""
        return self.state in AT_REST

    @property
    def waits(self) -> bool:
        """Whether something that it requires does not run yet, or not any more."""
        return any(one.state not in (RUNNING, EXITED) for one in self.requires)

    def statistics(self) -> dict[str, Any]:
        """What is to be seen of it from outside."""
        return {
            "id": self.id,
            "state": self.state,
            "pid": None if self.process is None else self.process.pid,
            "attempts": self.attempts.count,
            "error": None if self.error is None else self.error.to_dict(),
        }

    def __repr__(self) -> str:
        return f"<Service {self.id} {self.state}>"


class _Halt:
    """An order to stop. With an `error`, it has failed because of what it requires."""

    def __init__(self, reason: str, until: float, error: Error | None) -> None:
        self.reason = reason
        self.until = until
        self.error = error


class Services:
    """The services of a manifest. `chance` gives numbers from 0 to 1, for the jitter.

    `watchers` are called with each service whose state has changed.
    """

    def __init__(self, kernel: Kernel, manifest: Manifest, chance: Callable[[], float]) -> None:
        self._kernel = kernel
        self._chance = chance
        self._now = kernel.scheduler.clock.monotonic
        self._services = {entry.id: Service(entry) for entry in start_order(manifest)}
        for service in self._services.values():
            for id in required_services(service.entry, self._services):
                service.requires.append(self._services[id])
                self._services[id].dependents.append(service)
        self._settled: deque[Service] = deque()
        self._settling = False
        self.held = False
        """Set to have nothing started any more; also by a signal handler."""
        self.watchers: list[Callable[[Service], None]] = []

    def __getitem__(self, id: str) -> Service:
        """A service by its id. Raises NotFound."""
        try:
            return self._services[id]
        except KeyError:
            hint = did_you_mean(id, self._services)
            raise NotFound(f"service not found: {id!r}{hint}") from None

    def statistics(self) -> list[dict[str, Any]]:
        """Each service, after those that it requires."""
        return [service.statistics() for service in self._services.values()]

    def with_requirements(self, ids: Iterable[str]) -> list[Service]:
        """These services and all that they require, in the order of their start."""
        return self._closure(ids, lambda service: service.requires)

    def with_dependents(self, ids: Iterable[str]) -> list[Service]:
        """These services and all that require them, in the order of their start."""
        return self._closure(ids, lambda service: service.dependents)

    def _closure(
        self, ids: Iterable[str], neighbours: Callable[[Service], list[Service]]
    ) -> list[Service]:
        pending = [self[id] for id in ids]
        found = set()
        while pending:
            service = pending.pop()
            if service.id not in found:
                found.add(service.id)
                pending += neighbours(service)
        return [service for id, service in self._services.items() if id in found]

    @property
    def all(self) -> list[Service]:
        """Every service, after those that it requires."""
        return list(self._services.values())

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens any more."""
        return all(service.at_rest for service in self._services.values())

    # -- what can be asked for -----------------------------------------------------------------

    def start(self, ids: Iterable[str]) -> list[Service]:
        """Start services, after all that they require; gives all of these.

        One that runs goes on, one that has come to rest gets all its attempts again. Raises
        NotFound, Conflict for one that is being stopped, Unavailable once the node stops.
        """
        services = self.with_requirements(ids)
        if self.held:
            raise Unavailable("the node is stopping", retryable=True)
        for service in services:
            if service.halt is not None:
                raise Conflict(f"service {service.id} is being stopped", retryable=True)
        wanted = [service for service in services if service.at_rest]
        for service in wanted:
            service.error = None
            service.attempts = Attempts(service.policy)
            self._change(service, STARTING, "starting")
        for service in wanted:
            self._proceed(service)
        return services

    def stop(
        self,
        ids: Iterable[str] | None = None,
        reason: str = "the service is stopped",
        within: Duration | None = None,
    ) -> list[Service]:
        """Stop services (None: all), those that require them first; gives all of these.

        Each may take as long as its `stop_timeout`, and all together no longer than `within`.
        """
        services = self.with_dependents(self._services if ids is None else ids)
        until = float("inf") if within is None else self._now() + seconds(within)
        self._order_halt(services, _Halt(reason, until, None))
        return services

    def abandon(self) -> None:
        """The node has ended: whatever was not heard of before never will be."""
        for service in reversed(self.all):
            if not service.at_rest:
                self._drop_timer(service)
                service.process = None
                service.error = service.error or Unavailable("the node has stopped without it")
                self._rest(service, STOPPED)

    # -- starting ----------------------------------------------------------------------------

    def _proceed(self, service: Service) -> None:
        """Start it, if nothing stands in the way any more."""
        if service.state != STARTING or service.process or service.timer or service.halt:
            return
        for required in service.requires:
            if required.state == FAILED:
                service.error = _unavailable(required)
                self._rest(service, FAILED)
                return
        if not service.waits:
            self._set_timer(service, 0, self._spawn)

    def _set_timer(self, service: Service, delay: float, then: Callable[[Service], None]) -> None:
        def ring() -> None:
            service.timer = None
            then(service)

        service.timer = self._kernel.scheduler.call_later(delay, ring)

    def _drop_timer(self, service: Service) -> None:
        if service.timer is not None:
            service.timer.cancel()
            service.timer = None

    def _spawn(self, service: Service) -> None:
        if self.held:
            self._rest(service, STOPPED)
            return
        if service.waits:  # what it requires has failed in this very moment
            return
        entry = service.entry
        try:
            if entry.register is not None:
                self._kernel.names.keep(entry.register, service.keeper, None)
            process = self._kernel.spawn(
                None,
                entry.process,
                entry.host,
                tuple(entry.input),
                name=entry.register,
                keeper=service.keeper,
            )
        except Error as error:
            self._failed(service, error, hopeless=isinstance(error, _HOPELESS))
            return
        except Exception as exc:
            self._failed(service, Internal(f"{type(exc).__name__}: {exc}"), hopeless=True)
            return
        links.watch(Watch(self, service), process)
        service.process = process
        service.pid = process.pid
        self._set_timer(service, entry.lifecycle.start_timeout, self._too_late)
        if entry.ready:
            service.question = Ready(self, service)
            process.ask_ready(service.question)
        else:
            process.when_waiting(lambda: self._started(service, process))

    def _started(self, service: Service, process: Peer) -> None:
        if service.process is process and service.state == STARTING:
            self.runs(service)

    def _too_late(self, service: Service) -> None:
        assert service.process is not None
        limit = service.entry.lifecycle.start_timeout
        what = "call process.ready()" if service.entry.ready else "come to its first wait"
        service.process.doom(Timeout(f"it did not {what} within {limit:g}s"))

    def runs(self, service: Service) -> None:
        """Its process has come to its first wait."""
        self._drop_timer(service)
        service.attempts.started(self._now())
        self._change(service, RUNNING, f"started {service.pid}")
        for dependent in service.dependents:
            self._proceed(dependent)

    # -- ends --------------------------------------------------------------------------------

    def ended(self, service: Service, exit: Event) -> None:
        """Its process has ended. Called within the end of the process: it only takes note."""
        error = exit.error
        if service.state == STARTING and error is None:
            if service.entry.ready:
                error = Internal("it ended before it was ready")
            else:
                self.runs(service)  # it ended before it ever waited
        self._drop_timer(service)
        service.process = service.question = None
        if service.halt is not None or self.held:
            service.error = error
            self._rest_halted(service)
        elif error is None:
            service.error = None
            self._rest(service, EXITED)
        else:
            self._failed(service, error)

    def _failed(self, service: Service, error: Error, hopeless: bool = False) -> None:
        service.error = error
        if hopeless or error.retryable is False:
            self._rest(service, FAILED)
            return
        attempt = service.attempts.failed(self._now())
        if attempt is None:
            self._rest(service, FAILED)
            return
        delay = service.policy.delay(attempt, self._chance())
        text = f"failed: {error}; restart {attempt} in {delay:.3g}s"
        self._change(service, STARTING, text, logging.WARNING, delay)
        self._set_timer(service, delay, self._proceed)

    def _rest(self, service: Service, state: str) -> None:
        """It has come to rest: others may have waited for that."""
        service.halt = None
        if service.entry.register is not None:
            self._kernel.names.let_go(service.entry.register, service.keeper)
        error, level = service.error, logging.INFO
        if state == FAILED:
            assert error is not None
            text, level = f"failed: {error}", logging.ERROR
        elif error is None:
            text = state
        else:
            level = logging.WARNING
            terminated = isinstance(error, ProcessTerminated)
            text = "was terminated" if terminated else f"stopped; its last error: {error}"
        self._change(service, state, text, level)
        self._settled.append(service)
        if not self._settling:  # a long chain of services is a loop, and no recursion
            self._settling = True
            try:
                while self._settled:
                    self._tell_others(self._settled.popleft())
            finally:
                self._settling = False

    def _rest_halted(self, service: Service) -> None:
        if service.halt is not None and service.halt.error is not None:
            service.error = service.halt.error
            self._rest(service, FAILED)
        else:
            self._rest(service, STOPPED)

    def _tell_others(self, service: Service) -> None:
        if service.state == EXITED:
            for dependent in service.dependents:
                self._proceed(dependent)
        elif service.state == FAILED and not all(one.at_rest for one in service.dependents):
            error = _unavailable(service)
            others = [one for one in self.with_dependents([service.id]) if one is not service]
            self._order_halt(others, _Halt(error.message, float("inf"), error))
        for required in reversed(service.requires):
            self._try_halt(required)

    # -- stopping ----------------------------------------------------------------------------

    def _order_halt(self, services: list[Service], halt: _Halt) -> None:
        for service in services:
            if service.halt is None and service.state in (STARTING, RUNNING):
                service.halt = halt
            elif service.halt is not None:
                service.halt.until = min(service.halt.until, halt.until)
        for service in reversed(services):
            self._try_halt(service)

    def _try_halt(self, service: Service) -> None:
        """Stop it, if that is its order, and nobody who requires it is left."""
        halt = service.halt
        if halt is None or service.state not in (STARTING, RUNNING):
            return
        if service.process is None:  # it is between two restarts, or waits
            self._drop_timer(service)
            self._rest_halted(service)
            return
        if not all(dependent.at_rest for dependent in service.dependents):
            return
        self._drop_timer(service)
        limit = min(service.entry.lifecycle.stop_timeout, max(0.0, halt.until - self._now()))
        self._change(service, STOPPING, f"stopping: {halt.reason}")
        with suppress(NotFound):  # its end is on its way
            self._kernel.cancel(None, service.process.pid, halt.reason, limit, or_end=limit > 0)

    def _change(
        self,
        service: Service,
        state: str,
        text: str,
        level: int = logging.INFO,
        delay: float | None = None,
    ) -> None:
        service.state = state
        extra = {
            "service": service.id,
            "state": state,
            "pid": service.pid,
            "attempt": service.attempts.count,
            "delay": None if delay is None else round(delay, 3),
        }
        log.log(level, "service %s %s", service.id, text, extra=extra)
        for watcher in self.watchers[:]:
            watcher(service)


def _unavailable(required: Service) -> Unavailable:
    error = None if required.error is None else required.error.to_dict()
    return Unavailable(
        f"it requires {required.id}, which has failed",
        details={"service": required.id, "error": error},
    )
