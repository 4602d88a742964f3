"""What the fuzzers may be told: how many cases, from which seed.

make fuzz                               an hour of each fuzzer; FUZZ_SECONDS=600 make fuzz
FUZZ_SEED=7 FUZZ_CASES=500 pytest ...   the same choices again, and as many of them as wanted
FUZZ_SEED=7 FUZZ_FIRST=31 FUZZ_CASES=1  one case alone
FUZZ_WITHOUT='select|spawn' pytest ...  Lua programs that do not call functions with such names
FUZZ_ONLY='^json' pytest ...            Lua programs that call no others
"""

import os
import random
import re
import time

SECONDS = float(os.environ.get("FUZZ_SECONDS", 0))
# The tests of every change make the same choices, so that what fails is the change.
SEED = int(os.environ.get("FUZZ_SEED", time.time_ns() % 1_000_000 if SECONDS else 1))
FIRST = int(os.environ.get("FUZZ_FIRST", 0))
CASES = os.environ.get("FUZZ_CASES")
ONLY = re.compile(os.environ.get("FUZZ_ONLY") or "")
WITHOUT = re.compile(os.environ.get("FUZZ_WITHOUT") or "(?!)")

TIMEOUT = SECONDS + 900
"""For pytest: a fuzzer is bounded by its cases, this is only for one that hangs itself."""


def cases(few):
    """The numbers of the cases to run: a few, as many as were asked for, or until time is up."""
    end = time.monotonic() + SECONDS
    number = FIRST
    while SECONDS or number < FIRST + int(CASES or few):
        if SECONDS and (time.monotonic() > end or (CASES and number >= FIRST + int(CASES))):
            return
        yield number
        number += 1


def chance_of(fuzzer, case):
    """The choices of one case: the same for the same seed, on any machine."""
    return random.Random(f"{SEED} {fuzzer} {case}")


def again(case, file):
    """The command that runs one case again."""
    return f"FUZZ_SEED={SEED} FUZZ_FIRST={case} FUZZ_CASES=1 .venv/bin/pytest tests/fuzz/{file}"
