"""SEMANTICS 7, 8 and 10: ends, events, cancel and terminate."""

from datetime import datetime

import pytest
from promises.children import (
    arrived,
    beside,
    child,
    echo,
    end_of,
    fails,
    far,
    finds_a_name_free,
    near,
    next_event,
    pairs,
    promise,
    tidies_up,
    waits_forever,
)

from procession import Internal, NotFound, ProcessTerminated, process, time

EXIT, LINK_DOWN, CANCEL = process.event.EXIT, process.event.LINK_DOWN, process.event.CANCEL


@promise("7.1", "8.2")
async def a_normal_exit_has_the_result_and_no_error():
    for where in (near, far):
        for result in (None, False, 0, "text", [1, {"a": b"b"}]):
            puppet = await where()
            process.monitor(puppet.pid)
            puppet.tell("return", result)
            event = await end_of(puppet.pid)
            assert (event.result, event.error) == (result, None)
            assert type(event.result) is type(result)


@promise("7.1", "8.2")
async def an_exception_is_told_with_its_type_and_traceback():
    for _ in range(3):
        pid = child(fails, "kaboom", how="spawn_monitored")
        event = await end_of(pid)
        assert isinstance(event.error, Internal)
        assert "kaboom" in event.error.message
        assert "ValueError" in event.error.details["traceback"]
        assert "children.py" in event.error.details["traceback"]
        assert event.result is None


@promise("7.1", "10.2")
async def one_that_is_terminated_says_so():
    async for one, two in pairs():
        process.monitor(two.pid)
        await one.do("terminate", two.pid)
        error = (await end_of(two.pid)).error
        assert isinstance(error, ProcessTerminated)
        assert (error.kind, error.message) == ("Terminated", "process terminated")


@promise("7.2")
async def whoever_has_seen_exit_finds_the_names_free():
    for where in (near, far):
        watcher = await where()
        for i in range(5):
            owner = await (near, far)[i % 2]()
            names = [f"free-again-{j}" for j in range(3)]
            for name in names:
                await owner.do("register", name)
            await watcher.do("monitor", owner.pid)
            owner.tell("return", None)
            assert (await watcher.event())["sender"] == owner.pid
            for name in names:
                with pytest.raises(NotFound):
                    await watcher.do("lookup", name)
                await watcher.do("register", name)
                assert await watcher.do("unregister", name) is True


@promise("7.2")
async def the_names_are_free_at_the_moment_of_exit():
    ready = process.listen("ready")
    for where in (near, far):
        for giver in (near, far):
            for _ in range(4):
                owner, other = await where(), await giver()
                await other.do("register", "free at once", owner.pid)
                watchers = []
                for _ in range(2):
                    args = (process.pid(), owner.pid, "free at once")
                    watchers.append(child(finds_a_name_free, *args, how="spawn_monitored"))
                    await ready.receive()
                owner.tell("return", None)
                ends = [await next_event() for _ in watchers]
                assert {event.sender for event in ends} == set(watchers)
                assert [event.result for event in ends] == [True, True]


@promise("7.2", "8.4")
async def exit_comes_before_link_down():
    async for watcher, target in pairs():
        await watcher.do("trap_links", True)
        await watcher.do("link", target.pid)
        await watcher.do("monitor", target.pid)
        target.tell("fail", "both")
        events = [await watcher.event(), await watcher.event()]
        assert [event["kind"] for event in events] == [EXIT, LINK_DOWN]
        assert {event["sender"] for event in events} == {target.pid}
        assert events[0]["error"] == events[1]["error"]


@promise("7.2")
async def what_a_process_sent_before_its_end_arrives_before_its_exit():
    for where in (near, far):
        puppet = await where()
        process.monitor(puppet.pid)
        puppet.tell("many", process.pid(), ["last"], 20)
        puppet.tell("return", None)
        await end_of(puppet.pid)
        assert await arrived(process.listen("last")) == list(range(20))


@promise("7.3")
async def finally_runs_and_may_not_wait():
    ready, tidied = process.listen("ready"), process.listen("tidied")
    for _ in range(3):
        pid = child(tidies_up, process.pid(), how="spawn_monitored")
        await ready.receive()
        process.terminate(pid)
        assert await tidied.receive() == "Terminated"
        assert isinstance((await end_of(pid)).error, ProcessTerminated)


@promise("8.2")
async def an_event_says_when_and_of_whom():
    for _ in range(3):
        before = time.now()
        pid = child(echo, how="spawn_monitored")
        event = await end_of(pid)
        assert isinstance(event.at, datetime)
        assert abs((event.at - before).total_seconds()) < 30


@promise("8.3")
async def events_wait_for_the_first_that_asks():
    pids = [child(echo, i, how="spawn_monitored") for i in range(6)]
    for where in (near, far):
        puppet = await where()
        await puppet.do("cancel", process.pid(), "early")
    got = [await next_event() for _ in range(8)]
    assert {event.sender for event in got if event.kind == EXIT} == set(pids)
    assert [event.reason for event in got if event.kind == CANCEL] == ["early", "early"]


@promise("10.1", "8.2")
async def a_cancel_is_advice():
    async for one, two in pairs():
        for reason in ("enough", None):
            await one.do("cancel", two.pid, reason)
            event = await two.event()
            assert (event["kind"], event["sender"]) == (CANCEL, one.pid)
            assert (event["reason"], event["deadline"]) == (reason, None)
        assert await two.do("pid") == two.pid


@promise("10.1")
async def a_cancel_with_a_deadline_ends_it_when_the_time_is_over():
    async for one, two in pairs():
        process.monitor(two.pid)
        await one.do("cancel", two.pid, "now", "5ms")
        assert isinstance((await end_of(two.pid)).error, ProcessTerminated)


@promise("10.1")
async def one_that_heeds_a_cancel_ends_as_it_likes():
    for where in (near, far):
        puppet = await where()
        process.monitor(puppet.pid)
        process.cancel(puppet.pid, "please", "1h")
        event = await puppet.event()
        assert (event["kind"], event["deadline"]) == (CANCEL, 3600)
        puppet.tell("return", "tidied up")
        assert (await end_of(puppet.pid)).result == "tidied up"


@promise("10.2")
async def terminate_ends_one_that_waits():
    for where in (near, far):
        witness = await where()
        pid = child(waits_forever)
        await witness.do("monitor", pid)
        assert process.terminate(pid) is True
        assert (await witness.event())["error"]["kind"] == "Terminated"


@promise("10.2")
async def terminating_twice_gives_one_exit():
    for where in (near, far):
        puppet = await where()
        witness = await beside(puppet)
        process.monitor(puppet.pid)
        process.terminate(puppet.pid)
        process.terminate(puppet.pid)
        await end_of(puppet.pid)
        await witness.do("os_pid")
        assert await arrived(process.events()) == []


@promise("10.3")
async def to_end_what_has_ended_is_not_found():
    for where in (near, far):
        puppet = await where()
        process.monitor(puppet.pid)
        process.terminate(puppet.pid)
        await end_of(puppet.pid)
        for act in (process.terminate, process.cancel):
            with pytest.raises(NotFound, match="process not found"):
                act(puppet.pid)
