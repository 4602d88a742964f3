"""Fixtures for all tests: a node, and a way to run one async main in it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from procession import Node, compiled

ROOT = Path(__file__).parent.parent

# A shell that starts the tests in the background has SIGINT ignored, here and in all that they
# start: the programs that are to be stopped by it would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


def wrong_core():
    """What is wrong with the core that runs: another one was asked for, or it is a mixture."""
    folder = str(Path(compiled.__file__).parent)
    modules = {name: import_module(name) for name in compiled.modules_of(folder)}
    plain = [name for name, module in modules.items() if module.__file__.endswith(".py")]
    if os.environ.get("PROCESSION_PURE", "0") not in ("", "0"):
        if len(plain) < len(modules) or compiled.is_compiled():
            return "PROCESSION_PURE asks for the plain core, and it is not the one that runs"
    elif compiled.read_record(folder) and (plain or not compiled.is_compiled()):
        return f"a compiled core was built, and not all of it runs ({compiled.core()}): {plain}"
    return None


def pytest_configure():
    if error := wrong_core():
        raise pytest.UsageError(error)


def pytest_report_header():
    return f"core: {compiled.core()}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are processors: many tests wait for a program that they have started."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


def pytest_collection_modifyitems(items):
    for item in items:
        marker = item.get_closest_marker("plain_core")
        if marker is not None and compiled.is_compiled():
            item.add_marker(pytest.mark.skip(reason=f"plain core only: {marker.args[0]}"))


def pytest_collection_finish():
    """Those thousands of tests need not be looked at whenever garbage is collected."""
    gc.collect()
    gc.freeze()


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
