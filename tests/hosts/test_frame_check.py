"""Of a batch that makes no sense nothing is done."""

import inspect
import random
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from procession.core import frames
from procession.core.errors import Internal
from procession.core.pid import serial_base
from procession.hosts import frame_check, wire
from procession.hosts.frame_check import check_frames

PROCESSES = "app:processes"
HERE, THERE, ELSEWHERE = 0, 1, 2


def pid(creator, home, number=1):
    return f"{{app:host|0x{serial_base(creator, home) + number:05x}}}"


def from_there():
    own = pid(THERE, THERE)
    return [
        [frames.MESSAGE, pid(0, HERE), own, "topic", [1, None, {"a": []}]],
        [frames.CALL, pid(0, HERE), None, "topic", "payload", 1],
        [frames.CALL, pid(0, HERE), None, "@ready", None, 1],
        [frames.REPLY, 1, Internal("no")],
        [frames.EXITED, own, 1.5, {"a": 1}, None],
        [frames.EXITED, own, 1.5, None, Internal("no")],
        [frames.DOOM, pid(0, HERE), Internal("no"), None],
        [frames.CREDIT, own, 3],
        [frames.WAITS, own],
        [frames.EVENT, {"system": "s", "kind": "k", "from": None}],
        [frames.CONTROL, "load", 1, 2],
        [frames.CONTROL, "ask", "lookup", "name"],
        [frames.CONTROL, "ask", "register", "name", own, None],
    ]


def test_every_kind_of_frame_is_known():
    known = {frames.CONTROL, *frame_check._SHAPES}
    assert known == set(range(frames.CONTROL + 1))


def test_each_frame_has_as_many_parts_as_its_handler_takes(fresh):
    async def test(world):
        router = world.node._workers.router
        for kind, handler in router.exchange._handlers.items():
            if kind != frames.CONTROL:
                _, *parts = inspect.signature(handler).parameters.values()
                counts = {parts_of(parts), len(frame_check._SHAPES[kind])}
                assert len(counts - {None}) == 1, handler
        for what, handler in world.node._workers._control._on.items():
            if what != "ask":
                _, *parts = inspect.signature(handler).parameters.values()
                assert len(parts) == len(frame_check._CONTROL_SHAPES[what]), what

    fresh(test)


def parts_of(parameters):
    """How many a handler takes; None: any number."""
    return None if any(one.kind is one.VAR_POSITIONAL for one in parameters) else len(parameters)


def test_what_makes_sense_passes():
    check_frames(HERE, THERE, from_there())


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "frame",
    [
        None,
        [],
        [99],
        ["0"],
        [True, "x"],
        [frames.WATCH],
        [frames.WATCH, 5],
        [frames.WATCH, "pid", "and more"],
        [frames.MESSAGE, "pid", None, "topic", "no list"],
        [frames.MESSAGE, "pid", None, ["topic"], []],
        [frames.MESSAGE, pid(0, HERE), None, "", [1]],
        [frames.MESSAGE, pid(0, HERE), None, "@ready", [1]],
        [frames.CALL, pid(0, HERE), None, "@other", 1, 1],
        [frames.CREDIT, pid(THERE, THERE), -1],
        [frames.CREDIT, pid(THERE, THERE), 1 << 60],
        [frames.CREDIT, pid(THERE, THERE), True],
        [frames.CREDIT, pid(THERE, ELSEWHERE), 1],
        [frames.WAITS, "no pid"],
        [frames.EXITED, pid(THERE, THERE), "soon", None, None],
        [frames.EXITED, pid(THERE, THERE), 1.0, None, "no error"],
        [frames.EXITED, pid(THERE, THERE), 1.0, deep(200), None],
        [frames.SPAWN, pid(ELSEWHERE, HERE), "h", "e", [], False, None, None, None, False],
        [frames.SPAWN, pid(THERE, ELSEWHERE), "h", "e", [], False, None, None, None, False],
        [frames.EVENT, {"kind": "k"}],
        [frames.EVENT, {"system": 1, "kind": "k", "from": None}],
        [frames.CONTROL],
        [frames.CONTROL, "stop", 1.0, []],
        [frames.CONTROL, "load", 1],
        [frames.CONTROL, "load", "1", 2],
        [frames.CONTROL, "ask", "lookup"],
    ],
    ids=lambda frame: f"{frame!r:.60}",
)
def test_what_makes_no_sense_does_not(frame):
    with pytest.raises(wire.WireError):
        check_frames(HERE, THERE, [*from_there(), frame])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\xdd\xff\xff\xff\xff",  # a list of four thousand million
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffab",
        b"\x91" * 100_000,  # as deep
        b"\x91\xc7\x00\x02",  # a UUID of no bytes
        b"\x91\xd4\x7f\x00",  # no such extension
        b"\x91\xa2\xff\xfe",  # no UTF-8
    ],
    ids=repr,
)
def test_a_body_that_cannot_be_read_is_a_wire_error(body):
    with pytest.raises(wire.WireError):
        wire.decode(body)


def wild(choice, depth=0):
    kinds = [None, True, -1, 0, 5, 1 << 62, 1.5, "", "text", pid(1, 1), b"x", Internal("no")]
    if depth < 3 and choice.random() < 0.3:
        return [wild(choice, depth + 1) for _ in range(choice.randrange(4))]
    if depth < 3 and choice.random() < 0.1:
        return {"a": wild(choice, depth + 1)}
    return choice.choice(kinds)


def test_wild_frames_pass_or_are_a_wire_error():
    choice = random.Random(11)
    refused = 0
    for _ in range(20_000):
        frame = list(choice.choice(from_there()))
        frame[choice.randrange(len(frame))] = wild(choice)
        try:
            check_frames(HERE, THERE, [frame])
        except wire.WireError:
            refused += 1
    assert refused > 5_000


def test_wild_bytes_are_frames_or_a_wire_error():
    choice = random.Random(12)
    good = msgspec.msgpack.encode([wire.to_wire(one) for one in from_there()])
    for _ in range(5_000):
        body = bytearray(good)
        for _ in range(choice.randrange(1, 6)):
            body[choice.randrange(len(body))] = choice.randrange(256)
        try:
            check_frames(HERE, THERE, wire.decode(bytes(body)))
        except wire.WireError:
            pass


def test_nothing_of_a_batch_is_acted_on_when_a_part_of_it_makes_no_sense(fresh):
    async def test(world):
        puppet = world.puppet()
        await puppet.os_pid()
        router = world.node._workers.router
        place = next(iter(router._links))
        here = world.node.spawn("app:puppet", PROCESSES)
        message = [frames.MESSAGE, here, None, "topic", [1]]

        def arrives(*batch):
            router._route(place, 0, place, msgspec.msgpack.encode(batch))

        def waiting():
            return [one["mailbox"] for one in world.node.processes() if one["pid"] == here]

        with pytest.raises(wire.WireError, match="99"):
            arrives(message, [99])
        assert waiting() == [0]
        arrives(message)
        assert waiting() == [1]

    fresh(test)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
        datetime.max.replace(tzinfo=UTC),
        datetime.min,
        datetime(2026, 11, 27, 19, 30, 1, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
    ids=str,
)
def test_a_moment_at_the_edge_of_its_range_arrives_as_it_was(moment):
    (arrived,) = wire.decode(msgspec.msgpack.encode([wire.to_wire(moment)]))
    assert arrived == moment
    assert arrived.utcoffset() == moment.utcoffset()
