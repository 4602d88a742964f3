"""What happens when an OS process of a host dies, and that none is left in the end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from procession import Internal, Node, NotFound, Unavailable

APP = Path(__file__).parent / "app"
WORKERS = "app:workers"
PROCESSES = "app:processes"


def lives(number):
    """Whether there is such a process, which may be a child of nobody who waits for its end."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True)
    return shown.stdout.strip()[:1] not in ("", "Z")


# -- a worker dies -----------------------------------------------------------------------------


@pytest.mark.semantics("11.2")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("kill", "SIGKILL"), "was killed by SIGKILL"),
        (("kill", "SIGSEGV"), "was killed by SIGSEGV"),
        (("exit", 3), "has ended with exit code 3"),
    ],
)
def test_a_worker_that_dies_ends_exactly_its_processes(fresh, command, reason):
    async def test(world):
        one, two = await world.two_places()
        near = world.puppet(PROCESSES)
        await near.set_options({"trap_links": True})
        await two.set_options({"trap_links": True})
        lost = []
        for who in (near, two):
            await who.monitor(one.pid)
            await who.link(one.pid)
            lost.append(one.pid)
        await near.monitor(two.pid)
        await one.register("the lost one")
        pending = asyncio.ensure_future(near.call(one.pid, "nobody listens"))
        await asyncio.sleep(0)
        one.tell(*command)
        for who in (near, two):
            exit, down = await who.event(), await who.event()
            assert (exit["kind"], down["kind"]) == ("pid.exit", "pid.link.down")
            assert exit["sender"] == down["sender"] == one.pid
            assert reason in exit["error"]["message"]
            assert exit["error"]["kind"] == "Unavailable"
            assert exit["error"]["retryable"] is True
        with pytest.raises(Unavailable, match="without a reply"):
            await pending
        for who in (near, two):
            with pytest.raises(NotFound):
                await who.send(one.pid, "topic")
            with pytest.raises(NotFound):
                await who.lookup("the lost one")
            assert await who.events() == []
        # Another one takes its place.
        await world.until_all_are_up()
        puppets = [world.puppet() for _ in range(2)]
        assert len({await one.os_pid() for one in puppets} | {await two.os_pid()}) == 2

    fresh(test)


@pytest.mark.semantics("11.2")
@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_a_worker_that_is_killed_is_noticed_while_a_process_that_it_forked_lives_on(fresh, how):
    async def test(world):
        one, near = world.puppet(), world.puppet(PROCESSES)
        await near.monitor(one.pid)
        child = await one.fork(how)
        try:
            one.tell("kill", "SIGKILL")
            event = await near.event()
            assert (event["kind"], event["sender"]) == ("pid.exit", one.pid)
            assert "was killed by SIGKILL" in event["error"]["message"]
            await world.until_all_are_up()
            assert await world.puppet().os_pid()
            assert lives(child)
            os.kill(child, signal.SIGTERM)  # it is no worker: the signal ends it
            await world.until(lambda: not lives(child))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    fresh(test)


@pytest.mark.semantics("11.4")
def test_c_code_beyond_the_step_limit_ends_its_process_or_its_worker(fresh):
    async def test(world):
        near = world.puppet(PROCESSES)
        pid = await near.spawn_monitored("app:compute", WORKERS)
        neighbour = world.puppet()
        event = await near.node.call(near.pid, "do", ["event"], timeout=None)
        assert event["sender"] == pid
        assert "step limit exceeded" in event["error"]["message"]
        await neighbour.os_pid()

    fresh(test)


@pytest.mark.semantics("11.2", "11.4")
@pytest.mark.parametrize(
    ("stuck", "state"), [("app:sums", "shared"), ("app:collide", "shared"), ("app:collide", "own")]
)
def test_a_worker_that_is_stuck_in_c_is_killed_its_processes_told_and_replaced(fresh, stuck, state):
    async def test(world):
        near = world.puppet(PROCESSES)
        neighbour = world.puppet("app:single")
        await near.monitor(neighbour.pid)
        before = await neighbour.os_pid()
        pid = await near.spawn_monitored(stuck, "app:single")
        events = [await near.node.call(near.pid, "do", ["event"], timeout=None) for _ in range(2)]
        assert {event["sender"] for event in events} == {pid, neighbour.pid}
        for event in events:
            assert "was killed: it gave no sign of life" in event["error"]["message"]
        await world.until_all_are_up()
        assert await world.puppet("app:single").os_pid() != before

    fresh(test, settings={"lua.state": state})


