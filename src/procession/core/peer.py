"""A process as all others see it, wherever it runs: what may be done to it, and nothing else.

`Process` is one that runs here, `RemoteProcess` the stand-in for one that runs in another place.
The kernel, links, names and calls know both only by this protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.errors import Error
    from procession.core.event import Event
    from procession.core.message import ReplyTo


class Watcher(Protocol):
    """Who wants to know how a process ends: a process that monitors it, a caller, a node."""

    def down(self, exit: Event, /) -> None:
        """The process has ended. Called once, after its PID and names are free."""


class Receiver(Protocol):
    """Where messages for a process go."""

    def deliver(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None, /
    ) -> None:
        """Take in a message, already copied. Raises LimitExceeded if there is no room for it."""


class Peer(Protocol):
    """A process, here or elsewhere.

    The ties are None until the first is made. Links are symmetric: `b.pid in a.links` just when
    `a.pid in b.links`. Likewise `b.pid in a.monitoring` just when `a` is among the watchers of `b`.
    The first watcher has a slot of its own: most processes have one, and it spares them a dict.
    """

    pid: str
    entry: str
    links: dict[str, Peer] | None
    monitoring: dict[str, Peer] | None
    watcher: Watcher | None
    more_watchers: dict[Watcher, None] | None
    names: dict[str, bool] | None
    """Its names; True: it only keeps the name, for a process that it restarts."""

    @property
    def away(self) -> bool:
        """Whether it runs in another place."""

    @property
    def alive(self) -> bool:
        """Whether nothing is known of its end here."""

    @property
    def ending(self) -> bool:
        """Whether it is known here that its end is decided, and that it cleans up."""

    @property
    def mailbox(self) -> Receiver:
        """Where its messages go."""

    @property
    def _mailbox(self) -> Receiver | None:
        """The same, if it has been needed before: for those who cannot afford the call."""

    def down(self, exit: Event, /) -> None:
        """A process that it monitors has ended; or one that it is linked to, and it traps."""

    def link_down(self, exit: Event, /) -> None:
        """A process that it was linked to has ended; with an error, or the two are only untied."""

    def link_failing(self, exit: Event, /) -> bool:
        """A process that it is linked to is going to fail: so does it, and is untied, or it traps.

        True if it takes note of that now, and does not wait for the end.
        """

    def linked(self, one: Peer, /) -> None:
        """It was linked to another one, at this end."""

    def unlinked(self, one: Peer, /) -> None:
        """The link to another one was undone, at this end."""

    def doom(self, error: Error, cleanup: float | None = None, /) -> None:
        """End it with `error`, at its next wait and before any other process runs.

        Its clean-up takes no longer than `cleanup` seconds, and than its host allows.
        """

    def when_waiting(self, then: Callable[[], None], /) -> None:
        """Call `then` when it has come to its first wait, unless it ends before."""

    def ask_to_stop(
        self, sender: str | None, reason: str | None, deadline: float | None, or_end: bool, /
    ) -> None:
        """Give it CANCEL; after `deadline` seconds, if that is not None, it is terminated.

        With `or_end` it is terminated so early that it has ended by then, cleaned up; and at once
        if it has never asked for its events.
        """

    def ask_ready(self, reply_to: ReplyTo, /) -> None:
        """Have `reply_to` answered once it has said that it is ready: see Readiness."""
