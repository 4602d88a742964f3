"""Who runs when: strands, slices, the turns of those who never wait, and the system lane."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.core.channel import Channel
from procession.core.errors import Internal
from procession.core.lane import SystemLane
from procession.core.process import Process
from procession.core.scheduler import SLICE, TURN, Scheduler, Strand
from procession.core.select import select
from procession.core.sleep import pause, sleep
from procession.core.switch import RunQueue
from procession.core.tokens import PARKED
from procession.core.wait import park


class HandClock:
    """A clock that goes on by `pace` with every look at it."""

    def __init__(self):
        self.now = 100.0
        self.pace = 0.0

    def monotonic(self):
        self.now += self.pace
        return self.now

    def wall(self):
        return self.now


class Worker(Strand):
    """A coroutine on a strand."""

    def __init__(self, scheduler, body):
        super().__init__(scheduler)
        self.coro = body
        self.done = False
        self.steps = 0

    def step(self):
        self.steps += 1
        try:
            assert self.coro.send(None) is PARKED
        except StopIteration:
            self.done = True

    def throw(self, exception):
        """What a guest does to interrupt a wait."""
        parked, self.parked = self.parked, None
        if parked is not None:
            parked.withdraw(self)
        with pytest.raises(type(exception)):
            self.coro.throw(exception)
        self.done = True


class Bench:
    """A scheduler with its driver in the test's hands."""

    def __init__(self, ready=None):
        self.clock = HandClock()
        self.calls = 0
        self.ready = RunQueue() if ready is None else ready
        self.scheduler = Scheduler(
            self.clock, self.ready, self.notify, lambda: pytest.fail("nobody is running")
        )

    def notify(self):
        self.calls += 1

    def start(self, body):
        worker = Worker(self.scheduler, body)
        worker.wake(None)
        return worker

    def run(self):
        """Slices until none is asked for; how many there were."""
        for slices in range(10_000):
            if not self.scheduler.awake:
                return slices
            self.scheduler.run()
        raise AssertionError("it never comes to rest")


@pytest.fixture
def bench():
    return Bench()


# -- the run queue -----------------------------------------------------------------------------


def test_strands_run_in_the_order_in_which_they_became_ready(bench):
    log = []

    async def body(name):
        for turn in range(3):
            log.append((turn, name))
            await pause(bench.scheduler)

    for name in "abc":
        bench.start(body(name))
    bench.run()
    assert log == [(turn, name) for turn in range(3) for name in "abc"]


@given(st.integers(0, 2**32))
def test_any_chooser_gets_everybody_to_the_end(seed):
    import random

    class Chosen(RunQueue):
        def popleft(self):
            for _ in range(choice.randrange(len(self))):
                self.append(super().popleft())
            return super().popleft()

    choice, log = random.Random(seed), []
    bench = Bench(Chosen())

    async def body(name):
        for turn in range(4):
            log.append((name, turn))
            await pause(bench.scheduler)

    workers = [bench.start(body(name)) for name in "abcd"]
    bench.run()
    assert all(worker.done for worker in workers)
    for name in "abcd":
        assert [turn for who, turn in log if who == name] == [0, 1, 2, 3]


def test_the_driver_is_asked_once_for_many_strands_that_become_ready(bench):
    async def body():
        pass

    for _ in range(5):
        bench.start(body())
    assert bench.calls == 1
    assert bench.scheduler.awake
    bench.scheduler.run()
    assert bench.calls == 1
    assert not bench.scheduler.awake


def test_the_current_strand_is_known_during_its_step_only(bench):
    seen = []

    async def body():
        seen.append(bench.scheduler.strand())
        await pause(bench.scheduler)
        seen.append(bench.scheduler.current)

    worker = bench.start(body())
    assert bench.scheduler.current is None
    bench.run()
    assert seen == [worker, worker]
    assert bench.scheduler.current is None


# -- the slice ---------------------------------------------------------------------------------


