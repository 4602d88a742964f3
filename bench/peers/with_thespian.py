"""The programs over thespian's actors, all in this OS process (its `simpleSystemBase`).

What is sent is passed as it is. Actors are called, one message after the other, within `ask`.
"""

import work
from thespian.actors import Actor, ActorExitRequest, ActorSystem, ChildActorExited
from work import AT_ONCE, MAP, RING, SCALAR, SENDERS, THREAD_RING, now, resident

system = ActorSystem("simpleSystemBase")


class Ponger(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802 (the name is thespian's)
        self.send(sender, message)


class Pinger(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        if isinstance(message, tuple):
            self.asker, (self.left, self.payload) = sender, message
            self.other = self.createActor(Ponger)
        else:
            self.left -= 1
        if self.left:
            self.send(self.other, self.payload)
        else:
            self.send(self.asker, "done")


def ping_pong(n, payload=SCALAR):
    pinger = system.createActor(Pinger)
    start = now()
    assert system.ask(pinger, (n, payload)) == "done"
    return now() - start


def ping_pong_dict(n):
    return ping_pong(n, MAP)


class Member(Actor):
    """Of a ring: what comes is passed on, one less, until nothing is left; then it is told."""

    def receiveMessage(self, message, sender):  # noqa: N802
        if isinstance(message, tuple):
            self.following, self.asker = message
        elif message == 0:
            self.send(self.asker, "done")
        elif isinstance(message, int):
            self.send(self.following, message - 1)


class Ring(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        if isinstance(message, tuple):
            members, self.asker = message[1], sender
            ring = [self.createActor(Member) for _ in range(members)]
            for i, member in enumerate(ring):
                self.send(member, (ring[i - 1], self.myAddress))
            self.first = ring[0]
            self.send(sender, "ready")
        elif message == "done":
            self.send(self.asker, "done")
        elif isinstance(message, int):
            self.asker = sender
            self.send(self.first, message)


def ring(n, members=RING):
    top = system.createActor(Ring)
    assert system.ask(top, ("make", members)) == "ready"
    start = now()
    assert system.ask(top, n) == "done"
    return now() - start


def thread_ring(n):
    return ring(n, THREAD_RING)


class ShortLife(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        pass


class Parent(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        if isinstance(message, int):
            self.asker, self.left = sender, message
            self.wave()
        elif isinstance(message, ChildActorExited):
            self.alive -= 1
            self.left -= 1
            if self.left == 0:
                self.send(self.asker, "done")
            elif self.alive == 0:
                self.wave()

    def wave(self):
        self.alive = AT_ONCE
        for _ in range(AT_ONCE):
            self.send(self.createActor(ShortLife), ActorExitRequest())


def spawn(n):
    parent = system.createActor(Parent)
    start = now()
    assert system.ask(parent, n) == "done"
    return now() - start


def call(n):
    replier = system.createActor(Ponger)
    start = now()
    for _ in range(n):
        system.ask(replier, SCALAR, 5)
    return now() - start


class Counter(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        if isinstance(message, tuple):
            self.asker, self.left = sender, message[1]
            senders = message[2]
            for _ in range(senders):
                self.send(self.createActor(Sender), self.left // senders)
        elif isinstance(message, int):
            self.left -= 1
            if self.left == 0:
                self.send(self.asker, "done")


class Sender(Actor):
    def receiveMessage(self, message, sender):  # noqa: N802
        for i in range(message):
            self.send(sender, i)


def fan_in(n, senders=SENDERS):
    counter = system.createActor(Counter)
    start = now()
    assert system.ask(counter, ("count", n, senders)) == "done"
    return now() - start


def counting(n):
    return fan_in(n, 1)


def idle(n):
    before, start = resident(), now()
    for _ in range(n):
        system.createActor(ShortLife)
    seconds = now() - start
    after = resident()
    return {"seconds": seconds, "bytes": (after - before) / n, "resident": after}


if __name__ == "__main__":
    work.main(globals(), lambda program, n: program(n))
