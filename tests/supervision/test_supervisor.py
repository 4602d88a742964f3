"""Supervisors: who is started again, in what order, and when a supervisor gives up."""

import asyncio
import random

import pytest

from procession import (
    AlreadyExists,
    ChildSpec,
    Conflict,
    Error,
    Invalid,
    LimitExceeded,
    Node,
    NotFound,
    Unavailable,
    channel,
    process,
    supervisor,
    time,
)
from procession.manifest.loader import inspect_manifest

LOG = []
"""What children did, in order. In one OS process, they share it."""


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


async def worker(name, *_):
    """Says what it does, and does what it is told."""
    LOG.append(f"+{name}")
    try:
        event = await process.events().receive()
        assert event.kind == process.event.CANCEL
    finally:
        LOG.append(f"-{name}")


async def obeying(name):
    """Ends as it is told by a message."""
    LOG.append(f"+{name}")
    orders = process.listen("order")
    got = await channel.select(process.events(), orders)
    LOG.append(f"-{name}")
    if got.channel is orders and got.value == "fail":
        raise ValueError(f"{name} was told to fail")
    return got.value if got.channel is orders else None


async def deaf(name):
    LOG.append(f"+{name}")
    await time.sleep("1h")


async def fails(name="it"):
    LOG.append(f"+{name}")
    raise ValueError(f"{name} always fails")


async def returns():
    return "done"


def specs(*names, entry=obeying, **options):
    return [ChildSpec(name, entry, [name], **options) for name in names]


async def pids_of(sup):
    return {one["id"]: one["pid"] for one in await supervisor.which_children(sup)}


async def started(sup, old, names):
    """Wait until the named children run with other PIDs than before; all PIDs."""
    while True:
        now = await pids_of(sup)
        if all(now.get(name) and now[name] != old[name] for name in names):
            return now
        await time.sleep("1ms")


async def gone(pid):
    """Wait for the end of a process; its error."""
    try:
        process.monitor(pid)
    except NotFound:
        return None
    while (event := await process.events().receive()).sender != pid:
        pass
    return event.error


def settle():
    """Let everybody who is ready run."""
    return time.sleep("2ms")


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
def test_what_had_returned_or_was_stopped_is_started_with_the_others(run, strategy):
    """As in OTP."""

    async def main():
        children = [*specs("a"), *specs("b", restart="transient"), *specs("c")]
        sup = supervisor.start(children, strategy=strategy)
        old = await pids_of(sup)
        process.send(old["b"], "order", "return")
        await gone(old["b"])
        await supervisor.terminate_child(sup, "c")
        assert await pids_of(sup) == {"a": old["a"], "b": None, "c": None}
        process.send(old["a"], "order", "fail")
        await started(sup, old, ["a", "b", "c"])

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
        assert error.message == "restart intensity exceeded: 2 restarts within 60s"
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
        assert inner["message"] == "restart intensity exceeded: 1 restarts within 5s"
        assert LOG.count("+it") == 4
        assert LOG[-1] == "-a"

    run(main)


# -- starting and stopping -------------------------------------------------------------------


def test_a_cancelled_supervisor_stops_its_children_in_reverse_and_ends_normally(run):
    async def main():
        nested = supervisor.child("n", specs("x", "y", entry=worker))
        sup = supervisor.start(
            [*specs("a", entry=worker), nested, *specs("z", entry=worker)], host=None
        )
        await supervisor.which_children(sup)
        await settle()
        process.cancel(sup)
        assert await gone(sup) is None
        assert LOG == ["+a", "+z", "+x", "+y", "-z", "-y", "-x", "-a"]

    run(main)


def test_a_child_that_does_not_start_undoes_the_start_of_the_others(run):
    async def main():
        sup = supervisor.start(
            [*specs("a", "b", entry=worker), ChildSpec("c", "no.such:thing")], link=False
        )
        error = await gone(sup)
        assert error.kind == "Internal"
        assert error.message.startswith("child 'c' did not start: entry not found")
        assert error.details["error"]["kind"] == "NotFound"
        assert LOG == ["+a", "+b", "-b", "-a"]

    run(main)


