"""Ours and its peers at the same programs, each in an OS process of its own on one core.

    make bench-peers                                   all of it, and the page of it
    python bench/peers/run.py ping-pong --peers ours,erlang,asyncio --rounds 3
    python bench/peers/run.py --goals                  what is reached of what was set as a goal

In each round of a program every peer has its turn, so that a noisy machine is noisy for all.
What is shown are medians. With --json there is one line a program, with all that was measured.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import PEERS, ROOT, Missing
from programs import GOALS, PROGRAMS

SPENT = 8.0
"""A peer that has spent so many seconds on a program has no further rounds of it."""

GIVEN_UP = 300.0


def machine():
    """What is to be known of this machine."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":")[1].strip() if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}


def commit():
    """The commit of this checkout, with a + where what is measured has been changed."""

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)

    name = git("rev-parse", "--short", "HEAD").stdout.strip()
    changed = git("diff", "--quiet", "HEAD", "--", "src", "bench/peers").returncode
    return name + "+" * bool(changed) if name else "unknown"


def on_one_core(command, core):
    """The command, pinned where the machine can do that."""
    taskset = shutil.which("taskset")
    return ["taskset", "-c", str(core), *command] if taskset and core is not None else command


def shown(command, environment):
    """The command as one can type it in the checkout."""
    words = [f"{name}={value}" for name, value in environment.items()]
    for word in command:
        path = Path(word)
        inside = path.is_absolute() and path.is_relative_to(ROOT)
        words.append(shlex.quote(str(path.relative_to(ROOT)) if inside else word))
    return " ".join(words)


