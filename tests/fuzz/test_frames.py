"""Nonsense over the link between a node and its workers: see frames_child.py."""

import pytest
from tests.fuzz.children import run_child
from tests.fuzz.settings import FIRST, SECONDS, SEED, TIMEOUT, again, cases

CASES = 80
"""Of one OS process."""


@pytest.mark.timeout(TIMEOUT)
def test_nonsense_ends_the_link_or_means_something_and_never_half_of_it():
    problems = []
    for number in cases(1):
        first = FIRST + (number - FIRST) * CASES
        report = run_child("frames_child.py", SEED, first, CASES)
        found = report.bugs
        if found:
            command = again(first, "test_frames.py")
            problems.append("\n\n".join(found[:5]) + f"\nrunning: {report.running}\n{command}")
            if not SECONDS:
                break
            print(problems[-1], flush=True)
    assert not problems, "\n\n".join(problems)
