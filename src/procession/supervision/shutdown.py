"""The end of a node, as far as it is a matter of order: who is asked, and who waits for whom.

What uses services may have to end before they do: `end_before_services`. A service is more than its
process: it also is what that process monitors or is linked to, and so on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from procession.core import links
from procession.core.process import terminated
from procession.supervision.supervisor import supervised

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from procession.core.event import Event
    from procession.core.kernel import Kernel
    from procession.core.peer import Peer
    from procession.hosts.os_workers import OsWorkers
    from procession.supervision.keeper import Keeper

_SHARE_TO_TELL = 0.25


class Drained:
    """A future that is done once all of some processes have ended."""

    def __init__(self, processes: Collection[Peer]) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = len(processes)
        for process in processes:
            links.watch(self, process)
        if not processes:
            self.future.set_result(None)

    def down(self, exit: Event) -> None:
        """One of them has ended."""
        self._left -= 1
        if not self._left and not self.future.done():
            self.future.set_result(None)


def ask_to_stop(
    kernel: Kernel, processes: Collection[Peer], others_do: Container[str], patience: float
) -> None:
    """Send CANCEL to processes, but not to those whose supervisors will: `others_do`."""
    for process in processes:
        if process.pid not in others_do:
            kernel.cancel(None, process.pid, "the node is stopping", patience, or_end=True)


async def all_supervised(
    kernel: Kernel, workers: OsWorkers | None, entries: Mapping[str, Any], timeout: float
) -> set[str]:
    """The PIDs of all that their supervisors will stop, within `timeout`.

    Workers have a part of it to tell theirs: one that is busy must not use up the time of all.
    """
    found = supervised(kernel.local_processes(), entries)
    if workers is not None and timeout > 0:
        limit = timeout * _SHARE_TO_TELL
        for pids in (await workers.ask_all("supervised", limit)).values():
            found.update(pids or ())
    return found


async def end_before_services(
    kernel: Kernel,
    keeper: Keeper,
    executed: Mapping[str, Peer],
    others_do: Container[str],
    patience: float,
    down: asyncio.Future[None],
) -> None:
    """End what is no part of a service, and wait for its end; `patience` is how long it may take.

    Of the processes elsewhere, those that are `executed` from outside of processes. Whatever is
    tied to them is no part of a service for that. Once `down` is done, nothing is waited for.
    """
    family = keeper.family(apart_from=executed)
    processes: list[Peer] = [one for one in kernel.local_processes() if one.pid not in family]
    processes += [one for one in executed.values() if one.away]
    waits = [Drained(processes).future, down]
    if patience > 0:
        ask_to_stop(kernel, processes, others_do, patience)
        await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    for process in processes:
        if process.alive:
            process.doom(terminated(), 0 if patience > 0 else None)
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
