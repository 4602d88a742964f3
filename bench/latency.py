"""How long one waits among many processes, and what a message and a spawn cost among how many.

    make bench-peers                         both, and the page of it
    python bench/latency.py latency          what a ping and a 10 ms ticker wait under load
    python bench/latency.py growth --quick   the costs, among fewer processes

Each is measured in an OS process of its own on one core, and is one JSON line with --json.

What this machine takes for other programs is measured too, where it can be (Linux): the time in
which a step could have run, and another program had the core. Each wait is shown as it was, and
without that.
"""

import argparse
import datetime
import gc
import json
import os
import subprocess
import sys
import time as clock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from run import commit, machine, on_one_core
from work import resident

import procession
from procession import compiled, process, time

TICK = 0.010
PING_EVERY = 0.001
SINKS = 1000  # who gets the messages that are the load
PAUSE = 30_000  # µs: no wait of our own making is to be longer

# In full, and with --quick: how many there are; for latency also seconds, and messages a second.
LATENCY = {False: (100_000, 20, 50_000), True: (1_000, 1, 10_000)}
SIZES = {False: (1_000, 10_000, 100_000, 1_000_000), True: (100, 1_000)}
FLAT = 1.3  # how much more the dearest of them may be than the cheapest


# -- latency: a ping and a ticker among many, under load ---------------------------------------


class Taken:
    """The seconds for which this thread could have run, and something else had the core."""

    def __init__(self):
        stats = Path("/proc/thread-self/schedstat")
        self._stats = os.open(stats, os.O_RDONLY) if stats.exists() else None

    def seconds(self):
        return int(os.pread(self._stats, 100, 0).split()[1]) / 1e9 if self._stats else 0.0


async def idler():
    async for _ in process.inbox():
        pass


async def ponger():
    async for message in process.inbox():
        process.send(message.sender, "pong")


async def load(rate, until):
    """Send that many messages a second to many in turn, until then; gives how many were sent."""
    sinks = [process.spawn_linked(idler, None) for _ in range(SINKS)]
    sent = owed = 0
    last = clock.perf_counter()
    while last < until:
        await time.sleep(0.0005)
        now = clock.perf_counter()
        owed = min(owed + (now - last) * rate, SINKS)  # what a long pause has cost is not made up
        last = now
        for i in range(sent, sent + int(owed)):
            process.send(sinks[i % SINKS], "load", i)
        sent, owed = sent + int(owed), owed % 1
    return sent


async def pings(until):
    """The round trips of a message: seconds, and those of our own."""
    taken, waits = Taken(), []
    pongs, other = process.listen("pong"), process.spawn_linked(ponger, None)
    while (start := clock.perf_counter()) < until:
        before = taken.seconds()
        process.send(other, "ping")
        await pongs.receive()
        wait = clock.perf_counter() - start
        waits.append((wait, max(wait - (taken.seconds() - before), 0.0)))
        await time.sleep(PING_EVERY)
    return waits


async def ticks(until):
    """How late the ticks of a ticker come: seconds, and those of our own."""
    taken, waits = Taken(), []
    start, before, n = clock.perf_counter(), taken.seconds(), 1
    ticker, now = time.ticker(TICK), start
    while now < until:
        await ticker.receive()
        now, lost = clock.perf_counter(), taken.seconds()
        wait = max(now - start - n * TICK, 0.0)
        waits.append((wait, max(wait - (lost - before), 0.0)))
        before = lost
        n += 1 + int(wait / TICK)  # a tick that falls due before the last was received is dropped
    return waits


def bare(seconds):
    """The same ticks by a loop that does nothing else: how late the machine is by itself."""
    waits, start, n = [], clock.perf_counter(), 1
    while n * TICK < seconds:
        clock.sleep(max(start + n * TICK - clock.perf_counter(), 0.0))
        waits.append(max(clock.perf_counter() - start - n * TICK, 0.0))
        n += 1 + int(waits[-1] / TICK)
    return shares(waits)


def shares(waits):
    """What most wait at most, in µs."""
    ordered = sorted(waits)
    last = len(ordered) - 1
    of = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(ordered[round(last * share)] * 1e6) for name, share in of.items()}


async def latency(n, seconds, rate):
    """What a ping and a ticker wait where n are idle and so many messages a second are sent."""
    await idle_ones(n)
    gc.collect()
    collections = []

    def collected(phase, info):
        if phase == "start":
            collections.append(-clock.process_time())
        else:
            collections[-1] += clock.process_time()

    gc.callbacks.append(collected)
    events, found = process.events(), {}
    start, cpu = clock.perf_counter(), clock.process_time()
    parts = [
        process.spawn_monitored(entry, None, *more, start + seconds)
        for entry, *more in ((load, rate), (pings,), (ticks,))
    ]
    while len(found) < len(parts):
        event = await events.receive()
        if event.error is not None:
            raise event.error
        found[event.sender] = event.result
    wall, busy = clock.perf_counter() - start, clock.process_time() - cpu
    gc.callbacks.remove(collected)
    sent, *waits = (found[pid] for pid in parts)
    result = {"idle": n, "messages/s": round(sent / wall), "busy": round(busy / wall, 3)}
    for name, both in zip(("ping", "ticker"), waits, strict=True):
        result[name] = shares([wait for wait, _ in both])
        result[f"{name}, own"] = shares([own for _, own in both])
    result["collections"] = len(collections)
    result["longest collection"] = round(max(collections, default=0) * 1e6)
    collections.clear()
    start = clock.process_time()
    gc.collect()
    result["full collection"] = round((clock.process_time() - start) * 1e6)
    return result


