"""Links and monitors: who learns that a process has ended. SEMANTICS 9.

A monitor is one-way and tells of every end; a link is two-way and tells of failures. `sever` is
the only place where a process that ends leaves the ties of others, so none dangles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import AlreadyExists

if TYPE_CHECKING:
    from procession.core.event import Event
    from procession.core.peer import Peer, Watcher


def watch(watcher: Watcher, target: Peer) -> None:
    """Have `watcher` told how `target` ends. It may watch the same target once."""
    if target.watcher is None:
        target.watcher = watcher
    else:
        if target.more_watchers is None:
            target.more_watchers = {}
        target.more_watchers[watcher] = None


def unwatch(watcher: Watcher, target: Peer) -> None:
    """Undo a watch, if it still stands."""
    if target.watcher is watcher:
        target.watcher = None
    elif target.more_watchers:
        target.more_watchers.pop(watcher, None)


def monitor(process: Peer, target: Peer) -> None:
    """Have an EXIT event sent to `process` when `target` ends. Raises AlreadyExists."""
    if process.monitoring is None:
        process.monitoring = {}
    elif target.pid in process.monitoring:
        raise AlreadyExists(f"{target.pid} is already monitored")
    process.monitoring[target.pid] = target
    if target.watcher is None:  # as `watch` does, without the call: every monitored spawn is here
        target.watcher = process
    else:
        watch(process, target)


def unmonitor(process: Peer, pid: str) -> None:
    """Undo a monitor, if it still stands."""
    if process.monitoring:
        target = process.monitoring.pop(pid, None)
        if target is not None:
            unwatch(process, target)


def link(one: Peer, other: Peer) -> None:
    """Tie two processes; again, or to itself, does nothing."""
    if one is other:
        return
    if one.links is None:
        one.links = {}
    if other.links is None:
        other.links = {}
    one.links[other.pid] = other
    other.links[one.pid] = one
    if other.away:
        other.linked(one)


def unlink(one: Peer, pid: str) -> None:
    """Undo a link, if it still stands."""
    if one.links:
        other = one.links.pop(pid, None)
        if other is not None:
            assert other.links is not None
            del other.links[one.pid]
            if other.away:
                other.unlinked(one)


def spread(process: Peer, exit: Event) -> bool:
    """Tell all that are linked to a process that it is going to fail. True if any took note.

    Those that fail by it are untied: `sever` tells only the others, when it has ended.
    """
    peers = list((process.links or {}).values())
    return bool([peer for peer in peers if peer.link_failing(exit)])


def sever(process: Peer, exit: Event) -> bool:
    """Untie a process that has ended and tell whom it concerns; True if that was anybody.

    First EXIT to every monitor, then, if it failed, LINK_DOWN to every link (SEMANTICS 7.2, 8.4).
    """
    if process.monitoring:
        for target in process.monitoring.values():
            unwatch(process, target)
        process.monitoring = None
    watcher, more_watchers, links = process.watcher, process.more_watchers, process.links
    process.watcher = process.more_watchers = process.links = None
    if watcher is not None:
        watcher.down(exit)
    for another in more_watchers or ():
        another.down(exit)
    if links:
        for peer in links.values():
            assert peer.links is not None
            del peer.links[process.pid]
        for peer in links.values():
            if exit.error is not None or peer.away:  # its home has to untie the two
                peer.link_down(exit)
    return bool(watcher or more_watchers or (links and exit.error is not None))
