"""The arithmetic of restarts: how long to wait, and when to give up. It has no clock of its own.

A service is restarted by a `RestartPolicy`: again and again, with a delay that grows. The child of
a supervisor is restarted at once, but only so often: a `RestartWindow` counts, as in OTP.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from procession.core.errors import Unavailable
from procession.core.link_failure import root_of
from procession.manifest.entry import RestartOptions

if TYPE_CHECKING:
    from procession.core.errors import Error


class RestartPolicy(RestartOptions, frozen=True):
    """When a service that has failed is started again, in seconds.

    After `stable_threshold` of running, a failure counts as the first one again.
    """

    stable_threshold: float = 5.0

    def delay(self, attempt: int, chance: float) -> float:
        """How long to wait before the restart number `attempt`, which counts from 1.

        It grows by `backoff_factor` up to `max_delay`. `chance`, from 0 to 1, then takes away up
        to the share `jitter`, so that those who failed together do not all come back together;
        and so that `max_delay` is never exceeded.
        """
        try:
            grown = self.initial_delay * self.backoff_factor ** (attempt - 1)
        except OverflowError:
            grown = self.max_delay
        return min(grown, self.max_delay) * (1.0 - self.jitter * chance)


class Attempts:
    """Counts the restarts of one service since it last ran for long enough."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._running_since: float | None = None
        self.count = 0

    def started(self, now: float) -> None:
        """It runs."""
        self._running_since = now

    def failed(self, now: float) -> int | None:
        """It has failed, before or after it ran. The number of the restart to make, or None."""
        since, self._running_since = self._running_since, None
        if since is not None and now - since >= self._policy.stable_threshold:
            self.count = 0
        if self._policy.max_attempts and self.count >= self._policy.max_attempts:
            return None
        self.count += 1
        return self.count


class RestartWindow:
    """Tells whether there are more than `intensity` restarts within `period` seconds, as OTP does.

    A restart counts until it is older than the period.
    """

    def __init__(self, intensity: int, period: float) -> None:
        self.intensity = intensity
        self.period = period
        self._restarts: deque[float] = deque()

    def exceeded(self, now: float) -> bool:
        """Count one more restart; True if it must not be made."""
        restarts = self._restarts
        while restarts and restarts[0] + self.period < now:
            restarts.popleft()
        restarts.append(now)
        return len(restarts) > self.intensity


class Losses:
    """Tells whether a child died with an OS worker of which another one has told before.

    However many children are lost with it, that is one failure, and so counts as one restart. But
    each of them can be lost with it once: what fails so again and again does it by itself.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._known: dict[tuple[Any, Any], tuple[float, set[object]]] = {}
        """When a worker was first noted, and who was lost with it, by host and OS process."""

    def is_known(self, child: object, error: Error | None, now: float) -> bool:
        """Note the worker that `child` was lost with; True if the worker, but not the child, had
        been noted within the period."""
        worker = None if error is None else lost_worker(error)
        if worker is None:
            return False
        for one in [one for one, (since, _) in self._known.items() if since + self._period < now]:
            del self._known[one]
        if worker not in self._known:
            self._known[worker] = (now, {child})
            return False
        lost = self._known[worker][1]
        if child in lost:
            return False
        lost.add(child)
        return True


def lost_worker(error: Error) -> tuple[Any, Any] | None:
    """The host and number of the OS process that was lost, and that with it; None if none was."""
    kind, details = error.kind, error.details
    root = root_of(error)
    if root is not None:
        kind, details = root["error"].get("kind"), root["error"].get("details")
    if kind != Unavailable.kind or not isinstance(details, dict) or "type" in details:
        return None  # with a type, it was raised by the process itself
    host, os_pid = details.get("host"), details.get("os_pid")
    return None if os_pid is None else (host, os_pid)
