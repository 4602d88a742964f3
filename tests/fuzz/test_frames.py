"""Nonsense over the link between a node and its workers: see frames_child.py."""

import pytest
from tests.fuzz.children import problems_of
from tests.fuzz.settings import TIMEOUT


@pytest.mark.timeout(TIMEOUT)
def test_nonsense_ends_the_link_or_means_something_and_never_half_of_it():
    problems = problems_of("frames_child.py", "test_frames.py", 1, per_process=100)
    if problems:
        pytest.fail(problems, pytrace=False)
