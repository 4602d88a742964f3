"""Any allocation may fail: nobody waits for ever, and nothing is lost or done twice."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("nomemory_child.py")
DEEDS = (
    "send",
    "receive",
    "ping",
    "call",
    "execute",
    "spawn",
    "monitored",
    "terminate",
    "channels",
)


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="this Python has no _testcapi, which lets allocations fail",
)
@pytest.mark.parametrize("deed", DEEDS)
def test_whichever_allocation_fails_it_is_an_error_like_any_other(deed):
    done = subprocess.run(
        [sys.executable, CHILD, deed], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    failures, ok = done.stdout.split()
    assert ok == "ok"
    assert int(failures) > 0
