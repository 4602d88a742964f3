"""Supervisors: what they can be asked for."""

import pytest
from trees import LOG, pids_of, specs, stubborn, worker

from procession import (
    AlreadyExists,
    ChildSpec,
    Conflict,
    Invalid,
    NotFound,
    Unavailable,
    process,
    supervisor,
)


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
        sup = supervisor.start(specs("a", entry=stubborn, shutdown="5ms"))
        await pids_of(sup)
        process.cancel(sup)
        with pytest.raises(Unavailable):
            await supervisor.which_children(sup)

    run(main)
