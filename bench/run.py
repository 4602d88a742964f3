"""Ours and another's, in turn, in one run: what counts is the ratio, since machines are noisy.

    make bench              all of it
    python bench/run.py ring --json

Each line is the median of several rounds; in each round ours and the other's follow each other. The
other's is the same over asyncio tasks and queues; a bare Lua state for the Lua loop; for workers
`multiprocessing.Pipe`, or one worker.
"""

import argparse
import asyncio
import gc
import json
import statistics
import sys
from functools import partial
from pathlib import Path

import procession

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "peers"))
import ours as processes
import with_asyncio as tasks
import worker_loads as ww
import workloads as w

# name: (ours, asyncio's or None, units of work, unit, the ratio or bound to reach)
BENCHES = {
    "ping-pong, scalar": (processes.ping_pong, tasks.ping_pong, 50_000, "round trips/s", 3.0),
    "ping-pong, small dict": (
        processes.ping_pong_dict,
        tasks.ping_pong_dict,
        50_000,
        "round trips/s",
        2.0,
    ),
    "ring of 1,000": (processes.ring, tasks.ring, 100_000, "hops/s", 3.0),
    "spawn + monitor + exit": (
        processes.spawn,
        tasks.spawn,
        50_000,
        "processes/s",
        1.2,
    ),
    "fan-in from 100": (processes.fan_in, tasks.fan_in, 100_000, "messages/s", None),
    "ping-pong by name": (processes.by_name, tasks.ping_pong, 50_000, "round trips/s", None),
    "call and reply": (processes.call, tasks.call, 30_000, "calls/s", None),
    "linked cascade": (processes.cascade, None, 10_000, "ms for 10,000", 60.0),
    "idle process": (
        partial(w.bytes_of_idle, "ours"),
        partial(w.bytes_of_idle, "with_asyncio"),
        10_000,
        "bytes",
        2600.0,
    ),
    "Lua ping-pong, scalar": (
        w.in_lua("ping_pong"),
        tasks.ping_pong,
        50_000,
        "round trips/s",
        1.6,
    ),
    "Lua ping-pong, table": (
        w.in_lua("ping_pong_dict"),
        tasks.ping_pong_dict,
        50_000,
        "round trips/s",
        1.0,
    ),
    "Lua ring of 1,000": (w.in_lua("ring"), tasks.ring, 100_000, "hops/s", None),
    "Lua spawn+monitor+exit": (
        w.in_lua("spawn"),
        tasks.spawn,
        10_000,
        "processes/s",
        None,
    ),
    "Lua 10,000 against 60,000": (w.in_lua("many"), w.asyncio_many, 10_000, "processes/s", 1.0),
    "Lua idle process": (partial(w.bytes_of_idle, "ours_in_lua"), None, 10_000, "bytes", 7168.0),
    "Lua loop, preempted": (w.in_lua("loop"), w.bare_lua_loop, 30_000_000, "iterations/s", 0.95),
    "workers: ping-pong": (ww.ping_pong, ww.pipe_ping_pong, 10_000, "round trips/s", 0.5),
    "workers: one to another": (
        ww.far_ping_pong,
        ww.pipe_ping_pong,
        5_000,
        "round trips/s",
        None,
    ),
    "workers: one-way": (ww.one_way, ww.pipe_one_way, 200_000, "messages/s", 3.0),
    "workers: two against one": (
        ww.pool_of_two,
        ww.pool_of_one,
        8_000_000,
        "iterations/s",
        1.7,
    ),
    "workers: kill -9 to EXIT": (ww.kill_to_exit, None, 1000, "ms", 50.0),
    "workers: start": (ww.start_of_workers, None, 1000, "ms", None),
}


BOUNDS = ("bytes", "ms", "ms for 10,000")


def measure(name, rounds, scale):
    ours, theirs, n, unit, goal = BENCHES[name]
    n = max(int(n * scale), 1000)
    app = ww.WORKERS_APP if name.startswith("workers") else w.PEERS / "lua"

    async def boot(n):
        return await ours(n)

    mine, other = [], []
    for _ in range(rounds):
        gc.collect()
        mine.append(procession.run(boot, n, app=app, quiet_exits=True))
        if theirs is not None:
            gc.collect()
            other.append(asyncio.run(theirs(n)))
    figure = figure_of(unit, n)
    row = {"bench": name, "unit": unit, "ours": figure(statistics.median(mine)), "goal": goal}
    if other:
        row["other"] = figure(statistics.median(other))
        ratios = [b / a for a, b in zip(mine, other, strict=True)]
        row["ratio"] = round(statistics.median(ratios), 2)
    bound = unit in BOUNDS
    if goal is not None:
        row["reached"] = row["ours"] <= goal if bound else row["ratio"] >= goal
    return row


def figure_of(unit, n):
    if unit == "bytes":
        return round
    if unit.startswith("ms"):
        return lambda seconds: round(seconds * 1000, 1)
    return lambda seconds: round(n / seconds)


def show(row):
    ratio = f"{row['ratio']:.2f}x" if "ratio" in row else ""
    theirs = f"{row['other']:,}" if "other" in row else ""
    goal = ""
    if row["goal"] is not None:
        bound = row["unit"] in BOUNDS
        sign = f"at most {row['goal']:g}" if bound else f"at least {row['goal']:g}x"
        goal = f"{sign}: {'reached' if row['reached'] else 'MISSED'}"
    print(
        f"{row['bench']:<26} {row['ours']:>12,} {theirs:>12} {row['unit']:<16} {ratio:>7}  {goal}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only benches whose name has one of these in it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="do so much of the work")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    if not options.json:
        print(f"{'':<26} {'procession':>12} {'other':>12} {'':<16} {'ratio':>7}  goal")
    for name in BENCHES:
        if options.names and not any(part in name for part in options.names):
            continue
        row = measure(name, options.rounds, options.scale)
        print(json.dumps(row), flush=True) if options.json else show(row)


if __name__ == "__main__":
    main()