def test_a_supervisor_that_does_not_start_fails_the_one_that_started_it(run):
    async def parent():
        supervisor.start([ChildSpec("c", "no.such:thing")])
        await time.sleep("1h")

    async def main():
        error = await gone(process.spawn(parent, None))
        assert error.message == "linked process failed"
        assert "child 'c' did not start" in error.details["origin"]["error"]["message"]

    run(main)


def test_a_child_that_ignores_cancel_is_killed_after_its_shutdown_time(run):
    async def main():
        sup = supervisor.start(specs("a", entry=deaf, shutdown="10ms"))
        pid = (await pids_of(sup))["a"]
        process.cancel(sup)
        error = await gone(pid)
        assert error.kind == "Terminated"
        await gone(sup)

    run(main)


def test_brutal_kill_does_not_ask(run):
    async def main():
        sup = supervisor.start(specs("a", entry=worker, shutdown="brutal_kill"))
        pid = (await pids_of(sup))["a"]
        await settle()
        process.cancel(sup)
        assert (await gone(pid)).kind == "Terminated"

    run(main)


def test_without_a_limit_a_child_stops_when_it_likes(run):
    async def slow():
        event = await process.events().receive()
        assert event.deadline is None
        await process.listen("go").receive()
        LOG.append("-slow")

    async def main():
        sup = supervisor.start([ChildSpec("slow", slow, shutdown=None)])
        pid = (await pids_of(sup))["slow"]
        process.cancel(sup)
        await settle()
        assert LOG == []
        process.send(pid, "go")
        assert await gone(sup) is None
        assert LOG == ["-slow"]

    run(main)


@pytest.mark.parametrize("nested", [False, True])
def test_when_a_supervisor_is_killed_its_children_are_gone(run, nested):
    async def main():
        if nested:
            inner = supervisor.child("inner", specs("a", "b"))
            top = supervisor.start([inner], link=False)
            sup = (await pids_of(top))["inner"]
        else:
            top = sup = supervisor.start(specs("a", "b"), link=False)
        children = await pids_of(sup)
        process.terminate(top)
        for pid in (top, sup, *children.values()):
            await gone(pid)
            with pytest.raises(NotFound):
                process.send(pid, "order")

    run(main)


def test_a_supervisor_stops_its_children_and_fails_when_its_parent_fails(run):
    async def parent(grandparent):
        sup = supervisor.start(specs("a", "b", entry=worker))
        process.send(grandparent, "sup", sup, await pids_of(sup))
        await process.listen("die").receive()
        raise ValueError("parent")

    async def main():
        pid = process.spawn(parent, None, process.pid())
        sup, children = await process.listen("sup").receive()
        await settle()
        process.monitor(sup)
        process.send(pid, "die")
        error = (await process.events().receive()).error
        assert error.message == "linked process failed"
        assert error.details["peer"] == pid
        assert LOG[-2:] == ["-b", "-a"]
        assert children

    run(main)


def test_a_stranger_that_linked_and_fails_is_not_its_parent(run):
    async def stranger(sup):
        process.link(sup)
        raise ValueError("stranger")

    async def main():
        sup = supervisor.start(specs("a"))
        old = await pids_of(sup)
        await gone(process.spawn(stranger, None, sup))
        await settle()
        assert await pids_of(sup) == old

    run(main)


def test_unexpected_messages_are_logged_and_harm_nobody(run, caplog):
    async def main():
        sup = supervisor.start(specs("a"))
        process.send(sup, "hello", 1)
        process.send(sup, "supervisor.which_children")
        with pytest.raises(Invalid, match=r"did you mean 'supervisor.which_children'"):
            await process.call(sup, "supervisor.which_childen")
        assert list(await pids_of(sup)) == ["a"]

    run(main)
    assert caplog.text.count("got an unexpected message") == 3


