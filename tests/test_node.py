"""A node inside a running program: embedding, starting and stopping."""

import asyncio
import sys

import pytest

from procession import Invalid, Node, NotFound, Unavailable, process, time


async def double(x):
    return x * 2


async def idle():
    await time.sleep("1h")


async def counter(start=0):
    total = start
    async for message in process.listen("add", message=True):
        total += message.payload
        if message.wants_reply:
            message.reply(total)


def test_a_node_starts_and_stops_twice_in_one_program(loop_factory):
    async def program():
        loop = asyncio.get_running_loop()
        factory, handler = loop.get_task_factory(), loop.get_exception_handler()
        path = list(sys.path)
        node = Node()
        for _ in range(2):
            async with node:
                pid = node.spawn(counter, None, 10)
                assert await node.call(pid, "add", 5) == 15
                assert node.send(pid, "add", 5) is True
                assert await node.call(pid, "add", 1) == 21
                assert await node.exec(double, None, 4) == 8
            assert loop.get_task_factory() is factory
            assert loop.get_exception_handler() is handler
            assert sys.path == path
            for use in (lambda: node.spawn(double), lambda: node.send(pid, "t"), node.statistics):
                with pytest.raises(Invalid, match="not running"):
                    use()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(program())


def test_two_nodes_side_by_side_do_not_see_each_other(loop_factory):
    async def program():
        async with Node() as one, Node() as two:
            first = one.spawn(counter)
            two.spawn(idle)
            second = two.spawn(counter, None, 100)
            assert await one.call(first, "add", 1) == 1
            assert await two.call(second, "add", 1) == 101
            with pytest.raises(NotFound):
                one.send(second, "t")

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(program())


def test_starting_twice_is_invalid_and_stopping_twice_is_not(node):
    async def test(node):
        with pytest.raises(Invalid, match="running already"):
            await node.start()
        await asyncio.gather(node.stop(), node.stop())
        await node.stop()

    node(test)


