"""What `*` stands for."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.security.pattern import Pattern

TEXTS = st.text("ab*:.", max_size=8)


@given(st.text("ab*.", max_size=6), TEXTS)
def test_a_star_stands_for_any_characters_and_nothing_else_is_special(pattern, text):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    assert Pattern(pattern).matches(text) == (expected is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("*", ""), ("*", "a\nb"), ("a*", "a"), ("{*}", "{app:processes|0x00001}"), ("a**b", "ab")],
)
def test_a_star_may_stand_for_nothing_and_for_every_character(pattern, text):
    assert Pattern(pattern).matches(text)


def test_a_text_that_does_not_fit_takes_no_longer_than_it_is_long():
    pattern = Pattern("*".join("ab" * 200) + "*c")

    def cost(length):
        text = "ab" * length
        start = time.process_time()
        for _ in range(20):
            assert not pattern.matches(text)
        return time.process_time() - start

    short, long = (min(cost(length) for _ in range(5)) for length in (1000, 40_000))
    assert long < 400 * max(short, 1e-4)  # 1600, if it went by the square
