"""Waiting until all that is ending has ended, in one place and in several that are joined here."""

import pytest

from procession.core.all_ended import AllEnded, EndingsElsewhere
from procession.core.errors import Internal
from procession.core.frames import ALL_ENDED, WAIT_ENDED
from procession.core.host import Host
from procession.core.kernel import Kernel
from procession.core.pid import serial_base
from procession.core.process import Process


class HandClock:
    def monotonic(self):
        return 0.0

    wall = monotonic


class Puppet(Process):
    """A process that ends when the test says so, also when it is to be killed."""

    def step(self):
        self.parked = self

    def withdraw(self, strand):
        pass

    def kill(self, error, cleanup=None):
        self.kernel.leaving[self] = None

    def end(self):
        self.kernel.exited(self, None, None)


class PuppetProgram:
    entry = "app:puppet"

    def start(self, kernel, host, pid, args):
        return Puppet(kernel, host, pid, self)


def kernel():
    made = Kernel(
        clock=HandClock(),
        notify=lambda: None,
        adopt=lambda: pytest.fail("nobody waits"),
        load=lambda *_: PuppetProgram(),
    )
    made.hosts["app:main"] = Host("app:main")
    return made


def spawn(kernel):
    return kernel.spawn(None, "app:puppet", "app:main", ())


def test_where_nobody_is_ending_the_wait_is_over_at_once():
    one, over = kernel(), []
    spawn(one)
    AllEnded(one, lambda: over.append(1))
    assert over == []
    one.scheduler.run()
    assert over == [1]


def test_it_waits_for_those_that_are_ending_and_for_no_others():
    one, over = kernel(), []
    lives, first, second = spawn(one), spawn(one), spawn(one)
    one.scheduler.run()
    first.doom(Internal("told"))
    one.leaving[second] = None
    AllEnded(one, lambda: over.append(1))
    one.scheduler.run()
    later = spawn(one)
    one.leaving[later] = None  # this one began when the wait was under way
    first.end()
    one.scheduler.run()
    assert over == []
    second.end()
    one.scheduler.run()
    assert over == [1]
    assert lives.alive
    assert later.alive
    assert list(one.leaving) == [later]


class Places:
    """EndingsElsewhere of several kernels, whose frames arrive when the test says so."""

    def __init__(self, *numbers, starting=()):
        self.kernels = {number: kernel() for number in numbers}
        self.wires = []
        self.endings = {
            number: EndingsElsewhere(
                self.kernels[number], self.post(number), set(numbers) - {number}, set(starting)
            )
            for number in numbers
        }

    def post(self, origin):
        class Post:
            post = staticmethod(lambda place, frame: self.wires.append((origin, place, frame)))

        return Post()

    def deliver(self):
        """Have all that was posted arrive, and everybody run."""
        wires, self.wires = self.wires, []
        for origin, place, (what, number) in wires:
            handler = {WAIT_ENDED: "on_wait_ended", ALL_ENDED: "on_all_ended"}[what]
            getattr(self.endings[place], handler)(origin, number)
        self.run()

    def run(self):
        for each in self.kernels.values():
            each.scheduler.run()


def test_all_places_are_asked_twice():
    places, over = Places(0, 1, 2), []
    places.endings[0].ask(lambda: over.append(1))
    rounds = []
    places.run()
    while places.wires:
        rounds.append([(origin, place, frame[0]) for origin, place, frame in places.wires])
        places.deliver()
    assert over == [1]
    ask, answer = [(0, 1, WAIT_ENDED), (0, 2, WAIT_ENDED)], [(1, 0, ALL_ENDED), (2, 0, ALL_ENDED)]
    assert rounds == [ask, answer, ask, answer]


def test_a_place_that_is_starting_is_asked_only_if_somebody_there_has_a_name():
    places, over = Places(0, 1, 2, starting={1, 2}), []
    owner = Puppet(
        places.kernels[0],
        Host("app:main"),
        f"{{app:main|0x{serial_base(0, 2) + 1:x}}}",
        PuppetProgram(),
    )
    places.kernels[0].names.register("taken", owner)
    places.endings[0].ask(lambda: over.append(1))
    assert [(place, frame[0]) for _, place, frame in places.wires] == [(2, WAIT_ENDED)]
    for _ in range(5):
        places.deliver()
    assert over == [1]


def test_who_is_ending_in_another_place_is_waited_for():
    places, over = Places(0, 1), []
    process = spawn(places.kernels[1])
    places.run()
    process.doom(Internal("told"))
    places.run()
    places.endings[0].ask(lambda: over.append(1))
    for _ in range(5):
        places.deliver()
    assert over == []
    process.end()
    for _ in range(5):
        places.deliver()
    assert over == [1]


def test_a_place_that_is_lost_has_ended_all():
    places, over = Places(0, 1, 2), []
    places.kernels[1].leaving[spawn(places.kernels[1])] = None
    places.endings[0].ask(lambda: over.append(1))
    places.deliver()
    places.deliver()
    assert over == []
    places.endings[0]._places.discard(1)
    places.endings[0].place_down(1)
    for _ in range(5):
        places.deliver()
    assert over == [1]
