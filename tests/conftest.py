"""Fixtures for all tests: a node, and a way to run one async main in it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from procession import Node

ROOT = Path(__file__).parent.parent

# A shell that starts the tests in the background has SIGINT ignored, here and in all that they
# start: the programs that are to be stopped by it would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_factory(request):
    """Every kind of event loop that a node runs on."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    return pytest.importorskip("uvloop", reason="uvloop is not installed").new_event_loop


@pytest.fixture
def run():
    """Run an `async def` as a process on a fresh node; give its result or raise its error.

    `run(main, *args)`; the node is stopped afterwards, and must then hold nothing.
    """

    def run(main, *args, loop_factory=None, **options):
        async def boot():
            async with Node(**options) as node:
                return await node.exec(main, None, *args)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(boot())

    return run


@pytest.fixture
def node():
    """Run an `async def test(node)` beside a running node, outside of any process."""

    def node(test, loop_factory=None, **options):
        async def boot():
            async with Node(**options) as node:
                return await test(node)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(boot())

    return node
