"""Everything at once: supervised processes over three workers, load, hostile processes among them,
and death at random.

make chaos                     ten minutes of it; CHAOS_SECONDS=3600 make chaos
CHAOS_SEED=5 make chaos        the same choices again
"""

import asyncio
import gc
import os
import random
import re
import resource
import signal
import time
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from procession import ChildSpec, Error, Node, NotFound, channel, process, supervisor

APP = Path(__file__).parent / "chaos"
SECONDS = float(os.environ.get("CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", time.time_ns() % 100_000))

STATIONS, SENDERS, WATCHERS, HOSTILE = 200, 12, 6, 11
HOSTILE_LUA = re.findall(r"^function kinds\.(\w+)", (APP / "hostile.lua").read_text(), re.M)
HOSTILE_PYTHON = re.findall(r"^async def (?!main)(\w+)", (APP / "hostile.py").read_text(), re.M)


async def judge():
    """Collects what is wrong."""
    process.registry.register("judge")
    wrong, ask = process.listen("wrong"), process.listen("ask", message=True)
    found = []
    while True:
        got = await channel.select(wrong, ask)
        if got.channel is wrong:
            found.append(got.value)
        else:
            got.value.reply(found)


def resident():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(SECONDS + 120)
def test_nothing_is_lost_doubled_or_left_behind_when_everything_dies_at_random(capsys):
    files = open_files()
    os_pids = asyncio.run(chaos())
    for os_pid in os_pids:
        with pytest.raises(ProcessLookupError):
            os.kill(os_pid, 0)
    assert open_files() <= files


class Hostile:
    """Hostile processes among the others: always as many, whatever becomes of them."""

    def __init__(self, node, chance, names):
        self.node, self.chance, self.names = node, chance, names
        self.living = set()
        self.ended = Counter()

    def refill(self):
        """Start new ones for those that have ended."""
        while len(self.living) < HOSTILE:
            kind, entry = self.chance.choice(
                [
                    *((kind, "chaos:hostile_lua") for kind in HOSTILE_LUA),
                    *((kind, "chaos:hostile_py") for kind in HOSTILE_PYTHON),
                ]
            )
            name = f"hostile-{next(_numbers)}"
            run = self.node.exec(entry, "chaos:workers", kind, self.names, name=name)
            ended = asyncio.ensure_future(run)
            self.living.add((name, ended))
            ended.add_done_callback(partial(self._end, name, kind))

    def _end(self, name, kind, ended):
        self.living.discard((name, ended))
        error = ended.exception()
        self.ended[kind, "result" if error is None else type(error).__name__] += 1

    async def stop(self):
        """All end: those that wait, by being told to."""
        waits = [ended for _, ended in self.living]
        for name, _ in list(self.living):
            try:
                self.node.terminate(name)
            except NotFound:
                pass  # it is dead already
        if waits:
            _, pending = await asyncio.wait(waits, timeout=60)
            assert not pending, f"seed {SEED}: {len(pending)} hostile processes have not ended"


_numbers = count(1)


async def chaos():
    chance = random.Random(SEED)
    names = [f"station-{i}" for i in range(STATIONS)]
    children = [
        ChildSpec(
            name,
            "chaos:lua_station" if i % 2 else "chaos:station",
            [name],
            host="chaos:workers",
            shutdown="brutal_kill",
        )
        for i, name in enumerate(names)
    ]
    async with Node(APP, quiet_exits=True) as node:
        node.spawn(judge)
        spec = supervisor.spec(children, intensity=1_000_000, period="1s", name="top")
        top = node.spawn(supervisor.main, None, spec)
        hosts = ["chaos:workers", "chaos:processes"]
        senders = [node.spawn("chaos:sender", hosts[1], i, names) for i in range(SENDERS)]
        watchers = [
            node.spawn("chaos:watcher", hosts[1], chance.random(), names) for i in range(WATCHERS)
        ]
        seen = set()
        kills = {"processes": 0, "workers": 0}
        await settled(node, names)
        hostile = Hostile(node, chance, names)
        end = time.monotonic() + SECONDS
        warm, before = time.monotonic() + SECONDS / 3, None
        next_worker = time.monotonic() + 1.0
        while time.monotonic() < end:
            await asyncio.sleep(chance.random() * 0.02)
            hostile.refill()
            seen |= {one["os_pid"] for one in node.workers()} - {None}
            try:
                node.terminate(chance.choice(names))
                kills["processes"] += 1
            except NotFound:
                pass  # it is dead at the moment
            up = [one["os_pid"] for one in node.workers() if one["state"] == "ready"]
            if time.monotonic() > next_worker and len(up) == 3:
                os.kill(chance.choice(up), signal.SIGKILL)
                kills["workers"] += 1
                next_worker = time.monotonic() + 0.5 + 2 * chance.random()
            if before is None and time.monotonic() > warm:
                before = resident()
        await hostile.stop()
        sent = sum(await stopped(node, senders))
        await settled(node, names)
        heard = sum(await stopped(node, watchers))
        # Every permanent child runs, and has its name.
        listed = {one["id"]: one["pid"] for one in await node.call(top, *which_children())}
        assert sorted(listed) == sorted(names), f"seed {SEED}"
        for name, pid in listed.items():
            assert node.lookup(name) == pid, f"seed {SEED}"
            assert await node.call(pid, "ask") == name, f"seed {SEED}"
        wrong = await node.call("judge", "ask")
        assert wrong == [], f"seed {SEED}: {wrong[:10]}"
        after = resident()
        growth = (after - (before or after)) / 2**20
        assert growth < 40, f"seed {SEED}: {growth:.0f} MiB more"
        assert kills["workers"] >= SECONDS / 10
        assert heard > 0
        assert sum(hostile.ended.values()) > SECONDS
        assert sent > 1000
        print(f"seed {SEED}: {kills}, {sent} sent, {heard} exits, {growth:.1f} MiB more")
        print(f"hostile: {dict(hostile.ended)}")
        seen |= {one["os_pid"] for one in node.workers()} - {None}
    return seen


async def stopped(node, pids):
    """Tell processes to stop; what they return."""
    ends = asyncio.gather(*(node.wait(pid) for pid in pids))
    await asyncio.sleep(0)
    for pid in pids:
        node.send(pid, "stop")
    return await ends


def which_children():
    return "supervisor.which_children", None


async def settled(node, names):
    """Wait until every station answers."""
    async with asyncio.timeout(60):
        for name in names:
            while True:
                try:
                    assert await node.call(name, "ask", timeout="5s") == name
                    break
                except Error:
                    await asyncio.sleep(0.02)
