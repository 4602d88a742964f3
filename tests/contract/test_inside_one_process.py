"""SEMANTICS 3: coroutines of a process, and isolation between processes."""

import asyncio
import dataclasses
import enum
import gc
import math
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import msgspec
import pytest

from procession import Error, Invalid, NotFound, channel, process, time


async def give(value):
    return value


@pytest.mark.semantics("3.1")
def test_tasks_of_a_process_share_its_identity_and_end_with_main(run):
    seen = []

    async def helper():
        seen.append(process.pid())
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("dropped")

    async def main():
        task = asyncio.create_task(helper())
        await time.sleep("1ms")
        assert not task.done()
        return process.pid()

    pid = run(main)
    assert seen == [pid, "dropped"]


@pytest.mark.semantics("3.2")
def test_an_error_in_a_task_that_nobody_awaits_ends_the_process(run):
    async def failing():
        raise ValueError("boom")

    async def main():
        asyncio.create_task(failing())  # noqa: RUF006
        await time.sleep("1m")

    with pytest.raises(Error, match="boom") as caught:
        run(main)
    assert caught.value.details["type"] == "ValueError"


@pytest.mark.semantics("3.2")
def test_an_error_in_a_task_that_is_awaited_later_is_caught_there(run):
    async def failing():
        raise ValueError("boom")

    async def main():
        task = asyncio.create_task(failing())
        await time.sleep("2ms")
        with pytest.raises(ValueError, match="boom"):
            await task
        return "alive"

    assert run(main) == "alive"


@pytest.mark.semantics("3.2")
def test_an_error_in_a_task_that_is_kept_can_still_be_handled_after_a_long_time(run):
    async def failing():
        raise ValueError("boom")

    async def main():
        task = asyncio.create_task(failing())
        await time.sleep("700ms")  # longer than half a second, which was the limit once
        with pytest.raises(ValueError, match="boom"):
            await task
        return "alive"

    assert run(main) == "alive"


@pytest.mark.semantics("3.2")
def test_an_error_nobody_looked_at_by_the_time_main_returns_ends_the_process_with_it(run):
    async def failing():
        raise ValueError("boom")

    async def main():
        task = asyncio.create_task(failing())
        await time.sleep("2ms")
        assert task.done()
        return "fine"

    with pytest.raises(Error, match="boom"):
        run(main)


@pytest.mark.semantics("3.3")
def test_no_later_change_by_the_sender_is_seen_by_the_receiver(run):
    async def receiver(argument):
        got = await process.listen("t").receive()
        await time.sleep("2ms")
        return [argument, got]

    async def main():
        argument, payload = {"a": [1]}, {"b": [2]}
        events = process.events()
        pid = process.spawn_monitored(receiver, None, argument)
        process.send(pid, "t", payload)
        argument["a"].append("changed")
        payload["b"].append("changed")
        payload["c"] = 1
        return (await events.receive()).result

    assert run(main) == [{"a": [1]}, {"b": [2]}]


@pytest.mark.semantics("3.3")
def test_two_monitors_do_not_share_the_result(run):
    async def watcher(target, parent):
        process.monitor(target)
        process.send(parent, "ready")
        event = await process.events().receive()
        event.result.append("mine")
        return event.result

    async def worker():
        await process.listen("go").receive()
        return [1]

    async def main():
        ready = process.listen("ready")
        target = process.spawn(worker, None)
        events = process.events()
        for _ in range(2):
            process.spawn_monitored(watcher, None, target, process.pid())
            await ready.receive()
        process.send(target, "go")
        return [(await events.receive()).result for _ in range(2)]

    assert run(main) == [[1, "mine"], [1, "mine"]]


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    tags: set


class Job(msgspec.Struct):
    id: int
    points: list[Point]


class Words(list):
    pass


