"""A child that says when it is ready: until then its start is not over."""

import asyncio

import pytest
from trees import LOG, gone, in_app, pids_of, rows_of, settle, specs, started, worker, write_app

from procession import ChildSpec, Internal, Timeout, process, supervisor, time


async def ready_when_told(name):
    """Says that it is ready when it gets a message on "go"."""
    LOG.append(f"+{name}")
    process.events()
    process.registry.register(name)
    await process.listen("go").receive()
    process.ready()
    process.ready()  # again: nothing happens
    LOG.append(f"{name} is ready")
    await worker(f"{name} again")


async def never_ready(name):
    try:
        await worker(name)
    finally:
        LOG.append(f"{name} is over")


async def ends_before(name):
    LOG.append(f"+{name}")


async def fails_before(name):
    LOG.append(f"+{name}")
    raise KeyError(name)


def slow(*names, entry=ready_when_told, **options):
    return specs(*names, entry=entry, ready=True, **options)


async def told(name):
    """Tell a child to be ready, once it runs."""
    while f"+{name}" not in LOG:
        await settle()
    process.send(name, "go")


def test_the_next_child_is_started_when_the_one_before_is_ready(run):
    async def main():
        sup = supervisor.start([*slow("a", "b"), *specs("c", entry=worker)])
        await told("a")
        await told("b")
        await supervisor.which_children(sup)
        await settle()
        assert LOG == ["+a", "a is ready", "+a again", "+b", "b is ready", "+b again", "+c"]

    run(main)


def test_nothing_is_started_before(run):
    async def main():
        supervisor.start([*slow("a"), *specs("b")])
        for _ in range(5):
            await settle()
        assert LOG == ["+a"]

    run(main)


@pytest.mark.parametrize("late", [True, False])
def test_one_that_is_late_or_ends_before_has_failed_to_start(run, late):
    async def main():
        bad = slow("b", entry=never_ready if late else ends_before, start_timeout="20ms")
        sup = supervisor.start([*specs("a", entry=worker), *bad, *specs("c")], link=False)
        error = await gone(sup)
        assert isinstance(error, Internal)
        if late:
            what = "it did not call process.ready() within 0.02s"
            kind = "Timeout"
            events = ["+a", "+b", "-b", "b is over", "-a"]
        else:
            what, kind, events = "it ended before it was ready", "Internal", ["+a", "+b", "-a"]
        assert error.message == f"child 'b' did not start: {what}"
        assert error.details["error"]["kind"] == kind
        assert events == LOG

    run(main)


def test_the_error_of_one_that_fails_before_is_told(run):
    async def main():
        sup = supervisor.start([], link=False)
        with pytest.raises(Internal, match="it ended before it was ready: KeyError: 'b'") as caught:
            await supervisor.start_child(
                sup, ChildSpec("b", "test_ready:fails_before", ["b"], ready=True)
            )
        assert caught.value.details["error"]["details"]["type"] == "KeyError"
        assert await pids_of(sup) == {}

    run(main)


def test_start_child_answers_when_the_child_is_ready(run):
    async def main():
        sup = supervisor.start([])
        start = asyncio.create_task(
            supervisor.start_child(sup, ChildSpec("a", ready_when_told, ["a"], ready=True))
        )
        while "+a" not in LOG:
            await settle()
        assert not start.done()
        await told("a")
        assert process.registry.lookup("a") == await start
        assert LOG[1] == "a is ready"
        with pytest.raises(Timeout):
            await supervisor.start_child(
                sup, ChildSpec("b", never_ready, ["b"], ready=True, start_timeout="10ms")
            )
        assert list(await pids_of(sup)) == ["a"]

    run(main)


def test_it_is_waited_for_at_a_restart_as_well(run):
    async def main():
        sup = supervisor.start([*slow("a"), *specs("b")], strategy="one_for_all")
        await told("a")
        old = await pids_of(sup)
        LOG.clear()
        process.terminate(old["a"])
        await told("a")
        await started(sup, old, ["a", "b"])
        await settle()
        assert LOG.index("a is ready") < LOG.index("+b")

    run(main)