@pytest.mark.semantics("5.6", "11.2")
@pytest.mark.parametrize("here", [PROCESSES, WORKERS])
@pytest.mark.parametrize("there", [PROCESSES, "app:single"])
def test_code_of_an_entry_that_exits_while_it_is_started_ends_nobody_but_that(fresh, here, there):
    async def test(world):
        one, neighbour = world.puppet(here), world.puppet(there)
        before = world.places()
        with contextlib.suppress(Internal):  # from the same place
            pid = await one.spawn_monitored("app:exits_at_start", there, {"a": 1})
            event = await one.event()
            assert event["sender"] == pid
            assert event["error"]["message"] == "app:exits_at_start: SystemExit: 3"
        assert await neighbour.os_pid()
        assert await one.os_pid()
        assert world.places() == before

    fresh(test)


@pytest.mark.semantics("11.2", "11.4")
def test_a_worker_that_is_stuck_in_the_first_that_it_starts_is_killed(fresh):
    async def test(world):
        near, first = world.puppet(PROCESSES), world.puppet("app:single")
        await near.monitor(first.pid)
        first.tell("kill", "SIGKILL")
        assert (await near.event())["sender"] == first.pid
        pid = await near.spawn_monitored("app:never_starts", "app:single", {"a": 1})
        event = await near.node.call(near.pid, "do", ["event"], timeout=None)
        assert event["sender"] == pid
        assert "was killed: it gave no sign of life" in event["error"]["message"]

    fresh(test)


def test_a_worker_over_its_memory_limit_fails_alone(fresh):
    async def test(world):
        one = world.puppet(PROCESSES)
        await one.spawn_monitored("app:grab", WORKERS)
        event = await one.event()
        assert "MemoryError" in str(event["error"]) or "OS process" in str(event["error"])
        assert await world.node.exec("app:os_pid", WORKERS)

    fresh(test, settings={"worker_memory": "600MiB"})


def test_a_worker_that_speaks_nonsense_is_killed(fresh):
    async def test(world):
        broken, *others = world.node._workers._workers.values()
        broken.link.take_in(b"\xff" * 64)
        await world.until(lambda: broken.place not in world.places())
        assert {one.place for one in others} <= set(world.places())
        await world.until_all_are_up()

    fresh(test)


# -- the end -----------------------------------------------------------------------------------


def alive(os_pid):
    try:
        os.kill(os_pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{os_pid}/status").read_text()


def test_a_node_that_stops_leaves_no_os_process(fresh):
    async def test(world):
        world.puppet()
        return [one["os_pid"] for one in world.node.workers()]

    assert not any(map(alive, fresh(test)))


def test_stopping_gives_the_processes_in_workers_their_grace(world_of):
    async def boot():
        async with Node(APP) as node:
            puppet = world_of(node).puppet()
            await puppet.os_pid()
            waiting = asyncio.ensure_future(puppet.event())
            await asyncio.sleep(0)
            stop = asyncio.ensure_future(node.stop("5s"))
            event = await waiting
            puppet.tell("return", None)
            await stop
            return event

    assert asyncio.run(boot())["kind"] == "pid.cancel"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_stopped_in_any_way_leaves_no_orphan(how):
    program = (
        "import asyncio, sys\n"
        "from procession import Node\n"
        "async def main():\n"
        f"    async with Node({str(APP)!r}) as node:\n"
        "        node.spawn('app:compute', 'app:workers')\n"  # one of the two is deaf
        "        print(*[one['os_pid'] for one in node.workers()], flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        os_pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(os_pids) == 3
        parent.send_signal(how)
        parent.wait()

    async def gone():
        while any(map(alive, os_pids)):
            await asyncio.sleep(0.01)

    asyncio.run(gone())
