"""The arithmetic of restarts: how long to wait, and when to give up. It has no clock of its own.

A service is restarted by a `RestartPolicy`: again and again, with a delay that grows. The child of
a supervisor is restarted at once, but only so often: a `RestartWindow` counts, as in OTP.
"""

from __future__ import annotations

from collections import deque

from procession.manifest.entry import RestartOptions


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
