"""SEMANTICS 9: monitors and links."""

import pytest

from procession import AlreadyExists, Invalid, NotFound, channel, process, time


async def idle():
    await time.sleep("1h")


async def quick(value=None):
    return value


async def fails(message="boom"):
    raise ValueError(message)


async def fails_when_told():
    await process.listen("fail").receive()
    raise ValueError("told to")


async def dead():
    """A PID that is dead."""
    pid = process.spawn_monitored(quick, None)
    await process.events().receive()
    return pid


async def nothing_more():
    await time.sleep("2ms")
    return (await channel.select(process.events(), default=True)).default


@pytest.mark.semantics("9.1")
@pytest.mark.parametrize("ending", ["normal", "error", "terminated"])
def test_a_monitor_fires_once_on_every_kind_of_exit(run, ending):
    async def main():
        entry = {"normal": quick, "error": fails, "terminated": idle}[ending]
        pid = process.spawn(entry, None)
        assert process.monitor(pid) is True
        if ending == "terminated":
            process.terminate(pid)
        event = await process.events().receive()
        assert (event.kind, event.sender) == (process.event.EXIT, pid)
        assert (event.error is None) == (ending == "normal")
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.1")
def test_a_monitor_is_one_way(run):
    async def watcher(target):
        process.monitor(target)
        raise ValueError("the watcher dies")

    async def main():
        await_exit = process.spawn_monitored(watcher, None, process.pid())
        assert (await process.events().receive()).sender == await_exit
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.1")
def test_monitoring_a_dead_pid_is_not_found(run):
    async def main():
        pid = await dead()
        with pytest.raises(NotFound, match="process not found"):
            process.monitor(pid)
        with pytest.raises(NotFound, match="could not resolve"):
            process.monitor("nobody")

    run(main)


@pytest.mark.semantics("9.1")
def test_monitoring_twice_already_exists_and_gives_one_exit(run):
    async def main():
        pid = process.spawn_monitored(idle, None)
        with pytest.raises(AlreadyExists):
            process.monitor(pid)
        process.terminate(pid)
        await process.events().receive()
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.1")
def test_unmonitor_stops_it_and_is_true_even_if_not_monitoring(run):
    async def main():
        pid = process.spawn_monitored(idle, None)
        process.registry.register("target", pid)
        assert process.unmonitor("target") is True
        assert process.unmonitor(pid) is True
        assert process.unmonitor("{app:processes|0xfffff}") is True
        process.terminate(pid)
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.1")
def test_many_monitors_of_one_process_each_fire_once(run):
    async def watcher(parent, target):
        process.monitor(target)
        process.send(parent, "watching")
        await process.events().receive()
        return await nothing_more()

    async def main():
        target, watching = process.spawn(fails_when_told, None), process.listen("watching")
        watchers = [
            process.spawn_monitored(watcher, None, process.pid(), target) for _ in range(10)
        ]
        for _ in watchers:
            await watching.receive()
        process.terminate(watchers[3])  # one watcher dies before the target
        process.send(target, "fail")
        results = [(await process.events().receive()).result for _ in watchers]
        return sorted(map(str, results))

    assert run(main) == ["None"] + ["True"] * 9


@pytest.mark.semantics("9.2", "9.3", "9.4")
def test_a_link_is_two_way(run):
    async def linked_to(parent, fail):
        process.link(parent)
        process.send(parent, "linked")
        await process.listen("go").receive()
        if fail:
            raise ValueError("boom")
        await idle()

    async def parent(grandparent, child_fails):
        linked = process.listen("linked")
        child = process.spawn(linked_to, None, process.pid(), child_fails)
        await linked.receive()
        process.monitor(child)
        process.send(grandparent, "child", child)
        process.send(child, "go")
        if not child_fails:
            raise ValueError("parent")
        await idle()

    async def main():
        children, events = process.listen("child"), process.events()
        for child_fails in (True, False):
            pid = process.spawn_monitored(parent, None, process.pid(), child_fails)
            child = await children.receive()
            event = await events.receive()
            assert event.sender == pid
            if child_fails:
                assert event.error.message.startswith(f"linked process failed: {child}: ")
            else:
                await time.sleep(0)
            with pytest.raises(NotFound):
                process.send(child, "t")

    run(main)


