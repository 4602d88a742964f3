"""Waiting for time to pass, or for nothing but the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.wait import park, woken

if TYPE_CHECKING:
    from procession.core.scheduler import Scheduler


async def pause(scheduler: Scheduler) -> None:
    """Let everyone else who is ready run first."""
    strand = scheduler.strand()
    strand.wake(None)
    await woken(strand, None)


async def sleep(scheduler: Scheduler, seconds: float) -> None:
    """Wait at least so many seconds; zero or less only lets others run."""
    if seconds <= 0:
        await pause(scheduler)
        return
    strand = scheduler.strand()

    def ring() -> None:
        strand.offer(None, timer)

    timer = scheduler.call_later(seconds, ring)
    await park(strand, timer)
