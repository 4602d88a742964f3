"""Dynamic supervisors: any number of children of one pattern."""

from time import perf_counter

import pytest
from trees import LOG, gone, idle, obeying, settle, specs, stubborn, worker

from procession import ChildSpec, Invalid, LimitExceeded, NotFound, process, supervisor, time


def test_dynamic_children_are_started_by_the_pattern_and_restarted_alone(run):
    async def main():
        pattern = ChildSpec("session", worker, ["s"], restart="transient")
        sup = supervisor.start([pattern], strategy="dynamic")
        assert await supervisor.which_children(sup) == []
        pids = [await supervisor.start_child(sup, number) for number in range(5)]
        rows = await supervisor.which_children(sup)
        assert [row["pid"] for row in rows] == pids
        assert {row["id"] for row in rows} == {None}
        process.terminate(pids[2])
        await gone(pids[2])
        await settle()
        now = [row["pid"] for row in await supervisor.which_children(sup)]
        assert now[:2] + now[3:] == pids[:2] + pids[3:]
        assert now[2] != pids[2]
        process.cancel(now[0])
        await gone(now[0])
        await supervisor.terminate_child(sup, now[1])
        await settle()
        assert [row["pid"] for row in await supervisor.which_children(sup)] == now[2:]
        with pytest.raises(NotFound, match="no child has the PID"):
            await supervisor.terminate_child(sup, now[0])

    run(main)


def test_a_dynamic_supervisor_has_no_use_for_specs_or_ids(run):
    async def main():
        sup = supervisor.start([ChildSpec("s", worker)], strategy="dynamic")
        pid = await supervisor.start_child(sup, "a")
        for request in (supervisor.restart_child, supervisor.delete_child):
            with pytest.raises(Invalid, match="dynamic.*use start_child"):
                await request(sup, pid)
        with pytest.raises(Invalid, match="arguments only"):
            await supervisor.start_child(sup, ChildSpec("x", worker))

    run(main)


def test_dynamic_children_are_stopped_all_at_once(run):
    async def main():
        sup = supervisor.start([ChildSpec("s", stubborn, shutdown="30ms")], strategy="dynamic")
        for number in range(100):
            await supervisor.start_child(sup, number)
        before = time.now()
        process.cancel(sup)
        await gone(sup)
        assert (time.now() - before).total_seconds() < 1.5

    run(main)


def test_there_are_no_more_than_max_children(run):
    async def main():
        sup = supervisor.start([ChildSpec("s", worker)], strategy="dynamic", max_children=2)
        pids = [await supervisor.start_child(sup, name) for name in "ab"]
        with pytest.raises(LimitExceeded, match="max children: the supervisor has 2") as caught:
            await supervisor.start_child(sup, "c")
        assert caught.value.retryable is True
        await supervisor.terminate_child(sup, pids[0])
        await supervisor.start_child(sup, "d")
        with pytest.raises(LimitExceeded):
            await supervisor.start_child(sup, "e")
        await settle()
        assert LOG == ["+a", "+b", "-a", "+d"]

    run(main)


def test_the_children_are_counted_as_in_otp(run):
    async def main():
        sup = supervisor.start([ChildSpec("s", worker)], strategy="dynamic")
        pids = [await supervisor.start_child(sup, name) for name in "abc"]
        counts = {"specs": 1, "active": 3, "supervisors": 0, "workers": 3}
        assert await supervisor.count_children(sup) == counts
        process.cancel(pids[0])
        await gone(pids[0])
        assert (await supervisor.count_children(sup))["active"] == 3  # it is permanent

        inner = supervisor.child("inner", specs("x"))
        top = supervisor.start([*specs("a", "b"), inner])
        counts = {"specs": 3, "active": 3, "supervisors": 1, "workers": 2}
        assert await supervisor.count_children(top) == counts
        await supervisor.terminate_child(top, "a")
        assert await supervisor.count_children(top) == {**counts, "active": 2}

    run(main)


async def time_to_stop(number, stop):
    """How long it takes a supervisor with so many children to stop, the best of some tries."""
    best = float("inf")
    for _ in range(3):
        pattern = ChildSpec("s", idle, restart="temporary", shutdown=stop)
        sup = supervisor.start([pattern], strategy="dynamic")
        for _ in range(number):
            await supervisor.start_child(sup)
        started = perf_counter()
        process.cancel(sup)
        await gone(sup)
        best = min(best, perf_counter() - started)
    return best


@pytest.mark.parametrize("stop", ["brutal_kill", "1h"])
def test_the_time_to_stop_grows_in_proportion_to_the_children(run, stop):
    async def main():
        few, many = await time_to_stop(800, stop), await time_to_stop(8000, stop)
        assert many < 50 * few  # a tenfold time if nothing disturbs, and a hundredfold if squared

    run(main)


@pytest.mark.parametrize("stop", ["brutal_kill", "1h"])
def test_others_run_while_many_children_are_stopped(run, stop):
    async def busy(counts):
        while True:
            counts[0] += 1
            await time.sleep(0)

    async def main():
        counts = [0]

        async def count():
            await busy(counts)

        pattern = ChildSpec("s", idle, restart="temporary", shutdown=stop)
        sup = supervisor.start([pattern], strategy="dynamic")
        for _ in range(3000):
            await supervisor.start_child(sup)
        process.spawn(count, None)
        await settle()
        before = counts[0]
        process.cancel(sup)
        await gone(sup)
        assert counts[0] - before >= 3000 // 100

    run(main)


def test_many_that_end_by_themselves_are_restarted_while_requests_are_answered(run):
    async def main():
        pattern = ChildSpec("s", obeying, ["s"], restart="transient")
        sup = supervisor.start([pattern], strategy="dynamic", intensity=10_000)
        pids = [await supervisor.start_child(sup) for _ in range(2000)]
        for pid in pids:
            process.send(pid, "order", "fail")
        while set(pids) & {row["pid"] for row in await supervisor.which_children(sup)}:
            await settle()
        counts = await supervisor.count_children(sup)
        assert (counts["active"], counts["workers"]) == (2000, 2000)

    run(main)
