"""A process that runs in another place: another OS process of the node.

A `RemoteProcess` stands for it here. It has what the rest of the core uses of a process, so sends,
monitors, links, calls and names need not know the difference: what is done to it is posted to its
home as a frame. Ties are kept at both ends: here its local watchers and links, at home one
`RemoteWatcher` for all watchers of a place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.message import check_topic

if TYPE_CHECKING:
    from procession.core.errors import Error
    from procession.core.event import Event
    from procession.core.exchange import Exchange
    from procession.core.message import ReplyTo
    from procession.core.process import Process, Watcher


class RemoteProcess:
    """The stand-in for a process at `place`."""

    __slots__ = ("_exchange", "_watcher", "links", "more_watchers", "names", "pid", "place")

    away = True
    monitoring = None
    entry = "a process in another OS process"

    def __init__(self, exchange: Exchange, pid: str, place: int) -> None:
        self._exchange: Exchange | None = exchange
        self.pid = pid
        self.place = place
        self.links: dict[str, Any] | None = None
        self._watcher: Watcher | None = None
        self.more_watchers: dict[Watcher, None] | None = None
        self.names: dict[str, None] | None = None

    @property
    def alive(self) -> bool:
        """Whether nothing is known of its end here."""
        return self._exchange is not None

    @property
    def tied(self) -> bool:
        """Whether anybody here wants to hear of its end."""
        return bool(self._watcher or self.more_watchers or self.links or self.names)

    # -- as a mailbox --------------------------------------------------------------------------

    @property
    def mailbox(self) -> RemoteProcess:
        """Itself: a message to it is posted."""
        return self

    _mailbox = mailbox

    def deliver(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None
    ) -> None:
        """Hand a message to the link that leads there. SEMANTICS 6.9."""
        check_topic(topic)
        if self._exchange is not None:
            self._exchange.send(self, sender, topic, payload, reply_to)

    # -- ties ----------------------------------------------------------------------------------

    @property
    def watcher(self) -> Watcher | None:
        """The first watcher here; when there is one, its home is asked to tell of its end."""
        return self._watcher

    @watcher.setter
    def watcher(self, watcher: Watcher | None) -> None:
        before, self._watcher = self._watcher, watcher
        if self._exchange is not None and not self.more_watchers:
            if before is None and watcher is not None:
                self._exchange.watch(self)
            elif watcher is None and before is not None:
                self._exchange.unwatch(self)

    def linked(self, one: Process) -> None:
        """A process here was linked to it."""
        if self._exchange is not None:
            self._exchange.link(self, one)

    def unlinked(self, one: Process) -> None:
        """The link is undone."""
        if self._exchange is not None:
            self._exchange.unlink(self, one)

    def link_down(self, exit: Event) -> None:
        """A process here that was linked to it has ended; with an error, or it is only untied."""
        if self._exchange is not None:
            self._exchange.link_down(self, exit)

    # -- ending --------------------------------------------------------------------------------

    def doom(self, error: Error) -> None:
        """Have its home end it."""
        if self._exchange is not None:
            self._exchange.doom(self, error)

    def cancel(self, sender: str | None, reason: str | None, deadline: float | None) -> None:
        """Have its home ask it to stop."""
        if self._exchange is not None:
            self._exchange.cancel(self, sender, reason, deadline)

    def gone(self) -> None:
        """It has ended: nothing more is posted."""
        self._exchange = None

    def __repr__(self) -> str:
        return f"<RemoteProcess {self.pid} at {self.place}>"


class RemoteWatcher:
    """Somebody at another place watches a process here."""

    __slots__ = ("_exchange", "pid", "place", "process")

    def __init__(self, exchange: Exchange, place: int, process: Process) -> None:
        self._exchange = exchange
        self.place = place
        self.process = process
        self.pid = process.pid

    def down(self, exit: Event) -> None:
        """It has ended."""
        self._exchange.tell_exit(self, exit)


class RemoteCaller:
    """Somebody at another place waits for the reply to a call."""

    __slots__ = ("_call", "_exchange", "_place")

    def __init__(self, exchange: Exchange, place: int, call: int) -> None:
        self._exchange: Exchange | None = exchange
        self._place = place
        self._call = call

    def answer(self, reply: Any) -> bool:
        """Post the reply; False if there was one before."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return False
        exchange.reply(self._place, self._call, reply)
        return True
