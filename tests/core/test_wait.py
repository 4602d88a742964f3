"""What a coroutine gets that waits at a channel, and what it is itself to all others of Python."""

import asyncio
import gc
import inspect
import sys
import types
import warnings
import weakref
from collections.abc import Coroutine

import pytest

from procession.core.channel import Channel
from procession.core.scheduler import Scheduler, Strand
from procession.core.sleep import pause
from procession.core.switch import RunQueue
from procession.core.tokens import PARKED
from procession.core.wait import park


class HandClock:
    """A clock that stands still."""

    def monotonic(self):
        return 0.0

    def wall(self):
        return 0.0


class Body(Strand):
    """A coroutine on a strand, and what became of it."""

    def __init__(self, scheduler, coro):
        super().__init__(scheduler)
        self.coro = coro
        self.got = None
        self.yielded = []

    def step(self):
        self.go(self.coro.send, None)

    def go(self, how, what):
        try:
            self.yielded.append(how(what))
        except StopIteration as end:
            self.got = ("returned", end.value)
        except Exception as exc:
            self.got = ("raised", exc)

    def throw(self, exc):
        self.scheduler.current = self
        self.go(self.coro.throw, exc)
        self.scheduler.current = None

    def crashed(self, exc):
        raise exc


class Bench:
    """A scheduler in the hands of a test."""

    def __init__(self):
        self.scheduler = Scheduler(
            HandClock(), RunQueue(), lambda: None, lambda: pytest.fail("nobody is running")
        )

    def channel(self, capacity=0):
        return Channel(self.scheduler, capacity)

    def start(self, coro):
        body = Body(self.scheduler, coro)
        body.wake(None)
        self.run()
        return body

    def run(self):
        while self.scheduler.awake:
            self.scheduler.run()


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def waits(bench):
    """A body that waits at a channel: the two."""
    channel = bench.channel(10)

    async def receive():
        return await channel.receive()

    body = bench.start(receive())
    assert body.parked is channel
    assert body.yielded == [PARKED]
    return body, channel


# -- what it is ----------------------------------------------------------------------------------


def test_a_wait_passes_for_a_coroutine(bench):
    channel = bench.channel()
    for wait in (channel.receive(), channel.send(1)):
        assert asyncio.iscoroutine(wait)
        assert inspect.iscoroutine(wait)
        assert inspect.isawaitable(wait)
        assert isinstance(wait, Coroutine)
        assert inspect.getcoroutinestate(wait) in (inspect.CORO_CREATED, inspect.CORO_CLOSED)
        assert not wait.cr_running
        assert repr(wait).startswith(f"<coroutine object {wait.__qualname__} at 0x")
        wait.close()


def test_a_wait_has_the_name_of_what_was_called(bench):
    channel = bench.channel()
    receives, sends = channel.receive(), channel.send(1)
    assert receives.__qualname__ == "ReceiveChannel.receive"
    assert sends.__qualname__ == "Channel.send"
    receives.close()
    sends.close()


def test_who_looks_sees_whether_a_wait_has_begun(waits):
    body, _ = waits
    wait = body.coro.cr_await
    if inspect.isawaitable(wait):  # the plain core shows what it waits for within
        assert inspect.getcoroutinestate(wait) == inspect.CORO_SUSPENDED
    body.coro.close()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda channel: channel.receive(), "ReceiveChannel.receive"),
        (lambda channel: channel.send(1), "Channel.send"),
    ],
)
def test_a_wait_that_nobody_awaits_is_told_of(bench, call, name):
    channel = bench.channel(1)
    with pytest.warns(RuntimeWarning, match=f"^coroutine '{name}' was never awaited$"):
        call(channel)
    assert channel.attempt() is not None  # nothing was sent, and nobody waits
    assert not channel.has_receiver()


