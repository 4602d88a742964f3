"""SEMANTICS 9: monitors and links."""

import pytest
from promises.children import (
    arrived,
    beside,
    child,
    dead,
    end_of,
    far,
    links_down,
    near,
    next_event,
    pairs,
    promise,
    waits_forever,
)

from procession import AlreadyExists, Invalid, NotFound, ProcessTerminated, process

EXIT, LINK_DOWN = process.event.EXIT, process.event.LINK_DOWN
LINK_FAILED = "linked process failed"


@promise("9.1")
async def a_monitor_fires_once_on_every_kind_of_exit():
    for where in (near, far):
        for end in ("return", "fail", "terminate"):
            puppet = await where()
            witness = await beside(puppet)
            assert process.monitor(puppet.pid) is True
            if end == "terminate":
                process.terminate(puppet.pid)
            else:
                puppet.tell(end, "of it")
            event = await end_of(puppet.pid)
            assert event.result == ("of it" if end == "return" else None)
            if end == "terminate":
                assert isinstance(event.error, ProcessTerminated)
            else:
                assert (event.error is None) == (end == "return")
            await witness.do("os_pid")
            assert await arrived(process.events()) == []


@promise("9.1")
async def a_monitor_is_one_way():
    async for watcher, target in pairs():
        await watcher.do("monitor", target.pid)
        process.monitor(watcher.pid)
        watcher.tell("fail", "the watcher")
        await end_of(watcher.pid)
        assert await target.poll() == []


@promise("9.1", "9.7")
async def a_monitor_of_a_dead_pid_says_not_found_at_once_or_by_exit():
    for pid in await dead():
        try:
            process.monitor(pid)
        except NotFound:
            pass
        else:
            event = await end_of(pid)
            assert isinstance(event.error, NotFound)
            assert event.result is None


@promise("9.1", "9.7")
async def somebody_elsewhere_who_monitors_a_dead_pid_hears_not_found():
    pids = await dead()
    for where in (near, far):
        puppet = await where()
        for pid in pids:
            try:
                await puppet.do("monitor", pid)
            except NotFound:
                continue
            event = await puppet.event()
            assert (event["kind"], event["sender"]) == (EXIT, pid)
            assert event["error"]["kind"] == "NotFound"


@promise("9.1")
async def a_monitor_of_a_name_nobody_has_is_not_found():
    with pytest.raises(NotFound, match="could not resolve"):
        process.monitor("nobody has this name")
    with pytest.raises(NotFound, match="could not resolve"):
        await (await far()).do("link", "nobody has this name")


@promise("9.1")
async def to_monitor_twice_already_exists_and_gives_one_exit():
    for where in (near, far):
        puppet = await where()
        witness = await beside(puppet)
        process.monitor(puppet.pid)
        with pytest.raises(AlreadyExists):
            process.monitor(puppet.pid)
        puppet.tell("return", 1)
        await end_of(puppet.pid)
        await witness.do("os_pid")
        assert await arrived(process.events()) == []


@promise("9.1")
async def an_unmonitored_process_ends_unheard():
    for where in (near, far):
        puppet = await where()
        witness = await beside(puppet)
        assert process.unmonitor(puppet.pid) is True
        process.monitor(puppet.pid)
        assert process.unmonitor(puppet.pid) is True
        await witness.do("monitor", puppet.pid)
        puppet.tell("fail", "unheard")
        assert (await witness.event())["sender"] == puppet.pid
        assert await arrived(process.events()) == []


@promise("9.1")
async def a_monitor_after_an_unmonitor_fires_once():
    for where in (near, far):
        puppet = await where()
        witness = await beside(puppet)
        for _ in range(5):
            process.monitor(puppet.pid)
            process.unmonitor(puppet.pid)
        process.monitor(puppet.pid)
        puppet.tell("return", 5)
        assert (await end_of(puppet.pid)).result == 5
        await witness.do("os_pid")
        assert await arrived(process.events()) == []


@promise("9.1")
async def many_monitors_of_one_process_fire_once_each():
    target = await far()
    witness = await beside(target)
    watchers = [await where() for where in (near, far, near, far)]
    for watcher in watchers:
        await watcher.do("monitor", target.pid)
    process.terminate(watchers[0].pid)
    await watchers[1].do("unmonitor", target.pid)
    target.tell("fail", "told")
    for watcher in watchers[2:]:
        event = await watcher.event()
        assert (event["kind"], event["sender"]) == (EXIT, target.pid)
    await witness.do("os_pid")
    for watcher in watchers[1:]:
        assert await watcher.poll() == []


@promise("9.2", "9.4")
async def a_link_is_two_way():
    for failing in (0, 1):
        async for pair in pairs():
            await pair[0].do("link", pair[1].pid)
            first, second = pair[failing], pair[1 - failing]
            process.monitor(second.pid)
            first.tell("fail", "oh no")
            error = (await end_of(second.pid)).error
            assert error.message == f"{LINK_FAILED}: {first.pid}: ValueError: oh no"
            assert error.details["peer"] == first.pid
            assert error.details["error"]["message"] == "oh no"


