"""How much the lifecycle events of a process weigh that wait."""

from procession.core.event import EXIT, Event
from procession.core.events import EVENT, Events, weight_of

LIMIT = 1 << 20


def wait(events, count, result=None):
    for _ in range(count):
        event = Event(EXIT, "{app:processes|0x00001}", 0.0, result, None)
        events.push(event)
        events.weight += weight_of(event)


def test_events_that_were_received_weigh_nothing_any_more():
    events = Events(None)
    for _ in range(10):
        wait(events, 1000)
        for _ in range(1000):
            events.attempt()
    wait(events, 5)
    assert events.weight > LIMIT
    assert not events.exceeds(LIMIT)
    assert events.weight == 5 * EVENT
    assert events.next_look > events.weight


def test_events_that_wait_weigh_themselves_and_what_they_carry():
    events = Events(None)
    wait(events, 3, "x" * LIMIT)
    assert events.exceeds(LIMIT)
    assert events.weight >= 3 * LIMIT


def test_those_that_nearly_weigh_too_much_are_not_added_up_at_each_further_one():
    events = Events(None)
    wait(events, LIMIT // EVENT)
    assert not events.exceeds(LIMIT)
    assert events.next_look >= events.weight + LIMIT // 8
