"""Supervisors: who is started again, in what order, and when a supervisor gives up."""

import asyncio
import random

import pytest
from trees import (
    LOG,
    fails,
    gone,
    obeying,
    pids_of,
    rows_of,
    settle,
    specs,
    started,
    worker,
    write_app,
)

from procession import AlreadyExists, ChildSpec, LimitExceeded, process, supervisor, time

# -- strategies ------------------------------------------------------------------------------

AGAIN = {
    "one_for_one": ["b"],
    "one_for_all": ["a", "b", "c"],
    "rest_for_one": ["b", "c"],
}


@pytest.mark.parametrize("strategy", AGAIN)
@pytest.mark.parametrize("how", ["fail", "terminate", "return"])
def test_a_permanent_child_is_restarted_with_whom_the_strategy_says(run, strategy, how):
    async def main():
        sup = supervisor.start(specs("a", "b", "c"), strategy=strategy)
        old = await pids_of(sup)
        await settle()
        assert LOG == ["+a", "+b", "+c"]
        LOG.clear()
        if how == "terminate":
            process.terminate(old["b"])
        else:
            process.send(old["b"], "order", how)
        new = await started(sup, old, AGAIN[strategy])
        await settle()
        kept = [name for name in old if name not in AGAIN[strategy]]
        assert all(new[name] == old[name] for name in kept)
        stopped = [f"-{name}" for name in reversed(AGAIN[strategy]) if name != "b"]
        began = [f"+{name}" for name in AGAIN[strategy]]
        ended = [] if how == "terminate" else ["-b"]
        expected = [*ended, *stopped, *began]
        assert expected == LOG

    run(main)


@pytest.mark.parametrize("strategy", AGAIN)
@pytest.mark.parametrize(
    ("restart", "how", "again"),
    [
        ("permanent", "return", True),
        ("permanent", "fail", True),
        ("transient", "return", False),
        ("transient", "fail", True),
        ("temporary", "return", False),
        ("temporary", "fail", False),
    ],
)
def test_the_restart_type_decides_whether_a_child_is_restarted(run, strategy, restart, how, again):
    async def main():
        children = [*specs("a"), *specs("b", restart=restart), *specs("c")]
        sup = supervisor.start(children, strategy=strategy)
        old = await pids_of(sup)
        process.send(old["b"], "order", how)
        await gone(old["b"])
        if again:
            await started(sup, old, AGAIN[strategy])
        else:
            await settle()
            expected = {**old, "b": None}
            if restart == "temporary":
                del expected["b"]
            assert await pids_of(sup) == expected

    run(main)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_temporary_sibling_is_stopped_with_the_others_and_forgotten(run, strategy):
    async def main():
        children = [*specs("a"), *specs("b", restart="temporary"), *specs("c")]
        sup = supervisor.start(children, strategy=strategy)
        old = await pids_of(sup)
        process.send(old["a"], "order", "fail")
        new = await started(sup, old, ["a", "c"])
        assert list(new) == ["a", "c"]
        assert "-b" in LOG

    run(main)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_what_had_returned_is_started_with_the_others_and_what_was_terminated_is_not(run, strategy):
    async def main():
        children = [*specs("a"), *specs("b", restart="transient"), *specs("c")]
        sup = supervisor.start(children, strategy=strategy)
        old = await pids_of(sup)
        process.send(old["b"], "order", "return")
        await gone(old["b"])
        await supervisor.terminate_child(sup, "c")
        assert await pids_of(sup) == {"a": old["a"], "b": None, "c": None}
        process.send(old["a"], "order", "fail")
        new = await started(sup, old, ["a", "b"])
        assert new["c"] is None
        c = await supervisor.restart_child(sup, "c")
        process.send(new["a"], "order", "fail")
        again = await started(sup, {**new, "c": c}, ["a", "b", "c"])
        assert LOG.count("+c") == 3
        assert again

    run(main)


def test_two_that_fail_at_once_are_both_restarted(run):
    async def main():
        for strategy in AGAIN:
            sup = supervisor.start(specs("a", "b", "c"), strategy=strategy)
            old = await pids_of(sup)
            for name in ("c", "a"):
                process.send(old[name], "order", "fail")
            await started(sup, old, ["a", "c"])

    run(main)


# -- giving up -------------------------------------------------------------------------------


def test_a_supervisor_gives_up_when_the_intensity_is_exceeded(run):
    async def main():
        process.set_options(trap_links=True)
        children = [*specs("a", "b", entry=worker), ChildSpec("bad", fails, ["bad"])]
        sup = supervisor.start(children, intensity=2, period="1m")
        error = await gone(sup)
        assert error.kind == "LimitExceeded"
        assert error.message == (
            "restart intensity exceeded: 2 restarts within 60s; "
            "at last child 'bad' failed: ValueError: bad always fails"
        )
        assert error.details["child"] == "bad"
        assert error.details["error"]["message"] == "bad always fails"
        assert LOG == ["+a", "+b", "+bad", "+bad", "+bad", "-b", "-a"]

    run(main)