ID = uuid4()
NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (None, None),
        (True, True),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (1.5, 1.5),
        (math.inf, math.inf),
        ("grüße 🎉", "grüße 🎉"),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        ([1, [2, []]], [1, [2, []]]),
        ((1, (2,)), [1, [2]]),
        ({3}, [3]),
        (frozenset({3}), [3]),
        ({"a": {"b": (1,)}, 1: "one", b"k": 2}, {"a": {"b": [1]}, 1: "one", b"k": 2}),
        (ID, ID),
        (NOW, NOW),
        (datetime(2026, 1, 1), datetime(2026, 1, 1)),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Words(["a"]), ["a"]),
        (Point(1, {2}), {"x": 1, "tags": [2]}),
        (Job(1, [Point(2, {3})]), {"id": 1, "points": [{"x": 2, "tags": [3]}]}),
        ({"when": [NOW], "who": ID}, {"when": [NOW], "who": ID}),
    ],
)
def test_plain_data_crosses_and_arrives_as_its_plain_form(run, sent, received):
    async def main():
        got = await process.exec(give, None, sent)
        return [got, type(got).__name__]

    assert run(main) == [received, type(received).__name__]


@pytest.mark.semantics("3.3")
def test_not_a_number_crosses(run):
    assert math.isnan(run(give, math.nan))
    assert math.isnan(run(give, [math.nan])[0])


@pytest.mark.semantics("3.3")
def test_a_timestamp_arrives_with_a_fixed_offset(run):
    from zoneinfo import ZoneInfo

    sent = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    got = run(give, sent)
    assert got == sent
    assert got.tzinfo == timezone(timedelta(hours=2))


@pytest.mark.semantics("3.3")
def test_an_error_crosses_as_a_value(run):
    sent = NotFound("no such user", retryable=False, details={"id": [7]})
    got = run(give, [sent])[0]
    assert got == sent
    assert type(got) is NotFound
    assert got.details is not sent.details


def self_containing():
    value = []
    value.append(value)
    return value


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def deep_map(levels):
    value = {}
    for _ in range(levels):
        value = {"k": value}
    return value


class Unknown:
    pass


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize(
    ("value", "path"),
    [
        (lambda: lambda: None, "payload cannot"),
        (lambda: [1, {"f": print}], "payload[1]['f'] cannot"),
        (lambda: {"file": open(__file__)}, "payload['file'] cannot"),
        (lambda: (1, channel.new()), "payload[1] cannot"),
        (lambda: channel.new(), "payload cannot"),
        (Unknown, "payload cannot"),
        (lambda: Unknown, "payload cannot"),
        (self_containing, "nests deeper than 128 levels, or contains itself"),
        (lambda: deep(10_000), "nests deeper than 128 levels, or contains itself"),
        (lambda: deep_map(10_000), "nests deeper than 128 levels, or contains itself"),
        (lambda: 2**63, "64 is the limit"),
        (lambda: {"n": [10**5000]}, "payload['n'][0] cannot"),
        (lambda: {10**30: 1}, "64 is the limit"),
        (lambda: "\ud800", "not valid Unicode at character 0"),
        (lambda: ["ok", {"k": "x\udfff"}], "payload[1]['k'] cannot"),
        (lambda: {"\ud800": 1}, "not valid Unicode"),
        (lambda: {None: 1}, "a map key of type NoneType"),
        (lambda: {(1, 2): 3}, "a map key of type list"),
        (lambda: {math.nan: 3}, "a map key that is not a number"),
        (lambda: Point(1, {print}), "payload.tags"),
        (lambda: Job(1, [Point(2, Unknown())]), "payload.points[0].tags"),
        (lambda: (x for x in ()), "of type generator"),
        (lambda: 1j, "of type complex"),
        (lambda: NotFound("x", details=print), "builtin_function"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_cross_is_refused_at_the_sender_with_its_path(run, value, path):
    async def main():
        ch = process.inbox()
        with pytest.raises(Invalid) as caught:
            process.send(process.pid(), "t", value())
        assert path in str(caught.value)
        with pytest.raises(Invalid, match="arguments"):
            process.spawn(give, None, value())
        got = await channel.select(ch, default=True)
        assert got.default, "nothing may be delivered"

    run(main)
    gc.collect()


@pytest.mark.semantics("3.3", "7.1")
def test_a_result_that_cannot_cross_is_an_error_exit(run):
    async def main():
        return {"f": print}

    with pytest.raises(Invalid, match=r"result\['f'\] cannot cross"):
        run(main)


@pytest.mark.semantics("3.4")
def test_module_state_is_shared_within_one_os_process(run):
    shared = []

    async def adder():
        shared.append(process.pid())

    async def main():
        await process.exec(adder, None)
        return len(shared)

    assert run(main) == 1
