"""Allocations of Lua that fail, wherever they are: see allocations_child.py."""

import pytest
from tests.fuzz.children import problems_of
from tests.fuzz.settings import TIMEOUT


@pytest.mark.timeout(TIMEOUT)
def test_whatever_allocation_fails_only_its_program_ends():
    problems = problems_of("allocations_child.py", "test_allocations.py", 1, per_process=200)
    if problems:
        pytest.fail(problems, pytrace=False)
