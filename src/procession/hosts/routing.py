"""The parent's switchboard: batches from worker to worker, unread, and the parent's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.exchange import Exchange
from procession.core.frames import PARENT
from procession.hosts import wire
from procession.hosts.frame_check import check_frames
from procession.hosts.link import Link
from procession.hosts.names import ParentNames
from procession.hosts.places import Places, log_lost

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from procession.hosts.inline import InlineDriver

_HIGH, _LOW = 64 << 20, 16 << 20
"""Bytes waiting for one worker at which the others are not read, and are read again."""

_LOOK_AGAIN = 0.01


class Router:
    """The links to all workers, and what goes over them."""

    def __init__(
        self,
        driver: InlineDriver,
        loop: asyncio.AbstractEventLoop,
        on_control: Callable[..., None],
    ) -> None:
        self._driver = driver
        self._loop = loop
        self._links: dict[int, Link] = {}
        self.places = Places(PARENT, driver, self._links.get)
        self.exchange = Exchange(driver.kernel, PARENT, self.places, log_lost, on_control)
        driver.kernel.settle(self.exchange)
        driver.kernel.names = ParentNames(self._publish)
        driver.after_run += [self.exchange.credit.settle, self.places.flush]

    def open(
        self, place: int, on_heard: Callable[[], None], on_closed: Callable[[Any], None]
    ) -> Link:
        """A link to a new place. What is written to it waits until it is connected."""

        def on_batch(dest: int, origin: int, body: bytes) -> None:
            on_heard()
            self._route(place, dest, origin, body)

        link = Link(self._loop, on_batch, self._driver.receive, self._driver.is_idle, on_closed)
        self._links[place] = link
        return link

    def forget(self, place: int) -> None:
        """A place is down."""
        self._links.pop(place, None)
        self.places.forget(place)

    def tell_all(self, what: str, *args: Any, but: int | None = None) -> None:
        """Say something to every place, but for one."""
        for place in self._links:
            if place != but:
                self.places.control(place, what, *args)

    def _publish(self, name: str, pid: str | None) -> None:
        self.tell_all("name", name, pid)

    def _route(self, place: int, dest: int, origin: int, body: bytes) -> None:
        if origin != place:
            raise wire.WireError(f"a batch in the name of {origin} from {place}")
        if dest == PARENT:
            frames = wire.decode(body)
            check_frames(PARENT, origin, frames)
            try:
                self.exchange.receive(origin, frames)
            except (TypeError, LookupError, AssertionError) as error:
                raise wire.WireError(f"a frame that makes no sense: {error}") from None
            return
        link = self._links.get(dest)
        if link is not None:
            # What an earlier batch of this worker made the parent say, such as that a name is
            # free, goes first: whoever reads this one may have seen the end of its owner.
            self.places.flush()
            link.write(wire.forward(dest, origin, body))
            if link.waiting_bytes > _HIGH:
                self._links[place].pause(True)
                self._loop.call_later(_LOOK_AGAIN, self._resume, place, dest)

    def _resume(self, place: int, dest: int) -> None:
        slow, link = self._links.get(dest), self._links.get(place)
        if slow is not None and slow.waiting_bytes > _LOW:
            self._loop.call_later(_LOOK_AGAIN, self._resume, place, dest)
        elif link is not None:
            link.pause(False)
