"""Names of children and services: there before they run, and kept while they are restarted."""

import asyncio

import pytest
from trees import LOG, gone, idle, in_app, obeying, pids_of, rows_of, settle, started, worker
from trees import write_app as write

from procession import (
    AlreadyExists,
    ChildSpec,
    Invalid,
    NotFound,
    Timeout,
    Unavailable,
    process,
    supervisor,
    time,
)


async def answers(name="it"):
    """Says who it is, and how often one of its name has run."""
    LOG.append(name)
    number = LOG.count(name)
    process.events()
    async for message in process.listen("who", message=True):
        message.reply([process.pid(), number])


def named(*names, entry=answers, **options):
    return [ChildSpec(one, entry, [one], name=one, **options) for one in names]


async def restarting(sup, name):
    """End the child of a supervisor that then waits, busy with its other child."""
    process.terminate(name)
    while True:
        try:
            process.registry.lookup(name)
        except NotFound:
            return
        await time.sleep(0)


async def blocks(*_):
    """Asks for its events, and stops when it is told."""
    process.events()
    await process.listen("stop").receive()


def busy(**options):
    """Two children of which the second keeps its supervisor waiting when the first has ended."""
    return [*named("a", **options), ChildSpec("b", blocks, name="b", shutdown="1h")]


@pytest.mark.semantics("12.4")
def test_a_child_has_its_name_before_it_runs(run):
    async def main():
        sup = supervisor.start(named("a", "b"))
        pids = await pids_of(sup)
        assert {name: process.registry.lookup(name) for name in "ab"} == pids
        assert LOG in ([], ["a", "b"])

    run(main)


@pytest.mark.semantics("12.5")
def test_a_call_by_name_waits_while_the_child_is_restarted(run):
    async def main():
        sup = supervisor.start(busy(), strategy="one_for_all")
        await process.registry.wait("a")
        old, number = await process.call("a", "who")
        assert number == 1
        await restarting(sup, "a")
        call = asyncio.create_task(process.call("a", "who"))
        await settle()
        assert not call.done()
        process.send("b", "stop")
        new, number = await call
        assert number == 2
        assert new != old
        assert process.registry.lookup("a") == new

    run(main)


def test_it_waits_no_longer_than_its_time_out(run):
    async def main():
        sup = supervisor.start(busy(), strategy="one_for_all")
        await pids_of(sup)
        await restarting(sup, "a")
        with pytest.raises(Timeout, match="'a' was not restarted within 0.01 seconds") as caught:
            await process.call("a", "who", timeout="10ms")
        assert caught.value.retryable is True
        process.send("b", "stop")
        assert (await process.call("a", "who"))[1] == 2

    run(main)


@pytest.mark.semantics("12.5")
def test_a_message_to_it_is_refused_and_nobody_else_can_have_the_name(run):
    async def main():
        sup = supervisor.start(busy(), strategy="one_for_all")
        await pids_of(sup)
        await restarting(sup, "a")
        with pytest.raises(NotFound, match="is being restarted") as caught:
            process.send("a", "who")
        assert caught.value.retryable is True
        with pytest.raises(AlreadyExists, match=f"name 'a' is kept by {sup}".replace("|", r"\|")):
            process.registry.register("a")
        with pytest.raises(AlreadyExists):
            process.spawn(idle, None, name="a")
        with pytest.raises(NotFound, match="not registered: 'a'.* restarted") as caught:
            process.registry.lookup("a")
        assert caught.value.retryable is True
        assert process.registry.unregister("a") is False
        process.send("b", "stop")
        assert (await process.call("a", "who"))[1] == 2

    run(main)


@pytest.mark.semantics("12.5")
@pytest.mark.parametrize("how", ["terminate_child", "cancel", "kill", "give up", "return"])
def test_the_name_is_free_when_nobody_starts_the_child_any_more(run, how):
    async def main():
        sup = supervisor.start(
            named("a", entry=obeying, restart="transient"), intensity=0, link=False
        )
        pid = (await pids_of(sup))["a"]
        await settle()
        if how == "terminate_child":
            await supervisor.terminate_child(sup, "a")
        elif how == "return":
            process.send(pid, "order", "return")
            await gone(pid)
            await supervisor.which_children(sup)
        else:
            if how == "cancel":
                process.cancel(sup)
            elif how == "kill":
                process.terminate(sup)
            else:
                process.send(pid, "order", "fail")
            await gone(sup)
        with pytest.raises(NotFound, match="no process has that name"):
            await process.call("a", "who")
        process.registry.register("a")

    run(main)


