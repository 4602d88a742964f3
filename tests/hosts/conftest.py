"""A node with OS workers, and processes in them that do what a test says."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from procession import Error, Node, NotFound

APP = Path(__file__).parent / "app"
WORKERS = "app:workers"
PROCESSES = "app:processes"


class Puppet:
    """A process that does what its methods say: `await puppet.send(pid, "topic", 1)`."""

    def __init__(self, node, pid):
        self.node = node
        self.pid = pid

    def __getattr__(self, what):
        return lambda *args: self.do(what, *args)

    def do(self, *command):
        return self.node.call(self.pid, "do", list(command), timeout="20s")

    def tell(self, *command):
        self.node.send(self.pid, "do", list(command))


class World:
    """A node with two workers, and puppets in them."""

    def __init__(self, node):
        self.node = node

    def puppet(self, host=WORKERS, *names):
        return Puppet(self.node, self.node.spawn("app:puppet", host, *names))

    async def two_places(self):
        """Two puppets in different workers."""
        one = self.puppet()
        here = await one.os_pid()
        others = []
        while True:
            two = self.puppet()
            if await two.os_pid() != here:
                break
            others.append(two)
        for other in others:
            self.node.terminate(other.pid)
        return one, two

    def end(self, *puppets):
        for one in puppets:
            self.node.terminate(one.pid)

    async def until_gone(self, pid):
        with contextlib.suppress(Error):  # its own, or NotFound if it is gone already
            await self.node.wait(pid)

    async def until_named(self, name):
        def named():
            with contextlib.suppress(NotFound):
                return self.node.lookup(name)

        await self.until(named)

    def places(self):
        return [one["place"] for one in self.node.workers()]

    async def until_all_are_up(self):
        await self.until(lambda: all(one["state"] == "ready" for one in self.node.workers()))

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(runner):
    """One node for all tests that leave its workers alive."""
    node = Node(APP)
    runner.run(node.start())
    yield lambda test: runner.run(test(World(node)))
    runner.run(node.stop())
    assert node.workers() == []


@pytest.fixture
def fresh():
    """A node for one test, which may do what it likes with the workers."""

    def run(test, **options):
        async def boot():
            async with Node(APP, **options) as node:
                return await test(World(node))

        return asyncio.run(boot())

    return run


@pytest.fixture
def world_of():
    """The world of a node that the test has made itself."""
    return World