# -- requests --------------------------------------------------------------------------------


def test_children_can_be_added_stopped_restarted_and_deleted(run):
    async def main():
        sup = supervisor.start(specs("a"), name="top")
        b = await supervisor.start_child("top", ChildSpec("b", worker, ["b"], restart="transient"))
        rows = await supervisor.which_children(sup)
        assert rows[1] == {"id": "b", "pid": b, "type": "worker", "restart": "transient"}
        for request in (supervisor.restart_child, supervisor.delete_child):
            with pytest.raises(Conflict, match="child 'b' is running"):
                await request(sup, "b")
        with pytest.raises(AlreadyExists, match="runs as"):
            await supervisor.start_child(sup, ChildSpec("b", worker, ["b"]))
        assert await supervisor.terminate_child(sup, "b") is None
        assert LOG[-1] == "-b"
        with pytest.raises(NotFound):
            process.send(b, "order")
        with pytest.raises(AlreadyExists, match="is not running"):
            await supervisor.start_child(sup, ChildSpec("b", worker, ["b"]))
        assert await supervisor.terminate_child(sup, "b") is None
        assert (await supervisor.restart_child(sup, "b")) != b
        await supervisor.terminate_child(sup, "b")
        await supervisor.delete_child(sup, "b")
        assert list(await pids_of(sup)) == ["a"]

    run(main)


def test_a_request_about_an_unknown_child_is_not_found(run):
    async def main():
        sup = supervisor.start(specs("a"))
        for request in ("terminate_child", "restart_child", "delete_child"):
            with pytest.raises(NotFound, match="no child has the id 'x'"):
                await getattr(supervisor, request)(sup, "x")

    run(main)


def test_a_temporary_child_that_is_stopped_is_forgotten(run):
    async def main():
        sup = supervisor.start(specs("a", restart="temporary"))
        await supervisor.terminate_child(sup, "a")
        assert await supervisor.which_children(sup) == []

    run(main)


def test_a_child_that_cannot_be_started_on_request_is_not_kept(run):
    async def main():
        sup = supervisor.start([])
        with pytest.raises(NotFound, match="entry not found"):
            await supervisor.start_child(sup, ChildSpec("x", "no.such:thing"))
        with pytest.raises(Invalid, match="arguments do not fit"):
            await supervisor.start_child(sup, ChildSpec("x", worker))
        assert await supervisor.which_children(sup) == []

    run(main)


def test_a_request_to_a_supervisor_that_ends_fails_at_once(run):
    async def main():
        sup = supervisor.start(specs("a", entry=deaf, shutdown="5ms"))
        await pids_of(sup)
        process.cancel(sup)
        with pytest.raises(Unavailable):
            await supervisor.which_children(sup)

    run(main)


# -- dynamic ---------------------------------------------------------------------------------


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
            with pytest.raises(Invalid, match="dynamic"):
                await request(sup, pid)
        with pytest.raises(Invalid, match="arguments only"):
            await supervisor.start_child(sup, ChildSpec("x", worker))

    run(main)


def test_dynamic_children_are_stopped_all_at_once(run):
    async def main():
        sup = supervisor.start([ChildSpec("s", deaf, shutdown="30ms")], strategy="dynamic")
        for number in range(100):
            await supervisor.start_child(sup, number)
        before = time.now()
        process.cancel(sup)
        await gone(sup)
        assert (time.now() - before).total_seconds() < 1.5

    run(main)


