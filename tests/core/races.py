"""Programs of two processes, for the races that are rare when everybody does anything."""

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.core.ledger import home_of
from tests.core.places import ACTOR, BROKEN, NAMES, TOO_LONG

from procession.core.frames import PARENT

number = st.integers(0, 63)


class Races:
    """More rules for the machine in test_exchange.py."""

    programs = st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(
                ("hear",) * 6
                + ("link", "unlink") * 3
                + ("monitor", "unmonitor") * 2
                + ("send", "send", "take", "take", "call", "reply")
                + ("value", "error", "error", "cancel", "name")
            ),
        ),
        min_size=3,
        max_size=15,
    )

    @rule(n=number, to=number, program=programs)
    def two(self, n, to, program):
        one = self.actor(n)
        far = [actor for actor in self.living() if home_of(actor.pid) != home_of(one.pid)]
        if one is not None and far:
            self.carry_out(program, one, far[to % len(far)].pid)

    @rule(
        by=number,
        n=number,
        to=number,
        tied=st.booleans(),
        name=st.sampled_from((None, *NAMES)),
        entry=st.sampled_from((ACTOR, ACTOR, BROKEN)),
        birth=number,
        dies=st.booleans(),
        kept=number,
        program=programs,
    )
    def one_and_a_new_one(self, by, n, to, tied, name, entry, birth, dies, kept, program):
        """One process has to do with another from before it is born."""
        creator, one = self.actor(by), self.actor(n)
        if creator is None:
            return
        args = (TOO_LONG,) if birth % 8 == 7 else ()
        pid = self.do_spawn(creator, to, tied, tied, name, entry, False, args)
        if pid is None or not self.lives(one):
            return
        birth %= len(program) + 1
        self.carry_out(program[:birth], one, pid)
        here = home_of(creator.pid)
        if dies and here != PARENT and here in self.network.places:
            self.do_lose(here, kept)
        else:
            self.hear(here, home_of(pid), 8)
        self.carry_out(program[birth:], one, pid)

    def lives(self, actor):
        return actor is not None and actor.alive and home_of(actor.pid) in self.network.places

    def hear(self, here, hop, most=1):
        """What one place has said arrives at another."""
        for one, other in ((here, PARENT), (PARENT, hop)) if self.routed else ((here, hop),):
            if other in self.network.places and self.network.queues.get((one, other)):
                self.network.deliver(one, other, most)
                self.after(self.network.places[other])

    def carry_out(self, program, one, dest):
        for first, what in program:
            actor, pid = one, dest
            if not first:
                actor, pid = self.ledger.actors.get(dest), one.pid
            if what == "hear":
                here, hop = home_of(dest), home_of(one.pid)
                self.hear(*((here, hop) if first else (hop, here)))
                continue
            if not self.lives(actor):
                continue
            place = self.place_of(actor)
            if what in ("value", "error"):
                self.do_end(actor, what)
            elif what == "cancel":
                self.do_cancel(actor, pid, None)
            elif what == "name":
                self.do_register(actor, NAMES[0], pid)
            elif what in ("send", "call"):
                getattr(self, f"do_{what}")(actor, pid)
            elif what in ("take", "reply"):
                getattr(self, f"do_{what}")(actor)
            else:
                self.act(actor, pid, what)
                self.after(place)