@pytest.mark.semantics("10.4")
def test_stop_cancels_then_waits_then_terminates(node):
    log = []

    async def polite():
        event = await process.events().receive()
        log.append(("polite", event.kind, event.reason))

    async def stubborn():
        process.events()
        try:
            await idle()
        finally:
            log.append(("stubborn", "terminated"))

    async def deaf():
        try:
            await idle()
        finally:
            log.append(("deaf", "terminated at once"))

    async def test(node):
        node.spawn(polite)
        node.spawn(stubborn)
        node.spawn(deaf)
        await asyncio.sleep(0)
        stopping = asyncio.create_task(node.stop(grace="20ms"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="stopped"):
            node.spawn(idle)
        await stopping

    node(test)
    assert log == [
        ("deaf", "terminated at once"),
        ("polite", "pid.cancel", "the node is stopping"),
        ("stubborn", "terminated"),
    ]


def test_stop_does_not_wait_longer_than_its_processes_need(node):
    async def polite():
        await process.events().receive()

    async def test(node):
        for _ in range(3):
            node.spawn(polite)
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await node.stop(grace="1h")

    node(test)


def test_a_second_stop_cuts_the_grace_short(node):
    async def test(node):
        node.spawn(idle)
        first = asyncio.create_task(node.stop(grace="1h"))
        await asyncio.sleep(0)
        await node.stop(grace=0)
        await first

    node(test)


def test_node_methods_are_those_of_a_process(node):
    async def registered():
        process.registry.register("me")
        await idle()

    async def test(node):
        pid = node.spawn(registered)
        await asyncio.sleep(0.001)
        assert node.lookup("me") == pid
        assert node.processes() == [
            {
                "pid": pid,
                "entry": f"{registered.__module__}:{registered.__qualname__}",
                "host": "app:processes",
                "state": "waiting",
                "names": ["me"],
                "mailbox": 0,
                "mailbox_bytes": 0,
                "links": [],
                "monitoring": [],
            }
        ]
        assert "1 processes" in repr(node)
        node.cancel(pid, "why", "1h")
        node.terminate("me")
        await asyncio.sleep(0.001)
        assert node.statistics()["processes"] == 0
        with pytest.raises(NotFound):
            node.lookup("me")

    node(test)


def test_an_app_folder_without_manifest_serves_importable_references(tmp_path):
    (tmp_path / "shop_of_this_test").mkdir()
    (tmp_path / "shop_of_this_test" / "cart.py").write_text("async def total(n): return n + 1")

    async def program():
        async with Node(tmp_path) as node:
            return await node.exec("shop_of_this_test.cart:total", None, 4)

    assert asyncio.run(program()) == 5


@pytest.mark.parametrize("workers", [0, 1])
def test_the_cleanup_of_a_host_is_that_of_its_processes_wherever_they_run(tmp_path, workers):
    (tmp_path / "_index.yaml").write_text(
        'version: "1.0"\nnamespace: app\nentries:\n'
        f"- {{name: processes, kind: process.host, host: {{cleanup: 3s, os_workers: {workers}}}}}\n"
    )
    (tmp_path / "inward.py").write_text(
        "from procession.core.process import current_process\n"
        "async def look():\n"
        "    return current_process.get().host.cleanup\n"
    )

    async def main():
        async with Node(tmp_path) as node:
            return await node.exec("inward:look", None)

    assert asyncio.run(main()) == 3.0


def test_one_source_file_is_loaded_once_for_all_its_entries(tmp_path):
    (tmp_path / "_index.yaml").write_text("""
version: "1.0"
namespace: app
entries:
  - {name: a, kind: process.py, source: "file://both.py", method: a}
  - {name: b, kind: function.py, source: "file://both.py", method: b}
""")
    (tmp_path / "both.py").write_text("""
import dataclasses
loaded = []
loaded.append(1)
@dataclasses.dataclass
class Point:
    x: "int"
async def a(): return len(loaded)
async def b(point: Point): return point.x
""")

    async def program():
        async with Node(tmp_path) as node:
            return [
                await node.exec("app:a"),
                await node.exec("app:b", None, {"x": 5}),
                await node.exec("app:a"),
            ]

    assert asyncio.run(program()) == [1, 5, 1]


def test_many_processes_come_and_go_and_leave_nothing(node):
    import gc
    import weakref

    alive = weakref.WeakSet()

    async def child():
        alive.add(asyncio.current_task())
        await time.sleep("1ms")

    async def main():
        for _ in range(500):
            process.spawn_monitored(child, None)
        for _ in range(500):
            await process.events().receive()

    async def test(node):
        gc.collect()
        gc.disable()
        try:
            await node.exec(main)
            await asyncio.sleep(0)
            return len(alive)
        finally:
            gc.enable()

    assert node(test) == 0, "no process may wait for the cycle collector"


def test_a_node_is_used_from_its_own_thread_only(node):
    async def test(node):
        for use in (lambda: node.spawn(idle), node.statistics, lambda: node.send("x", "t")):
            with pytest.raises(Invalid, match="another thread"):
                await asyncio.to_thread(use)

    node(test)


def test_outside_callers_get_an_answer_when_the_node_stops(node):
    async def test(node):
        pid = node.spawn(idle)
        waiting = [
            asyncio.create_task(node.exec(idle)),
            asyncio.create_task(node.call(pid, "t", timeout=None)),
            asyncio.create_task(node.wait(pid)),
        ]
        await asyncio.sleep(0.001)
        await node.stop()
        return [type(e).__name__ for e in await asyncio.gather(*waiting, return_exceptions=True)]

    assert node(test) == ["ProcessTerminated", "Unavailable", "ProcessTerminated"]


def test_without_a_working_directory_there_is_no_app(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NotFound, match="the working directory.* has been deleted"):
        Node()
    with pytest.raises(NotFound, match="working directory.* has been deleted"):
        Node(".")