def test_a_call_that_waits_fails_when_the_name_is_let_go(run):
    async def main():
        sup = supervisor.start(busy(), strategy="one_for_all", link=False)
        await pids_of(sup)
        await restarting(sup, "a")
        call = asyncio.create_task(process.call("a", "who", timeout=None))
        await settle()
        process.terminate(sup)
        with pytest.raises(NotFound, match="no process has that name"):
            await call

    run(main)


def test_restart_child_takes_the_name_up_again(run):
    async def main():
        sup = supervisor.start(named("a"))
        await process.registry.wait("a")
        await process.call("a", "who")
        await supervisor.terminate_child(sup, "a")
        process.registry.register("a")
        with pytest.raises(AlreadyExists):
            await supervisor.restart_child(sup, "a")
        process.registry.unregister("a")
        assert (await process.call(await supervisor.restart_child(sup, "a"), "who"))[1] == 2
        assert (await process.call("a", "who"))[1] == 2

    run(main)


def test_a_name_that_is_taken_keeps_a_child_from_starting(run):
    async def main():
        process.registry.register("b")
        sup = supervisor.start(named("a", "b"), link=False)
        error = await gone(sup)
        assert error.message.startswith("child 'b' did not start: name 'b' is taken by ")
        assert LOG in ([], ["a"])
        sup = supervisor.start([])
        with pytest.raises(AlreadyExists):
            await supervisor.start_child(sup, ChildSpec("b", answers, name="b"))
        process.registry.unregister("b")
        await supervisor.start_child(sup, ChildSpec("b", answers, name="b"))

    run(main)


def test_an_inner_supervisor_has_its_name_at_once_and_keeps_it(run):
    async def main():
        inner = supervisor.child("inner", named("x"), name="inner")
        top = supervisor.start([inner], name="top")
        assert process.registry.lookup("top") == top
        assert (await pids_of("top"))["inner"] == process.registry.lookup("inner")
        await process.registry.wait("x")
        old = await process.call("x", "who")
        pid = process.registry.lookup("inner")
        process.terminate(pid)
        await gone(pid)
        assert [row["id"] for row in await supervisor.which_children("inner")] == ["x"]
        new = await process.call("x", "who")
        assert (old[1], new[1]) == (1, 2)

    run(main)


def test_the_children_of_a_dynamic_supervisor_cannot_share_a_name():
    with pytest.raises(Invalid, match="would have the same"):
        supervisor.spec([ChildSpec("a", worker, name="a")], strategy="dynamic")
    for wrong in ("", "{app:main|0x00001}"):
        with pytest.raises(Invalid):
            ChildSpec("a", worker, name=wrong)


def test_its_names_are_shown_and_those_it_only_keeps_are_not(node):
    async def test(node):
        spec = supervisor.spec(named("a"))
        pid = node.spawn(supervisor.main, None, spec, name="top")
        await rows_of(node, pid)
        names = {one["pid"]: one["names"] for one in node.processes()}
        assert names == {pid: ["top"], node.lookup("a"): ["a"]}
        await node.stop()

    node(test)


def test_a_restart_hands_over_what_was_registered_in_the_code_as_well(run):
    """The name of the spec is kept, one that the child has taken is free: it takes it again."""

    async def registers(name):
        process.registry.register(f"{name} too")
        await answers(name)

    async def main():
        sup = supervisor.start(named("a", entry=registers))
        old = await pids_of(sup)
        await process.call("a", "who")
        process.terminate("a too")
        await started(sup, old, ["a"])
        assert (await process.call("a", "who"))[1] == 2
        assert process.registry.lookup("a") == process.registry.lookup("a too")

    run(main)


def test_thousands_of_restarts_lose_no_call(run):
    async def client(rounds):
        last = 0
        for _ in range(rounds):
            try:
                _, number = await process.call("a", "who", timeout=None)
            except Unavailable:  # it ended after it had got the call
                continue
            assert number >= last
            last = number

    async def main():
        sup = supervisor.start(named("a"), intensity=1_000_000)
        await process.registry.wait("a")
        clients = [process.spawn_monitored(client, None, 200) for _ in range(5)]
        events, left = process.events(), set(clients)
        while left:
            process.terminate(process.registry.lookup("a"))
            await process.registry.wait("a")
            for _ in range(3):
                await time.sleep(0)
            while events.buffered:
                event = await events.receive()
                assert event.error is None
                left.discard(event.sender)
        process.cancel(sup)
        await gone(sup)

    run(main)


