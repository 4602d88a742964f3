"""A change that makes ours a third slower is seen, on whatever machine the tests run."""

import json
import os
import re
import subprocess
import sys

import pytest

from procession import compiled

ROUNDS = 15
TRIES = 3
"""Who seems too slow is measured so many times, and the best counts."""

SLOWER = 0.75
"""What is left of a ratio when it is a third less, which is 0.67, and room for noise: of 99 runs
beside ten other programs on two processors, the lowest had 0.93 of what it should have
"""

# How many times as fast as each of its yardsticks ours was on an AMD EPYC when this was written, by
# the CPython that ran it: medians of several runs of guard_child.py. What is not of them is held to
# the lowest.
MEASURED = """
core      program                yardstick  3.11    3.12    3.13
compiled  ping-pong              asyncio    15.3    7       6.48
compiled  ping-pong              bare       0.775   0.324   0.336
compiled  ping-pong, dict        asyncio    7.11    4.11    3.77
compiled  ping-pong, dict        bare       0.356   0.194   0.197
compiled  spawn, monitor, exit   asyncio    1.36    1.12    1.02
compiled  spawn, monitor, exit   bare       0.143   0.112   0.114
compiled  call                   asyncio    6.06    3.78    3.65
compiled  call                   bare       0.199   0.132   0.138
compiled  fan-in                 asyncio    2.35    1.64    1.55
compiled  fan-in                 bare       1.09    0.672   0.707
compiled  ping-pong in Lua       asyncio    3.71    3.44    3.13
compiled  ping-pong in Lua       bare       0.189   0.161   0.163
compiled  by name                by PID     0.933   0.97    0.969
plain     ping-pong              asyncio    2.92    2.53    2.35
plain     ping-pong              bare       0.148   0.118   0.121
plain     ping-pong, dict        asyncio    2       1.74    1.67
plain     ping-pong, dict        bare       0.101   0.0812  0.0866
plain     spawn, monitor, exit   asyncio    0.785   0.707   0.67
plain     spawn, monitor, exit   bare       0.0824  0.0697  0.0734
plain     call                   asyncio    2.53    2.03    1.9
plain     call                   bare       0.0828  0.0708  0.0725
plain     fan-in                 asyncio    0.832   0.782   0.705
plain     fan-in                 bare       0.378   0.324   0.319
plain     ping-pong in Lua       asyncio    1.62    1.5     1.36
plain     ping-pong in Lua       bare       0.081   0.07    0.07
plain     by name                by PID     0.926   0.957   0.956
"""


def expected(core):
    """The ratios that were measured on this core: those of each program, by yardstick."""
    _, head, *rows = [re.split(r"  +", line) for line in MEASURED.splitlines()]
    version = "{}.{}".format(*sys.version_info)
    ratios = {}
    for whose, program, yardstick, *figures in rows:
        if whose == core:
            of = dict(zip(head[3:], map(float, figures), strict=True))
            ratios.setdefault(program, {})[yardstick] = of.get(version, min(of.values()))
    return ratios


def measured(root, core):
    """What each program and each of its yardsticks took, on this core."""
    env = os.environ | {
        "PROCESSION_PURE": "1" if core == "plain" else "",
        "PYTHONPATH": str(root / "bench/peers"),
        "BENCH_CLOCK": "cpu",
    }
    command = [sys.executable, root / "tests/bench/guard_child.py", str(ROUNDS)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["core"] == core
    return result["ns"]


def slower(times, core):
    """Who is much slower than it was, next to all its yardsticks, and what is left of that."""
    left = {
        name: max(times[name][who] / times[name]["ours"] / ratio for who, ratio in ratios.items())
        for name, ratios in expected(core).items()
    }
    return {name: round(share, 2) for name, share in left.items() if share < SLOWER}


@pytest.mark.parametrize("core", ["compiled", "plain"])
def test_no_program_is_a_third_slower_than_it_was_next_to_what_python_does(root, core):
    if core == "compiled" and not compiled.is_compiled():
        pytest.skip(f"there is no compiled core here: {compiled.core()}")
    best = measured(root, core)
    for _ in range(TRIES - 1):
        if not slower(best, core):
            break
        again = measured(root, core)
        best = {
            name: {who: min(ns, again[name][who]) for who, ns in times.items()}
            for name, times in best.items()
        }
    assert not slower(best, core), best


def test_a_third_is_told_from_noise():
    """If all of it takes half as long again, all of it is told; with a sixth more, nothing is."""
    for core in ("compiled", "plain"):
        programs = expected(core)
        for longer, told in [(1.5, set(programs)), (1.17, set())]:
            times = {name: {"ours": longer, **ratios} for name, ratios in programs.items()}
            assert set(slower(times, core)) == told
