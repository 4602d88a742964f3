"""Events for everybody who has subscribed to them, in whatever place: the bus between places.

A place tells the others when it has its first subscriber, and when it has none any more, so that
events go only where somebody wants them. What one process publishes arrives in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.errors import Error, LimitExceeded
from procession.core.frames import EVENT, INTEREST

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.exchange import Post

Event = dict[str, Any]


class EventRelay:
    """The bus of one place, towards the others. `places` are those that are up."""

    def __init__(self, post: Post, places: set[int], on_lost: Callable[[str, Error], None]) -> None:
        self._post = post
        self._places = places
        self._on_lost = on_lost
        self._deliver: Callable[[Event], int] | None = None
        self._interested: dict[int, None] = {}

    def publish(self, event: Event) -> None:
        """Hand an event to all other places that want events. Raises Invalid if it is too long."""
        for place in self._interested:
            self._post.post(place, (EVENT, event))

    def attend(self, deliver: Callable[[Event], int] | None) -> None:
        """Have the events of other places delivered here; None: nobody here wants any.

        `deliver` gives the number of subscribers that had no room.
        """
        if (deliver is None) is not (self._deliver is None):
            for place in self._places:
                self._post.post(place, (INTEREST, deliver is not None))
        self._deliver = deliver

    def place_up(self, place: int) -> None:
        """Tell a new place what it has to know."""
        if self._deliver is not None:
            self._post.post(place, (INTEREST, True))

    def place_down(self, place: int) -> None:
        """A place is lost."""
        self._interested.pop(place, None)

    def on_interest(self, place: int, interested: bool) -> None:
        """Another place begins, or ceases, to want events."""
        if interested:
            self._interested[place] = None
        else:
            self._interested.pop(place, None)

    def on_event(self, place: int, event: Event) -> None:
        """An event from another place."""
        lost = 0 if self._deliver is None else self._deliver(event)
        if lost:
            error = LimitExceeded(f"{lost} are too far behind for an event of {event['from']}")
            self._on_lost(f"subscribers to {event['system']!r}", error)