def test_a_slice_ends_so_that_the_driver_gets_control(bench):
    bench.clock.pace = SLICE / 3

    async def busy():
        for _ in range(1000):
            await pause(bench.scheduler)

    workers = [bench.start(busy()) for _ in range(2)]
    bench.scheduler.run()
    steps = sum(worker.steps for worker in workers)
    assert 0 < steps < 500
    assert bench.scheduler.awake  # it has asked to be run again
    assert bench.calls == 2
    assert bench.run() > 3
    assert all(worker.done for worker in workers)


def test_a_slice_without_work_asks_for_nothing(bench):
    bench.scheduler.run()
    assert bench.calls == 0
    assert not bench.scheduler.awake


def test_timers_that_fall_due_are_heard_between_the_slices_of_a_busy_machine(bench):
    bench.clock.pace = SLICE / 3
    rung = []
    worker = None

    async def busy():
        while not rung:
            await pause(bench.scheduler)

    worker = bench.start(busy())
    bench.scheduler.call_later(SLICE * 5, lambda: rung.append(worker.steps))
    bench.run()
    assert rung
    assert worker.done


def test_a_timer_set_outside_of_a_slice_tells_the_driver_and_one_set_inside_does_not(bench):
    bench.scheduler.call_later(5, lambda: None)
    assert bench.calls == 1  # it has to set its alarm
    bench.run()

    async def body():
        bench.scheduler.call_later(1, lambda: None)

    bench.start(body())
    bench.run()
    assert bench.calls == 2  # the start; after a slice the driver looks at `next_due` anyhow
    assert bench.scheduler.timers.next_due() == bench.clock.now + 1


def test_a_sleeper_is_woken_at_its_time(bench):
    log = []

    async def body(seconds):
        await sleep(bench.scheduler, seconds)
        log.append((seconds, bench.clock.now))

    for seconds in (3, 1, 2, 0, -1):
        bench.start(body(seconds))
    bench.run()
    assert log == [(0, 100.0), (-1, 100.0)]
    while (due := bench.scheduler.timers.next_due()) is not None:
        bench.clock.now = due
        bench.scheduler.run()
    assert log[2:] == [(1, 101.0), (2, 102.0), (3, 103.0)]


def test_an_interrupted_sleep_leaves_no_timer(bench):
    worker = bench.start(sleep(bench.scheduler, 10))
    bench.run()
    assert len(bench.scheduler.timers) == 1
    worker.throw(KeyboardInterrupt())
    assert len(bench.scheduler.timers) == 0


# -- turns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["receive", "send", "select", "iterate", "poll"])
def test_a_strand_whose_channel_is_always_ready_lets_others_run(bench, how):
    channel = Channel(bench.scheduler, 100_000)
    bench.clock.pace = TURN / 4
    turns = []

    async def greedy():
        if how == "send":
            for number in range(2000):
                await channel.send(number)
        elif how == "iterate":
            async for _ in channel:
                pass
        else:
            for _ in range(2000):
                if how == "receive":
                    await channel.receive()
                elif how == "poll":
                    await select(bench.scheduler, (empty,), default=True)
                else:
                    await select(bench.scheduler, (channel,))

    async def modest():
        while not worker.done:
            turns.append(worker.steps)
            await pause(bench.scheduler)

    if how != "send":
        for number in range(2000):
            channel.put(number)
        channel.close()
    empty = Channel(bench.scheduler)
    worker = bench.start(greedy())
    bench.start(modest())
    bench.run()
    assert worker.done
    assert len(turns) > 5


class WorkClock(HandClock):
    """A clock that goes on only when a strand says that it has worked."""

    def work(self, seconds):
        self.now += seconds