# -- on every host ---------------------------------------------------------------------------

PYTHON = """
import os
from procession import process

async def main(name):
    process.events()
    async for message in process.listen("who", message=True):
        if message.payload == "end":
            raise ValueError("as told")
        message.reply([process.pid(), process.registry.lookup(name)])

async def client(name):
    return await process.call(name, "who", timeout="1m")

async def waits(name):
    return await process.registry.wait(name, timeout="1m")

async def takes(name):
    process.registry.register(name)
"""
LUA = """
function main(name)
    process.events()
    local who = process.listen("who", {message = true})
    while true do
        local message = who:receive()
        if message:payload():data() == "end" then error("as told") end
        message:reply({process.pid(), process.registry.lookup(name)})
    end
end
"""


@pytest.fixture
def named_app(tmp_path):
    """An app with a supervisor whose child has a name, and clients, on any host."""
    folder = write(
        tmp_path,
        """
  - {name: answers, kind: process.py, source: "file://named.py"}
  - {name: client, kind: process.py, source: "file://named.py", method: client}
  - {name: waits, kind: process.py, source: "file://named.py", method: waits}
  - {name: takes, kind: process.py, source: "file://named.py", method: takes}
  - {name: lua_answers, kind: process.lua, source: "file://named.lua"}
  - name: here
    kind: process.supervisor
    intensity: 1000000
    children: [{id: a, process: "app:answers", args: [a], host: "app:main", name: a}]
  - name: there
    kind: process.supervisor
    intensity: 1000000
    children: [{id: a, process: "app:lua_answers", args: [a], host: "app:pool", name: a}]
  - name: served
    kind: process.service
    process: app:answers
    host: app:pool
    input: [s]
    register: s
    lifecycle: {restart: {initial_delay: 10ms, jitter: 0}}
""",
    )
    (folder / "named.py").write_text(PYTHON)
    (folder / "named.lua").write_text(LUA)
    return folder


@pytest.mark.semantics("12.5")
@pytest.mark.parametrize("tree", ["app:here", "app:there"])
@pytest.mark.parametrize("own", ["app:main", "app:pool"])
def test_a_name_is_handed_over_on_every_host(named_app, tree, own):
    async def test(node):
        sup = node.spawn(tree, own)
        before = None
        await rows_of(node, sup)
        for host in ("app:main", "app:pool", "app:pool") * 3:
            pid, owner = await node.exec("app:client", host, "a")
            assert pid == owner != before
            before = pid
            end = asyncio.ensure_future(node.wait(pid))
            await asyncio.sleep(0)
            node.send(pid, "who", "end")
            with pytest.raises(Exception, match="as told"):
                await end
            with pytest.raises(AlreadyExists):
                await node.exec("app:takes", host, "a")
        end = asyncio.ensure_future(node.wait(sup))
        await asyncio.sleep(0)
        node.terminate(sup)
        with pytest.raises(Exception, match="terminated"):
            await end
        while True:
            try:
                node.lookup("a")
            except NotFound:
                break
            await asyncio.sleep(0.001)
        await node.exec("app:takes", "app:pool", "a")

    in_app(named_app, test)


@pytest.mark.semantics("12.5")
def test_the_name_of_a_service_is_kept_for_its_back_off(named_app):
    async def test(node):
        await node.start_service("app:served")
        pid = (await node.call("s", "who"))[0]
        end = asyncio.ensure_future(node.wait(pid))
        await asyncio.sleep(0)
        node.send("s", "who", "end")
        with pytest.raises(Exception, match="as told"):
            await end
        call = asyncio.ensure_future(node.exec("app:client", "app:pool", "s"))
        with pytest.raises(AlreadyExists, match="kept by service app:served"):
            await node.exec("app:takes", "app:pool", "s")
        assert (await call)[0] != pid
        await node.stop_service("app:served")
        await node.exec("app:takes", "app:pool", "s")

    in_app(named_app, test)


@pytest.mark.semantics("12.4")
@pytest.mark.parametrize("host", ["app:main", "app:pool"])
def test_a_name_can_be_waited_for_on_every_host(named_app, host):
    async def test(node):
        waits = [asyncio.ensure_future(node.exec("app:waits", host, "a")) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(wait.done() for wait in waits)
        pid = node.spawn("app:answers", "app:pool", "a", name="a")
        assert await asyncio.gather(*waits) == [pid] * 3
        assert await node.exec("app:waits", host, "a") == pid

    in_app(named_app, test)