async def idle_ones(n):
    for i in range(n):
        process.spawn(idler, None)
        if i % 1000 == 0:
            await time.sleep(0)
    await time.sleep(0)


# -- growth: what a message and a spawn cost, by how many there are ----------------------------


async def short_life():
    pass


async def hopper(following):
    hops = process.listen("hop")
    while True:
        process.send(following, "hop", await hops.receive() + 1)


async def cost_of(work, n, rounds=5):
    """The least time of the processor that one of n takes, in ns."""
    best = float("inf")
    for _ in range(rounds):
        start = clock.process_time()
        await work(n)
        best = min(best, clock.process_time() - start)
    return round(best / n * 1e9)


async def growth(n, at_once=1000):
    """What a message and a spawn cost where n are alive."""
    hops, events = process.listen("hop"), process.events()

    async def messages(count):
        for _ in range(count // 2):  # to one and back
            process.send(first, "hop", 0)
            await hops.receive()

    async def round_all(count):
        for _ in range(count // n):
            process.send(ring, "hop", 0)
            assert await hops.receive() == n

    async def spawns(count):
        for _ in range(count // at_once):
            for _ in range(at_once):
                process.spawn_monitored(short_life, None)
            for _ in range(at_once):
                await events.receive()

    await spawns(at_once)  # not the first ones, for which the interpreter is not warm
    start, last = clock.process_time(), process.pid()
    ring = last
    for i in range(n):
        ring = process.spawn(hopper, None, ring)
        if i % at_once == 0:
            await time.sleep(0)
    await time.sleep(0)
    started = round((clock.process_time() - start) / n * 1e9)
    first = process.spawn_linked(hopper, None, last)
    return {
        "n": n,
        "message": await cost_of(messages, 40_000),
        "message to each in turn": await cost_of(round_all, max(n, 40_000) // n * n, 3),
        "spawn, monitor, exit": await cost_of(spawns, 20_000),
        "spawn": started,
        "resident": resident(),
    }


# -- the command line --------------------------------------------------------------------------

PROGRAMS = {"latency": latency, "growth": growth}


def in_own_process(core, name, *numbers):
    """The result of a program that runs in an OS process of its own."""
    command = [sys.executable, str(Path(__file__)), "one", name, *map(str, numbers)]
    command = on_one_core(command, core)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def one(name, *numbers):
    """Run a program here, print its result, and end without taking down a million processes."""
    if name == "bare":
        print(json.dumps(bare(*map(json.loads, numbers))))
        return

    async def reported():
        print(json.dumps(await PROGRAMS[name](*map(json.loads, numbers))), flush=True)
        os._exit(0)

    procession.run(reported, quiet_exits=True)


def measure(name, options):
    """What goes into the line of a program."""
    row = {
        "program": name,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "core": compiled.core(),
        "load": [round(os.getloadavg()[0], 2)],
    }
    if name == "latency":
        n, seconds, rate = LATENCY[options.quick]
        alone = in_own_process(options.core, "bare", seconds / 2)
        result = in_own_process(options.core, name, n, seconds, rate)
        row["result"] = result | {"ticks of a bare loop": alone}
    else:
        row["result"] = [in_own_process(options.core, name, n) for n in SIZES[options.quick]]
    row["load"].append(round(os.getloadavg()[0], 2))
    return row


def show(row):
    print(f"{row['program']} ({row['core']}, load {row['load'][0]})")
    result = row["result"]
    for each in result if isinstance(result, list) else [result]:
        for name, figure in each.items():
            print(f"  {name:<25} {figure}")
    for problem in problems(row):
        print(f"  MISSED: {problem}")
    sys.stdout.flush()


def problems(row):
    """What was not reached of what was set as a goal."""
    result = row["result"]
    if row["program"] == "latency":
        names = ["ping, own", "ticker, own"]
        return [
            f"{name}: {result[name]['max']} µs, and at most {PAUSE} are allowed"
            for name in names
            if result[name]["max"] > PAUSE
        ]
    grown = {name: grows(result, name) for name in ("message", "spawn, monitor, exit", "spawn")}
    return [
        f"{name}: {times:.2f} times as dear, and at most {FLAT} times is allowed"
        for name, times in grown.items()
        if times > FLAT
    ]


def grows(result, name):
    """How many times as dear as the cheapest the dearest size is."""
    costs = [each[name] for each in result]
    return max(costs) / min(costs)


def save(path, row):
    """Put the row of a program into the file, in place of the one that it has."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found = {each["program"]: each for each in rows} | {row["program"]: row}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(found[name]) + "\n" for name in PROGRAMS if name in found))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--quick", action="store_true", help="take a look, in a few seconds")
    parser.add_argument("--core", type=int, help="the core to pin to (none)")
    parser.add_argument("--json", action="store_true", help="one JSON object a program")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the JSON lines in a file")
    options = parser.parse_args()
    for name in options.programs:
        if name not in PROGRAMS:
            parser.error(f"no program is called {name!r}: there are {', '.join(PROGRAMS)}")
    for name in options.programs or PROGRAMS:
        row = measure(name, options)
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            show(row)
        if options.save:
            save(options.save, row)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    else:
        main()