@promise("9.2")
async def to_link_again_changes_nothing():
    async for one, two in pairs():
        for a, b in ((one, two), (one, two), (two, one)):
            assert await a.do("link", b.pid) is True
        await two.do("trap_links", True)
        one.tell("fail", "once")
        assert (await two.event())["kind"] == LINK_DOWN
        witness = await beside(two)
        await witness.do("os_pid")
        assert await two.poll() == []


@promise("9.2")
async def a_link_to_itself_has_no_effect():
    assert process.link(process.pid()) is True
    for where in (near, far):
        puppet = await where()
        assert await puppet.do("link", puppet.pid) is True
        process.monitor(puppet.pid)
        puppet.tell("fail", "alone")
        assert (await end_of(puppet.pid)).error.message == "alone"


@promise("9.2", "9.7")
async def a_link_to_a_dead_pid_says_not_found_at_once_or_by_link_down():
    process.set_options(trap_links=True)
    for pid in await dead():
        try:
            process.link(pid)
        except NotFound:
            continue
        event = await next_event()
        assert (event.kind, event.sender) == (LINK_DOWN, pid)
        assert isinstance(event.error, NotFound)


@promise("9.2")
async def an_unlink_from_either_side_undoes_a_link():
    for side in (0, 1):
        async for pair in pairs():
            await pair[0].do("link", pair[1].pid)
            assert await pair[side].do("unlink", pair[1 - side].pid) is True
            assert await pair[side].do("unlink", pair[1 - side].pid) is True
            # So that the other side has heard of it.
            await pair[side].do("call", pair[1 - side].pid, "do", ["os_pid"])
            await pair[1].do("monitor", pair[0].pid)
            pair[0].tell("fail", "alone")
            assert (await pair[1].event())["kind"] == EXIT
            assert await pair[1].poll() == []


@promise("9.2")
async def an_unlink_of_what_is_not_linked_is_true():
    for pid in [*await dead(), (await far()).pid, process.pid()]:
        assert process.unlink(pid) is True


@promise("9.3")
async def a_normal_exit_delivers_nothing_over_a_link():
    async for one, two in pairs():
        await two.do("trap_links", True)
        await one.do("link", two.pid)
        await two.do("monitor", one.pid)
        one.tell("return", "fine")
        event = await two.event()
        assert (event["kind"], event["result"]) == (EXIT, "fine")
        assert await two.poll() == []


@promise("9.4")
async def a_process_that_traps_links_receives_link_down():
    async for one, two in pairs():
        await two.do("trap_links", True)
        await one.do("link", two.pid)
        one.tell("fail", "oh no")
        event = await two.event()
        assert (event["kind"], event["sender"]) == (LINK_DOWN, one.pid)
        assert event["error"]["message"] == "oh no"
        assert await two.do("os_pid") == two.os_pid


@promise("9.4")
async def a_cascade_reaches_the_end_of_a_chain():
    linked = process.listen("linked")
    last = await far()
    process.monitor(last.pid)
    pids = [last.pid]
    for _ in range(20):
        pids.append(child(links_down, process.pid(), pids[-1], False))
        assert await linked.receive() == pids[-1]
    first = child(links_down, process.pid(), pids[-1], True)
    await linked.receive()
    process.send(first, "go")
    error = (await end_of(last.pid)).error
    assert error.message.startswith(f"{LINK_FAILED}: {pids[1]} because of {first}: ")
    assert error.details["peer"] == pids[1]


@promise("9.5")
async def the_flag_counts_when_the_failure_is_delivered():
    async for one, two in pairs():
        await one.do("link", two.pid)
        await two.do("trap_links", True)
        third = await near()
        await third.do("link", two.pid)
        third.tell("fail", "trapped")
        assert (await two.event())["kind"] == LINK_DOWN
        await two.do("trap_links", False)
        process.monitor(two.pid)
        one.tell("fail", "not trapped")
        error = (await end_of(two.pid)).error
        assert error.message == f"{LINK_FAILED}: {one.pid}: ValueError: not trapped"


@promise("9.5")
async def options_that_are_unknown_or_no_boolean_change_nothing():
    assert process.get_options().trap_links is False
    for options in ({"trap_link": True}, {"trap_links": 1}, {"trap_links": True, "x": True}):
        with pytest.raises(Invalid):
            process.set_options(options)
        assert process.get_options().trap_links is False
    assert process.set_options(trap_links=True) is True
    assert process.get_options().trap_links is True


@promise("9.1", "9.3", "9.4")
async def a_child_is_tied_before_it_can_fail():
    process.set_options(trap_links=True)
    for _ in range(6):
        pid = child("promises.children:fails", "at once", how="spawn_linked")
        event = await next_event()
        assert (event.kind, event.sender, event.error.message) == (LINK_DOWN, pid, "at once")
        pid = child("promises.children:fails", "at once", how="spawn_monitored")
        assert (await end_of(pid)).error.message == "at once"
    child(waits_forever)
    assert await arrived(process.events()) == []