@pytest.mark.semantics("9.2")
def test_linking_is_idempotent_and_a_self_link_has_no_effect(run):
    async def main():
        process.set_options(trap_links=True)
        pid = process.spawn_linked(fails_when_told, None)
        assert process.link(pid) is True
        assert process.link(process.pid()) is True
        with pytest.raises(NotFound):
            process.link(await dead())
        process.send(pid, "fail")
        event = await process.events().receive()
        assert event.kind == process.event.LINK_DOWN
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.2")
@pytest.mark.parametrize("side", ["parent", "child"])
def test_unlink_is_always_true_and_works_from_either_side(run, side):
    async def child(parent):
        if side == "child":
            assert process.unlink(parent) is True
        process.send(parent, "ready")
        await process.listen("fail").receive()
        raise ValueError("boom")

    async def main():
        ready = process.listen("ready")
        pid = process.spawn_linked(child, None, process.pid())
        await ready.receive()
        if side == "parent":
            assert process.unlink(pid) is True
        assert process.unlink(pid) is True
        assert process.unlink("{app:processes|0xfffff}") is True
        process.send(pid, "fail")
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.3")
def test_a_normal_exit_delivers_nothing_over_a_link(run):
    async def main():
        process.spawn_linked(quick, None)
        await time.sleep("2ms")
        process.set_options(trap_links=True)
        process.spawn_linked(quick, None)
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("7.1", "9.4")
def test_without_trap_links_the_peer_fails_at_once_with_the_error_of_the_origin(run):
    log = []

    async def middle():
        try:
            process.spawn_linked(fails, None, "the origin")
            await idle()
        finally:
            log.append("finally of middle")

    async def outer(parent):
        pid = process.spawn_linked(middle, None)
        process.send(parent, "middle", pid)
        await idle()

    async def main():
        middles = process.listen("middle")
        pid = process.spawn_monitored(outer, None, process.pid())
        error = (await process.events().receive()).error
        peer, origin = await middles.receive(), error.details["origin"]
        assert error.kind == "Internal"
        assert error.message == (
            f"linked process failed: {peer} because of {origin['pid']}: ValueError: the origin"
        )
        assert error.details["peer"] == peer
        inner = error.details["error"]["message"]
        assert inner == f"linked process failed: {origin['pid']}: ValueError: the origin"
        assert origin["error"]["message"] == "the origin"
        assert pid not in str(error.details)

    run(main)
    assert log == ["finally of middle"]


@pytest.mark.semantics("9.4")
def test_a_linked_chain_of_a_hundred_thousand_dies_without_recursion(run):
    async def chain(parent, length):
        if length:
            process.spawn_linked(chain, None, parent, length - 1)
            await idle()
        process.send(parent, "complete")
        await process.listen("die").receive()
        raise ValueError("the last one")

    async def main(length):
        events, complete = process.events(), process.listen("complete", message=True)
        first = process.spawn_monitored(chain, None, process.pid(), length)
        last = (await complete.receive()).sender
        process.send(last, "die")
        event = await events.receive()
        assert event.sender == first
        assert event.error.details["origin"]["pid"] == last
        return event.error.details["origin"]["error"]["message"]

    assert run(main, 100_000) == "the last one"