# -- specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: ChildSpec("", worker), Invalid, "not empty"),
        (lambda: ChildSpec(1, worker), TypeError, "a string"),
        (lambda: ChildSpec("a", 1), TypeError, "an entry"),
        (lambda: ChildSpec("a", worker, "args"), TypeError, "args is a list"),
        (lambda: ChildSpec("a", worker, restart="permanet"), Invalid, "did you mean 'permanent'"),
        (lambda: ChildSpec("a", worker, type="boss"), Invalid, "it can be worker, supervisor"),
        (lambda: ChildSpec("a", worker, shutdown="brutal"), Invalid, "no duration"),
        (lambda: ChildSpec("a", worker, shutdown=-1), Invalid, "not negative"),
        (lambda: supervisor.spec(specs("a"), strategy="one_for_two"), Invalid, "one_for_one"),
        (lambda: supervisor.spec(specs("a", "a")), Invalid, "two children have the id 'a'"),
        (lambda: supervisor.spec([], strategy="dynamic"), Invalid, "one child"),
        (lambda: supervisor.spec([], intensity=-1), Invalid, "0 or more"),
        (lambda: supervisor.spec([], intensity=1.5), TypeError, "an integer"),
        (lambda: supervisor.spec([], period=0), Invalid, "longer than nothing"),
        (lambda: supervisor.spec([ChildSpec("a", lambda: None)]), Invalid, "top level of a module"),
        (lambda: supervisor.spec([{"id": "a"}]), Invalid, "needs 'entry'"),
        (lambda: supervisor.spec([{"id": "a", "enrty": "x"}]), Invalid, "did you mean 'entry'"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_function_made_on_the_spot_can_be_a_child_beside_its_supervisor(run):
    async def main():
        async def local(name):
            await worker(name)

        sup = supervisor.start([ChildSpec("a", local, ["a"]), *specs("b")])
        old = await pids_of(sup)
        process.terminate(old["a"])
        await started(sup, old, ["a"])
        await supervisor.terminate_child(sup, "a")
        await supervisor.delete_child(sup, "a")
        await supervisor.start_child(sup, ChildSpec("a", worker, ["other"]))
        await settle()
        assert LOG[-1] == "+other"
        with pytest.raises(Invalid, match="top level of a module"):
            await supervisor.start_child(sup, ChildSpec("c", local))

    run(main)


def test_a_supervisor_is_spawned_from_outside_as_any_process(node):
    async def test(node):
        data = supervisor.spec(specs("a", "b", entry=worker))
        pid = node.spawn(supervisor.main, None, data)
        rows = await node.call(pid, "supervisor.which_children")
        assert [row["id"] for row in rows] == ["a", "b"]
        await node.stop("5s")
        assert LOG == ["+a", "+b", "-b", "-a"]

    node(test)


# -- a model of OTP's semantics --------------------------------------------------------------


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


# -- on every host, in Python and Lua --------------------------------------------------------

LUA = """
local time = require("time")
function main(name)
    local events, orders = process.events(), process.listen("order")
    local got = channel.select{ events:case_receive(), orders:case_receive() }
    if got.channel == orders then error(name .. " was told to fail") end
end
"""
PYTHON = """
from procession import process, channel

async def main(name):
    events, orders = process.events(), process.listen("order")
    got = await channel.select(events, orders)
    if got.channel is orders:
        raise ValueError(name + " was told to fail")
"""


def write_app(folder, entries):
    (folder / "child.lua").write_text(LUA)
    (folder / "child.py").write_text(PYTHON)
    (folder / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        "  - {name: main, kind: process.host}\n"
        "  - {name: pool, kind: process.host, host: {os_workers: 2}}\n"
        '  - {name: lua, kind: process.lua, source: "file://child.lua", modules: [time]}\n'
        '  - {name: python, kind: process.py, source: "file://child.py"}\n' + entries
    )
    return folder


def in_app(folder, test):
    async def boot():
        async with Node(folder) as node:
            await test(node)

    asyncio.run(boot())


async def rows_of(node, pid):
    return {row["id"]: row["pid"] for row in await node.call(pid, "supervisor.which_children")}


@pytest.mark.parametrize(
    ("own", "host"), [("app:main", "app:main"), ("app:main", "app:pool"), ("app:pool", "app:pool")]
)
def test_a_supervisor_of_a_manifest_keeps_python_and_lua_on_any_host(tmp_path, own, host):
    folder = write_app(
        tmp_path,
        f"""
  - name: tree
    kind: process.supervisor
    strategy: one_for_all
    intensity: 10
    period: 1m
    host: {host}
    children:
      - {{id: a, process: "app:python", args: [a]}}
      - {{id: b, process: "app:lua", args: [b], host: "app:main"}}
      - {{process: "app:lua", args: [c], shutdown: brutal_kill}}
      - {{id: inner, process: "app:inner"}}
  - name: inner
    kind: process.supervisor
    children: [{{process: "app:python", args: [x], restart: transient, shutdown: infinity}}]
""",
    )

    async def test(node):
        pid = node.spawn("app:tree", own)
        old = await rows_of(node, pid)
        assert list(old) == ["a", "b", "app:lua", "inner"]
        assert old["a"].startswith("{" + host)
        assert old["b"].startswith("{app:main")
        inner = await rows_of(node, old["inner"])
        for name in ("b", "a", "app:lua"):
            node.send(old[name], "order")
            while True:
                new = await rows_of(node, pid)
                if not set(new.values()) & {*old.values(), None}:
                    break
                await asyncio.sleep(0.001)
            old = new
        assert (await rows_of(node, old["inner"]))["app:python"] != inner["app:python"]
        end = asyncio.create_task(node.wait(pid))
        await asyncio.sleep(0)
        node.cancel(pid)
        assert await end is None
        with pytest.raises(Error):
            await rows_of(node, old["inner"])

    in_app(folder, test)


def test_every_wrong_key_of_a_supervisor_is_told_with_its_place(tmp_path):
    write_app(
        tmp_path,
        """  - name: tree
    kind: process.supervisor
    strategy: one_for_two
    intensity: -1
    period: 0s
    host: app:lua
    children:
      - {process: "app:main"}
      - {process: "app:lau", restart: always, shutdown: never, args: 5, hots: 1}
      - {id: x}
      - {process: "app:python", host: "app:nope"}
      - {process: "app:python"}
      - {id: cycle, process: "app:tree"}
  - {name: empty, kind: process.supervisor, strategy: dynamic, children: []}
  - {name: none, kind: process.supervisor}
""",
    )
    _, errors = inspect_manifest(tmp_path)
    told = [f"{error}".removeprefix("_index.yaml:") for error in errors]
    assert told == [
        "10: app:tree: strategy: expected one_for_one or one_for_all or rest_for_one or "
        "dynamic, got 'one_for_two'; did you mean 'one_for_one'?",
        "11: app:tree: intensity: expected an integer of 0 or more, got -1",
        "12: app:tree: period: expected a duration longer than zero, got '0s'",
        "16: app:tree: children[1].args: expected a list, got 5",
        "16: app:tree: children[1].restart: expected permanent or transient or "
        "temporary, got 'always'",
        "16: app:tree: children[1].shutdown: 'never' is no duration: write a number with "
        "its unit, such as '100ms', '1.5s' or '1h30m' (units: ns us ms s m h)",
        "16: app:tree: children[1].hots: unknown key; did you mean 'host'?",
        "17: app:tree: children[2].process: this key is required",
        "19: app:tree: children[4].process: two children have the id 'app:python'",
        "21: app:empty: children: a dynamic supervisor has one child: the pattern of all",
        "22: app:none: children: this key is required",
        "13: app:tree: host: expected a host, but app:lua is a process.lua",
        "15: app:tree: children[0].process: expected a process, but app:main is a process.host",
        "16: app:tree: children[1].process: there is no entry 'app:lau'; did you mean 'app:lua'?",
        "18: app:tree: children[3].host: there is no entry 'app:nope'; did you mean 'app:pool'?",
        "20: app:tree: children[5].process: a cycle: app:tree supervises app:tree",
    ]