def turns_of(bench, seconds, values=20_000):
    """How much a consumer takes at a time, each value costing it so many seconds."""
    bench.clock = bench.scheduler.clock = WorkClock()
    channel = Channel(bench.scheduler, values)
    for number in range(values):
        channel.put(number)
    taken, marks = 0, []

    async def consumer():
        nonlocal taken
        for _ in range(values):
            await channel.receive()
            bench.clock.work(seconds)
            taken += 1

    async def other():
        while taken < values:
            marks.append(taken)
            await pause(bench.scheduler)

    bench.start(consumer())
    bench.start(other())
    bench.run()
    return [after - before for before, after in pairwise(marks)]


@pytest.mark.parametrize("seconds", [1e-6, 1e-5, 1e-4, 1e-3])
def test_a_turn_is_bounded_by_time_and_not_by_a_count(bench, seconds):
    taken = turns_of(bench, seconds, 10_000)
    assert TURN * 0.9 < max(taken[2:]) * seconds < max(TURN * 2, seconds * 2.1)


def test_a_turn_ends_also_by_a_clock_that_stands_still(bench):
    assert 1000 < max(turns_of(bench, 0.0)) < 10_000


def test_a_slice_is_over_in_time_though_each_strand_takes_a_whole_turn(bench):
    bench.clock = bench.scheduler.clock = WorkClock()
    channel = Channel(bench.scheduler, 100_000)
    for number in range(100_000):
        channel.put(number)

    async def consumer():
        async for _ in channel:
            bench.clock.work(1e-6)

    for _ in range(100):
        bench.start(consumer())
    before = bench.clock.now
    bench.scheduler.run()
    assert bench.clock.now - before < SLICE + TURN * 2
    channel.close()
    bench.run()


def test_a_strand_that_has_waited_begins_a_new_turn(bench):
    bench.clock = bench.scheduler.clock = WorkClock()
    channel, signal = Channel(bench.scheduler, 1000), Channel(bench.scheduler)
    order = []

    async def consumer():
        for number in range(40):
            await signal.receive()
            for _ in range(20):
                channel.put(1)
                await channel.receive()
                bench.clock.work(TURN / 25)
            order.append(number)

    async def other():
        for number in range(40):
            await signal.send(None)
            order.append(-number)

    worker = bench.start(consumer())
    bench.start(other())
    bench.run()
    assert worker.done
    assert worker.steps <= 42  # it was never sent to the end of the queue within its turn


@pytest.mark.semantics("4.4")
@pytest.mark.parametrize("how", ["receive", "select"])
def test_a_value_taken_by_a_strand_interrupted_while_it_lets_others_run_goes_back(bench, how):
    channel = Channel(bench.scheduler, 10)
    for number in range(3):
        channel.put(number)
    bench.scheduler.credit = bench.scheduler.turn_seconds = 0
    if how == "receive":
        worker = bench.start(channel.receive())
    else:
        worker = bench.start(select(bench.scheduler, (channel,)))
    self_stepped = bench.ready.popleft()
    bench.scheduler.current = self_stepped
    self_stepped.step()
    bench.scheduler.current = None
    assert channel.buffered == 2
    worker.throw(KeyboardInterrupt())
    assert [channel.attempt() for _ in range(3)] == [0, 1, 2]


# -- parking -----------------------------------------------------------------------------------


class Place:
    """Somewhere to park that keeps a log."""

    def __init__(self):
        self.log = []

    def withdraw(self, strand):
        self.log.append("withdraw")

    def restore(self, value, turn=0):
        self.log.append(("restore", value))


def test_a_wait_that_is_interrupted_is_withdrawn_if_nothing_came_and_else_given_back(bench):
    place = Place()

    class Rude(Worker):
        def step(self):
            try:
                self.coro.throw(KeyError()) if self.steps else self.coro.send(None)
            except KeyError:
                self.done = True
            self.steps += 1

    async def body():
        await park(bench.scheduler.current, place)

    empty_handed, handed = Rude(bench.scheduler, body()), Rude(bench.scheduler, body())
    for strand in (empty_handed, handed):
        strand.wake(None)
    bench.run()
    assert empty_handed.parked is place
    empty_handed.parked = None
    bench.ready.append(empty_handed)  # interrupted: queued without a value
    bench.scheduler.rouse()
    bench.run()
    assert place.log == ["withdraw"]
    handed.wake("a value")
    bench.run()
    assert place.log == ["withdraw", ("restore", "a value")]


