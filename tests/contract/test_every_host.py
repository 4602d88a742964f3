"""One suite of promises for every host: a host is done when it passes.

`promises/*.py` are Python processes, each of which asserts one promise; `tests/guests/lua/programs`
are the ones in Lua.
"""

import asyncio
import importlib
import inspect
import shutil
import sys
from pathlib import Path

import pytest

from procession import Node
from procession.manifest.loader import load_manifest

HERE = Path(__file__).parent
PROGRAMS = HERE.parent / "guests" / "lua" / "programs"

SECTIONS = [
    path.stem for path in sorted((HERE / "promises").glob("*.py")) if path.stem != "children"
]


def promises():
    """Each promise, with the lines of the contract that it holds the host to."""
    sys.path.insert(0, str(HERE))
    try:
        modules = [importlib.import_module(f"promises.{name}") for name in SECTIONS]
    finally:
        sys.path.remove(str(HERE))
    for module in modules:
        for name, function in inspect.getmembers(module, lambda one: hasattr(one, "semantics")):
            yield pytest.param(
                f"{module.__name__}:{name}",
                id=name,
                marks=pytest.mark.semantics(*function.semantics),
            )


@pytest.fixture(scope="module")
def node():
    """A node in a loop of its own, which stands still between the tests."""
    with asyncio.Runner() as runner:
        node = Node(HERE)
        runner.run(node.start())
        yield runner, node
        runner.run(node.stop())


@pytest.mark.parametrize("host", ["inline", "workers"])
@pytest.mark.parametrize("promise", list(promises()))
def test_a_host_keeps_its_promises(node, host, promise):
    runner, booted = node
    runner.run(booted.exec(promise, f"contract:{host}"))


def test_nothing_is_left_of_what_has_ended(node):
    """After all promises above: no process, and no name."""
    runner, booted = node

    async def all_ended():
        while booted.processes() or any(one["processes"] for one in booted.workers()):
            await asyncio.sleep(0.001)
        assert booted.statistics()["names"] == 0

    runner.run(asyncio.wait_for(all_ended(), 20))


# -- in Lua --------------------------------------------------------------------------------------

HELD_ELSEWHERE = {
    "a_full_host_takes_no_more": "5.6: a full host over there is told by EXIT",
    "an_argument_that_does_not_fit_is_an_error_of_spawn": "5.6: over there it is told by EXIT",
    "the_errors_of_send": "6.9: its PID 0xfffff is one of the parent, where it is not looked for",
    "a_pid_is_never_a_name": "6.9: its PID is one of the parent, where it is not looked for",
    "a_full_mailbox_is_told_to_the_sender": "6.9: true means handed to the link that leads there",
    "a_cascade_runs_along_a_chain_of_links": "6.9: the last of the chain, which it does not watch",
}
"""Programs that cannot hold as they are written where the other process may be far: why."""


def programs():
    """Each Lua program that asserts the contract."""
    for entry in load_manifest(PROGRAMS).entries.values():
        if (
            entry.kind == "process.lua"
            and entry.source.stem not in ("helpers", "all", entry.method)
            and "programs." in entry.source.read_text()
        ):
            reason = HELD_ELSEWHERE.get(entry.name)
            marks = [pytest.mark.skip(reason)] if reason else []
            yield pytest.param(entry.name, marks=marks)


@pytest.fixture(scope="module", params=["shared", "own"])
def lua_node(request, tmp_path_factory):
    """A node of the Lua programs, whose host has OS processes of its own."""
    app = tmp_path_factory.mktemp(request.param) / "programs"
    shutil.copytree(PROGRAMS, app, ignore=shutil.ignore_patterns("__pycache__"))
    index = app / "_index.yaml"
    text = index.read_text()
    before = "host: {lua: {state: shared}}"
    assert text.count(before) == 1
    index.write_text(
        text.replace(before, f"host: {{os_workers: 2, lua: {{state: {request.param}}}}}")
    )
    with asyncio.Runner() as runner:
        node = Node(app)
        runner.run(node.start())
        yield runner, node
        runner.run(node.stop())


@pytest.mark.semantics("11.2")
@pytest.mark.parametrize("program", list(programs()))
def test_a_lua_program_holds_on_os_workers(lua_node, program):
    runner, booted = lua_node
    assert runner.run(booted.exec(f"lua:{program}", "lua:shared")) is True
