"""What must be true of several places, at any time and when all is quiet: see test_exchange.py."""

from collections import Counter

from tests.core.ledger import home_of
from tests.core.places import TOO_LONG

from procession.core.errors import Unavailable
from procession.core.frames import CALL, MESSAGE, PARENT

TOPICS = ("inbox", "listened")


class Peace:
    """The checks of the machine in test_exchange.py."""

    def check(self):
        """At any time: no place uses more of a mailbox than it may."""
        waiting = Counter()
        for actor in self.living():
            if actor._mailbox is not None:
                mailbox = actor.mailbox
                kept = [*(mailbox.pending or ())]
                for channel in mailbox.topics.values():
                    kept += channel._buffer or ()
                for _, sender, *_ in kept:
                    waiting[home_of(sender), actor.pid] += 1
        for frame in self.network.frames():
            if frame[0] in (MESSAGE, CALL):
                count = len(frame[4]) if frame[0] == MESSAGE else 1
                waiting[home_of(frame[2]), frame[1]] += count
        if not self.crowded:
            assert all(count <= self.limit for count in waiting.values())

    def check_peace(self):
        """When nothing is under way."""
        ledger = self.ledger
        assert "coming" not in ledger.state.values()
        living = {actor.pid: actor for actor in self.living()}
        assert set(living) == {pid for pid, state in ledger.state.items() if state == "alive"}
        assert not ledger.doomed & set(living)
        for watcher, target in ledger.monitors:
            assert target in living, f"{watcher} was not told of the end of {target}"
        for pid in living:
            assert ledger.canceled[pid] == ledger.cancels[pid]
        for watcher, pid in ledger.looked:
            assert ledger.waits[pid] <= 1
            if pid in living and watcher in living:
                assert ledger.waits[pid] == 1
        for key, count in ledger.accepted.items():
            if key[0] in living and key[1] in living:
                actor = living[key[1]]
                channel = actor.channel(key[2])
                letters = channel._buffer or ()
                waiting = [one for one in letters if (one[1], one[2]) == (key[0], key[2])]
                assert ledger.received[key] + len(waiting) == count, "a message was lost"
        self.check_links(living)
        self.check_calls(living)
        self.check_names(living)
        self.check_events()
        for place in self.network.places.values():
            self.check_place(place, living)

    def check_links(self, living):
        ledger = self.ledger
        for pid, actor in living.items():
            for other in actor.links or ():
                assert other in living, f"{pid} is linked to {other}, which has ended"
                assert pid in living[other].links, f"only {pid} is linked to {other}"
        for key, tie in list(ledger.ties.items()):
            one, two = sorted(key)
            if one in living and two in living:
                linked = two in (living[one].links or ())
                assert linked or not tie.only_linked
                assert not linked or not tie.only_unlinked
                tie.linked = linked
                tie.done.clear()
                continue
            del ledger.ties[key]
            for pid, peer in ((one, two), (two, one)):
                if pid in living:
                    self.check_link_down(tie, pid, peer)

    def check_link_down(self, tie, pid, peer):
        ledger = self.ledger
        downs = ledger.downs.pop((pid, peer), 0)
        if (TOO_LONG, None) in ledger.truth[peer]:
            return  # where it is watched from, that is a failure
        if tie.only_linked:
            lost = home_of(peer) not in self.network.places
            if ledger.has_failed(peer) or ledger.state[peer] == "lost":
                if tie.linked or (pid, "link") in tie.done or not lost:
                    assert downs == 1, f"{pid} was not told that {peer} has failed"
            elif tie.linked:
                assert downs == 0
        elif tie.only_unlinked and not tie.linked:
            assert downs == 0

    def check_calls(self, living):
        ledger = self.ledger
        for made, (call, caller, dest) in ledger.calls.items():
            if call.settled:
                lost = home_of(dest) not in self.network.places
                if made in ledger.replies and not (lost and isinstance(call.outcome, Unavailable)):
                    assert call.outcome == ledger.replies[made]
                else:
                    assert isinstance(call.outcome, Unavailable)
                    assert dest not in living
            elif not call.over and caller in living:
                assert dest in living, "a call hangs"
                assert made not in ledger.replies, "a call hangs"

    def check_names(self, living):
        names = dict(self.network.places[PARENT].kernel.names.items())
        assert set(names.values()) <= set(living), "the name of a process that has ended"
        for name, pid in self.names.items():
            assert pid not in living or names.get(name) == pid, "a name was taken away"
        for pid, actor in living.items():
            assert set(actor.names or ()) == {name for name, one in names.items() if one == pid}
        for place in self.network.places.values():
            assert dict(place.kernel.names.items()) == names
            if place.number != PARENT:
                assert not place.kernel.names._early
        self.owned = names
        self.named.clear()

    def check_events(self):
        for number, expected in self.attending.items():
            assert set(expected) <= set(self.events[number]), "an event was lost"
        self.attending = {number: [] for number in self.events}
        self.publishers = set(self.network.places)

    def check_place(self, place, living):
        exchange, places, here = place.exchange, self.network.places, place.number
        actors = {actor.pid: actor for actor in place.actors}
        stand_ins = exchange._stand_ins
        assert exchange.places == set(places) - {here}
        assert set(place.kernel.processes) == set(actors) | set(stand_ins)
        assert not exchange.unborn._held
        assert not exchange.unborn._count
        assert all(process.pid in actors for process in exchange.credit._indebted)
        for pid, other in exchange._watchers:
            assert pid in actors
            assert pid in places[other].exchange._stand_ins
        for pid, actor in actors.items():
            targets = {target for watcher, target in self.ledger.monitors if watcher == pid}
            assert set(actor.monitoring or ()) == targets
        for pid, stand_in in stand_ins.items():
            linked = {one for one, actor in actors.items() if pid in (actor.links or ())}
            assert set(stand_in.links or ()) == linked
            assert not stand_in.asked
            if pid not in living:
                assert not stand_in.tied, "tied to a process that has ended"
                continue
            assert stand_in.at_first_wait is None
            watched = stand_in.watched or bool(stand_in.more_watchers)
            home = places[home_of(pid)]
            assert watched is ((pid, here) in home.exchange._watchers)
            owed = (living[pid].mailbox.owed or {}).get(here, 0)
            if not self.crowded:
                assert stand_in.credit + owed == self.limit
                assert self.ledger.used[here, pid] == owed
                if not living[pid].mailbox.size:
                    assert stand_in.credit > 0, "nobody can send, and nothing is there"