def test_a_wait_that_was_closed_or_awaited_is_not_told_of(bench):
    channel = bench.channel(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        channel.receive().close()
        wait = channel.send(1)
        bench.start(only(wait))
        del wait
        gc.collect()


class WeaklyKnown(Channel):
    """A channel of which a test can tell whether anybody still holds it."""


def is_taken(body, channel):
    channel.push(1)
    body.step()


def is_closed_at_its_other_end(body, channel):
    channel.close()
    body.step()


def is_interrupted(body, channel):
    body.throw(ValueError("no"))
    body.got[1].__traceback__ = None  # a frame of the test's, which has the exception


def is_given_up(body, channel):
    body.coro.close()


@pytest.mark.parametrize(
    "ends", [is_taken, is_closed_at_its_other_end, is_interrupted, is_given_up]
)
@pytest.mark.parametrize("begun", [True, False])
def test_a_wait_that_is_over_holds_nothing_but_its_name(bench, ends, begun):
    channel = WeaklyKnown(bench.scheduler, 1)
    body = Body(bench.scheduler, channel.receive())
    wait = body.coro
    bench.scheduler.current = body
    if begun:
        body.step()
        assert body.parked is channel
    ends(body, channel)
    bench.scheduler.current = None
    bench.scheduler.ready.clear()
    body.got = None  # an exception has the frames that it has passed
    channel, body = weakref.ref(channel), weakref.ref(body)
    assert channel() is None
    assert body() is None
    assert inspect.getcoroutinestate(wait) == inspect.CORO_CLOSED
    assert wait.__qualname__ == "ReceiveChannel.receive"


async def only(awaitable):
    return await awaitable


# -- used in another way than by one await -------------------------------------------------------


def test_a_wait_cannot_be_awaited_again(bench):
    channel = bench.channel(2)
    channel.push("first")
    channel.push("second")
    wait = channel.receive()
    assert bench.start(only(wait)).got == ("returned", "first")
    again = bench.start(only(wait))
    assert str(again.got[1]) == "cannot reuse already awaited coroutine"
    assert channel.attempt() == "second"


def test_a_wait_cannot_be_awaited_by_two(bench):
    channel = bench.channel()
    wait = channel.receive()
    first = bench.start(only(wait))
    second = bench.start(only(wait))
    assert str(second.got[1]) == "coroutine is being awaited already"
    channel.push("value")
    bench.run()
    assert first.got == ("returned", "value")


def test_a_wait_is_no_iterator_but_in_the_hands_of_a_coroutine(bench):
    channel = bench.channel(1)
    wait = channel.receive()
    with pytest.raises(TypeError, match="'coroutine' object is not iterable"):
        list(wait)
    with pytest.raises(TypeError, match="'coroutine' object is not an iterator"):
        next(wait)
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        wait.send(1)
    with pytest.raises(TypeError, match="exceptions must be classes or instances deriving"):
        wait.throw("text")
    wait.close()


def test_a_generator_that_is_a_coroutine_can_wait(bench):
    channel = bench.channel(1)

    @types.coroutine
    def receives():
        return (yield from channel.receive())

    class Awaits:
        def __await__(self):
            return (yield from channel.receive().__await__())

    first, second = bench.start(only(receives())), bench.start(only(Awaits()))
    for value in "ab":
        channel.push(value)
    bench.run()
    assert (first.got, second.got) == (("returned", "a"), ("returned", "b"))


def test_a_body_that_somebody_else_resumes_goes_on_waiting(waits, bench):
    body, channel = waits
    for _ in range(3):
        assert body.coro.send(None) is PARKED
    assert body.parked is channel
    channel.push("value")
    bench.run()
    assert body.got == ("returned", "value")


def test_a_body_that_is_stepped_without_being_woken_goes_on_waiting(bench):
    channel = bench.channel()

    async def twice():
        return await channel.receive(), await channel.receive()

    body = bench.start(twice())
    body.step()
    channel.push(1)
    bench.run()
    body.step()
    channel.push(2)
    bench.run()
    assert body.got == ("returned", (1, 2))
    assert channel.attempt() is not None
    assert not channel.has_receiver()


# -- interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [ValueError("no"), ValueError])
def test_an_exception_in_the_midst_of_a_receive_leaves_nothing_behind(waits, bench, by):
    body, channel = waits
    body.throw(by)
    assert isinstance(body.got[1], ValueError)
    assert body.parked is None
    channel.push("for another")
    assert channel.attempt() == "for another"


def test_an_exception_when_a_value_was_handed_over_gives_it_back(waits, bench):
    body, channel = waits
    channel.push("first")
    channel.push("second")
    body.throw(ValueError("no"))
    assert body.got[0] == "raised"
    assert [channel.attempt(), channel.attempt()] == ["first", "second"]


def test_a_body_that_is_closed_while_it_is_ready_gives_back_what_it_was_handed(waits):
    body, channel = waits
    channel.push("first")
    body.coro.close()
    assert channel.attempt() == "first"
    assert body.parked is None


def test_a_body_that_is_dropped_while_it_waits_leaves_nothing_behind(bench):
    channel = bench.channel(1)
    body = bench.start(only(channel.receive()))
    body.coro = None
    assert not channel.has_receiver()
    channel.push("for another")
    assert channel.attempt() == "for another"


def test_a_wait_that_was_begun_by_hand_and_is_dropped_leaves_nothing_behind(bench):
    channel = bench.channel(1)
    strand = bench.scheduler.current = Body(bench.scheduler, None)
    wait = channel.receive()
    assert wait.send(None) is PARKED
    assert strand.parked is channel
    del wait
    assert strand.parked is None
    assert not channel.has_receiver()
    bench.scheduler.current = None


def test_a_send_that_is_interrupted_is_not_sent(bench):
    channel = bench.channel()
    body = bench.start(only(channel.send("value")))
    body.throw(ValueError("no"))
    assert body.got[0] == "raised"
    assert not channel.has_sender()


def test_an_exception_that_is_caught_lets_the_body_wait_again(bench):
    channel = bench.channel()

    async def stubborn():
        while True:
            try:
                return await channel.receive()
            except ValueError:
                pass

    body = bench.start(stubborn())
    for _ in range(3):
        body.throw(ValueError())
        assert body.parked is channel
    channel.push("at last")
    bench.run()
    assert body.got == ("returned", "at last")


def test_the_cause_and_the_traceback_of_what_is_thrown_stay(waits):
    body, _ = waits
    try:
        raise KeyError("inside")
    except KeyError as cause:
        thrown = ValueError("no")
        thrown.__cause__ = cause
        body.throw(thrown)
    assert body.got[1] is thrown
    assert isinstance(thrown.__cause__, KeyError)
    names = []
    trace = thrown.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "receive" in names


def test_a_pause_and_a_park_that_are_interrupted_leave_nothing_behind(bench):
    class Place:
        def withdraw(self, strand):
            self.left = strand

    place = Place()

    async def parks():
        await park(bench.scheduler.current, place)

    body = bench.start(parks())
    body.throw(ValueError())
    assert place.left is body
    body = bench.start(only(pause(bench.scheduler)))
    assert body.got == ("returned", None)


# -- looked at -----------------------------------------------------------------------------------


VALUES = [None, (), (1, 2), StopIteration(3), ValueError("a value"), 0, "text", [1]]


@pytest.mark.parametrize("look", [sys.settrace, sys.setprofile, None])
def test_what_is_received_is_what_was_sent_whoever_looks(bench, look):
    channel = bench.channel(1)
    got = []

    async def receives():
        for _ in range(2 * len(VALUES)):
            got.append(await channel.receive())

    async def sends():
        for value in VALUES * 2:
            await channel.send(value)

    def on_event(frame, event, arg):
        return on_event

    before = sys.gettrace(), sys.getprofile()
    try:
        if look is not None:
            look(on_event)
        bodies = [bench.start(receives()), bench.start(sends())]
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    assert [body.got for body in bodies] == [("returned", None)] * 2
    assert all(one is other for one, other in zip(got, VALUES * 2, strict=True))
