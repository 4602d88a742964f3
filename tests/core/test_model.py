"""The machine against a model of it: random programs under random schedules.

Hypothesis gives orders to processes, lets the scheduler run for some steps, moves the clock. A
body carries its orders out one by one. For each it asks the model what must happen, does it, and
compares; so the model needs no idea of the schedule, it only follows. Between rules the whole
state of the machine is compared with that of the model, and the bounds of SEMANTICS are checked
by a ledger of their own.

The model is `model/world.py`, the bodies are in `bodies.py`, what they do in `deeds.py`, and what
is compared between rules in `invariants.py`.
"""

import random
from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.core.model.bodies import ActorProgram, ChosenQueue, HandClock
from tests.core.model.deeds import PIPES, Deeds
from tests.core.model.invariants import Invariants
from tests.core.model.world import Inbox, Topic, World

from procession.core.errors import ProcessTerminated
from procession.core.host import Host
from procession.core.kernel import Kernel

ANY = st.integers(0, 15)
HOST = st.integers(0, 1)
STEPS = st.sampled_from([50, 50, 50, 50, 4, 1, 0])  # how many are run at once
FLAG = st.booleans()
SECONDS = st.sampled_from([0, 1, 2.5, 10])
NAME = st.sampled_from(["n1", "n2", "n3"])
DEST = st.sampled_from(  # a living process; one that may be dead; a name; nobody
    [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7, 8, 9, "n1", "n2", "{big|0xfffff}"]
)
TOPIC = st.sampled_from(["a", "a", "a", "b", "b", "b", "c", "c", "@x"])
ARM = st.one_of(
    st.tuples(
        st.sampled_from(["a", "b", "inbox", "a", "b", "inbox", "events", "old"]), st.just("take")
    ),
    st.tuples(st.sampled_from(PIPES), st.sampled_from(["take", "put"])),
)
ARMS = st.lists(ARM, min_size=1, max_size=4)


def order(verb, *arguments):
    return st.tuples(st.just(verb), *arguments)


OFTEN = [
    lambda: order("send", DEST, TOPIC, FLAG),
    lambda: order("send", DEST, TOPIC, FLAG),
    lambda: order("select", ARMS, FLAG),
    lambda: order("receive_or_send", ARM),
    lambda: order("tie", st.sampled_from(["link", "link", "monitor", "unlink", "unmonitor"]), DEST),
]
ORDER = st.one_of(
    *(strategy() for strategy in OFTEN * 3),
    order("spawn_child", HOST, FLAG, FLAG),
    *(order("call", DEST, TOPIC, st.none() | SECONDS) for _ in range(2)),
    *(order("reply") for _ in range(2)),
    order("execute", HOST),
    order("listen", TOPIC, st.sampled_from([None, True, False])),
    order("unlisten", TOPIC),
    order("close", HOST),
    order("renew", HOST),
    order("upgrade"),
    order("register", NAME, DEST),
    order("unregister", NAME),
    order("trap", FLAG),
    order("will_clean_up"),
    order("cancel", DEST, st.none() | SECONDS),
    order("terminate", st.none() | DEST),
    order("sleep", SECONDS),
    order("grow"),
    order("end", st.sampled_from(["result", "error", "error", "function"])),
)
ORDERS = st.lists(ORDER, min_size=2, max_size=8)
ACTION = st.one_of(
    order("the_world_spawns", HOST),
    order("the_world_sends", DEST, TOPIC),
    order("somebody_will_have_last_words", ANY, DEST, ARM),
    order("time_passes", SECONDS),
    order("run", st.integers(1, 6)),
    order("rest"),
)


