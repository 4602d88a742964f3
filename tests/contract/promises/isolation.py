"""SEMANTICS 3 and 4: what is one process's own, and its channels."""

import asyncio
import uuid
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from promises.children import (
    arrived,
    changes_its_argument,
    child,
    echo,
    end_of,
    fails_in_a_task,
    far,
    near,
    promise,
    returns_what_cannot_cross,
    waits_forever,
)

from procession import ChannelClosed, Invalid, channel, process

BERLIN = timezone(timedelta(hours=2))
PLAIN = [
    None, True, False, 0, 7, -(2**63), 2**63 - 1, 1.5, -0.0, float("inf"), "", "text", "ünïcode",
    "nul\0", b"", b"\xff\x00bytes", [], [1, [2, [3]]], {}, {"a": {"b": [1, 2]}, "c": None},
    {7: "seven"}, {"": 0}, datetime(2024, 2, 29, 12, 30, 1, 5000, UTC), datetime(2024, 1, 1),
    datetime(2024, 2, 29, 12, 30, 1, 5000, BERLIN), uuid.UUID(int=5),
]  # fmt: skip


class Struct(msgspec.Struct):
    id: int
    tags: list[str]


@dataclass
class Data:
    id: int
    inner: Struct


@promise("3.1")
async def one_process_runs_one_piece_of_its_code_at_a_time():
    inside, most = 0, 0

    async def task():
        nonlocal inside, most
        for _ in range(5):
            inside += 1
            most = max(most, inside)
            inside -= 1
            await asyncio.sleep(0)

    puppet = await far()
    await asyncio.gather(task(), task(), puppet.do("os_pid"), puppet.do("os_pid"))
    assert most == 1


@promise("3.2")
async def an_error_in_a_task_ends_the_process():
    for _ in range(3):
        pid = child(fails_in_a_task, how="spawn_monitored")
        assert "in a task" in (await end_of(pid)).error.message


@promise("3.3")
async def every_plain_value_arrives_as_it_was_sent():
    for where in (near, far):
        puppet = await where()
        for value in PLAIN:
            process.send(puppet.pid, "value", value)
            got = await puppet.do("receive", "value")
            assert (got, type(got)) == (value, type(value))
            if isinstance(value, datetime):
                assert got.utcoffset() == value.utcoffset()


@promise("3.3")
async def tuples_and_sets_arrive_as_lists_and_structs_as_maps():
    point = namedtuple("point", "x y")
    plain = {"id": 1, "tags": ["a"]}
    cases = [
        ((1, (2, 3)), [1, [2, 3]]),
        ({5}, [5]),
        (frozenset(["x"]), ["x"]),
        (point(1, 2), [1, 2]),
        (Struct(1, ["a"]), plain),
        (Data(2, Struct(1, ["a"])), {"id": 2, "inner": plain}),
        ([Struct(1, ["a"])], [plain]),
    ]
    for where in (near, far):
        puppet = await where()
        for value, expected in cases:
            process.send(puppet.pid, "value", value)
            assert await puppet.do("receive", "value") == expected


@promise("3.3")
async def no_change_by_the_sender_is_seen_by_the_receiver():
    for where in (near, far):
        puppet = await where()
        value = {"list": [1, 2], "map": {"a": 1}}
        process.send(puppet.pid, "value", value)
        value["list"].append(3)
        value["map"].clear()
        assert await puppet.do("receive", "value") == {"list": [1, 2], "map": {"a": 1}}


@promise("3.3")
async def no_change_of_an_argument_by_the_child_is_seen_by_the_parent():
    changed = process.listen("changed")
    for _ in range(3):
        value = {"list": [1]}
        child(changes_its_argument, process.pid(), value)
        assert await changed.receive() == {"list": [1, "changed"], "new": True}
        assert value == {"list": [1]}


@promise("3.3")
async def no_change_by_the_parent_is_seen_by_the_child():
    for _ in range(3):
        value = {"list": [1]}
        pid = child(echo, value, [value], how="spawn_monitored")
        value["list"].append(2)
        assert (await end_of(pid)).result == [{"list": [1]}, [{"list": [1]}]]


@promise("3.3")
async def what_cannot_cross_is_refused_at_the_sender_and_nothing_is_delivered():
    for where in (near, far):
        puppet = await where()
        for value in (print, channel.new(), object(), asyncio.current_task(), 2**64):
            with pytest.raises(Invalid, match=r"\['a'\]\[1\]"):
                process.send(puppet.pid, "value", {"a": [0, value]})
        with pytest.raises(Invalid):
            process.spawn(echo, None, object())
        process.send(puppet.pid, "value", "the first")
        assert await puppet.do("receive", "value") == "the first"


@promise("3.3", "7.1")
async def a_result_that_cannot_cross_is_an_error_of_the_process():
    for _ in range(3):
        pid = child(returns_what_cannot_cross, how="spawn_monitored")
        event = await end_of(pid)
        assert event.result is None
        assert isinstance(event.error, Invalid)
        assert "['path'][0]" in event.error.message


@promise("4.2", "4.3")
async def a_closed_channel_gives_what_it_has_and_then_says_closed():
    ch = channel.new(2)
    await ch.send(None)
    await ch.send("last")
    ch.close()
    ch.close()
    assert [value async for value in ch] == [None, "last"]
    for _ in range(2):
        with pytest.raises(ChannelClosed):
            await ch.receive()
    with pytest.raises(ChannelClosed):
        await ch.send(1)


@promise("4.5", "4.6")
async def a_select_takes_the_first_ready_case_in_the_listed_order_and_no_other():
    puppet = await far()
    one, two = process.listen("one"), process.listen("two")
    for topic in ("two", "one"):
        await puppet.do("send", process.pid(), topic, topic)
    got = await channel.select(one, two)
    assert (got.channel, got.value, got.ok) == (one, "one", True)
    got = await channel.select(one, two)
    assert (got.channel, got.value, got.ok) == (two, "two", True)
    assert (await channel.select(one, two, default=True)).default


@promise("4.8")
async def polling_sees_what_has_arrived():
    for where in (near, far):
        puppet = await where()
        for topic in ("listened to", "nobody listens"):
            process.listen("listened to")
            await puppet.do("many", process.pid(), [topic], 3)
        assert await arrived(process.listen("listened to")) == [0, 1, 2]
        assert [message.payload for message in await arrived(process.inbox())] == [0, 1, 2]
        process.monitor(puppet.pid)
        other = child(waits_forever)
        await puppet.do("cancel", process.pid(), "here")
        await puppet.do("os_pid")
        assert [event.reason for event in await arrived(process.events())] == ["here"]
        process.unmonitor(puppet.pid)
        process.terminate(other)