@pytest.mark.semantics("9.4")
def test_a_cycle_and_a_clique_of_links_die_together(run):
    async def member(parent):
        for pid in await process.listen("peers").receive():
            process.link(pid)
        process.send(parent, "linked")
        await process.listen("die").receive()
        raise ValueError("one of us")

    async def main():
        linked, events = process.listen("linked"), process.events()
        pids = [process.spawn_monitored(member, None, process.pid()) for _ in range(30)]
        for pid in pids:
            process.send(pid, "peers", pids)
        for _ in pids:
            await linked.receive()
        process.send(pids[7], "die")
        exits = [(await events.receive()) for _ in pids]
        assert sorted(event.sender for event in exits) == sorted(pids)
        assert exits[0].sender == pids[7]
        return await nothing_more()

    assert run(main) is True


@pytest.mark.semantics("9.4")
def test_with_trap_links_the_peer_receives_link_down_and_lives(run):
    async def main():
        process.set_options(trap_links=True)
        pid = process.spawn_linked(fails, None)
        event = await process.events().receive()
        return [event.kind, event.sender == pid, event.error.message]

    assert run(main) == ["pid.link.down", True, "boom"]


@pytest.mark.semantics("8.4")
def test_exit_comes_before_link_down(run):
    async def main():
        process.set_options(trap_links=True)
        for linked_first in (True, False):
            pid = process.spawn(fails_when_told, None)
            for tie in (process.link, process.monitor)[:: 1 if linked_first else -1]:
                tie(pid)
            process.send(pid, "fail")
            kinds = [(await process.events().receive()).kind for _ in range(2)]
            assert kinds == [process.event.EXIT, process.event.LINK_DOWN]

    run(main)


@pytest.mark.semantics("9.5")
def test_the_flag_counts_at_delivery(run):
    async def trapper(parent, trap_at_failure):
        process.set_options(trap_links=not trap_at_failure)
        pid = process.spawn_linked(fails_when_told, None)
        process.send(pid, "fail")
        process.set_options(trap_links=trap_at_failure)
        event = await process.events().receive()
        return event.kind

    async def main():
        results = []
        for trap in (True, False):
            process.spawn_monitored(trapper, None, process.pid(), trap)
            event = await process.events().receive()
            results.append(event.result or event.error.message)
        return results

    received, died = run(main)
    assert received == "pid.link.down"
    assert died.startswith("linked process failed: ")


@pytest.mark.semantics("9.5")
@pytest.mark.parametrize(
    "wrong",
    [
        {"trap_link": True},
        {"trap_links": "yes"},
        {"trap_links": 1},
        {"trap_links": None},
        {"trap_links": True, "other": True},
        {"other": True, "trap_links": True},
    ],
)
def test_a_wrong_option_is_invalid_and_changes_nothing(run, wrong):
    async def main():
        assert process.get_options().trap_links is False
        for call in (lambda: process.set_options(**wrong), lambda: process.set_options(wrong)):
            with pytest.raises(
                Invalid, match=r"process option (trap_links|'other'; it can|'trap_link'; did)"
            ):
                call()
        assert process.get_options().trap_links is False
        assert process.set_options({"trap_links": True}) is True
        assert process.set_options() is True
        return process.get_options().trap_links

    assert run(main) is True


def test_exits_while_others_are_monitoring_linking_and_registering(run):
    """Every interleaving of a death with the calls of others ends in a call that says so."""

    async def busy(target, parent):
        outcomes = []
        while "dead" not in outcomes:
            for call in (process.monitor, process.link, process.unlink, process.unmonitor):
                try:
                    call(target)
                except NotFound:
                    outcomes.append("dead")
            try:
                process.registry.register(process.pid(), target)
            except (Invalid, NotFound):
                outcomes.append("refused")
            await time.sleep(0)
        event = await channel.select(process.events(), default=True)
        return event.default

    async def main():
        target = process.spawn(fails_when_told, None)
        events = process.events()
        for _ in range(20):
            process.spawn_monitored(busy, None, target, process.pid())
        await time.sleep("1ms")
        process.send(target, "fail")
        return [(await events.receive()).result for _ in range(20)]

    assert run(main) == [True] * 20
