"""The services of a running node: on every host, in Python and Lua, started and stopped in code."""

import asyncio
import os
import signal

import pytest

from procession import Conflict, Invalid, Node, NotFound, Timeout, Unavailable

PYTHON = """
import os
from procession import process, channel

async def main(name, *more):
    process.registry.register(name)
    async for message in process.listen("pid", message=True):
        message.reply(os.getpid())

async def polite(*_):
    await process.events().receive()

async def fails():
    raise ValueError("boom")
"""
LUA = """
function main(name)
    process.registry.register(name)
    process.events():receive()
end
"""
SOON = "restart: {initial_delay: 1ms, jitter: 0, max_attempts: 3}, stop_timeout: 20ms"


@pytest.fixture
def app(tmp_path):
    """Declare services as `name=(process, host, input, lifecycle)`; run a test on their node.

    What the test returns is awaited when the node has stopped.
    """

    def run(test, grace=0, **services):
        lines = [
            'version: "1.0"',
            "namespace: app",
            "entries:",
            "  - {name: main, kind: process.host}",
            "  - {name: pool, kind: process.host, host: {os_workers: 1}}",
            '  - {name: python, kind: process.py, source: "file://code.py"}',
            '  - {name: polite, kind: process.py, source: "file://code.py", method: polite}',
            '  - {name: fails, kind: process.py, source: "file://code.py", method: fails}',
            '  - {name: lua, kind: process.lua, source: "file://code.lua"}',
            '  - {name: computes, kind: process.lua, source: "file://busy.lua"}',
        ]
        lines += [
            f"  - {{name: {name}, kind: process.service, process: 'app:{what}', "
            f"host: 'app:{host}', input: {input}, lifecycle: {{{lifecycle}}}}}"
            for name, (what, host, input, lifecycle) in services.items()
        ]
        if not any(host == "pool" for _, host, *_ in services.values()):
            del lines[4]  # its worker takes a while
        (tmp_path / "_index.yaml").write_text("\n".join(lines))
        (tmp_path / "code.py").write_text(PYTHON)
        (tmp_path / "code.lua").write_text(LUA)
        (tmp_path / "busy.lua").write_text("function main() while true do end end")

        async def boot():
            async with Node(tmp_path, grace=grace) as node:
                later = await test(node)
            return None if later is None else await later

        return asyncio.run(boot())

    return run


def states(node):
    return {one["id"].removeprefix("app:"): one["state"] for one in node.services()}


async def until(condition):
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_service_is_started_and_stopped_in_code_with_its_order(app):
    async def test(node):
        assert states(node) == {"db": "stopped", "web": "stopped"}
        await node.start_service("app:web")
        assert states(node) == {"db": "running", "web": "running"}
        pid = node.lookup("db")
        assert node.services()[0]["pid"] == pid
        await node.start_service("app:web")
        assert node.lookup("db") == pid
        await node.stop_service("app:db")
        assert states(node) == {"db": "stopped", "web": "stopped"}
        assert node.processes() == []
        with pytest.raises(NotFound):
            await node.start_service("app:wbe")

    app(
        test,
        web=("lua", "main", ["web"], "requires: ['app:db']"),
        db=("python", "main", ["db"], SOON),
    )


@pytest.mark.parametrize("what", ["python", "lua"])
@pytest.mark.parametrize("host", ["main", "pool"])
def test_a_killed_service_comes_back_wherever_it_runs(app, what, host):
    async def test(node):
        await node.start_service("app:a")
        await until(lambda: node.services()[0]["pid"])
        old = node.services()[0]["pid"]
        for attempt in (1, 2):
            node.terminate(node.services()[0]["pid"])
            await until(lambda: node.services()[0]["attempts"] == attempt)
            await until(lambda: states(node) == {"a": "running"})
        assert node.services()[0]["pid"] != old

    app(test, a=(what, host, ["a"], SOON))


def test_a_service_whose_os_worker_dies_comes_back(app):
    async def test(node):
        await node.start_service("app:a")
        pid = node.services()[0]["pid"]
        worker = await node.call(pid, "pid")
        os.kill(worker, signal.SIGKILL)
        await until(lambda: states(node) == {"a": "running"} and node.services()[0]["pid"] != pid)
        assert await node.call(node.services()[0]["pid"], "pid") != worker

    app(test, a=("python", "pool", ["a"], SOON.replace("1ms", "300ms")))


def test_a_service_that_fails_for_good_raises_its_error(app):
    async def test(node):
        assert not await node.run_services(["app:bad"])
        (bad,) = node.services()
        assert (bad["state"], bad["attempts"]) == ("failed", 3)
        assert bad["error"]["message"] == "boom"
        with pytest.raises(Unavailable) as caught:
            node.hold_services()
            await node.start_service("app:bad")
        assert caught.value.message == "the node is stopping"

    app(test, bad=("fails", "main", [], SOON))


def test_a_service_that_computes_instead_of_starting_is_given_up(app):
    async def test(node):
        with pytest.raises(Timeout, match=r"did not come to its first wait within 0.03s"):
            await node.start_service("app:busy")

    app(
        test,
        busy=(
            "computes",
            "main",
            [],
            "start_timeout: 30ms, restart: {initial_delay: 1ms, max_attempts: 1}",
        ),
    )


def test_to_start_a_service_that_cannot_be_spawned_raises_why(app):
    async def test(node):
        with pytest.raises(Invalid, match="arguments do not fit"):
            await node.start_service("app:bad")

    app(test, bad=("fails", "main", ["too", "many"], SOON))


def test_a_service_that_is_being_stopped_conflicts_with_its_start(app):
    async def test(node):
        await node.start_service("app:a")
        stop = asyncio.create_task(node.stop_service("app:a"))
        await asyncio.sleep(0)
        with pytest.raises(Conflict):
            await node.start_service("app:a")
        await stop
        await node.start_service("app:a")

    app(test, a=("python", "main", ["a"], SOON))


def test_whoever_waits_for_a_service_may_give_up(app):
    async def test(node):
        await node.start_service("app:a")
        wait = asyncio.create_task(node.run_services(["app:a"]))
        await asyncio.sleep(0.002)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert states(node) == {"a": "running"}
        assert node._services.watchers == []

    app(test, a=("python", "main", ["a"], SOON))


@pytest.mark.parametrize(("grace", "well"), [(0, False), ("5s", True)])
@pytest.mark.parametrize("host", ["main", "pool"])
def test_when_the_node_stops_whoever_waits_for_services_is_told(app, grace, well, host):
    async def test(node):
        waits = [asyncio.create_task(node.run_services([f"app:{name}"])) for name in ("a", "bad")]
        await until(lambda: states(node)["a"] == "running")
        await until(lambda: node.services()[1]["attempts"] == 1)
        return asyncio.gather(*waits)

    results = app(
        test,
        grace=grace,
        a=("polite", host, ["a"], ""),
        bad=("fails", "main", [], "restart: {initial_delay: 1h}"),
    )
    assert results == [well, False]


def test_a_node_that_does_not_run_has_no_services_to_ask_about(tmp_path):
    with pytest.raises(Invalid, match="not running"):
        Node(tmp_path).services()
