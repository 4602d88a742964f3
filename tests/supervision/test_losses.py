"""What dies with a supervisor or an OS worker: gone before it is started again, counted once."""

import asyncio
import os
import signal

import pytest
from trees import LOG, gone, in_app, pids_of, rows_of, settle, specs, write_app

from procession import ChildSpec, NotFound, process, supervisor, time
from procession.core.pid import parse_pid, place_of

PYTHON = """
from procession import process

async def main(name):
    process.events()
    process.registry.register(name)
    await process.events().receive()
"""


async def slow_to_stop(name):
    """Takes its name by itself, and some turns to stop."""
    process.registry.register(name)
    LOG.append(f"+{name}")
    await process.events().receive()
    for _ in range(20):
        await time.sleep(0)
    await time.sleep("5ms")
    LOG.append(f"-{name}")


@pytest.mark.parametrize("depth", [1, 2])
def test_the_tree_below_a_killed_supervisor_is_gone_before_it_is_started_again(run, depth):
    async def main():
        child = supervisor.child("low", specs("a", "b", entry=slow_to_stop), intensity=0)
        for _ in range(depth):
            child = supervisor.child("above", [child], intensity=0)
        top = supervisor.start([child], intensity=3, period="1h")
        for round in range(3):
            while LOG.count("+b") <= round:
                await settle()
            killed = (await pids_of(top))["above"]
            process.terminate(killed)
            await gone(killed)
        while LOG.count("+b") < 4:
            await settle()
        # With one clash the supervisor of both would have failed, and that above it, and the top.
        assert LOG[:8] == ["+a", "+b", "-b", "-a", "+a", "+b", "-b", "-a"]

    run(main)


def test_a_supervisor_that_waits_for_that_stops_when_it_is_cancelled(run):
    async def main():
        low = supervisor.child("low", [ChildSpec("never", "test_losses:stays", shutdown=None)])
        top = supervisor.start([supervisor.child("middle", [low])])
        await process.registry.wait("stays")
        middle = (await pids_of(top))["middle"]
        process.terminate(middle)
        await gone(middle)
        await settle()
        process.cancel(top)
        assert await gone(top) is None
        process.send("stays", "stop")

    run(main)


async def stays():
    process.registry.register("stays")
    await process.events().receive()
    await process.listen("stop").receive()


def place(pid):
    return place_of(parse_pid(pid).serial)


TREE = """
  - {name: named, kind: process.py, source: "file://named.py"}
  - name: outer
    kind: process.supervisor
    host: app:pool
    intensity: 10
    period: 1h
    children: [{id: inner, process: "app:inner"}]
  - name: inner
    kind: process.supervisor
    host: app:pool
    intensity: 0
    children:
      - {id: a, process: "app:named", args: [a]}
      - {id: b, process: "app:named", args: [b]}
      - {id: c, process: "app:named", args: [c]}
  - name: flat
    kind: process.supervisor
    host: app:pool
    intensity: 1
    period: 1h
    children:
      - {id: a, process: "app:named", args: [a]}
      - {id: b, process: "app:named", args: [b]}
      - {id: c, process: "app:named", args: [c]}
      - {id: d, process: "app:named", args: [d]}
      - {id: e, process: "app:named", args: [e]}
"""


@pytest.fixture
def app(tmp_path):
    folder = write_app(tmp_path, TREE)
    (folder / "named.py").write_text(PYTHON)
    return folder


async def named(node, children):
    """Wait until each child has its name."""
    while True:
        try:
            if {name: node.lookup(name) for name in children} == children:
                return
        except NotFound:
            pass
        await asyncio.sleep(0.001)


async def next_rows(node, sup, old, names):
    """Wait until all these children run, with other PIDs than before."""
    while True:
        rows = await rows_of(node, sup)
        if all(rows[name] and rows[name] != old[name] for name in names):
            return rows
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("own", ["app:main", "app:pool"])
def test_the_children_of_a_killed_supervisor_are_gone_wherever_they_were(app, own):
    async def test(node):
        outer = node.spawn("app:outer", own)
        rows = await rows_of(node, outer)
        for _ in range(10):
            inner = rows["inner"]
            await named(node, await rows_of(node, inner))
            node.terminate(inner)
            rows = await next_rows(node, outer, rows, ["inner"])
        await named(node, await rows_of(node, rows["inner"]))

    in_app(app, test)


def test_what_died_with_one_os_worker_counts_as_one_restart(app):
    async def test(node):
        sup = node.spawn("app:flat", "app:main")
        rows = await rows_of(node, sup)
        await named(node, rows)
        places = [place(pid) for pid in rows.values()]
        most = max(places, key=places.count)
        lost = [name for name, pid in rows.items() if place(pid) == most]
        assert len(lost) >= 3
        os_pid = next(one["os_pid"] for one in node.workers() if one["place"] == most)
        os.kill(os_pid, signal.SIGKILL)
        new = await next_rows(node, sup, rows, lost)
        assert {name: new[name] for name in rows if name not in lost} == {
            name: pid for name, pid in rows.items() if name not in lost
        }
        end = asyncio.ensure_future(node.wait(sup))
        await asyncio.sleep(0)
        node.terminate(new["a"])
        with pytest.raises(Exception, match="restart intensity exceeded: 1 restarts"):
            await end

    in_app(app, test)
