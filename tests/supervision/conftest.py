"""The helpers of these tests can be imported, and what children have said is forgotten."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from trees import LOG


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG
