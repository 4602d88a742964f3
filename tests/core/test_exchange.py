"""The exchange under all orders in which frames can arrive: random programs in several places.

Hypothesis has processes do things, and chooses which frame arrives next. The places have no model
here: a ledger holds what was promised to whom (an EXIT, a LINK_DOWN, a message, a reply, a name),
and each thing that a process hears is entered there. When nothing is under way any more, all
places must agree, and every promise must be kept.
"""

import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.core.ledger import LIVING, Ledger, home_of
from tests.core.peace import TOPICS, Peace
from tests.core.places import ACTOR, BROKEN, HOST, NAMES, TOO_LONG, Call, Network
from tests.core.races import Races

from procession.core.errors import (
    AlreadyExists,
    Invalid,
    LimitExceeded,
    NotFound,
    Unavailable,
)
from procession.core.frames import PARENT
from procession.core.process import Process

number = st.integers(0, 63)


class Exchanges(Races, Peace, RuleBasedStateMachine):
    """Places, the processes in them, and the ledger."""

    network = None

    @initialize(
        places=st.integers(2, 4),
        limit=st.sampled_from((1, 2, 3, 5, 8)),
        routed=st.booleans(),
        merged=st.booleans(),
        crowded=st.sampled_from((False, False, True)),
        traps=st.booleans(),
    )
    def begin(self, places, limit, routed, merged, crowded, traps):
        self.ledger = Ledger()
        self.limit, self.routed = limit, routed
        self.crowded = crowded  # stand-ins without ties are forgotten all the time
        self.traps = traps
        self.pids = []
        self.names = {}
        self.owned = {}  # names when all was quiet
        self.named = set()  # names that have changed hands since
        self.attending = {}  # by place: what was published since it attends for certain
        self.events = {}  # by place: what it heard
        self.heard = {}
        self.published = 0
        self.publishers = set()  # that know by now who attends
        network = Network(places, limit, routed=routed, merged=merged, observer=self.ledger)
        self.network = self.ledger.network = network
        for place in network.places.values():
            self.spawned(place.kernel.spawn(None, ACTOR, HOST, ()))
            place.run()

    # -- who and where ---------------------------------------------------------------------------

    def living(self):
        return [actor for place in self.network.places.values() for actor in place.actors]

    def actor(self, n):
        living = self.living()
        return living[n % len(living)] if living else None

    def pid(self, n):
        """One of those that were spawned last, dead or alive."""
        few = self.pids[-6:]
        return few[n % len(few)]

    def place(self, n):
        places = list(self.network.places.values())
        return places[n % len(places)]

    def place_of(self, actor):
        return self.network.places[home_of(actor.pid)]

    def known_at(self, place, pid):
        """Whether a process exists as far as its place, and this one, could know."""
        home, state = home_of(pid), self.ledger.state.get(pid)
        if home == place.number:
            return state == "alive"
        return home in place.exchange.places and state in ("alive", "coming")

    def attempt(self, actor, dest, what):
        """Do `what`, unless `dest` is not found, which has to be true then."""
        try:
            what()
        except NotFound:
            assert not self.known_at(self.place_of(actor), dest), "NotFound, but it is alive"
            return False
        return True

    def after(self, place):
        if place.number in self.network.places:
            place.run()
        if self.crowded:
            for one in self.network.places.values():
                one.exchange._crowd = 3
        self.check()

    # -- processes ---------------------------------------------------------------------------------

    def spawned(self, peer):
        pid = peer.pid
        assert pid not in self.pids
        self.pids.append(pid)
        if isinstance(peer, Process):
            peer.trap_links = self.traps
        else:
            self.ledger.state.setdefault(pid, "coming")
        return pid

    @rule(
        n=number,
        to=number,
        linked=st.booleans(),
        monitored=st.booleans(),
        name=st.sampled_from((None, None, None, *NAMES)),
        entry=st.sampled_from((ACTOR, ACTOR, ACTOR, ACTOR, BROKEN)),
        looked=st.booleans(),
        args=st.sampled_from(((), (), (), (TOO_LONG,))),
    )
    def spawn(self, n, to, linked, monitored, name, entry, looked, args):
        actor = self.actor(n)
        if actor is not None:
            self.do_spawn(actor, to, linked, monitored, name, entry, looked, args)

    def do_spawn(self, actor, to, linked, monitored, name, entry, looked, args):
        place = self.place_of(actor)
        places = [place.number, *(one for one in place.exchange.places)]
        place.target = places[to % len(places)]
        before = None if name is None else self.owner(name)
        try:
            peer = place.kernel.spawn(actor, entry, HOST, args, linked, monitored, name=name)
        except AlreadyExists as error:
            self.taken(place, name, before, error)
            self.after(place)
            return None
        except (Invalid, Unavailable) as error:
            if isinstance(error, Unavailable):
                assert name is not None
                assert place.target not in self.network.places
            else:
                assert entry == BROKEN or args
            if name is not None:
                assert self.owner(name) is None or self.owner(name) in self.pids
                self.named.add(name)
            self.after(place)
            return None
        pid = self.spawned(peer)
        if place.target != place.number and place.target not in self.network.places:
            self.ledger.state[pid] = "lost"
            self.ledger.truth[pid] = []
        if name is not None:
            self.named.add(name)
            if place.target != PARENT or place.number == PARENT:
                self.has_name(name, pid)
        if monitored:
            self.ledger.monitors.add((actor.pid, pid))
            if looked:
                self.ledger.looked.add((actor.pid, pid))
                waits = self.ledger.waits

                def count():
                    waits[pid] += 1

                peer.when_waiting(count)
        if linked:
            self.ledger.tie(actor.pid, pid, "link")
        self.after(place)
        return pid

    @rule(n=number, how=st.sampled_from(("value", "too long", "error", "long error")))
    def end(self, n, how):
        actor = self.actor(n)
        if actor is not None:
            self.do_end(actor, how)

    def do_end(self, actor, how):
        place = self.place_of(actor)
        if "error" in how:
            actor.end(None, Invalid(TOO_LONG if how == "long error" else "it fails"))
        else:
            actor.end(TOO_LONG if how == "too long" else "fine", None)
        self.after(place)

    @rule(n=number, to=number)
    def terminate(self, n, to):
        actor, dest = self.actor(n), self.pid(to)
        if actor is not None:
            place = self.place_of(actor)
            if self.attempt(actor, dest, lambda: place.kernel.terminate(actor, dest)):
                self.ledger.doomed.add(dest)
            self.after(place)

    @rule(n=number, to=number, deadline=st.sampled_from((None, 1.0, 5.0)))
    def cancel(self, n, to, deadline):
        actor = self.actor(n)
        if actor is not None:
            self.do_cancel(actor, self.pid(to), deadline)

    def do_cancel(self, actor, dest, deadline):
        place = self.place_of(actor)
        kernel = place.kernel
        if self.attempt(actor, dest, lambda: kernel.cancel(actor, dest, "why", deadline)):
            self.ledger.cancels[dest] += 1
            if deadline is not None:
                self.ledger.deadlines.add(dest)
        self.after(place)

    @rule(seconds=st.sampled_from((1.0, 3.0)))
    def pass_time(self, seconds):
        self.network.clock.now += seconds
        for place in list(self.network.places.values()):
            self.after(place)

    # -- ties --------------------------------------------------------------------------------------

    def act(self, actor, dest, what):
        place, ledger = self.place_of(actor), self.ledger
        kernel, pid = place.kernel, actor.pid
        if what == "monitor":
            try:
                if self.attempt(actor, dest, lambda: kernel.monitor(actor, dest)):
                    assert (pid, dest) not in ledger.monitors
                    ledger.monitors.add((pid, dest))
            except AlreadyExists:
                assert (pid, dest) in ledger.monitors
        elif what == "unmonitor":
            kernel.unmonitor(actor, dest)
            ledger.monitors.discard((pid, dest))
        elif what == "link":
            if self.attempt(actor, dest, lambda: kernel.link(actor, dest)) and pid != dest:
                ledger.tie(pid, dest, "link")
        else:
            kernel.unlink(actor, dest)
            if pid != dest:
                ledger.tie(pid, dest, "unlink")

    ties = st.sampled_from(("monitor", "unmonitor", "link", "link", "unlink"))

    @rule(n=number, to=number, what=ties)
    def tie(self, n, to, what):
        actor = self.actor(n)
        if actor is not None:
            self.act(actor, self.pid(to), what)
            self.after(self.place_of(actor))

    @rule(n=number, to=number, what=ties, other=ties)
    def tie_at_both_ends(self, n, to, what, other):
        one, two = self.actor(n), self.actor(to)
        if one is not two:
            self.act(one, two.pid, what)
            self.act(two, one.pid, other)
            self.after(self.place_of(one))
            self.after(self.place_of(two))

    @rule(n=number, trap=st.booleans())
    def trap_links(self, n, trap):
        actor = self.actor(n)
        if actor is not None:
            actor.trap_links = trap

    # -- messages ----------------------------------------------------------------------------------

    def has_no_room(self, actor, dest, topic):
        """Whether the mailbox of `dest` is full, as far as is known where `actor` is."""
        place = self.place_of(actor)
        if home_of(dest) != place.number:
            return self.ledger.used[place.number, dest] >= self.limit
        mailbox = self.ledger.actors[dest].mailbox
        channel = mailbox.topics.get(topic, mailbox.inbox_channel)
        waited_for = channel is not None and channel._receiver is not None
        return mailbox.size >= self.limit and not waited_for

    def handed_over(self, actor, dest, topic, hand_over):
        place, ledger = self.place_of(actor), self.ledger
        known = self.known_at(place, dest)
        full = known and self.has_no_room(actor, dest, topic)
        key = (actor.pid, dest, topic)
        try:
            if not self.attempt(actor, dest, lambda: hand_over(ledger.accepted[key])):
                return False
        except LimitExceeded:
            assert full or self.crowded or not known, "there was room"
            return False
        assert not full or self.crowded, "there was no room"
        ledger.accepted[key] += 1
        if home_of(dest) != place.number:
            ledger.used[place.number, dest] += 1
        return True

    @rule(n=number, to=number, topic=st.sampled_from(TOPICS), times=st.integers(1, 4))
    def send(self, n, to, topic, times):
        actor = self.actor(n)
        if actor is not None:
            self.do_send(actor, self.pid(to), topic, times)

    def do_send(self, actor, dest, topic="inbox", times=2):
        place = self.place_of(actor)
        send = place.kernel.send
        for _ in range(times):
            self.handed_over(
                actor, dest, topic, lambda count: send(actor, dest, topic, ([count, None],))
            )
        self.after(place)

    @rule(n=number, to=number)
    def send_what_is_too_long(self, n, to):
        actor, dest = self.actor(n), self.pid(to)
        if actor is not None:
            place = self.place_of(actor)
            if home_of(dest) != place.number and dest in place.kernel.processes:
                with pytest.raises((Invalid, LimitExceeded)):
                    place.kernel.send(actor, dest, "inbox", (TOO_LONG,))

    @rule(n=number, to=number)
    def call(self, n, to):
        actor = self.actor(n)
        if actor is not None:
            self.do_call(actor, self.pid(to))

    def do_call(self, actor, dest):
        place, ledger = self.place_of(actor), self.ledger
        made = len(ledger.calls)

        def call(count):
            ledger.calls[made] = (Call(place, actor, dest, [count, made]), actor.pid, dest)

        self.handed_over(actor, dest, "call", call)
        self.after(place)

    @rule(n=number, how=st.sampled_from(("value", "value", "error", "too long", "twice")))
    def reply(self, n, how):
        actor = self.actor(n)
        if actor is not None:
            self.do_reply(actor, how)

    def do_reply(self, actor, how="value"):
        if not actor.letters:
            return
        message = actor.letters.pop(0)
        _, made = message.payload
        call, caller, _ = self.ledger.calls[made]
        away = home_of(caller) != home_of(actor.pid)
        answer = {"error": Invalid("no"), "too long": TOO_LONG}.get(how, ["for", made])
        try:
            told = message.reply(answer)
        except Invalid:
            assert away
            assert how == "too long"
            self.ledger.replies[made] = Invalid("too long for a link")
        else:
            assert told is (away or not call.over)
            self.ledger.replies[made] = answer
        if how == "twice":
            assert message.reply("again") is False
        self.after(self.place_of(actor))

    @rule(n=number)
    def give_up_a_call(self, n):
        actor = self.actor(n)
        if actor is not None and actor.calls:
            actor.calls.pop(0).give_up()
            self.after(self.place_of(actor))

    @rule(n=number, topic=st.sampled_from(TOPICS), most=st.integers(1, 4))
    def take(self, n, topic, most):
        actor = self.actor(n)
        if actor is not None:
            self.do_take(actor, topic, most)

    def do_take(self, actor, topic="inbox", most=2):
        for _ in range(most):
            actor.take(topic)
        self.after(self.place_of(actor))

    @rule(n=number, topic=st.sampled_from(TOPICS))
    def wait(self, n, topic):
        actor = self.actor(n)
        if actor is not None:
            actor.wait(topic)
            self.check()

    # -- names -------------------------------------------------------------------------------------

    def owner(self, name):
        """The owner, by the parent."""
        return dict(self.network.places[PARENT].kernel.names.items()).get(name)

    def taken(self, place, name, before, error):
        pid = error.details["pid"]
        assert (place.number, pid) not in self.ledger.seen, "its end was seen, its name is taken"
        assert self.known_at(place, pid) or before == pid or place.number != PARENT

    def has_name(self, name, pid):
        """It was registered just now."""
        if self.ledger.state[pid] in ("alive", "coming"):
            assert self.owner(name) == pid
            before = self.names.get(name, pid)
            assert before == pid or self.ledger.state[before] not in LIVING
            self.names[name] = pid

    @rule(n=number, name=st.sampled_from(NAMES), to=number, own=st.booleans())
    def register(self, n, name, to, own):
        actor = self.actor(n)
        if actor is not None:
            self.do_register(actor, name, actor.pid if own else self.pid(to))

    def do_register(self, actor, name, dest):
        place = self.place_of(actor)
        before = self.owner(name)
        try:
            place.kernel.register(actor, name, dest)
        except NotFound:
            parent = self.network.places[PARENT]
            assert not (self.known_at(place, dest) and self.known_at(parent, dest))
        except AlreadyExists as error:
            self.taken(place, name, before, error)
            owner = error.details["pid"]
            assert owner != dest
            assert owner == self.owner(name) or self.ledger.state.get(owner) not in LIVING
        else:
            self.has_name(name, dest)
        self.named.add(name)
        self.after(place)

    @rule(n=number, name=st.sampled_from(NAMES))
    def unregister(self, n, name):
        actor = self.actor(n)
        if actor is not None:
            before = self.owner(name)
            freed = self.place_of(actor).kernel.unregister(actor, name)
            assert freed or before is None or self.ledger.state[before] in ("ended", "lost")
            assert self.owner(name) is None
            self.named.add(name)
            self.names.pop(name, None)
            self.after(self.place_of(actor))

    @rule(n=number, name=st.sampled_from(NAMES))
    def look_up(self, n, name):
        actor = self.actor(n)
        if actor is None:
            return
        place = self.place_of(actor)
        found = None
        try:
            found = place.kernel.lookup(actor, name).pid
        except NotFound:
            pass
        else:
            assert (place.number, found) not in self.ledger.seen
        if name not in self.named and name in self.owned and self.known_at(place, self.owned[name]):
            assert found == self.owned[name]
        self.after(place)

    # -- the bus -----------------------------------------------------------------------------------

    @rule(n=number)
    def attend(self, n):
        place = self.place(n)
        number = place.number
        if number in self.events:
            place.exchange.events.attend(None)
            self.attending.pop(number, None)
            del self.events[number]
        else:
            heard = self.events[number] = []

            def deliver(event):
                assert heard is self.events.get(number), "an event for nobody"
                before = max((one for at, one in heard if at == event["from"]), default=-1)
                assert event["number"] > before, "events in the wrong order"
                heard.append((event["from"], event["number"]))
                return 0

            place.exchange.events.attend(deliver)

    @rule(n=number)
    def publish(self, n):
        place = self.place(n)
        event = (place.number, self.published)
        self.published += 1
        for number, expected in self.attending.items():
            if number != place.number and place.number in self.publishers:
                expected.append(event)
        place.exchange.events.publish({"system": "s", "from": event[0], "number": event[1]})

    # -- what is under way ------------------------------------------------------------------------

    @rule(n=number, most=st.integers(2, 4))
    def deliver_some(self, n, most):
        self.deliver_next(n, most)

    def deliver_next(self, n, most):
        busy = [key for key, queue in self.network.queues.items() if queue]
        if busy:
            here, hop = busy[n % len(busy)]
            self.network.deliver(here, hop, most)
            self.after(self.network.places[hop])

    @rule(n=number)
    def deliver_one(self, n):
        self.deliver_next(n, 1)

    @rule(n=number)
    def hear_a_name(self, n):
        workers = [one for one in self.network.places if one != PARENT]
        if workers:
            self.network.hear_name(workers[n % len(workers)])
            self.check()

    @precondition(lambda self: self.network is not None and len(self.network.places) > 1)
    @rule(n=number, kept=number)
    def lose(self, n, kept):
        workers = [one for one in self.network.places if one != PARENT]
        self.do_lose(workers[n % len(workers)], kept)

    def do_lose(self, number, kept):
        self.network.lose(number, lambda count: kept % (count + 1))
        self.ledger.place_lost(number)
        self.events.pop(number, None)
        self.attending.clear()
        self.check()

    @precondition(lambda self: self.network is not None and len(self.network.places) < 4)
    @rule()
    def come_up(self):
        place = self.network.add()
        self.spawned(place.kernel.spawn(None, ACTOR, HOST, ()))
        self.after(place)

    # -- the end ---------------------------------------------------------------------------------

    @rule()
    def all_is_quiet(self):
        self.network.deliver_all()
        self.check_peace()

    def teardown(self):
        """In the end all can be received, and ended, and nothing stays behind."""
        network = self.network
        if network is None or sys.exc_info()[0] is not None:
            return
        self.all_is_quiet()
        for actor in self.living():
            for topic in TOPICS:
                while actor.take(topic):
                    pass
        self.all_is_quiet()
        network.clock.now += 100.0
        self.all_is_quiet()
        assert not self.ledger.deadlines & {actor.pid for actor in self.living()}
        while living := self.living():
            for actor in living:
                self.place_of(actor).kernel.terminate(None, actor.pid)
            network.deliver_all()
        self.all_is_quiet()
        for place in network.places.values():
            kernel, exchange = place.kernel, place.exchange
            assert kernel.hosts[HOST].population == 0
            assert not kernel.deadlines.timers
            assert not len(kernel.scheduler.timers)
            assert not len(kernel.names)
            assert not exchange._watchers
            assert not exchange._calls
            assert not exchange.credit._indebted


TestExchanges = Exchanges.TestCase
TestExchanges.pytestmark = [
    pytest.mark.timeout(600),  # to shrink a failure takes its time
    pytest.mark.semantics(
        *("5.1", "5.2", "5.6", "6.1", "6.2", "6.8", "7.2", "8.4", "9.1", "9.2", "9.3", "9.4"),
        *("9.5", "9.7", "10.1", "10.2", "12.1", "12.3"),
    ),
]
TestExchanges.settings = settings(
    max_examples=250,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
