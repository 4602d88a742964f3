"""The outgoing side of a place: what is posted to the others, sent at the end of a slice."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import LimitExceeded
from procession.core.frames import CONTROL
from procession.core.stack import check_stack
from procession.hosts import wire
from procession.hosts.link import MAX_FRAMES, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.errors import Error
    from procession.hosts.inline import InlineDriver
    from procession.hosts.link import Link

_LARGE = 4 << 20
"""Bytes that are not kept until the end of the slice, so that a full link is noticed before."""

_SIZED = frozenset((str, bytes, msgspec.Raw))

log = logging.getLogger("procession.hosts")


class Places:
    """The posts of one place. `link_to` gives the link that leads to another one, or None.

    With `one_link`, all ways go over the same one: then the order is kept across all places. What
    is posted in a row to one place makes one batch.
    """

    def __init__(
        self,
        place: int,
        driver: InlineDriver,
        link_to: Callable[[int], Link | None],
        *,
        one_link: bool = False,
    ) -> None:
        self.place = place
        self._driver = driver
        self._link_to = link_to
        self._one_link = one_link
        self._boxes: dict[int, Outbox] = {}
        self._full: list[tuple[int, Outbox]] = []
        """With one link: what was posted before the box that is open, in order."""
        self._dirty = False

    def post(self, place: int, frame: tuple[Any, ...]) -> None:
        """Send a frame at the end of the slice. Raises Invalid if a part of it is too long."""
        packed = tuple(map(wire.pack, frame))
        box = self._boxes.get(place) or self._new_box(place)
        box.add(packed)
        box.size += sum(len(part) for part in packed if type(part) in _SIZED)
        if not self._dirty:
            self._mark()
        elif box.size > _LARGE:
            check_stack()  # the sender's: what is taken out of a box must reach the link
            self.flush()

    def control(self, place: int, what: str, *args: Any) -> None:
        """Say something to the place itself."""
        self.post(place, (CONTROL, what, *args))

    def send(self, place: int, dest: str, sender: str | None, topic: str, payload: Any) -> None:
        """Send a message at the end of the slice. Raises if too much waits, or it is too long."""
        box = self._boxes.get(place) or self._new_box(place)
        if box.full:
            self._check_room(place, box)
        if type(payload) is not int:
            payload = wire.pack(payload)
            if type(payload) in _SIZED:
                box.size += len(payload)
        box.add_message(dest, sender, topic, payload)
        if not self._dirty:
            self._mark()
        elif box.count > MAX_FRAMES or box.size > _LARGE:
            check_stack()  # the sender's: what is taken out of a box must reach the link
            self.flush()

    def flush(self) -> None:
        """Send all that was posted."""
        if not self._dirty:
            return
        self._dirty = False
        for place, box in (*self._full, *self._boxes.items()):
            if box.count:
                frames = box.take()
                link = self._link_to(place)
                if link is not None:
                    self._write(link, place, frames)
                    box.full = link.full
        self._full.clear()

    def forget(self, place: int) -> None:
        """A place is down."""
        self._boxes.pop(place, None)

    def check_room(self, place: int) -> None:
        """Raise LimitExceeded if too much waits to be sent to a place."""
        box = self._boxes.get(place)
        if box is not None and box.full:
            self._check_room(place, box)

    def _check_room(self, place: int, box: Outbox) -> None:
        link = self._link_to(place)
        box.full = link is not None and link.full
        if box.full:
            raise LimitExceeded("the link to the other OS process is full", retryable=True)

    def _write(self, link: Link, place: int, frames: list[Any]) -> None:
        try:
            link.write(wire.encode(place, self.place, frames))
        except ValueError as error:
            if len(frames) > 1:
                half = len(frames) // 2
                self._write(link, place, frames[:half])
                self._write(link, place, frames[half:])
            elif len(frames[0]) == 5 and isinstance(frames[0][4], list) and len(frames[0][4]) > 1:
                *head, payloads = frames[0]
                half = len(payloads) // 2
                self._write(link, place, [(*head, payloads[:half])])
                self._write(link, place, [(*head, payloads[half:])])
            else:
                log.error("to %s: not sent: %s", frames[0][1], error)

    def _new_box(self, place: int) -> Outbox:
        if self._one_link and self._boxes:
            self._full += self._boxes.items()
            self._boxes.clear()
        box = self._boxes[place] = Outbox()
        return box

    def _mark(self) -> None:
        self._driver.call_after_run(self.flush)
        self._dirty = True


def log_lost(pid: str, error: Error) -> None:
    """Log what could not be delivered in this place, when its sender was told that it was sent."""
    log.warning("to %s: lost: %s", pid, error.message, extra={"pid": pid})
