"""Values of every kind on every way from process to process: see payloads_child.py."""

import pytest
from tests.fuzz.children import problems_of
from tests.fuzz.settings import TIMEOUT


@pytest.mark.timeout(TIMEOUT)
def test_a_value_arrives_as_the_same_on_every_way_or_is_refused_on_every_way():
    problems = problems_of("payloads_child.py", "test_payloads.py", 1, per_process=300)
    if problems:
        pytest.fail(problems, pytrace=False)
