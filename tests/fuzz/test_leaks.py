"""Nothing is left of what was done many times, of whatever kind: neither objects nor references.

LEAK_MESSAGES, LEAK_SPAWNS    how many of each, for a longer run
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("leaks_child.py")
MESSAGES = int(os.environ.get("LEAK_MESSAGES", 200_000))
SPAWNS = int(os.environ.get("LEAK_SPAWNS", 20_000))

COUNTS = {
    **dict.fromkeys(("messages", "records", "several", "refusals", "selects", "names"), MESSAGES),
    **dict.fromkeys(
        (
            "handovers",
            "interruptions",
            "calls",
            "executions",
            "monitored",
            "linked",
            "kills",
            "upgrades",
            "timers",
        ),
        SPAWNS,
    ),
}

SLACK = 200
"""What caches may have grown by."""


@pytest.mark.timeout(300 + (MESSAGES + SPAWNS) / 1000)
@pytest.mark.parametrize("deed", COUNTS)
def test_nothing_is_left_of_what_was_done_many_times(deed):
    count = COUNTS[deed]
    done = subprocess.run(
        [sys.executable, CHILD, deed, str(count)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    growth = json.loads(done.stdout)
    print(deed, count, growth)
    assert max(growth.values()) < SLACK + count / 1000, growth
