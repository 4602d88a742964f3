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
"""What is left of a ratio when it is a third less, which is 0.67, and room for noise: of 12 runs
beside twelve other programs on two processors, the lowest had 0.93 of a ratio, and the highest 1.05
"""

# How many times as fast as each of its yardsticks ours was on an AMD EPYC when this was written, by
# the CPython that ran it: medians of several runs of guard_child.py. What is not of them is held to
# the lowest.
MEASURED = """
core      program                yardstick  3.11    3.12    3.13
compiled  ping-pong              asyncio    14.1    4.77    4.43
compiled  ping-pong              bare       0.701   0.218   0.228
compiled  ping-pong, dict        asyncio    7.33    3.25    2.88
compiled  ping-pong, dict        bare       0.37    0.15    0.152
compiled  spawn, monitor, exit   asyncio    1.38    1.01    0.923
compiled  spawn, monitor, exit   bare       0.142   0.0997  0.101
compiled  call                   asyncio    5.44    3.29    3.07
compiled  call                   bare       0.183   0.114   0.116
compiled  fan-in                 asyncio    2.37    1.15    1.02
compiled  fan-in                 bare       1.07    0.448   0.451
compiled  ping-pong in Lua       asyncio    3.75    3.5     3.06
compiled  ping-pong in Lua       bare       0.187   0.16    0.158
compiled  by name                by PID     0.962   0.981   0.967
plain     ping-pong              asyncio    2.94    2.5     2.35
plain     ping-pong              bare       0.149   0.115   0.122
plain     ping-pong, dict        asyncio    1.98    1.71    1.65
plain     ping-pong, dict        bare       0.0999  0.0793  0.0863
plain     spawn, monitor, exit   asyncio    0.813   0.699   0.662
plain     spawn, monitor, exit   bare       0.082   0.0683  0.0716
plain     call                   asyncio    2.46    1.96    1.9
plain     call                   bare       0.0817  0.0681  0.0716
plain     fan-in                 asyncio    0.84    0.764   0.679
plain     fan-in                 bare       0.364   0.303   0.302
plain     ping-pong in Lua       asyncio    1.62    1.47    1.37
plain     ping-pong in Lua       bare       0.0823  0.0678  0.0706
plain     by name                by PID     0.924   0.961   0.947
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
