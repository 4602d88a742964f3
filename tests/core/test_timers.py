"""The timer queue against a list that is sorted, and the channels that the clock sends to."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.core.alarm import Ticker, Timer
from procession.core.errors import ChannelClosed
from procession.core.scheduler import Scheduler
from procession.core.switch import RunQueue
from procession.core.timers import TimerQueue
from procession.core.tokens import EMPTY

TIMES = st.integers(0, 20).map(float)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), TIMES),
        st.tuples(st.just("set"), TIMES),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("advance"), st.integers(0, 5).map(float)),
    ),
    max_size=80,
)


@given(ACTIONS)
def test_timers_fire_once_by_time_then_by_when_they_were_set_and_cancelled_ones_never(actions):
    queue, now = TimerQueue(), 0.0
    handles, pending, fired = [], [], []
    for verb, value in actions:
        if verb == "set":
            serial = len(handles)
            handles.append(queue.add(now + value, lambda serial=serial: fired.append(serial)))
            pending.append((now + value, serial))
        elif verb == "cancel" and handles:
            serial = value % len(handles)
            was_pending = [timer for timer in pending if timer[1] == serial]
            assert handles[serial].active is bool(was_pending)
            assert handles[serial].cancel() is bool(was_pending)
            assert handles[serial].cancel() is False
            pending = [timer for timer in pending if timer[1] != serial]
        elif verb == "advance":
            now += value
            due = sorted(timer for timer in pending if timer[0] <= now)
            pending = [timer for timer in pending if timer[0] > now]
            fired.clear()
            queue.fire(now)
            assert fired == [serial for _, serial in due]
        assert len(queue) == len(pending)
        assert queue.next_due() == min((when for when, _ in pending), default=None)


@given(st.lists(st.tuples(TIMES, st.lists(TIMES, max_size=3)), max_size=20), TIMES)
def test_a_callback_may_set_and_cancel_timers(plan, now):
    """Those it sets for later wait; those it cancels do not fire, even if they are due by now."""
    queue, fired, late, handles = TimerQueue(), [], [], []

    def ring(index):
        fired.append(index)
        for delay in plan[index][1]:
            queue.add(now + 1 + delay, lambda: late.append(index))
        if index + 1 < len(handles):
            handles[index + 1].cancel()

    for index, (when, _) in enumerate(plan):
        handles.append(queue.add(when, lambda index=index: ring(index)))
    expected, cancelled = [], set()
    for when, index in sorted((when, index) for index, (when, _) in enumerate(plan)):
        if when <= now and index not in cancelled:
            expected.append(index)
            cancelled.add(index + 1)
    queue.fire(now)
    assert fired == expected
    assert late == []
    queue.fire(now + 100)
    assert len(late) == sum(len(plan[index][1]) for index in fired)
    assert len(queue) == 0
    assert queue.next_due() is None


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=40),
    st.integers(0, 5),
)
def test_memory_is_bounded_by_what_is_still_to_ring(rounds, kept):
    """Whenever one is set, cancelled ones make up no more than half, beyond a few dozen."""
    queue = TimerQueue()
    live = [queue.add(1e6 + n, lambda: None) for n in range(kept)]
    for added, cancelled in rounds:
        for number in range(added):
            live.append(queue.add(1e3 + number, lambda: None))
            assert len(queue) == len(live)
            assert len(queue._heap) <= 2 * len(live) + 66
        for handle in live[-cancelled:]:
            handle.cancel()
        del live[-cancelled:]
        assert len(queue) == len(live)


def test_a_cancelled_timer_lets_go_of_its_callback_at_once():
    queue = TimerQueue()

    class Thing:
        pass

    gone = []
    thing = Thing()
    handle = queue.add(1.0, lambda thing=thing: None)
    reference = weakref.ref(thing, lambda _: gone.append(True))
    del thing
    handle.cancel()
    assert reference() is None
    assert gone == [True]


def test_sweeping_while_timers_fire_loses_none():
    """A callback that cancels hundreds makes the queue sweep in the middle of firing."""
    queue, fired = TimerQueue(), []
    victims = [queue.add(5.0, lambda: fired.append("victim")) for _ in range(300)]
    queue.add(1.0, lambda: [victim.cancel() for victim in victims])
    for number in range(10):
        queue.add(2.0, lambda number=number: fired.append(number))
    queue.fire(10.0)
    assert fired == list(range(10))
    assert len(queue) == 0


# -- alarms: channels that the clock sends to --------------------------------------------------


class HandClock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now + 1e9


class Bench:
    """A scheduler with a clock that is moved by hand."""

    def __init__(self):
        self.clock = HandClock()
        self.scheduler = Scheduler(
            self.clock, RunQueue(), lambda: None, lambda: pytest.fail("nobody is running")
        )

    def advance(self, seconds):
        self.clock.now += seconds
        self.scheduler.run()


@pytest.fixture
def bench():
    return Bench()


def take(channel):
    value = channel.attempt()
    return value if value is EMPTY else round(value - 1e9, 6)


@pytest.mark.semantics("13.2")
def test_a_timer_rings_once_and_not_before_its_time(bench):
    timer = Timer(bench.scheduler, 5.0, float)
    bench.advance(4.9)
    assert take(timer) is EMPTY
    bench.advance(0.1)
    assert take(timer) == 105.0
    bench.advance(100)
    assert take(timer) is EMPTY
    assert not timer.closed
    assert timer.stop() is False


@pytest.mark.semantics("13.2")
def test_a_timer_that_closes_gives_one_value_first(bench):
    timer = Timer(bench.scheduler, 5.0, float, closes=True)
    bench.advance(5)
    assert timer.closed
    assert take(timer) == 105.0
    with pytest.raises(ChannelClosed):
        timer.receive().send(None)


@pytest.mark.semantics("13.2")
def test_a_stopped_timer_is_silent_and_a_reset_one_rings_anew(bench):
    timer = Timer(bench.scheduler, 5.0, float)
    assert timer.stop() is True
    assert timer.stop() is False
    bench.advance(10)
    assert take(timer) is EMPTY
    assert timer.reset(1.0) is False
    assert timer.reset(2.0) is True
    bench.advance(1.5)
    assert take(timer) is EMPTY
    bench.advance(1.0)
    assert timer.reset(3.0) is False  # it has rung; the ring that nobody took is lost
    assert take(timer) is EMPTY
    bench.advance(3.0)
    assert take(timer) == 115.5


def test_an_alarm_that_nobody_holds_leaves_nothing_behind(bench):
    for _ in range(1000):
        Timer(bench.scheduler, 3600.0, float)
        Ticker(bench.scheduler, 3600.0, float)
    gc.collect()
    assert len(bench.scheduler.timers) == 0
    bench.scheduler.call_later(1.0, lambda: None)
    assert len(bench.scheduler.timers._heap) <= 66


@pytest.mark.semantics("13.2")
@given(st.sampled_from([0.5, 1.0, 3.0]), st.lists(st.tuples(st.integers(0, 40), st.booleans())))
def test_a_ticker_keeps_its_grid_and_drops_ticks_that_nobody_takes(interval, moves):
    bench = Bench()
    ticker = Ticker(bench.scheduler, interval, float)
    start, waiting, due = bench.clock.now, None, bench.clock.now + interval
    for quarters, takes in moves:
        bench.advance(quarters / 4)
        now = bench.clock.now
        if now >= due:
            waiting = now if waiting is None else waiting
            due = start + ((now - start) // interval + 1) * interval
        assert bench.scheduler.timers.next_due() == due
        if takes:
            assert take(ticker) == (EMPTY if waiting is None else waiting)
            waiting = None
    ticker.close()
    bench.advance(100)
    assert bench.scheduler.timers.next_due() is None