# -- exceptions that escape --------------------------------------------------------------------


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, AssertionError])
def test_an_exception_that_escapes_a_step_leaves_the_scheduler_usable(bench, exception):
    log = []

    async def bad():
        raise exception

    async def good(name):
        log.append(name)
        await pause(bench.scheduler)
        log.append(name)

    bench.start(good("before"))
    bench.start(bad())
    bench.start(good("after"))
    with pytest.raises(exception):
        bench.scheduler.run()
    assert bench.scheduler.current is None
    assert bench.scheduler.awake  # somebody is ready: the driver has been asked to come back
    assert bench.calls == 2
    bench.run()
    assert log == ["before", "after", "before", "after"]
    assert not bench.scheduler.awake


def test_an_exception_in_the_last_ready_strand_leaves_the_scheduler_asleep(bench):
    async def bad():
        raise KeyboardInterrupt

    async def good():
        log.append("ran")

    log = []
    bench.start(bad())
    with pytest.raises(KeyboardInterrupt):
        bench.scheduler.run()
    assert not bench.scheduler.awake
    bench.start(good())
    assert bench.scheduler.awake
    bench.run()
    assert log == ["ran"]


# -- the system lane ---------------------------------------------------------------------------


class Victim(Process):
    """As much of a process as the lane asks for."""

    def __init__(self, log, name, fails=False):
        self.log, self.name, self.fails = log, name, fails
        self.thread = 1  # it is alive

    def kill(self, error, cleanup=None):
        self.thread = None
        self.log.append((self.name, str(error)))
        if self.fails:
            raise KeyboardInterrupt

    def crashed(self, exc):
        raise exc


def test_the_system_lane_goes_ahead_of_all_that_were_ready_before(bench):
    log = []
    lane = SystemLane(bench.scheduler)

    async def body(name):
        log.append(name)
        if name == "a":
            lane.add(Victim(log, "late"), Internal("2"))
        await pause(bench.scheduler)
        log.append(name)

    for name in "ab":
        bench.start(body(name))
    for name in ("x", "y"):
        lane.add(Victim(log, name), Internal("1"))
    bench.run()
    assert log == [("x", "1"), ("y", "1"), "a", ("late", "2"), "b", "a", "b"]


def test_the_system_lane_kills_in_the_order_of_the_decisions_and_nobody_twice(bench):
    log = []
    lane = SystemLane(bench.scheduler)
    victims = [Victim(log, number) for number in range(200)]
    for victim in victims:
        lane.add(victim, Internal("first"))
        lane.add(victim, Internal("second"))
    bench.run()
    assert log == [(number, "first") for number in range(200)]


def test_a_long_cascade_lets_the_driver_have_control_but_nobody_else(bench):
    bench.clock.pace = SLICE
    log = []
    lane = SystemLane(bench.scheduler)

    async def body():
        log.append("ran")

    bench.start(body())
    for number in range(10_000):
        lane.add(Victim(log, number), Internal("cascade"))
    assert bench.run() > 1
    assert log[-1] == "ran"
    assert len(log) == 10_001


def test_an_exception_that_escapes_a_kill_leaves_the_other_doomed_in_the_lane(bench):
    log = []
    lane = SystemLane(bench.scheduler)
    for number in range(4):
        lane.add(Victim(log, number, fails=number == 1), Internal(""))
    with pytest.raises(KeyboardInterrupt):
        bench.scheduler.run()
    assert bench.scheduler.awake
    bench.run()
    assert [name for name, _ in log] == [0, 1, 2, 3]