class Machine(Deeds, Invariants, RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()
        self.clock = HandClock()
        self.numbers = count(1)
        self.actors = []
        self.accepted = {}  # serial -> pid of the receiver
        self.received = Counter()
        self.orders_seen = {}  # (strand, channel, sender, topic) -> the last serial received
        self.exits_received = Counter()
        self.failures = Counter()
        self.notified = False
        self.noticed = None
        self.broken = False
        self.program = ActorProgram(self)

    @initialize(
        chooser=st.one_of(st.sampled_from(["first", "last"]), st.integers(0, 2**32)),
        credit=st.sampled_from([200, 0, 1, 3]),
        size=st.integers(1, 4),
    )
    def boot(self, chooser, credit, size):
        if chooser == "first":
            choose = lambda ready: 0  # noqa: E731
        elif chooser == "last":
            choose = lambda ready: ready - 1  # noqa: E731
        else:
            choose = random.Random(chooser).randrange
        self.ready = ChosenQueue(choose)
        self.kernel = Kernel(
            clock=self.clock,
            notify=self.notify,
            adopt=lambda: pytest.fail("nobody is running"),
            load=lambda program, to_execute: program,
            ready=self.ready,
            on_failure=self.on_failure,
        )
        self.credit = credit  # how many waits may succeed at once before others have to run
        self.hosts = [
            Host("big", max_processes=4, mailbox=5, mailbox_bytes=600),
            Host("small", max_processes=2, mailbox=2, mailbox_bytes=300),
        ]
        for host in self.hosts:
            self.kernel.hosts[host.id] = host
        for _ in range(size):
            self.spawn(self.hosts[0])

    def notify(self):
        self.notified = True

    def on_failure(self, process, exit, noticed):
        self.failures[process.pid] += 1
        assert exit.error is not None
        assert exit.sender == process.pid
        assert noticed == self.noticed

    # -- who does it when ------------------------------------------------------------------------

    @property
    def living(self):
        return [actor for actor in self.actors if actor.proc.alive]

    @property
    def acting(self):
        return [actor for actor in self.living if not actor.ending]

    @property
    def strands(self):
        return [strand for actor in self.acting for strand in (actor, *actor.limbs)]

    @rule(who=ANY, orders=ORDERS, steps=STEPS)
    def somebody_gets_orders(self, who, orders, steps):
        self.give(self.strands, who, orders, steps)

    @rule(who=ANY, orders=ORDERS, steps=STEPS)
    def somebody_idle_gets_orders(self, who, orders, steps):
        idle = [strand for strand in self.strands if strand.wait is None]
        self.give(idle, who, orders, steps)

    @rule(who=ANY, arms=ARMS, select=FLAG, steps=STEPS)
    def all_of_one_process_wait_at_the_same(self, who, arms, select, steps):
        order = ("select", arms) if select else ("receive_or_send", arms[0])
        for actor in self.acting[-1 - who % len(self.acting) :][:1] if self.acting else []:
            for strand in (actor, *actor.limbs):
                if strand.wait is None:
                    self.give([strand], 0, [order], 0)
        if steps:
            self.run(steps)

    def give(self, strands, who, orders, steps):
        if strands:
            for verb, *args in orders:
                strands[-1 - who % len(strands)].take(
                    lambda me, verb=verb, args=args: getattr(self, verb)(me, *args)
                )
        if steps:
            self.run(steps)

    @rule(action=ACTION)
    def the_world_acts(self, action):
        verb, *arguments = action
        getattr(self, verb)(*arguments)

    def the_world_spawns(self, host):
        self.spawn(self.hosts[host])

    def the_world_sends(self, dest, topic):
        with pytest.raises(StopIteration):
            self.send(None, dest, topic).send(None)

    @rule(who=ANY, steps=STEPS)
    def somebody_has_cleaned_up(self, who, steps):
        ending = [actor for actor in self.living if actor.ending]
        if ending:
            actor = ending[who % len(ending)]
            actor.end(None, actor.error)
        if steps:
            self.run(steps)

    def somebody_will_have_last_words(self, who, dest, arm):
        living = self.acting
        if living:
            living[who % len(living)].last_words = [
                lambda me: self.send(me, dest, "a"),
                lambda me: self.select(me, [arm], plain=True),
                lambda me: self.send(me, dest, "b"),
            ]

    @rule(who=ANY, handed=st.booleans(), steps=st.sampled_from([50, 1, 0]))
    def somebody_is_interrupted(self, who, handed, steps):
        waiting = [strand for strand in self.strands if strand.wait is not None]
        if handed:
            waiting = [strand for strand in waiting if strand.wait.outcome] or waiting
        if waiting:
            waiting[who % len(waiting)].interrupt()
        if steps:
            self.run(steps)

    @rule(who=ANY, times=st.integers(1, 4), then=st.sampled_from(["run", "step", "interrupt", ""]))
    def somebody_gets_what_it_waits_for(self, who, times, then):
        """Something becomes ready at a channel at which a strand waits."""
        for _ in range(times):
            waits = [
                (strand, arm)
                for strand in self.strands
                if strand.wait is not None and strand.wait.outcome is None
                for arm in strand.wait.arms
            ]
            if not waits:
                break
            strand, (pipe, kind, _) = waits[who % len(waits)]
            self.make_ready(strand, pipe, kind, close=times > 3)
            if then == "interrupt":
                if strand.wait is not None and strand.wait.outcome is None:
                    self.run(1)
                strand.interrupt()
        if then:
            self.run(1 if then == "step" else 50)

    @rule(
        ties=st.sampled_from(["link", "monitor", "link monitor", "monitor link"]),
        trap=FLAG,
        untidy=FLAG,
        end=st.sampled_from(["result", "error", "terminate", "cancel"]),
        deadlines=st.tuples(SECONDS, SECONDS),
    )
    def one_sees_another_end(self, ties, trap, untidy, end, deadlines):
        idle = [actor for actor in self.acting if actor.wait is None]
        if len(idle) < 2:
            return
        one, other = idle[:2]
        other.untidy = untidy
        orders = [("trap", trap), *(("tie", tie, other.pid) for tie in ties.split())]
        if end == "terminate":
            orders += [("terminate", other.pid)]
        elif end == "cancel":
            orders += [("cancel", other.pid, deadline) for deadline in deadlines]
        self.give([one], 0, orders, 50)
        if end in ("result", "error") and other in self.acting:
            self.give([other], 0, [("end", end)], 50)
        takes = [("select", [("events", "take")], True)] * 3
        if one in self.acting:
            self.give([one], 0, takes, 50)

    @rule(who=ANY, arm=ARM, steps=st.sampled_from([1, 1, 4, 50]), then=STEPS)
    def all_that_was_handed_out_is_given_back(self, who, arm, steps, then):
        """One strand after another waits and gets something; then all are interrupted."""
        actors = [actor for actor in self.acting if actor.wait is None]
        if not actors:
            return
        actor = actors[who % len(actors)]
        strands = (actor, *actor.limbs)
        if arm[0] == "inbox":
            *strands, listener = strands
        for strand in strands:
            if strand.wait is None and strand.coro is not None:
                self.give([strand], 0, [("receive_or_send", arm)], steps)
                self.the_world_sends(actor.pid, arm[0] if arm[0] in ("a", "b") else "c")
        for strand in (actor, *actor.limbs):
            if strand.wait is not None and strand.wait.outcome is not None:
                strand.interrupt()
        if arm[0] == "inbox" and listener.wait is None:
            self.give([listener], 0, [("listen", "c", None)], 0)
        if then:
            self.run(then)

    def make_ready(self, strand, pipe, kind, close):
        actor = strand.actor
        idle = [strand for strand in (actor, *actor.limbs) if strand.wait is None]
        if isinstance(pipe, Topic):
            self.the_world_sends(actor.pid, pipe.topic)
        elif isinstance(pipe, Inbox):
            topic = next((topic for topic in "abc" if topic not in actor.proc.topics), "c")
            self.the_world_sends(actor.pid, topic)
            if close and idle:
                self.give(idle, 0, [("listen", topic, None)], 0)
        elif pipe in actor.proc.pipes and idle:
            number = actor.proc.pipes.index(pipe)
            other = "put" if kind == "take" else "take"
            orders = [("receive_or_send", (PIPES[number], other))]
            if close:
                orders = [("close", number)]
            self.give(idle, 0, orders, 0)

    def time_passes(self, seconds):
        self.clock.now += seconds

    def run(self, steps):
        """One slice, of at most so many steps."""
        self.notified = False
        self.ready.budget = steps
        self.kernel.scheduler.credit = self.credit
        self.kernel.scheduler.turn_seconds = 0  # whoever has used up the credit lets others run
        self.world.fire(self.clock.now)
        self.broken = True
        self.kernel.scheduler.run()
        self.broken = False
        self.ready.budget = None
        assert self.kernel.scheduler.current is None

    def rest(self):
        for _ in range(1000):
            due = self.kernel.scheduler.timers.next_due()
            if not (self.notified or (due is not None and due <= self.clock.now)):
                return
            self.run(None)
        raise AssertionError("it never comes to rest")

    def teardown(self):
        """In the end all can be terminated, and nothing stays behind."""
        if not self.actors or self.broken:
            return
        self.rest()
        while self.living:
            for actor in self.living:
                if actor.ending:
                    actor.end(None, actor.error)
                    continue
                self.kernel.terminate(None, actor.pid)
                self.world.doom(actor.proc, ProcessTerminated, "process terminated")
            self.rest()
        for host in self.hosts:
            assert host.population == 0
        assert not self.kernel.processes
        assert not self.kernel.names.items()
        assert not len(self.ready)


TestModel = Machine.TestCase
TestModel.pytestmark = [
    pytest.mark.timeout(600),  # to shrink a failure takes its time
    pytest.mark.semantics(
        *("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.8", "5.1", "5.2", "5.4", "6.1", "6.2"),
        *(
            "6.3",
            "6.5",
            "6.6",
            "6.8",
            "6.10",
            "7.2",
            "8.3",
            "8.4",
            "9.1",
            "9.2",
            "9.3",
            "9.4",
            "9.5",
        ),
        *("10.1", "10.2", "10.3", "12.1", "12.2"),
    ),
]
TestModel.settings = settings(
    max_examples=400,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