def test_without_any_restart_the_first_failure_is_one_too_many(run):
    async def main():
        sup = supervisor.start(specs("a", "b"), intensity=0, link=False)
        process.send((await pids_of(sup))["a"], "order", "fail")
        assert "0 restarts" in (await gone(sup)).message
        assert LOG == ["+a", "+b", "-a", "-b"]

    run(main)


def test_old_restarts_are_forgotten_after_the_period(run):
    async def main():
        sup = supervisor.start(specs("a"), intensity=1, period="20ms")
        for _ in range(4):
            old = await pids_of(sup)
            process.send(old["a"], "order", "fail")
            await started(sup, old, ["a"])
            await time.sleep("25ms")

    run(main)


def test_what_cannot_be_started_again_counts_as_a_restart(node, tmp_path):
    write_app(tmp_path, "  - {name: small, kind: process.host}\n")

    async def test(node):
        children = [*specs("a", entry=worker), ChildSpec("b", worker, ["b"], host="app:small")]
        pid = node.spawn(supervisor.main, "app:main", supervisor.spec(children, intensity=4))
        rows = await rows_of(node, pid)
        node._driver.kernel.hosts["app:small"].stop()
        end = asyncio.create_task(node.wait(pid))
        await asyncio.sleep(0)
        node.terminate(rows["b"])
        with pytest.raises(LimitExceeded, match="4 restarts within") as caught:
            await end
        assert caught.value.details["child"] == "b"
        assert caught.value.details["error"]["message"] == "host app:small is stopped"
        assert LOG == ["+a", "+b", "-b", "-a"]

    node(test, app=tmp_path)


def test_a_name_that_is_taken_is_told_and_nothing_is_started(run):
    async def main():
        process.registry.register("taken")
        with pytest.raises(AlreadyExists):
            supervisor.start(specs("a"), name="taken")
        await settle()
        assert LOG == []

    run(main)


def test_a_failed_supervisor_is_an_error_exit_for_whoever_supervises_it(run):
    async def main():
        inner = supervisor.child("inner", specs("x"), intensity=0)
        sup = supervisor.start([*specs("a"), inner, *specs("z")], strategy="rest_for_one")
        old = await pids_of(sup)
        x = (await pids_of(old["inner"]))["x"]
        process.send(x, "order", "fail")
        new = await started(sup, old, ["inner", "z"])
        assert new["a"] == old["a"]
        assert (await pids_of(new["inner"]))["x"] != x

    run(main)


def test_escalation_goes_up_to_the_top(run):
    async def main():
        bad = supervisor.child("middle", [ChildSpec("bad", fails)], intensity=1)
        sup = supervisor.start([bad, *specs("a", entry=worker)], intensity=1, link=False)
        error = await gone(sup)
        assert error.details["child"] == "middle"
        inner = error.details["error"]
        assert inner["message"] == (
            "restart intensity exceeded: 1 restarts within 5s; "
            "at last child 'bad' failed: ValueError: it always fails"
        )
        assert "ValueError: it always fails" in error.message
        assert LOG.count("+it") == 4
        assert LOG[-1] == "-a"

    run(main)


class Model:
    """What OTP's supervisor does, with a number for each start of a child."""

    def __init__(self, strategy, children):
        self.strategy = strategy
        self.children = dict(children)
        self.starts = dict.fromkeys(self.children, 1)
        self.running = dict.fromkeys(self.children, True)

    def ends(self, name, failed):
        restart = self.children[name]
        self.running[name] = False
        if restart == "permanent" or (restart == "transient" and failed):
            names = list(self.children)
            if self.strategy == "one_for_one":
                names = [name]
            elif self.strategy == "rest_for_one":
                names = names[names.index(name) :]
            for one in names:
                if self.children[one] == "temporary":
                    self.forget(one)
                    continue
                self.starts[one] += 1
                self.running[one] = True
        elif restart == "temporary":
            self.forget(name)

    def forget(self, name):
        del self.children[name], self.starts[name], self.running[name]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strategy", AGAIN)
def test_a_hundred_random_failures_go_as_in_otp(run, strategy, seed):
    chance = random.Random(seed)
    restarts = ["permanent", "permanent", "transient", "transient", "temporary", "permanent"]
    chance.shuffle(restarts)
    children = [(f"c{number}", restart) for number, restart in enumerate(restarts)]

    async def main():
        sup = supervisor.start(
            [ChildSpec(name, obeying, [name], restart=restart) for name, restart in children],
            strategy=strategy,
            intensity=1000,
        )
        model = Model(strategy, children)
        for _ in range(100):
            pids = await pids_of(sup)
            await time.sleep(0)
            candidates = [name for name, runs in model.running.items() if runs]
            if not candidates:
                break
            name = chance.choice(candidates)
            failed = chance.random() < 0.8
            process.send(pids[name], "order", "fail" if failed else "return")
            model.ends(name, failed)
            await gone(pids[name])
            while True:
                rows = await supervisor.which_children(sup)
                seen = {row["id"]: row["pid"] is not None for row in rows}
                if seen == model.running:
                    break
                await time.sleep(0)
            await settle()
            counts = {one: LOG.count(f"+{one}") for one in model.starts}
            assert counts == model.starts
            assert list(seen) == list(model.running)

    run(main)
