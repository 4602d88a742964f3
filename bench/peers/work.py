"""The work that all peers do alike. A program is called to do `n` units, and says what it took.

python with_asyncio.py ping_pong 50000
{"seconds": 0.41}
"""

import gc
import inspect
import json
import os
import resource
import sys
import time
from pathlib import Path

SCALAR = 7
MAP = {"task_id": 1, "value": 10, "s": "x"}

RING = 1000  # members of the ring
THREAD_RING = 100
SENDERS = 100  # of the fan-in
WORKERS = 60  # of fork-join
CHAMENEOS = 100
PHILOSOPHERS = 20
ACCOUNTS, OPEN = 1000, 100  # of the bank; how many transfers are under way at once

AT_ONCE = 1000
"""So many short lives are started before their ends are waited for, and so many messages are sent
before others are let run, where one sends without end."""


CPU = os.environ.get("BENCH_CLOCK") == "cpu"
"""Whether only the time of the processor counts: for a machine on which others work too."""

now = time.process_time if CPU else time.perf_counter


def complement(one, other):
    """The colour, 0 to 2, that a chameneo takes on when it has met another."""
    return one if one == other else 3 - one - other


def transfer(i):
    """From which account to which the transfer number i goes.

    Always to a later one, so that no account waits for one that waits for it.
    """
    source = i * 7919 % (ACCOUNTS * 8 // 10)
    return source, source + 1 + i * 104729 % (ACCOUNTS - source - 1)


def main(programs, run, before_end=lambda: None):
    """Call the programs that the command line names; `run(function, n)` starts the peer with one.

    It returns the seconds it took, or a dict that also says the `bytes`. The last one ends this OS
    process at once: to take down what still runs, a million it may be, is no part of the work. A
    peer that has other OS processes ends them `before_end`.
    """
    wanted = list(zip(sys.argv[1::2], map(int, sys.argv[2::2]), strict=True))
    for i, (name, n) in enumerate(wanted, 1):
        ends = before_end if i == len(wanted) else None
        run(reporting(programs[name], ends), n)


def reporting(program, before_end):
    """The program, whose result is printed; with `before_end` it then ends this OS process."""

    def report(result):
        print(json.dumps(result if isinstance(result, dict) else {"seconds": result}), flush=True)
        if before_end is not None:
            before_end()
            os._exit(0)

    if inspect.iscoroutinefunction(program):

        async def reported(n):
            report(await program(n))
    else:

        def reported(n):
            report(program(n))

    return reported


def resident():
    """All memory of this OS process, in bytes, without what is garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
