"""What processes in several places were promised, and what was kept: see test_exchange.py."""

from collections import Counter

from tests.core.places import TOO_LONG, Observer

from procession.core.errors import Invalid, NotFound, Unavailable
from procession.core.event import CANCEL, EXIT
from procession.core.frames import CANCEL as CANCEL_FRAME
from procession.core.frames import CREDIT, DOOM, LINK, SPAWN
from procession.core.pid import parse_pid, place_of

LIVING = ("coming", "alive")


def home_of(pid):
    return place_of(parse_pid(pid).serial)


class Ledger(Observer):
    """What was promised, and what was kept. All is known by PIDs."""

    def __init__(self):
        self.state = {}  # coming, alive, ended or lost
        self.actors = {}
        self.truth = {}  # how a process has ended: the ways in which that may be told
        self.told = {}  # the places that watched it when it ended
        self.seen = set()  # (place, PID): a process there has heard of this end
        self.monitors = set()  # (watcher, target)
        self.ties = {}  # by pair: whether the two were linked when all was quiet, and what was done
        self.downs = Counter()  # (receiver, sender) of LINK_DOWN, ever
        self.unlinked = set()  # (one, other): no LINK_DOWN may come any more
        self.accepted, self.received = Counter(), Counter()  # (sender, receiver, topic)
        self.used = Counter()  # (place, PID): credit
        self.calls = {}
        self.replies = {}
        self.cancels, self.canceled = Counter(), Counter()
        self.deadlines, self.doomed = set(), set()
        self.looked, self.waits = set(), Counter()
        self.network = None

    # -- what the places say -----------------------------------------------------------------------

    def born(self, actor):
        assert self.state.get(actor.pid) in (None, "coming")
        self.state[actor.pid] = "alive"
        self.actors[actor.pid] = actor

    def dropped(self, frame):
        if frame[0] == SPAWN:
            self.state[frame[1]] = "lost"
            self.truth[frame[1]] = []
        elif frame[0] == DOOM:
            self.doomed.discard(frame[1])
        elif frame[0] == CANCEL_FRAME:
            self.cancels[frame[1]] -= 1
            self.deadlines.discard(frame[1])

    def place_lost(self, number):
        for pid, state in self.state.items():
            if home_of(pid) == number and state in ("alive", "coming"):
                self.state[pid] = "lost"
                self.truth[pid] = []
                self.forget(pid)

    def forget(self, pid):
        self.monitors = {pair for pair in self.monitors if pair[0] != pid}

    def lost(self, place, pid, error):
        """Its start has failed, of which its creator is told."""
        assert self.state[pid] in ("coming", "ended")
        self.state[pid] = "ended"
        self.truth.setdefault(pid, []).append((None, error))
        self.told.setdefault(pid, set())

    def ending(self, actor, result, error):
        place = self.network.places[home_of(actor.pid)]
        watchers = place.exchange._watchers
        self.told[actor.pid] = {one for pid, one in watchers if pid == actor.pid}
        self.truth[actor.pid] = [(result, error)]
        self.state[actor.pid] = "ended"

    def ended(self, actor):
        self.forget(actor.pid)

    def event(self, actor, event):
        pid, sender = actor.pid, event.sender
        if event.kind == CANCEL:
            self.canceled[pid] += 1
        elif event.kind == EXIT:
            assert (pid, sender) in self.monitors, "an EXIT that nobody waits for"
            self.monitors.discard((pid, sender))
            self.check_end(home_of(pid), event)
        else:
            assert (pid, sender) not in self.monitors, "LINK_DOWN before EXIT"  # 8.4
            assert event.error is not None
            self.link_down(pid, sender)
            self.check_end(home_of(pid), event)

    def failed_with(self, actor, peer):
        self.link_down(actor.pid, peer)

    def link_down(self, pid, peer):
        assert self.state[peer] in ("ended", "lost")
        assert pair(pid, peer) in self.ties, "LINK_DOWN of a process that it was never linked to"
        assert (pid, peer) not in self.unlinked, "LINK_DOWN after unlink"
        self.downs[pid, peer] += 1
        assert self.downs[pid, peer] == 1
        if not self.has_failed(peer):
            tie = self.ties[pair(pid, peer)]
            assert self.state[peer] == "lost" or tie.done or not tie.linked

    def has_failed(self, pid):
        """Also where its result was too long to get to."""
        return any(error or result == TOO_LONG for result, error in self.truth[pid])

    def check_end(self, place, event):
        pid = event.sender
        assert self.state[pid] in ("ended", "lost")
        self.seen.add((place, pid))
        home, error = home_of(pid), event.error
        if place != home and error is not None:
            if isinstance(error, NotFound) and place not in self.told.get(pid, ()):
                return
            if home not in self.network.places and isinstance(error, Unavailable):
                return
        truths = list(self.truth[pid])
        if place != home:  # what is too long to cross is replaced by the reason
            for result, failure in truths[:]:
                if result == TOO_LONG or (failure and failure.message == TOO_LONG):
                    truths.append((None, Invalid("too long for a link")))
                    truths.remove((result, failure))
        assert (event.result, error) in truths

    def message(self, actor, message):
        key = (message.sender, actor.pid, message.topic)
        number, call = message.payload
        assert number == self.received[key], "a message is missing, or came twice"
        assert number < self.accepted[key]
        self.received[key] += 1
        if call is not None:
            assert message.wants_reply

    def arriving(self, place, frame):
        if frame[0] == CREDIT:
            self.used[place, frame[1]] -= frame[2]
            assert self.used[place, frame[1]] >= 0, "credit that was given twice"

    # -- what the processes do -------------------------------------------------------------------

    def tie(self, one, other, what):
        tie = self.ties.setdefault(pair(one, other), Tie())
        tie.done.add((one, what))
        if what == "link":
            self.unlinked -= {(one, other), (other, one)}
            return
        under_way = any(
            frame[0] == LINK and frame[1] == one and frame[2] == other
            for frame in self.network.frames()
        )
        if not under_way:
            self.unlinked.add((one, other))


def pair(one, other):
    return frozenset((one, other))


class Tie:
    def __init__(self):
        self.linked = False
        self.done = set()

    @property
    def only_linked(self):
        return all(what == "link" for _, what in self.done) and (self.linked or self.done)

    @property
    def only_unlinked(self):
        return all(what == "unlink" for _, what in self.done) and (not self.linked or self.done)
