"""A process that runs in another place: another OS process of the node.

A `RemoteProcess` stands for it here. It has what the rest of the core uses of a process, so sends,
monitors, links, calls and names need not know the difference: what is done to it is posted to its
home as a frame. Ties are kept at both ends: here its local watchers and links, at home one
`RemoteWatcher` for all watchers of a place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from procession.core.errors import Invalid
from procession.core.frames import CANCEL, DOOM, LINK, LINK_FAILING, LOOK, UNLINK, UNWATCH, WATCH
from procession.core.message import check_topic
from procession.core.pid import parse_pid
from procession.core.readiness import READY
from procession.core.refusal import mailbox_full, too_heavy
from procession.core.weight import units_of, weigh

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.errors import Error
    from procession.core.event import Event
    from procession.core.exchange import Exchange
    from procession.core.message import ReplyTo
    from procession.core.peer import Peer, Watcher
    from procession.core.process import Process


class RemoteProcess:
    """The stand-in for a process at `place`, whose mailbox holds `limit` messages."""

    __slots__ = (
        "_exchange",
        "_limit",
        "_limit_bytes",
        "_watcher",
        "asked",
        "at_first_wait",
        "credit",
        "entry",
        "links",
        "monitoring",
        "more_watchers",
        "names",
        "pid",
        "place",
    )

    away: ClassVar[bool] = True
    ending: ClassVar[bool] = False

    def __init__(
        self, exchange: Exchange, pid: str, place: int, limit: int, limit_bytes: int
    ) -> None:
        self._exchange: Exchange | None = exchange
        self._limit = limit
        self._limit_bytes = limit_bytes
        self.pid = pid
        self.place = place
        self.entry = "a process in another OS process"
        self.at_first_wait: Callable[[], None] | None = None
        self.credit = limit
        """How many more messages may be sent to it from here: see core/credit.py."""
        self.asked: dict[str, int] | None = None
        """By the PID of a process here: how often its home was asked to tie or untie the two."""
        self.links: dict[str, Peer] | None = None
        self.monitoring: dict[str, Peer] | None = None
        self._watcher: Watcher | None = None
        self.more_watchers: dict[Watcher, None] | None = None
        self.names: dict[str, bool] | None = None

    @property
    def alive(self) -> bool:
        """Whether nothing is known of its end here."""
        return self._exchange is not None

    @property
    def tied(self) -> bool:
        """Whether anything about it is remembered here that its home could not tell again."""
        return bool(
            self._watcher
            or self.more_watchers
            or self.links
            or self.names
            or self.asked
            or self.at_first_wait
            or 2 * self.credit < self._limit
        )

    # -- as a mailbox --------------------------------------------------------------------------

    @property
    def mailbox(self) -> RemoteProcess:
        """Itself: a message to it is posted."""
        return self

    _mailbox = mailbox

    def deliver(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None
    ) -> None:
        """Hand a message to the link that leads there. SEMANTICS 6.8, 6.9.

        Raises LimitExceeded if its mailbox is full, as far as is known here, or too small for it.
        """
        check_topic(topic)
        if self.credit <= 0:
            raise mailbox_full(self._limit, topic)
        if self._exchange is not None:
            units = units_of(payload, self._limit, self._limit_bytes)
            if units > self._limit and (weight := weigh(payload)) > self._limit_bytes:
                parsed = parse_pid(self.pid)
                host_id = "" if parsed is None else parsed.host
                raise too_heavy(weight, 0, self._limit_bytes, host_id, topic)
            self._exchange.send(self, sender, topic, payload, reply_to)
            self.credit -= units

    # -- ties ----------------------------------------------------------------------------------

    @property
    def watcher(self) -> Watcher | None:
        """The first watcher here; when there is one, its home is asked to report its end."""
        return self._watcher

    @watcher.setter
    def watcher(self, watcher: Watcher | None) -> None:
        before = self.watched
        if self._exchange is not None and watcher is None and self.more_watchers:
            watcher, _ = self.more_watchers.popitem()  # so that the last one is always in here
        if self._exchange is not None and watcher is not None and not before:
            self._exchange.ask(self, WATCH)  # first: what waits here must be sure to be told
        self._watcher = watcher
        if self._exchange is not None and before and not self.watched:
            self._exchange.ask(self, UNWATCH)

    @property
    def watched(self) -> bool:
        """Whether its home is asked to report its end, since somebody here waits for that.

        Who waits for its first wait does, too: it may end before.
        """
        return self._watcher is not None or self.at_first_wait is not None

    def linked(self, one: Peer) -> None:
        """A process here was linked to it."""
        if self._exchange is not None:
            self._exchange.links.tie(self, one, LINK)

    def unlinked(self, one: Peer) -> None:
        """The link is undone."""
        if self._exchange is not None:
            self._exchange.links.tie(self, one, UNLINK)

    def down(self, exit: Event) -> None:
        """Nothing: what it monitors is known to its home, which watches it from there."""

    def link_failing(self, exit: Event) -> bool:
        """A process here that was linked to it is going to fail. Its home knows if it traps."""
        if self._exchange is not None:
            self._exchange.links.link_down(self, exit, LINK_FAILING)
        return True

    def link_down(self, exit: Event) -> None:
        """A process here that was linked to it has ended; with an error, or it is only untied."""
        if self._exchange is not None:
            self._exchange.links.link_down(self, exit)

    # -- ending --------------------------------------------------------------------------------

    def doom(self, error: Error, cleanup: float | None = None) -> None:
        """Ask its home to end it."""
        if self._exchange is not None:
            self._exchange.ask(self, DOOM, error, cleanup)

    def ask_to_stop(
        self, sender: str | None, reason: str | None, deadline: float | None, or_end: bool
    ) -> None:
        """Ask its home to give it CANCEL."""
        if self._exchange is not None:
            self._exchange.ask(self, CANCEL, sender, reason, deadline, or_end)

    def ask_ready(self, reply_to: ReplyTo) -> None:
        """Ask its home to say when it is ready."""
        if self._exchange is not None:
            self._exchange.send(self, None, READY, None, reply_to)

    def when_waiting(self, then: Callable[[], None]) -> None:
        """Ask its home to report its first wait. One at a time may want to know."""
        if self._exchange is not None:
            if not self.watched:
                self._exchange.ask(self, WATCH)
            self._exchange.ask(self, LOOK)
        self.at_first_wait = then

    def waits(self) -> None:
        """It has come to its first wait."""
        then, self.at_first_wait = self.at_first_wait, None
        if then is not None:
            if self._exchange is not None and not self.watched:
                self._exchange.ask(self, UNWATCH)
            then()

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
        exchange = self._exchange
        if exchange is None:
            return False
        try:
            exchange.reply(self._place, self._call, reply)
        except Invalid:  # which was told there, too
            self._exchange = None
            raise
        self._exchange = None
        return True
