"""Links between processes in different places. SEMANTICS 9.

Both ends of a link may tie and untie it at the same time. The end with the smaller PID decides:
what the other one asks for counts when it arrives there, and is acknowledged by TIED. Until then
the other end heeds nothing that it hears of this link, since that is older. So both ends agree as
soon as nothing is under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procession.core.errors import Error, Invalid, not_found
from procession.core.event import EXIT, Event
from procession.core.frames import LINK, LINK_DOWN, LINK_FAILING, LINK_REFUSED, TIED, UNLINK, Frame
from procession.core.pid import decides
from procession.core.remote import RemoteProcess

if TYPE_CHECKING:
    from procession.core.exchange import Exchange, Post
    from procession.core.peer import Peer
    from procession.core.process import Process


class RemoteLinks:
    """The links of the processes of one place to those of others."""

    def __init__(self, exchange: Exchange, post: Post) -> None:
        self._exchange = exchange
        self._post = post

    def tie(self, process: RemoteProcess, one: Peer, what: int) -> None:
        """It was linked to a process here, or the link was undone: LINK or UNLINK."""
        if not decides(one.pid, process.pid):
            if process.asked is None:
                process.asked = {}
            process.asked[one.pid] = process.asked.get(one.pid, 0) + 1
        self._post.post(process.place, (what, process.pid, one.pid))

    def link_down(self, process: RemoteProcess, exit: Event, what: int = LINK_DOWN) -> None:
        """A process here that it is linked to has ended; or it is going to, with LINK_FAILING."""
        frame: Frame = (what, process.pid, exit.sender, exit.time, exit.error)
        try:
            self._post.post(process.place, frame)
        except Invalid as error:
            self._post.post(process.place, (*frame[:-1], error))

    def on_link(self, place: int, pid: str, other: str) -> None:
        """LINK: a process there was linked to one here."""
        process = self._exchange.local(pid, place, (LINK, pid, other))
        if process is not None and not process.ending:
            stand_in = self._exchange.find(other)
            if stand_in is None and place in self._exchange.places:
                # It has ended since, which was heard while this frame was held. What has become
                # of the link is still to come: LINK_DOWN, or UNLINK.
                stand_in = RemoteProcess(self._exchange, other, place, 0, 0)
                stand_in.gone()
            if stand_in is not None and self._heeds(process, stand_in):
                for one, two in ((process, stand_in), (stand_in, process)):
                    if one.links is None:
                        one.links = {}
                    one.links[two.pid] = two
            self._acknowledge(place, pid, other)
        elif pid not in self._exchange.unborn:
            self._acknowledge(place, pid, other)
            # One that cleans up has not ended: who monitors it will hear of that, later.
            what = LINK_DOWN if process is None else LINK_REFUSED
            self._post.post(place, (what, other, pid, self._exchange.now(), not_found(pid)))

    def on_unlink(self, place: int, pid: str, other: str) -> None:
        """UNLINK: the link was undone there."""
        process = self._exchange.local(pid, place, (UNLINK, pid, other))
        if process is not None:
            stand_in = self._exchange.stand_in_of(other)
            if stand_in is None or self._heeds(process, stand_in):
                self._untie(process, other)
        if pid not in self._exchange.unborn:
            self._acknowledge(place, pid, other)

    @staticmethod
    def _heeds(process: Process, stand_in: RemoteProcess) -> bool:
        """Whether what the other end says of a link is news."""
        return stand_in.asked is None or process.pid not in stand_in.asked

    def _acknowledge(self, place: int, pid: str, other: str) -> None:
        if decides(pid, other):
            self._post.post(place, (TIED, other, pid))

    def on_tied(self, place: int, pid: str, other: str) -> None:
        """TIED: what was asked for has been done there."""
        stand_in = self._exchange.stand_in_of(other)
        if stand_in is not None and stand_in.asked and pid in stand_in.asked:
            stand_in.asked[pid] -= 1
            if not stand_in.asked[pid]:
                del stand_in.asked[pid]

    def _untie(self, process: Process, other: str) -> bool:
        stand_in = process.links.pop(other, None) if process.links else None
        if stand_in is None:
            return False
        if stand_in.links:
            stand_in.links.pop(process.pid, None)
        return True

    def on_link_down(
        self, place: int, pid: str, other: str, time: float, error: Error | None
    ) -> None:
        """LINK_DOWN: the process there has ended; without an error the two are only untied."""
        process = self._exchange.local(pid, place, (LINK_DOWN, pid, other, time, error))
        if process is None:
            return
        exit = Event(EXIT, other, time, None, error)
        stand_in = self._exchange.stand_in_of(other)
        if error is not None and stand_in is not None:
            # All that are tied to it are told, so that EXIT comes first (SEMANTICS 8.4): of a
            # monitor that is younger than the link its home may not have heard in time.
            self._exchange.end(stand_in, exit)
        elif self._untie(process, other) and error is not None:
            process.link_down(exit)

    def on_link_refused(self, place: int, pid: str, other: str, time: float, error: Error) -> None:
        """LINK_REFUSED: the process there cleans up, and cannot be linked to any more."""
        process = self._exchange.local(pid, place, (LINK_REFUSED, pid, other, time, error))
        if process is not None and self._untie(process, other):
            process.link_down(Event(EXIT, other, time, None, error))

    def on_link_failing(
        self, place: int, pid: str, other: str, time: float, error: Error | None
    ) -> None:
        """LINK_FAILING: the process there is going to end with an error, and cleans up."""
        process = self._exchange.local(pid, place, (LINK_FAILING, pid, other, time, error))
        if process is not None and process.links and other in process.links:
            process.link_failing(Event(EXIT, other, time, None, error))
