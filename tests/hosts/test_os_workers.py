"""Hosts with OS processes of their own: the same promises as everywhere."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from procession import (
    AlreadyExists,
    Error,
    Invalid,
    LimitExceeded,
    Node,
    NotFound,
    ProcessTerminated,
    Timeout,
    Unavailable,
)

APP = Path(__file__).parent / "app"
WORKERS = "app:workers"
PROCESSES = "app:processes"


@pytest.mark.semantics("1.1", "6.1")
def test_a_process_of_one_node_is_nobody_in_another(fresh):
    async def test(world):
        async with Node(APP) as other:
            for mine, foreign in ((world.node, other), (other, world.node)):
                for host in (PROCESSES, WORKERS):
                    pid = mine.spawn("app:sleeping", host)
                    with pytest.raises(NotFound):
                        foreign.send(pid, "wake up")
                    mine.send(pid, "wake up")

    fresh(test)


@pytest.mark.semantics("1.1", "5.1", "11.2")
def test_processes_are_spread_over_the_workers(shared):
    async def test(world):
        puppets = [world.puppet() for _ in range(4)]
        assert all(one.pid.startswith("{app:workers|0x") for one in puppets)
        places = [await one.os_pid() for one in puppets]
        assert len(set(places)) == 2
        assert os.getpid() not in places
        for one in puppets:
            world.node.terminate(one.pid)

    shared(test)


@pytest.mark.semantics("3.3")
@pytest.mark.parametrize("entry", ["app:echo", "app:lua_echo"])
def test_every_payload_arrives_as_it_was_sent(shared, entry):
    berlin = timezone(timedelta(hours=2))
    values = [
        None, True, 7, -(2**63), 2**63 - 1, 1.5, "text", "ünïcode", b"\xff\x00bytes",
        [1, [2, [3]]], {"a": {"b": [1, 2]}, "c": "d"}, {7: "seven"},
        NotFound("gone", details={"why": ["a", 1]}),
        datetime(2024, 2, 29, 12, 30, 1, 5000, UTC),
        datetime(2024, 2, 29, 12, 30, 1, 5000, berlin),
    ]  # fmt: skip
    if entry == "app:echo":
        values += [uuid.UUID(int=5), datetime(2024, 1, 1), {uuid.UUID(int=6): [uuid.UUID(int=7)]}]

    async def test(world):
        for value in values:
            got = await world.node.exec(entry, WORKERS, value, "end")
            if got and isinstance(got, dict):
                got = [got.get(1), got.get(2)]  # a table with a hole
            assert got == [value, "end"]
            assert type(got[0]) is type(value)
            if isinstance(value, datetime):
                assert got[0].utcoffset() == value.utcoffset()

    shared(test)


@pytest.mark.semantics("3.3")
def test_what_cannot_cross_is_refused_at_the_sender(shared):
    async def test(world):
        puppet = world.puppet()
        with pytest.raises(Invalid, match=r"payload\['a'\]\[0\] cannot cross"):
            world.node.send(puppet.pid, "topic", {"a": [object()]})
        for long in ("x" * (17 << 20), ["x" * (9 << 20)] * 2):
            with pytest.raises(Invalid, match="too long for another OS process"):
                world.node.send(puppet.pid, "topic", long)
            with pytest.raises(Invalid, match="too long for another OS process"):
                world.node.spawn("app:echo", WORKERS, long)
            with pytest.raises(Invalid, match="too long for another OS process"):
                await puppet.call(puppet.pid, "do", long)
        with pytest.raises(Invalid, match="too long for another OS process"):
            await world.node.exec("app:long", WORKERS)
        with pytest.raises(Invalid, match="too long for another OS process"):
            await world.node.call(world.node.spawn("app:long_reply", WORKERS), "ask")
        world.node.terminate(puppet.pid)

    shared(test)


@pytest.mark.semantics("6.2")
def test_messages_arrive_in_order_from_every_place(shared):
    async def test(world):
        one, two = await world.two_places()
        near = world.puppet(PROCESSES)
        counter = world.node.spawn("app:count", WORKERS, 3 * 1000)
        done = asyncio.ensure_future(world.node.wait(counter))
        await asyncio.gather(*(who.many(counter, "n", 1000) for who in (one, two, near)))
        assert await done == 0
        for who in (one, two, near):
            world.node.terminate(who.pid)

    shared(test)


@pytest.mark.semantics("5.2")
def test_a_message_sent_right_after_the_spawn_is_kept(shared):
    async def test(world):
        one, two = await world.two_places()
        for who in (one, two):
            for _ in range(20):
                pid = await who.spawn("app:collect", WORKERS, 2)
                done = asyncio.ensure_future(world.node.wait(pid))
                # From a third place, which has only just heard of it.
                other = two if who is one else one
                await other.send(pid, "n", 1)
                world.node.send(pid, "n", 2)
                assert sorted(await done) == [1, 2]
        for who in (one, two):
            world.node.terminate(who.pid)

    shared(test)


@pytest.mark.semantics("8.2", "9.1")
@pytest.mark.parametrize("watcher_host", [WORKERS, PROCESSES])
@pytest.mark.parametrize("watched_host", [WORKERS, PROCESSES])
def test_a_monitor_hears_of_every_end_once(shared, watcher_host, watched_host):
    async def test(world):
        watcher = world.puppet(watcher_host)
        filler = world.puppet()  # so that the next one is elsewhere
        pid = await watcher.spawn_monitored("app:echo", watched_host, 1, 2)
        event = await watcher.event()
        assert (event["kind"], event["sender"]) == ("pid.exit", pid)
        assert (event["result"], event["error"]) == ([1, 2], None)
        await watcher.spawn_monitored("app:failing", watched_host, "boom")
        event = await watcher.event()
        assert event["error"]["message"] == "boom"
        assert "RuntimeError" in event["error"]["details"]["traceback"]
        sleeper = await watcher.spawn("app:sleeping", watched_host)
        assert await watcher.monitor(sleeper) is True
        with pytest.raises(AlreadyExists):
            await watcher.monitor(sleeper)
        await watcher.unmonitor(sleeper)
        await watcher.monitor(sleeper)
        await watcher.terminate(sleeper)
        event = await watcher.event()
        assert event["error"]["kind"] == "Terminated"
        assert await watcher.events() == []
        for one in (watcher, filler):
            world.node.terminate(one.pid)

    shared(test)


@pytest.mark.semantics("9.7")
def test_a_monitor_of_a_dead_process_elsewhere_gets_exit_with_not_found(shared):
    async def test(world):
        one, two = await world.two_places()
        pid = await one.spawn("app:echo", WORKERS)
        with pytest.raises(NotFound):
            while True:  # it ends some time soon
                await world.node.wait(pid)
        for who in (one, two):
            try:
                await who.monitor(pid)
            except NotFound:
                continue  # it runs where the caller does
            event = await who.event()
            assert (event["sender"], event["error"]["kind"]) == (pid, "NotFound")
        for who in (one, two):
            world.node.terminate(who.pid)

    shared(test)


@pytest.mark.semantics("9.2", "9.3", "9.4")
def test_links_hold_from_place_to_place(shared):
    async def test(world):
        for hosts in ((WORKERS, WORKERS), (WORKERS, PROCESSES), (PROCESSES, WORKERS)):
            one, two = world.puppet(hosts[0]), world.puppet(hosts[1])
            await one.link(two.pid)
            await two.link(one.pid)  # again does nothing
            end = asyncio.ensure_future(world.node.wait(two.pid))
            one.tell("raise", "oh no")
            with pytest.raises(Error, match=r"failed: \{.+\}: ValueError: oh no") as raised:
                await end
            assert raised.value.details["peer"] == one.pid
            assert raised.value.details["error"]["message"] == "oh no"

            one, two = world.puppet(hosts[0]), world.puppet(hosts[1])
            await one.link(two.pid)
            await two.set_options({"trap_links": True})
            one.tell("raise", "oh no")
            event = await two.event()
            assert (event["kind"], event["sender"]) == ("pid.link.down", one.pid)
            assert event["error"]["message"] == "oh no"

            one = world.puppet(hosts[0])
            await one.link(two.pid)
            one.tell("return", 5)  # a normal end says nothing
            with pytest.raises(NotFound):
                while True:
                    await world.node.wait(one.pid)
            one = world.puppet(hosts[0])
            await two.link(one.pid)
            await one.unlink(two.pid)
            one.tell("raise", "alone")
            with pytest.raises((NotFound, Error)):
                while True:
                    await world.node.wait(one.pid)
            assert await two.events() == []
            world.node.terminate(two.pid)

    shared(test)


@pytest.mark.semantics("12.1", "12.2", "12.3")
def test_names_belong_to_the_node(shared):
    async def test(world):
        one, two = await world.two_places()
        near = world.puppet(PROCESSES)
        everyone = (one, two, near)
        await one.register("somebody")
        await one.register("somebody")  # again does nothing
        for who in everyone:
            assert await who.lookup("somebody") == one.pid
            await who.send("somebody", "n", 1)
        assert world.node.lookup("somebody") == one.pid
        for who in (two, near):
            with pytest.raises(AlreadyExists, match="taken"):
                await who.register("somebody")
        await near.register("other", two.pid)  # for somebody elsewhere
        assert await one.lookup("other") == two.pid
        for who in everyone:
            with pytest.raises(NotFound, match="not registered"):
                await who.lookup("nobody")
            assert await who.unregister("nobody") is False
        assert await two.unregister("somebody") is True
        for who in everyone:
            with pytest.raises(NotFound):
                await who.lookup("somebody")
        await one.register("somebody")
        for who in everyone:
            world.node.terminate(who.pid)

    shared(test)


@pytest.mark.semantics("7.2")
def test_whoever_has_seen_exit_finds_the_name_free(shared):
    async def test(world):
        watcher = world.puppet()
        for i in range(30):
            owner = world.puppet(WORKERS, f"short-lived-{i}")
            await owner.os_pid()  # by now it has registered
            await watcher.monitor(owner.pid)
            assert await watcher.lookup(f"short-lived-{i}") == owner.pid
            owner.tell("return", None)
            assert (await watcher.event())["sender"] == owner.pid
            await watcher.register(f"short-lived-{i}")
            await watcher.unregister(f"short-lived-{i}")
        world.node.terminate(watcher.pid)

    shared(test)


def test_calls_and_their_errors_cross(shared):
    async def test(world):
        one, two = await world.two_places()
        assert await one.call(two.pid, "do", ["os_pid"]) == await two.os_pid()
        with pytest.raises(NotFound, match="not registered"):
            await one.call(two.pid, "do", ["lookup", "nobody"])
        with pytest.raises(Timeout):
            await one.call(two.pid, "nobody listens", None, 0.05)
        with pytest.raises(Unavailable, match="has ended without a reply"):
            await one.call(two.pid, "do", ["return", 1])
        world.node.terminate(one.pid)

    shared(test)


@pytest.mark.semantics("10.1", "10.2", "10.3")
def test_cancel_and_terminate_reach_every_place(shared):
    async def test(world):
        one, two = await world.two_places()
        await one.cancel(two.pid, "please")
        event = await two.event()
        assert event["kind"] == "pid.cancel"
        sleeper = await one.spawn_monitored("app:sleeping", WORKERS)
        await two.cancel(sleeper, None, 0.01)
        assert (await one.event())["error"]["kind"] == "Terminated"
        for who in (one, two):
            with pytest.raises(ProcessTerminated):
                end = asyncio.ensure_future(world.node.wait(who.pid))
                await asyncio.sleep(0)
                world.node.terminate(who.pid)
                await end
            with pytest.raises(NotFound):
                world.node.terminate(who.pid)

    shared(test)


@pytest.mark.semantics("5.3", "5.6")
def test_what_the_caller_can_know_of_a_spawn_is_raised_at_once(shared):
    async def test(world):
        for spawn in (world.node.spawn, world.node.exec):
            with pytest.raises(NotFound, match=r"did you mean 'app:puppet'"):
                found = spawn("app:pupet", WORKERS)
                await found
        with pytest.raises(NotFound, match="host not found"):
            world.node.spawn("app:puppet", "app:worker")
        with pytest.raises(Invalid, match="arguments"):
            world.node.spawn("app:echo", WORKERS, object())

        async def local():
            pass

        with pytest.raises(Invalid, match="at the top level of a module"):
            world.node.spawn(local, WORKERS)

    shared(test)


@pytest.mark.semantics("5.6")
def test_what_fails_over_there_arrives_as_exit_and_link_down(shared, caplog):
    async def test(world):
        puppet = world.puppet(PROCESSES)
        await puppet.set_options({"trap_links": True})
        pid = await puppet.spawn_linked_monitored("app:typed", WORKERS, {"id": "no number"})
        exit, down = await puppet.event(), await puppet.event()
        assert (exit["kind"], exit["sender"]) == ("pid.exit", pid)
        assert (down["kind"], down["sender"]) == ("pid.link.down", pid)
        assert exit["error"]["kind"] == down["error"]["kind"] == "Invalid"
        assert "argument 1 (job) of app:typed" in exit["error"]["message"]
        with pytest.raises(Invalid, match="argument 1"):
            await world.node.exec("app:typed", WORKERS, {"id": "no number"})
        assert await world.node.exec("app:typed", WORKERS, {"id": 5}) == 5
        with pytest.raises(Error, match="this module does not load"):
            await world.node.exec("app:broken", WORKERS)
        world.node.terminate(puppet.pid)

    shared(test)


@pytest.mark.semantics("6.8", "6.9")
def test_a_sender_is_told_of_a_full_mailbox_in_another_os_process(shared):
    async def test(world):
        sleeper = world.node.spawn("app:sleeping", WORKERS)
        one, two = await world.two_places()
        for who in (one, two):  # one of them runs where the sleeper does
            with pytest.raises(LimitExceeded, match="mailbox full: 5000 messages wait"):
                await who.many(sleeper, "n", 6000)
        for pid in (sleeper, one.pid, two.pid):
            world.node.terminate(pid)

    shared(test)


@pytest.mark.semantics("6.8", "6.9")
def test_what_a_mailbox_in_another_os_process_has_accepted_arrives(shared):
    async def test(world):
        pid = world.node.spawn("app:counting", WORKERS)
        accepted = 0
        with pytest.raises(LimitExceeded):
            while True:
                world.node.send(pid, "n", accepted)
                accepted += 1
        assert accepted == 5000
        world.node.cancel(pid)  # now it takes them
        for _ in range(20_000):
            try:
                world.node.send(pid, "n", accepted)
                accepted += 1
            except LimitExceeded:  # it gets room again, and nothing that was accepted is lost
                await asyncio.sleep(0)
        while True:
            try:
                assert await world.node.call(pid, "count") == accepted
                break
            except LimitExceeded:
                await asyncio.sleep(0)
        world.node.terminate(pid)

    shared(test)


@pytest.mark.semantics("6.9")
def test_a_worker_that_takes_nothing_in_makes_its_senders_wait_and_loses_nothing(fresh):
    async def test(world):
        pid = world.node.spawn("app:first_bytes", WORKERS, 40)
        done = asyncio.ensure_future(world.node.wait(pid))
        worker = next(one for one in world.node.workers() if one["processes"])
        os.kill(worker["os_pid"], signal.SIGSTOP)
        sent = []
        try:
            with pytest.raises(LimitExceeded, match="full"):
                for i in range(100):
                    world.node.send(pid, "n", bytes([i]) * 4_000_000)
                    sent.append(i)
                    await asyncio.sleep(0)
        finally:
            os.kill(worker["os_pid"], signal.SIGCONT)
        assert 10 < len(sent) < 40
        while len(sent) < 40:
            try:
                world.node.send(pid, "n", bytes([len(sent)]) * 4_000_000)
                sent.append(len(sent))
            except LimitExceeded:
                await asyncio.sleep(0.001)
        assert await done == list(range(40))

    fresh(test)


def test_functions_of_the_main_script_run_in_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, procession\n"
        "from procession import process\n"
        "async def child():\n"
        "    return os.getpid()\n"
        "async def main():\n"
        "    pids = {await process.exec(child, None) for _ in range(4)}\n"
        "    return len(pids), os.getpid() in pids\n"
        "if __name__ == '__main__':\n"
        "    import asyncio\n"
        "    async def boot():\n"
        "        async with procession.Node(settings={'os_workers': 2}) as node:\n"
        "            print(await node.exec(main, None))\n"
        "    asyncio.run(boot())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("[2, ")


def test_logs_of_workers_come_out_of_the_parent(fresh, caplog):
    async def test(world):
        with pytest.raises(Error, match="for the log"):
            await world.node.exec("app:failing", WORKERS, "for the log")
        await world.until(lambda: "for the log" in caplog.text)

    fresh(test)
    record = next(one for one in caplog.records if "for the log" in one.message)
    assert record.entry == "app:failing"
    assert "puppet.py" in record.exc_text


@pytest.mark.semantics("10.2")
@pytest.mark.parametrize("host", [PROCESSES, WORKERS])
def test_a_host_under_a_flood_of_messages_still_ends_and_ties_at_once(fresh, host):
    """Terminate, links and monitors do not wait behind what users send."""

    async def test(world):
        node = world.node
        flooded = node.spawn("app:flooded", host)
        puppet = world.puppet(PROCESSES)
        await puppet.monitor(flooded)
        await puppet.set_options({"trap_links": True})
        await puppet.link(flooded)
        sent = 0
        with contextlib.suppress(LimitExceeded):
            for _ in range(100_000):
                node.send(flooded, "n", sent)
                sent += 1
        node.terminate(flooded)
        exit, down = await puppet.event(), await puppet.event()
        assert (exit["kind"], down["kind"]) == ("pid.exit", "pid.link.down")
        assert exit["error"]["kind"] == "Terminated"
        return sent

    assert fresh(test, settings={"mailbox": 200_000}) == 100_000


def test_to_log_in_a_worker_is_never_an_error_whatever_is_logged(fresh, caplog):
    async def test(world):
        count = await world.node.exec("app:logs_all_kinds", WORKERS)
        await world.until(lambda: "the last one" in caplog.text and "from a thread" in caplog.text)
        records = [one for one in caplog.records if one.name == "puppet"]
        assert len(records) == count
        assert "... (cut: it has 20971520 characters)" in records[0].message
        assert records[0].field.endswith("characters)")
        assert "not formatted: TypeError" in caplog.text

    fresh(test)


@pytest.mark.semantics("7.1", "11.2", "11.4")
@pytest.mark.parametrize("how", ["never ends", "exits", "interrupts"])
@pytest.mark.parametrize("what", ["an error", "a result", "a log record"])
def test_hostile_code_that_the_runtime_calls_ends_its_process_and_not_its_worker(fresh, what, how):
    if (what, how) == ("a log record", "interrupts"):
        pytest.skip("the program calls that itself: an interrupt of main is one for the program")

    async def test(world):
        near, neighbour = world.puppet(PROCESSES), world.puppet(WORKERS)
        os_pids = [worker["os_pid"] for worker in world.node.workers()]
        await near.spawn_monitored("app:hostile", WORKERS, what, how)
        event = await near.event()
        assert event["kind"] == "pid.exit"
        assert "OS process" not in str(event["error"])
        assert await neighbour.os_pid() in os_pids
        assert [worker["os_pid"] for worker in world.node.workers()] == os_pids

    fresh(test)