def test_one_that_is_not_ready_at_its_restart_counts_again(run):
    async def main():
        sup = supervisor.start(slow("a", entry=once, start_timeout="5ms"), intensity=2, link=False)
        process.terminate((await pids_of(sup))["a"])
        error = await gone(sup)
        assert error.kind == "LimitExceeded"
        assert error.message.endswith(
            "at last child 'a' failed: it did not call process.ready() within 0.005s"
        )
        assert ["once", *["+again", "-again"] * 2] == LOG

    async def once(name):
        if not LOG:
            LOG.append("once")
            process.ready()
            await time.sleep("1h")
        await worker("again")

    run(main)


def test_a_supervisor_that_waits_stops_when_it_is_cancelled(run):
    async def main():
        sup = supervisor.start([*specs("a", entry=worker), *slow("b", entry=never_ready)])
        while "+b" not in LOG:
            await settle()
        process.cancel(sup)
        assert await gone(sup) is None
        assert LOG == ["+a", "+b", "-b", "b is over", "-a"]

    run(main)


def test_a_supervisor_that_waits_fails_with_its_parent(run):
    async def parent():
        supervisor.start([*specs("a", entry=worker), *slow("b", entry=never_ready)], name="sup")
        while "+b" not in LOG:
            await settle()
        LOG.append("sup")
        await time.sleep("2ms")
        raise ValueError("the parent")

    async def main():
        pid = process.spawn(parent, None)
        while "sup" not in LOG:
            await time.sleep(0)
        error = await gone(process.registry.lookup("sup"))
        assert error.message == f"linked process failed: {pid}: ValueError: the parent"
        assert LOG == ["+a", "+b", "sup", "-b", "b is over", "-a"]

    run(main)


def test_a_supervisor_is_ready_when_its_children_have_started(run):
    async def main():
        inner = supervisor.child("inner", slow("x"), ready=True)
        supervisor.start([inner, *specs("b", entry=worker)])
        for _ in range(5):
            await settle()
        assert LOG == ["+x"]
        await told("x")
        while "+b" not in LOG:
            await settle()
        assert LOG.index("x is ready") < LOG.index("+b")

    run(main)


def test_to_be_ready_without_anybody_who_waits_does_nothing(run):
    async def main():
        assert process.ready() is True
        assert process.ready() is True

    run(main)


READY_PYTHON = """
from procession import process

async def main(name):
    process.registry.register(name)
    process.events()
    await process.listen("go").receive()
    process.ready()
    await process.events().receive()
"""
READY_LUA = """
function main(name)
    process.registry.register(name)
    process.events()
    process.listen("go"):receive()
    assert(process.ready() == true)
    process.events():receive()
end
"""
CHILDREN = "".join(
    f"\n      - {{id: {name}, process: 'app:{what}', args: [{name}], ready: true}}"
    for name, what in (("a", "slow_python"), ("b", "slow_lua"), ("c", "slow_python"))
)


@pytest.mark.parametrize("host", ["app:main", "app:pool"])
@pytest.mark.parametrize("own", ["app:main", "app:pool"])
def test_python_and_lua_say_it_on_every_host(tmp_path, own, host):
    folder = write_app(
        tmp_path,
        f"""
  - {{name: slow_python, kind: process.py, source: "file://ready.py"}}
  - {{name: slow_lua, kind: process.lua, source: "file://ready.lua"}}
  - name: tree
    kind: process.supervisor
    host: {host}
    children:{CHILDREN}
""",
    )
    (folder / "ready.py").write_text(READY_PYTHON)
    (folder / "ready.lua").write_text(READY_LUA)

    async def test(node):
        pid = node.spawn("app:tree", own)
        rows = asyncio.ensure_future(rows_of(node, pid))
        for name in "abc":
            while True:
                try:
                    node.send(name, "go")
                    break
                except Exception:
                    await asyncio.sleep(0.001)
            assert not rows.done()
            later = [other for other in "abc" if other > name]
            assert all(other not in names_of(node) for other in later)
        assert list(await rows) == ["a", "b", "c"]
        node.cancel(pid)
        await node.wait(pid)

    in_app(folder, test)


def names_of(node):
    return dict(node._kernel.names.items())
