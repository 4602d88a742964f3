"""Memory stays as it is, however many Lua processes there have been: see soak/mixed.lua.

make soak        a million in a shared state, 50,000 with a state each
"""

import os

import pytest
from tests.fuzz.children import run_child

COUNTS = {
    "shared": int(os.environ.get("SOAK_SHARED", 20_000)),
    "own": int(os.environ.get("SOAK_OWN", 1_000)),
}
SLACK = {"lua": 128 << 10, "resident": 16 << 20}
"""Bytes that mean nothing: of tables that were enlarged, of pages that are not given back."""

PER_PROCESS = 16
"""Bytes for each process that are no leak yet: less than anything of Lua that could be left."""


@pytest.mark.timeout(COUNTS["shared"] / 200 + COUNTS["own"] / 10 + 300)
@pytest.mark.parametrize("host", COUNTS)
def test_memory_stays_as_it_is_however_many_processes_there_have_been(host):
    count = COUNTS[host]
    report = run_child("soak_child.py", host, count)
    assert report.bugs == []
    memory = [one for one in report.said if one["what"] == "memory"]
    print(host, count, [(one["lua"] >> 10, one["resident"] >> 20) for one in memory])
    middle, end = memory[len(memory) // 2 - 1], memory[-1]
    for kind, slack in SLACK.items():
        growth = end[kind] - middle[kind]
        assert growth < slack + PER_PROCESS * count / 2, f"{kind}: {growth} bytes more, {memory}"
