"""Links and monitors: who learns that a process has ended. SEMANTICS 9.

A monitor is one-way and tells of every end; a link is two-way and tells of failures. `sever` is
the only place where a process that ends leaves the ties of others, so none dangles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import AlreadyExists
from procession.core.stack import check_stack

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
    if target.watcher is None and not target.away:
        target.watcher = process  # as `watch` does, without the call: every monitored spawn is here
    else:
        check_stack()
        watch(process, target)
    process.monitoring[target.pid] = target


def unmonitor(process: Peer, pid: str) -> None:
    """Undo a monitor, if it still stands."""
    if process.monitoring:
        target = process.monitoring.get(pid)
        if target is not None:
            check_stack()
            unwatch(process, target)
            process.monitoring.pop(pid, None)


def link(one: Peer, other: Peer) -> None:
    """Tie two processes; again, or to itself, does nothing."""
    if one is other:
        return
    if other.away:
        check_stack()
    if one.links is None:
        one.links = {}
    if other.links is None:
        other.links = {}
    try:
        one.links[other.pid] = other
        other.links[one.pid] = one
        if other.away:
            other.linked(one)
    except BaseException:
        one.links.pop(other.pid, None)
        other.links.pop(one.pid, None)
        raise


def unlink(one: Peer, pid: str) -> None:
    """Undo a link, if it still stands."""
    if one.links:
        other = one.links.get(pid)
        if other is not None:
            check_stack()
            assert other.links is not None
            other.links.pop(one.pid, None)
            one.links.pop(pid, None)
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
    If it is cut short, it can be called again: whoever has been told is no longer among the ties.
    """
    if process.monitoring:
        for target in process.monitoring.values():
            unwatch(process, target)
        process.monitoring = None
    noticed = False
    watcher, more_watchers, links = process.watcher, process.more_watchers, process.links
    if watcher is not None:
        noticed = True
        watcher.down(exit)
        process.watcher = None
    if more_watchers:
        noticed = True
        # Not each time the first one that is left: it takes a dict ever longer to find that.
        for another in tuple(more_watchers):
            if another in more_watchers:
                another.down(exit)
                more_watchers.pop(another, None)
    if links:
        noticed = noticed or exit.error is not None
        for peer in links.values():
            assert peer.links is not None
            peer.links.pop(process.pid, None)
        for pid, peer in tuple(links.items()):
            if pid in links:
                if exit.error is not None or peer.away:  # its home has to untie the two
                    peer.link_down(exit)
                links.pop(pid, None)
    return noticed
