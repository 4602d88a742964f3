"""SEMANTICS 5: spawning."""

import pytest
from promises.children import (
    arrived,
    beside,
    child,
    collects,
    crowd,
    echo,
    end_of,
    fails,
    far,
    near,
    next_event,
    promise,
    says_when_it_runs,
    takes_a_job,
    waits_forever,
)

from procession import Invalid, NotFound, process


@promise("5.1")
async def every_kind_of_spawn_gives_a_pid_and_the_ties_that_it_names():
    process.set_options(trap_links=True)
    for how, kinds in (
        ("spawn", []),
        ("spawn_monitored", [process.event.EXIT]),
        ("spawn_linked", [process.event.LINK_DOWN]),
        ("spawn_linked_monitored", [process.event.EXIT, process.event.LINK_DOWN]),
    ):
        for _ in range(3):
            puppet = await far()
            pid = child("promises.children:puppet", how=how)
            os_pid = await process.call(pid, "do", ["os_pid"])
            witness = await beside(type(puppet)(pid, os_pid))
            await witness.do("monitor", pid)
            process.send(pid, "do", ["fail", "oh no"])
            assert (await witness.event())["sender"] == pid
            events = await arrived(process.events())
            assert [(event.kind, event.sender) for event in events] == [
                (kind, pid) for kind in kinds
            ]


@promise("5.1")
async def a_child_that_ends_at_once_is_heard_of_by_its_monitor():
    pids = [child(echo, i, how="spawn_monitored") for i in range(20)]
    results = {}
    for _ in pids:
        event = await next_event()
        results[event.sender] = event.result
    assert results == {pid: [i] for i, pid in enumerate(pids)}


@promise("5.1")
async def arguments_arrive_in_their_order():
    for args in ((), (None,), (1, "two", [3], {"four": 4}), tuple(range(100))):
        for _ in range(2):
            pid = child(echo, *args, how="spawn_monitored")
            assert (await end_of(pid)).result == list(args)


@promise("5.2")
async def spawn_returns_before_the_child_has_run():
    ran = process.listen("ran")
    pids = [child(says_when_it_runs, process.pid()) for _ in range(6)]
    assert await arrived(ran) == []
    assert sorted([await ran.receive() for _ in pids]) == sorted(pids)


@promise("5.2")
async def messages_sent_right_after_a_spawn_are_kept():
    for _ in range(10):
        pid = child(collects, 3, "n", "m", how="spawn_monitored")
        for topic, value in (("n", 1), ("n", 2), ("m", 3)):
            process.send(pid, topic, value)
        assert sorted((await end_of(pid)).result) == [1, 2, 3]


@promise("5.2")
async def messages_of_somebody_else_right_after_a_spawn_are_kept():
    for where in (near, far):
        other = await where()
        for _ in range(10):
            pid = child(collects, 2, "n", how="spawn_monitored")
            other.tell("send", pid, "n", "of the other")
            process.send(pid, "n", "of the parent")
            assert sorted((await end_of(pid)).result) == ["of the other", "of the parent"]


@promise("5.2")
async def what_is_done_to_a_child_right_after_its_spawn_is_done():
    for where in (near, far):
        other = await where()
        for _ in range(5):
            pid = child(waits_forever)
            await other.do("monitor", pid)
            process.terminate(pid)
            event = await other.event()
            assert (event["sender"], event["error"]["kind"]) == (pid, "Terminated")


@promise("5.3")
async def what_the_caller_can_know_of_a_spawn_is_raised_at_once():
    await crowd()
    for entry, host, error, message in (
        ("contract:of.the-manifes", None, NotFound, "entry not found.*of.the-manifest"),
        ("contract:no_process", None, NotFound, "entry not found"),
        ("contract:inline", None, NotFound, "entry not found"),
        ("contract:of.the-manifest", "contract:worker", NotFound, "host not found"),
    ):
        for how in ("spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored"):
            with pytest.raises(error, match=message):
                getattr(process, how)(entry, host)
    with pytest.raises(Invalid):
        process.spawn("contract:of.the-manifest")
    assert await arrived(process.events()) == []


async def refused(entry, *args):
    """The error of a spawn, at once or by EXIT and LINK_DOWN of a process that never ran."""
    process.set_options(trap_links=True)
    for _ in range(3):
        try:
            pid = child(entry, *args, how="spawn_linked_monitored")
        except (NotFound, Invalid) as error:
            yield error
        else:
            exit, down = await next_event(), await next_event()
            assert (exit.kind, exit.sender) == (process.event.EXIT, pid)
            assert (down.kind, down.sender) == (process.event.LINK_DOWN, pid)
            assert (exit.result, exit.error) == (None, down.error)
            yield exit.error


@promise("5.3", "5.6")
async def a_missing_method_is_not_found():
    async for error in refused("promises.children:missing"):
        assert isinstance(error, NotFound)
        assert "missing" in error.message


@promise("5.5", "5.6")
async def an_argument_that_does_not_fit_is_invalid():
    async for error in refused(takes_a_job, {"id": "no number"}):
        assert isinstance(error, Invalid)
        assert "argument 1 (job)" in error.message


@promise("5.5")
async def an_argument_arrives_as_the_type_that_main_wants():
    for _ in range(3):
        pid = child(takes_a_job, {"id": 7, "tags": ["a"]}, how="spawn_monitored")
        assert (await end_of(pid)).result == [7, ["a"]]


@promise("5.4")
async def the_death_of_a_parent_does_not_touch_its_children():
    for where in (near, far):
        parent = await where()
        children = [await parent.do("spawn", "promises.children:puppet", None) for _ in range(3)]
        process.monitor(parent.pid)
        parent.tell("fail", "the parent")
        await end_of(parent.pid)
        for pid in children:
            assert await process.call(pid, "do", ["pid"]) == pid
            process.monitor(pid)
            process.terminate(pid)
            await end_of(pid)


@promise("5.4", "9.4")
async def the_death_of_a_parent_ends_its_linked_children():
    for where in (near, far):
        parent = await where()
        children = [
            await parent.do("spawn_linked", "promises.children:puppet", None) for _ in range(3)
        ]
        for pid in children:
            process.monitor(pid)
            await process.call(pid, "do", ["pid"])
        parent.tell("fail", "the parent")
        ended = [await next_event() for _ in children]
        assert {event.sender for event in ended} == set(children)
        text = f"linked process failed: {parent.pid}: ValueError: the parent"
        assert {event.error.message for event in ended} == {text}


@promise("5.1", "7.1")
async def exec_gives_the_result_or_raises_the_error():
    for _ in range(3):
        assert await process.exec(echo, None, 1, [2]) == [1, [2]]
        with pytest.raises(Exception, match="of the child"):
            await process.exec(fails, None, "of the child")
        assert await process.exec("contract:no_process", None, "a function") == ["a function"]
