"""Manifests made at random: see manifests_child.py."""

import pytest
from tests.fuzz.children import problems_of
from tests.fuzz.settings import TIMEOUT


@pytest.mark.timeout(TIMEOUT)
def test_a_folder_loads_or_all_that_is_wrong_is_told_with_its_file():
    problems = problems_of("manifests_child.py", "test_manifests.py", 1, per_process=150)
    if problems:
        pytest.fail(problems, pytrace=False)