def once(command, environment):
    """What a program says in one run of it. Raises Missing with what went wrong."""
    env = os.environ | environment
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=GIVEN_UP
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"took longer than {GIVEN_UP:g} s") from None
    if done.returncode or not done.stdout.strip():
        problem = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise Missing(f"failed with {done.returncode}: {problem}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(program, peers, options):
    """All rounds of one program: what goes into its line."""
    row = {
        "program": program.name,
        "unit": program.unit,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "scale": options.scale,
        "clock": options.clock.get("BENCH_CLOCK", "wall"),
        "load": [round(os.getloadavg()[0], 2)],
        "peers": {},
        "skipped": {},
    }
    able = [peer for peer in peers if program.name in peer.programs.split()]
    spent = dict.fromkeys(able, 0.0)
    for turn in range(options.rounds):
        for peer in able:
            if turn >= peer.rounds or spent[peer] > options.spend or peer.name in row["skipped"]:
                continue
            start = time.perf_counter()
            try:
                take_turn(row["peers"], program, peer, options)
            except Missing as problem:
                row["skipped"][peer.name] = str(problem)
                row["peers"].pop(peer.name, None)
            spent[peer] += time.perf_counter() - start
    for entry in row["peers"].values():
        entry["figure"] = statistics.median(entry["rounds"])
        entry["spread"] = [min(entry["rounds"]), max(entry["rounds"])]
        if "resident_rounds" in entry:
            entry["resident"] = statistics.median(entry["resident_rounds"])
    row["load"].append(round(os.getloadavg()[0], 2))
    return rounded(row)


def take_turn(entries, program, peer, options):
    """One round of a program for one peer, put to what it has by now."""
    own = peer.sizes.get(program.name)
    n = own or program.size(peer.work(), options.scale, options.quick)
    command = on_one_core(peer.command(program.called(), n), options.core)
    result = once(command, peer.environment() | options.clock)
    first = {
        "label": peer.label(),
        "version": peer.version(),
        "n": n,
        "command": shown(command, peer.environment()),
        "rounds": [],
    }
    entry = entries.setdefault(peer.name, first)
    entry["rounds"].append(program.figure(n, result))
    if "resident" in result:
        entry.setdefault("resident_rounds", []).append(result["resident"])


def rounded(value):
    """The figures in a row with no more digits than they have a meaning in."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        return round(value) if value >= 1000 else float(f"{value:.4g}")
    return value


def judged(goal, rows):
    """A goal with what is reached of it, or None where it was not measured.

    Ratios are the medians of those of each round, since a round is measured at one time.
    """
    program = PROGRAMS[goal.program]
    mine = rows.get(goal.program, {}).get("peers", {}).get(goal.ours)
    if mine is None or (program.fixed and mine["n"] != program.n):
        return None
    bound = program.bound
    if not goal.other:
        return mine[goal.field], mine[goal.field] <= goal.limit
    other_row = rows.get(goal.other_program or goal.program, {})
    other = other_row.get("peers", {}).get(goal.other)
    if other is None:
        return None
    pairs = zip(mine["rounds"], other["rounds"], strict=False)
    ratio = statistics.median(a / b for a, b in pairs)
    return ratio, ratio <= goal.limit if bound else ratio >= goal.limit


def show(row):
    print(f"{PROGRAMS[row['program']].title}, {row['unit']} (load {row['load'][0]})")
    entries = row["peers"].values()
    best = max((entry["figure"] for entry in entries), default=0)
    for entry in entries:
        figure, (low, high) = entry["figure"], entry["spread"]
        bar = "#" * max(round(30 * figure / best), 1)
        resident = f"  {entry['resident'] / 1e9:.2f} GB" if "resident" in entry else ""
        print(f"  {entry['label']:<37} {figure:>12,}  {bar:<30} {low:,} to {high:,}{resident}")
    for name, why in row["skipped"].items():
        print(f"  {name:<37} skipped: {why}")
    sys.stdout.flush()


def show_goals(rows):
    """Each goal with what is reached of it; False if one is missed."""
    missed = False
    for goal in GOALS:
        result = judged(goal, rows)
        if result is None:
            continue
        value, reached = result
        missed |= not reached
        unit = "bytes" if goal.field == "resident" else PROGRAMS[goal.program].unit
        against = f"of {goal.other} in {goal.other_program or goal.program}" if goal.other else unit
        sign = "<=" if PROGRAMS[goal.program].bound else ">="
        aim = f", aim {goal.aim:g}" if goal.aim else ""
        word = "reached" if reached else "MISSED"
        value, limit = f"{rounded(float(value)):,}", f"{goal.limit:,g}"
        print(f"{word:<8} {goal.ours} {goal.program:<16} {value:>14} {sign} {limit}{aim} {against}")
    return not missed


def save(path, row):
    """Put the row of a program into the file, in place of the one that it has."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found = {each["program"]: each for each in rows} | {row["program"]: row}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(found[name]) for name in PROGRAMS if name in found]
    path.write_text("\n".join(lines) + "\n")


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--peers", help=f"some of {','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="do so much of the work")
    parser.add_argument("--quick", action="store_true", help="one round of a fifth of the work")
    parser.add_argument(
        "--spend", type=float, default=SPENT, help="seconds a peer may take for all rounds"
    )
    parser.add_argument("--core", type=int, help="the core to pin to (the last one)")
    parser.add_argument(
        "--cpu",
        dest="clock",
        action="store_const",
        const={"BENCH_CLOCK": "cpu"},
        default={},
        help="count the time of the processor only, where others work on this machine",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a program")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the JSON lines in a file")
    parser.add_argument("--goals", action="store_true", help="say what is reached, exit 1 if not")
    options = parser.parse_args(arguments)
    for name in options.programs:
        if name not in PROGRAMS:
            parser.error(f"no program is called {name!r}: there are {', '.join(PROGRAMS)}")
    wanted = options.peers.split(",") if options.peers else list(PEERS)
    for name in wanted:
        if name not in PEERS:
            parser.error(f"no peer is called {name!r}: there are {', '.join(PEERS)}")
    if options.rounds < 1:
        parser.error(f"--rounds is at least 1, not {options.rounds}")
    if options.scale <= 0:
        parser.error(f"--scale is more than 0, not {options.scale:g}")
    options.peers = [PEERS[name] for name in PEERS if name in wanted]
    if options.quick:
        options.rounds, options.scale = 1, options.scale / 5
    if options.core is None and hasattr(os, "sched_getaffinity"):
        options.core = max(os.sched_getaffinity(0))
    return options


def main(arguments=None):
    options = parsed(arguments)
    names = options.programs
    if options.goals and not names:
        names = list(dict.fromkeys(goal.program for goal in GOALS))
    there, skipped = [], {}
    for peer in options.peers:
        try:
            if options.clock and not peer.alone:
                raise Missing("works in several OS processes, and --cpu counts one")
            peer.prepare()
            there.append(peer)
        except Missing as problem:
            skipped[peer.name] = str(problem)
    for name, why in skipped.items():
        print(f"skipped {name}: {why}", file=sys.stderr, flush=True)
    rows = {}
    for name in names or PROGRAMS:
        row = rows[name] = measure(PROGRAMS[name], there, options)
        row["skipped"] |= {
            peer: why for peer, why in skipped.items() if name in PEERS[peer].programs.split()
        }
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            show(row)
        if options.save:
            save(options.save, row)
    if options.goals and not show_goals(rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
