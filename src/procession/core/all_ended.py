"""Waiting until all that is about to end has ended: nothing of it is in the way of what comes next.

When a supervisor is killed, its children die with it: they are linked. But they may be in other
places, which hear of it later than the one that restarts the supervisor, and they may clean up for
a while. Whoever started the new ones at once would find names, ports and files still taken.

    here         an AllEnded is queued behind all that is ready, so that who has just heard that
                 its parent has failed acts upon it first. Then it waits for all that are ending
    elsewhere    WAIT_ENDED asks each place to do the same, ALL_ENDED is its answer; all are asked
                 twice. A place that answers once has sent on what had to reach others before.
                 One that is starting is not waited for: nothing has run there yet. But what is to
                 run there may have names already; then it is asked all the same.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from procession.core import links
from procession.core.frames import ALL_ENDED, WAIT_ENDED
from procession.core.pid import parse_pid, place_of
from procession.core.scheduler import Strand

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.event import Event
    from procession.core.exchange import Post
    from procession.core.kernel import Kernel

_ROUNDS = 2


def when_all_ended(kernel: Kernel, then: Callable[[], None]) -> None:
    """Call `then` once all that are ending now, in any place of the node, have ended."""
    if kernel.exchange is None:
        AllEnded(kernel, then)
    else:
        kernel.exchange.endings.ask(then)


class AllEnded(Strand):
    """Calls `then` once all have ended, in this place, that are ending when its turn comes."""

    __slots__ = ("_kernel", "_left", "_then")

    def __init__(self, kernel: Kernel, then: Callable[[], None]) -> None:
        super().__init__(kernel.scheduler)
        self._kernel = kernel
        self._then = then
        self._left = 0
        self.wake(None)

    def step(self) -> None:
        """Look who is ending."""
        kernel = self._kernel
        known = {*kernel.leaving, *kernel.lane.doomed}
        ending = [  # or it is cleaning up
            one for one in kernel.local_processes() if one in known or one.ending
        ]
        self._left = len(ending)
        for process in ending:
            links.watch(self, process)
        if not ending:
            self._then()

    def down(self, exit: Event) -> None:
        """One of them has ended."""
        self._left -= 1
        if not self._left:
            self._then()


class EndingsElsewhere:
    """The waits that a place asks the others for, and is asked for.

    `places` are those others, and `starting` those of them where nothing can have run yet.
    """

    def __init__(self, kernel: Kernel, post: Post, places: set[int], starting: set[int]) -> None:
        self._kernel = kernel
        self._post = post
        self._places = places
        self._starting = starting
        self._numbers = count(1)
        self._asked: dict[int, _Everywhere] = {}

    def ask(self, then: Callable[[], None]) -> None:
        """Call `then` once all that are ending now, in any place, have ended."""
        _Everywhere(self, then, _ROUNDS).ask()

    def begin(self, everywhere: _Everywhere) -> set[int]:
        """Ask all other places where something may be ending; gives them."""
        number = next(self._numbers)
        self._asked[number] = everywhere
        everywhere.number = number
        asked = self._places - (self._starting - self._homes_of_names())
        for place in asked:
            self._post.post(place, (WAIT_ENDED, number))
        return asked

    def _homes_of_names(self) -> set[int]:
        if not self._starting:
            return set()
        owners = [parse_pid(pid) for _, pid in self._kernel.names.items()]
        return {place_of(owner.serial) for owner in owners if owner is not None}

    def here(self, then: Callable[[], None]) -> None:
        """Do the same in this place."""
        AllEnded(self._kernel, then)

    def finished(self, everywhere: _Everywhere) -> None:
        """All places have answered."""
        del self._asked[everywhere.number]

    def on_wait_ended(self, place: int, number: int) -> None:
        """Another place asks."""
        AllEnded(self._kernel, lambda: self._post.post(place, (ALL_ENDED, number)))

    def on_all_ended(self, place: int, number: int) -> None:
        """Another place answers."""
        asked = self._asked.get(number)
        if asked is not None:
            asked.heard(place)

    def place_down(self, place: int) -> None:
        """A place is lost: with it all that it had."""
        for asked in list(self._asked.values()):
            asked.heard(place)


_HERE = -1


class _Everywhere:
    """One wait in all places, so many times."""

    def __init__(self, endings: EndingsElsewhere, then: Callable[[], None], rounds: int) -> None:
        self._endings = endings
        self._then = then
        self._rounds = rounds
        self._missing: set[int] = set()
        self.number = 0

    def ask(self) -> None:
        """Begin a round."""
        self._missing = {*self._endings.begin(self), _HERE}
        self._endings.here(lambda: self.heard(_HERE))

    def heard(self, place: int) -> None:
        """A place has answered, or is lost."""
        self._missing.discard(place)
        if self._missing:
            return
        self._endings.finished(self)
        self._rounds -= 1
        if self._rounds:
            self.ask()
        else:
            self._then()
