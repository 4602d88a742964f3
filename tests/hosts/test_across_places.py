"""What belongs to a node as a whole: names, links, events, contexts, and what can be seen."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from procession import (
    AlreadyExists,
    ChildSpec,
    Invalid,
    LimitExceeded,
    Node,
    NotFound,
    Unavailable,
    supervisor,
)

WORKERS = "app:workers"
PROCESSES = "app:processes"

# -- names -------------------------------------------------------------------------------------


@pytest.mark.semantics("7.2", "12.1", "12.3")
@pytest.mark.parametrize("by", ["the parent", "a neighbour", "a place"])
def test_a_name_that_somebody_else_gave_is_free_after_its_owner_has_ended(shared, by):
    async def test(world):
        one, two = await world.two_places()
        giver = {"the parent": world.puppet(PROCESSES), "a neighbour": one, "a place": two}[by]
        owner = world.puppet()
        while await owner.os_pid() != await one.os_pid():
            world.node.terminate(owner.pid)
            owner = world.puppet()
        for watcher in (one, two):
            await watcher.monitor(owner.pid)
        await giver.register("given", owner.pid)
        for who in (one, two, giver):
            assert await who.lookup("given") == owner.pid
        owner.tell("return", 1)
        for watcher in (one, two):
            assert (await watcher.event())["sender"] == owner.pid
            with pytest.raises(NotFound):
                await watcher.lookup("given")
            assert await watcher.register("given") is True
            assert await watcher.unregister("given") is True
        world.end(one, two, giver)

    shared(test)


@pytest.mark.semantics("12.1", "12.3")
def test_who_registers_while_others_unregister_leaves_nothing_behind(shared):
    async def test(world):
        one, two = await world.two_places()
        three = world.puppet(PROCESSES)
        for turn in range(150):
            name = f"contested {turn}"
            await one.register(name)
            await asyncio.gather(two.unregister(name), one.register(name), three.unregister(name))
            owner = await asyncio.gather(*[who.registers(name) for who in (one, two, three)])
            assert len({*owner}) == 1
        world.end(one, two, three)
        await world.until(lambda: world.node.statistics()["names"] == 0)

    shared(test)


@pytest.mark.semantics("5.1", "12.1")
@pytest.mark.parametrize("spawner", [PROCESSES, WORKERS])
@pytest.mark.parametrize("host", [PROCESSES, WORKERS])
def test_a_process_has_its_name_before_it_runs(shared, spawner, host):
    async def test(world):
        parent = world.puppet(spawner)
        for turn in range(8):
            name = f"child {turn}"
            pid = await parent.spawn_named("app:echo_name", host, name)
            assert await parent.call(name, "who") == [pid, pid]
            with pytest.raises(AlreadyExists):
                await parent.spawn_named("app:echo_name", host, name)
            await parent.monitor(pid)
            world.node.terminate(pid)
            assert (await parent.event())["sender"] == pid
            with pytest.raises(NotFound):
                await parent.lookup(name)
        world.end(parent)

    shared(test)


# -- links -------------------------------------------------------------------------------------


@pytest.mark.semantics("9.2")
def test_both_ends_of_a_link_agree_whatever_they_do_at_once(shared):
    async def test(world):
        one, two = await world.two_places()
        for verbs in (("link", "unlink"), ("unlink", "link"), ("unlink", "unlink")):
            for _ in range(30):
                await one.link(two.pid)
                await asyncio.gather(one.do(verbs[0], two.pid), two.do(verbs[1], one.pid))
                # Each has heard of the other what it will hear when it has answered once more.
                for _ in range(2):
                    await one.call(two.pid, "do", ["pid"])
                    await two.call(one.pid, "do", ["pid"])
                here, there = await one.links(), await two.links()
                assert (two.pid in here) == (one.pid in there)
                await one.unlink(two.pid)
        world.end(one, two)

    shared(test)


# -- the link to an OS process -----------------------------------------------------------------


@pytest.mark.semantics("5.6", "11.2")
def test_what_is_spawned_while_a_worker_is_replaced_waits_for_the_new_one(fresh):
    async def test(world):
        (worker,) = [one for one in world.node.workers() if one["host"] == "app:single"]
        os.kill(worker["os_pid"], signal.SIGKILL)
        await world.until(lambda: worker["place"] not in world.places())
        pids = [world.node.spawn("app:echo", "app:single", i, "end") for i in range(20)]
        waits = [asyncio.ensure_future(world.node.wait(pid)) for pid in pids]
        world.node.send(pids[0], "topic", "kept")
        assert await asyncio.gather(*waits) == [[i, "end"] for i in range(20)]

    fresh(test)


@pytest.mark.semantics("5.6", "6.9", "11.2")
def test_what_waits_for_a_worker_that_never_comes_up_is_told(fresh, monkeypatch):
    async def test(world):
        (worker,) = [one for one in world.node.workers() if one["host"] == "app:single"]
        monkeypatch.setattr(sys, "executable", "/bin/false")
        os.kill(worker["os_pid"], signal.SIGKILL)
        await world.until(lambda: worker["place"] not in world.places())
        with pytest.raises(Unavailable, match="has ended with exit code 1"):
            await world.node.exec("app:echo", "app:single", 1)
        with pytest.raises(LimitExceeded, match="link to the other OS process is full"):
            for _ in range(20):
                world.node.spawn("app:echo", "app:single", b"x" * 8_000_000)
        monkeypatch.undo()

    fresh(test)


@pytest.mark.semantics("11.2")
def test_a_worker_that_takes_long_to_start_holds_up_no_supervisor_elsewhere(
    fresh, monkeypatch, tmp_path
):
    async def test(world):
        node = world.node
        leaf = ChildSpec("leaf", "app:sleeping", name="leaf")
        inner = supervisor.child("inner", [leaf], name="inner")
        node.spawn(supervisor.main, PROCESSES, supervisor.spec([inner], name="top"))
        await world.until_named("leaf")
        slow = tmp_path / "slow"
        slow.write_text("#!/bin/sh\nexec sleep 1000\n")
        slow.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(slow))
        (worker,) = [one for one in node.workers() if one["host"] == "app:single"]
        os.kill(worker["os_pid"], signal.SIGKILL)
        await world.until(lambda: worker["place"] not in world.places())
        await world.until(lambda: all(one["os_pid"] for one in node.workers()))
        before = node.lookup("leaf")
        node.terminate("inner")
        await world.until_gone(before)
        await world.until_named("leaf")
        (slow_one,) = [one for one in node.workers() if one["state"] == "starting"]
        monkeypatch.undo()
        os.kill(slow_one["os_pid"], signal.SIGKILL)

    fresh(test)


@pytest.mark.parametrize("host", ["app:single", WORKERS])
@pytest.mark.parametrize("spawner", [PROCESSES, WORKERS, "app:single"])
def test_a_closure_is_refused_on_a_host_with_any_number_of_workers(shared, host, spawner):
    async def test(world):
        who = world.puppet(spawner)
        with pytest.raises(Invalid, match="at the top level of a module"):
            await who.spawn_closure(host)
        world.end(who)

    shared(test)


# -- the bus and the context of Lua programs -----------------------------------------------------


def test_an_event_of_a_lua_program_reaches_subscribers_in_all_places(shared):
    async def test(world):
        me = world.puppet(PROCESSES)
        subscribers = []
        for host in (PROCESSES, WORKERS, WORKERS, "app:single"):
            pid = world.node.spawn("app:lua_subscriber", host, me.pid)
            subscribers.append(pid)
            assert await me.receive("subscribed") == pid
        for host in (PROCESSES, WORKERS, "app:single"):
            await world.node.exec("app:lua_publisher", host, 50)
            for pid in subscribers:
                assert await me.receive(pid) == list(range(1, 51))
        for pid in subscribers:
            world.node.terminate(pid)
        world.end(me)

    shared(test)


@pytest.mark.parametrize("host", [PROCESSES, WORKERS])
def test_a_context_goes_with_what_a_lua_program_spawns_and_calls(shared, host):
    async def test(world):
        for target in (PROCESSES, WORKERS, "app:single"):
            assert await world.node.exec("app:lua_context", host, target) == {
                "spawned": {"user": "u1", "n": 7},
                "called": {"user": "u1"},
            }

    shared(test)


def test_a_lua_program_that_ends_with_open_calls_into_workers_ends_them_and_tells(shared):
    async def test(world):
        me = world.puppet(PROCESSES)
        before = world.node.statistics()["processes"]
        pid = world.node.spawn("app:lua_caller", WORKERS, me.pid)
        inner = [await me.receive("inner") for _ in range(4)]
        await me.monitor(pid)
        world.node.terminate(pid)
        assert (await me.event())["error"]["kind"] == "Terminated"
        for one in inner:
            await world.until_gone(one)
        await world.until(lambda: world.node.statistics()["processes"] == before)
        world.end(me)

    shared(test)


# -- what can be seen --------------------------------------------------------------------------


def test_all_places_are_counted(fresh):
    async def test(world):
        pids = [world.node.spawn("app:sleeping", host) for host in (PROCESSES, WORKERS, WORKERS)]
        found = await world.node.all_processes()
        assert {one["pid"] for one in found} == set(pids)
        assert all(one["entry"] == "app:sleeping" for one in found)
        assert {one["pid"] for one in world.node.processes()} == {pids[0]}
        await world.until(lambda: world.node.statistics()["processes"] == 3)
        assert "3 processes" in repr(world.node)

    fresh(test)


def test_a_node_that_stops_keeps_nobody_waiting_who_asks_what_runs_in_it(fresh):
    async def test(world):
        os.kill(world.node.workers()[0]["os_pid"], signal.SIGSTOP)
        answer = asyncio.ensure_future(world.node.all_processes(timeout="1h"))
        await asyncio.sleep(0)
        await world.node.stop()
        assert await answer == []

    fresh(test)


def test_what_a_lua_process_does_is_seen_in_all_places(fresh):
    async def test(world):
        pids = [
            world.node.spawn("app:lua_subscriber", host, f"{{{host}|0x1}}")
            for host in (PROCESSES, WORKERS, WORKERS, "app:single")
        ]
        found = {}
        while set(found.values()) != {"waiting"}:
            found = {one["pid"]: one["state"] for one in await world.node.all_processes()}
            assert {*found.values()} <= {"ready", "running", "waiting"}
        assert set(found) == set(pids)

    fresh(test)


def test_a_worker_that_does_not_answer_is_named(fresh, caplog):
    async def test(world):
        worker = world.node.workers()[0]
        os.kill(worker["os_pid"], signal.SIGSTOP)
        try:
            assert await world.node.all_processes(timeout="50ms") == []
        finally:
            os.kill(worker["os_pid"], signal.SIGCONT)
        assert f"OS process {worker['os_pid']} of {worker['host']} does not say" in caplog.text

    fresh(test)


def test_nobody_waits_for_what_a_worker_that_is_lost_would_have_said(fresh, caplog):
    async def test(world):
        worker = world.node.workers()[0]
        os.kill(worker["os_pid"], signal.SIGSTOP)
        answer = asyncio.ensure_future(world.node.all_processes(timeout="1h"))
        await asyncio.sleep(0)
        os.kill(worker["os_pid"], signal.SIGKILL)
        assert await answer == []
        assert "does not say" not in caplog.text

    fresh(test)


# -- the end -----------------------------------------------------------------------------------


@pytest.mark.semantics("10.1")
def test_a_worker_that_does_not_answer_takes_from_nobody_the_time_to_stop(fresh):
    async def test(world):
        event = asyncio.ensure_future(world.puppet(PROCESSES).event())
        await asyncio.sleep(0)
        os.kill(world.node.workers()[0]["os_pid"], signal.SIGSTOP)
        await world.node.stop("1s")
        assert (await event)["kind"] == "pid.cancel"

    fresh(test)


@pytest.mark.semantics("10.1")
def test_a_supervisor_stops_its_children_in_workers_in_order_when_the_node_stops(tmp_path):
    """And nobody else tells them to stop before."""
    (tmp_path / "_index.yaml").write_text(
        "version: '1.0'\nnamespace: app\nentries:\n"
        "  - {name: processes, kind: process.host}\n"
        "  - {name: one, kind: process.host, host: {os_workers: 1}}\n"
        "  - {name: two, kind: process.host, host: {os_workers: 1}}\n"
        "  - {name: child, kind: process.py, source: 'file://child.py'}\n"
        "  - name: top\n    kind: process.supervisor\n    children:\n"
        "      - {id: a, process: 'app:child', args: [a], host: 'app:one'}\n"
        "      - {id: b, process: 'app:child', args: [b], host: 'app:two'}\n"
        "      - {id: c, process: 'app:child', args: [c], host: 'app:processes'}\n"
    )
    log = tmp_path / "log"
    (tmp_path / "child.py").write_text(
        "from procession import process, time\n"
        "async def main(name):\n"
        "    event = await process.events().receive()\n"
        "    await time.sleep('20ms')\n"
        f"    with open({str(log)!r}, 'a') as log: log.write(f'{{name}} {{event.sender}}\\n')\n"
    )

    async def boot():
        async with Node(tmp_path, grace="20s") as node:
            top = node.spawn("app:top", "app:processes")
            while node.statistics()["processes"] < 4:
                await asyncio.sleep(0.001)
            return top

    top = asyncio.run(boot())
    assert log.read_text().split() == ["c", top, "b", top, "a", top]


def test_a_function_of_the_script_can_be_given_to_a_process_pool_in_a_worker(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, multiprocessing, procession\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "def double(n):\n"
        "    return 2 * n\n"
        "async def child():\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(1, mp_context=context) as pool:\n"
        "        loop = asyncio.get_running_loop()\n"
        "        return [await loop.run_in_executor(pool, double, 21), double.__module__]\n"
        "async def main():\n"
        "    async with procession.Node(settings={'os_workers': 1}) as node:\n"
        "        print(*await node.exec(child))\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "42 __mp_main__\n")


@pytest.mark.semantics("6.10")
def test_a_mailbox_in_another_os_process_is_bounded_by_bytes_too(fresh):
    async def test(world):
        pid = world.node.spawn("app:counting", WORKERS)
        accepted = 0
        with pytest.raises(LimitExceeded, match="mailbox full") as caught:
            while True:
                world.node.send(pid, "n", ["x" * 100_000])
                accepted += 1
        assert caught.value.retryable is True
        assert 9 <= accepted <= 12
        world.node.cancel(pid)  # now it takes them
        while accepted < 40:
            try:
                world.node.send(pid, "n", ["x" * 100_000])
                accepted += 1
            except LimitExceeded:
                await asyncio.sleep(0)
        while True:
            try:
                return await world.node.call(pid, "count") == accepted
            except LimitExceeded:
                await asyncio.sleep(0)

    assert fresh(test, settings={"mailbox_bytes": "1MiB"}) is True


@pytest.mark.semantics("6.10")
@pytest.mark.parametrize("sender", [PROCESSES, WORKERS, "app:single"])
def test_what_is_heavier_than_a_whole_mailbox_is_refused_from_any_place(fresh, sender):
    async def test(world):
        who = world.puppet(sender)
        pid = world.node.spawn("app:sleeping", "app:single")
        for _ in range(2):
            with pytest.raises(LimitExceeded, match="mailbox full: .* the limit is 1048576"):
                await who.send(pid, "n", ["x" * 600_000] * 2)
        assert await who.send(pid, "n", "x" * 600_000) is True

    fresh(test, settings={"mailbox": 10, "mailbox_bytes": "1MiB"})


@pytest.mark.semantics("6.8", "6.9", "7.2")
def test_who_used_up_the_mailbox_of_one_that_cleaned_up_hears_of_its_end(fresh):
    async def test(world):
        who = world.puppet(PROCESSES)
        pid = world.node.spawn("app:cleaning", "app:single", who.pid)
        assert await who.receive("starts") == pid
        world.node.terminate(pid)
        assert await who.receive("cleans up") == pid
        with pytest.raises(NotFound):
            async with asyncio.timeout(20):
                while True:
                    try:
                        world.node.send(pid, "n", 1)
                    except LimitExceeded:
                        await asyncio.sleep(0.001)

    fresh(test, settings={"mailbox": 4})
