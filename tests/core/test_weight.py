"""How much payloads weigh. SEMANTICS 6.10."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.core.errors import NotFound
from procession.core.payload import MAX_DEPTH
from procession.core.weight import SMALL, WEIGHTLESS, weigh, weigh_small

pytestmark = pytest.mark.semantics("6.10")

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.uuids()
    | st.datetimes()
)
PAYLOADS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 99), inner
        )
    ),
)


def texts_in(value):
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(texts_in, value)) + sum(map(texts_in, value.values()))
    return sum(map(texts_in, value)) if isinstance(value, list) else 0


def values_in(value):
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values_in, items))


@given(PAYLOADS)
@pytest.mark.parametrize("scale", [weigh, weigh_small])
def test_it_is_at_least_the_length_of_the_texts_and_at_most_so_much_more(scale, payload):
    text, values = texts_in(payload), values_in(payload)
    assert text <= scale(payload) <= 8 * text + 256 * values + 256


@pytest.mark.parametrize("scale", [weigh, weigh_small])
def test_a_number_weighs_nothing_and_a_long_text_its_length(scale):
    assert [scale(value) for value in (None, True, 2**62, 0.5)] == [0, 0, 0, 0]
    assert {type(value) for value in (None, True, 2**62, 0.5)} == WEIGHTLESS
    assert scale("x" * 10**6) == scale(b"x" * 10**6) == 10**6
    assert 10**6 <= scale({"chunk": "x" * 10**6}) <= 10**6 + 1000


@pytest.mark.parametrize("scale", [weigh, weigh_small])
def test_what_is_in_it_twice_counts_twice(scale):
    chunk = "x" * 10_000
    assert scale([chunk, chunk, {"k": chunk}]) > 30_000


@pytest.mark.parametrize("scale", [weigh, weigh_small])
def test_whatever_may_cross_can_be_weighed(scale):
    error = NotFound("x" * 100, details={"a": [NotFound("y" * 100)]})
    for value in (error, [error], {"e": error, "at": datetime.now(UTC), "id": UUID(int=1), 1: b""}):
        assert scale(value) >= 200
    deep = "x" * 50
    for _ in range(MAX_DEPTH):
        deep = {"in": deep}
    assert scale(deep) > MAX_DEPTH * 10


def test_a_small_map_is_small_on_either_scale():
    small = {"id": 5, "name": "some text", "value": 2.5}
    assert 0.5 < weigh_small(small) / weigh(small) < 2
    assert weigh_small(small) < SMALL
    assert weigh_small({"text": "x" * 2000}) > SMALL
