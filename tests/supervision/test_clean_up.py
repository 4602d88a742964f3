"""Whoever stops processes counts their clean-up into the time that they have. SEMANTICS 7.3."""

import asyncio

import pytest

from procession import ChildSpec, Node, process, supervisor, time

pytestmark = pytest.mark.semantics("7.3")

FOR_EVER = {"cleanup": "1h"}

LOG = []


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


async def closes_quickly():
    process.send("parent", "runs")
    process.events()
    try:
        await time.sleep("1h")
    finally:
        await asyncio.sleep(0.001)
        LOG.append("closed")


async def never_closes():
    process.send("parent", "runs")
    process.events()
    try:
        await time.sleep("1h")
    finally:
        LOG.append("closes")
        await asyncio.sleep(3600)
        LOG.append("never")


async def supervise(child, shutdown):
    """Start a supervisor with one such child, stop it, and wait for its end."""
    process.registry.register("parent")
    sup = supervisor.start([ChildSpec("child", child, shutdown=shutdown)])
    await process.listen("runs").receive()
    process.monitor(sup)
    process.cancel(sup)
    return (await process.events().receive()).error


def test_a_child_whose_shutdown_is_over_has_time_to_clean_up(run, log):
    async def main():
        assert await supervise(closes_quickly, "1s") is None

    run(main)
    assert log == ["closed"]


def test_it_has_ended_when_its_shutdown_is_over(run, log):
    async def main():
        assert await supervise(never_closes, "1s") is None

    run(main, settings=FOR_EVER)
    assert log == ["closes"]


def test_a_child_that_cleans_up_already_has_ended_by_then_too(run, log):
    async def main():
        process.registry.register("parent")
        sup = supervisor.start([ChildSpec("child", never_closes, shutdown="1s")])
        await process.listen("runs").receive()
        (child,) = await supervisor.which_children(sup)
        process.terminate(child["pid"])
        await time.sleep(0)
        process.monitor(sup)
        process.cancel(sup)
        await process.events().receive()

    run(main, settings=FOR_EVER)
    assert log == ["closes"]


def test_brutal_kill_leaves_no_time(run, log):
    async def main():
        assert await supervise(never_closes, "brutal_kill") is None

    run(main, settings=FOR_EVER)
    assert log == ["closes"]


# -- a node that stops ---------------------------------------------------------------------------


async def started(node, body):
    """Start it, and wait until it runs."""
    ready = asyncio.Event()

    async def parent():
        process.registry.register("parent")
        await process.listen("runs").receive()
        ready.set()

    node.spawn(parent)
    await asyncio.sleep(0)
    node.spawn(body)
    await ready.wait()


@pytest.mark.parametrize("grace", [0, "1s"])
def test_a_node_has_stopped_when_all_have_cleaned_up(log, grace):
    async def boot():
        async with Node(grace=grace) as node:
            await started(node, closes_quickly)
            await started(node, closes_quickly)
        assert log == ["closed", "closed"]

    asyncio.run(boot())


def test_the_grace_of_a_node_is_for_the_clean_up_too(log):
    async def boot():
        async with Node(grace="1s", settings=FOR_EVER) as node:
            await started(node, never_closes)
        assert log == ["closes"]

    asyncio.run(boot())


def test_without_a_grace_it_is_the_clean_up_of_the_host_that_counts(log):
    async def boot():
        async with Node(settings={"cleanup": "10ms"}) as node:
            await started(node, never_closes)
        assert log == ["closes"]

    asyncio.run(boot())


def test_a_second_stop_does_not_cut_the_clean_up_short(log):
    async def boot():
        node = Node(grace="1h")
        await node.start()
        await started(node, closes_quickly)
        first = asyncio.create_task(node.stop())
        await asyncio.sleep(0.001)
        assert log == []
        await node.stop(0)
        await first
        assert log == ["closed"]

    asyncio.run(boot())


APP = """
version: "1.0"
namespace: app
entries:
  - {name: here, kind: process.host, host: {cleanup: %(cleanup)s}}
  - {name: workers, kind: process.host, host: {os_workers: 1, cleanup: %(cleanup)s}}
  - {name: slow, kind: process.py, source: file://slow.py}
  - name: service
    kind: process.service
    process: app:slow
    host: %(host)s
    lifecycle: {auto_start: true, stop_timeout: 50ms}
"""

SLOW = """
import asyncio
from pathlib import Path
from procession import process, time

async def main():
    process.events()
    try:
        await time.sleep("1h")
    finally:
        await asyncio.sleep(%(takes)s)
        Path(__file__).with_name("closed").touch()
"""


@pytest.mark.parametrize("host", ["app:here", "app:workers"])
@pytest.mark.parametrize(("takes", "grace"), [(0.001, 0), (0.001, "10s"), (3600, "10s")])
def test_a_service_cleans_up_within_its_stop_timeout(tmp_path, host, takes, grace):
    cleanup = "1h" if takes > 1 else "20s"
    (tmp_path / "_index.yaml").write_text(APP % {"host": host, "cleanup": cleanup})
    (tmp_path / "slow.py").write_text(SLOW % {"takes": takes})

    async def boot():
        async with Node(tmp_path, grace=grace) as node:
            await node.start_service("app:service")
            pid = node.services()[0]["pid"]
            with pytest.raises(TimeoutError):  # it has come to its wait
                await asyncio.wait_for(node.wait(pid), 0.02)

    asyncio.run(boot())
    assert (tmp_path / "closed").exists() == (takes < 1)
