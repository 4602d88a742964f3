"""Supervisors: how children are started and stopped."""

import pytest
from trees import LOG, deaf, gone, pids_of, returns, settle, specs, stubborn, worker

from procession import (
    ChildSpec,
    Invalid,
    NotFound,
    process,
    supervisor,
    time,
)
from procession.current import current


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
        assert LOG == ["+a", "-a"]  # b had not run yet, and never did

    run(main)


def test_a_supervisor_that_does_not_start_fails_the_one_that_started_it(run):
    async def parent():
        supervisor.start([ChildSpec("c", "no.such:thing")])
        await time.sleep("1h")

    async def main():
        error = await gone(process.spawn(parent, None))
        assert error.message.startswith("linked process failed: ")
        assert "child 'c' did not start" in error.message
        assert "child 'c' did not start" in error.details["origin"]["error"]["message"]

    run(main)


def test_a_child_that_ignores_cancel_is_killed_after_its_shutdown_time(run):
    async def main():
        sup = supervisor.start(specs("a", entry=stubborn, shutdown="10ms"))
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
        assert error.message == f"linked process failed: {pid}: ValueError: parent"
        assert error.details["peer"] == error.details["origin"]["pid"] == pid
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


# -- those that would not hear of CANCEL -------------------------------------------------------


@pytest.mark.semantics("10.4")
@pytest.mark.parametrize("shutdown", ["1h", None])
def test_a_child_that_never_asked_for_its_events_is_terminated_at_once(run, shutdown):
    async def main():
        sup = supervisor.start(specs("a", "b", entry=deaf, shutdown=shutdown))
        pids = await pids_of(sup)
        await settle()
        process.cancel(sup)
        error = await gone(pids["a"])
        assert (error.kind, error.message) == ("Terminated", "process terminated")
        await gone(sup)
        assert LOG == ["+a", "+b", "-b", "-a"]

    run(main)


def test_a_child_that_has_not_run_yet_never_does(run):
    async def main():
        pid = process.spawn_monitored(deaf, None, "a")
        current().kernel.cancel(None, pid, "shutdown", 3600, or_end=True)
        assert (await process.events().receive()).error.kind == "Terminated"
        assert LOG == []

    run(main)


@pytest.mark.semantics("10.4")
def test_an_event_that_waits_does_not_count_as_asked_for(run):
    async def watching():
        process.spawn_monitored(returns, None)
        process.listen("never")
        await time.sleep("1h")

    async def main():
        sup = supervisor.start([ChildSpec("a", watching, shutdown="1h")])
        await supervisor.which_children(sup)
        await settle()
        process.cancel(sup)
        assert await gone(sup) is None

    run(main)


def test_new_code_has_to_ask_for_its_events_anew(run):
    async def first():
        process.events()
        await process.upgrade("trees:deaf", "new")

    async def main():
        sup = supervisor.start([ChildSpec("a", first, shutdown="1h")])
        await supervisor.which_children(sup)
        while "+new" not in LOG:
            await settle()
        process.cancel(sup)
        assert await gone(sup) is None
        assert LOG == ["+new", "-new"]

    run(main)


@pytest.mark.semantics("10.1")
def test_to_cancel_in_a_program_stays_advice(run):
    async def main():
        pid = process.spawn(late, None)
        process.cancel(pid, "stop", "1h")
        assert await gone(pid) is None
        assert LOG == ["stop"]

    async def late():
        await settle()
        LOG.append((await process.events().receive()).reason)

    run(main)


# -- while there is an order to stop -----------------------------------------------------------


def test_a_supervisor_that_is_cancelled_between_two_starts_stops_those_that_run(run):
    async def main():
        sup = supervisor.start(
            [*specs("a", entry=worker), ChildSpec("b", waits, ready=True), *specs("c")]
        )
        while "+b" not in LOG:
            await settle()
        process.cancel(sup)
        assert await gone(sup) is None
        assert LOG == ["+a", "+b", "-b", "-a"]

    async def waits():
        await worker("b")

    run(main)
