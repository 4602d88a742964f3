"""What crosses from process to process, and what is refused. SEMANTICS 3.3."""

import dataclasses
import enum
import io
import os
import subprocess
import sys
from collections import OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from procession.core.errors import KINDS, Error, Invalid
from procession.core.payload import (
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    NATIVE_TYPES,
    copy_error,
    copy_items,
    copy_payload,
)

pytestmark = pytest.mark.semantics("3.3")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(INT_MIN, INT_MAX)
ZONES = st.none() | st.integers(-24 * 3600 + 1, 24 * 3600 - 1).map(
    lambda seconds: timezone(timedelta(seconds=seconds))
)
LEAVES = (
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=8)
    | st.uuids()
    | st.datetimes(timezones=ZONES)
)
NOT_TEXT = st.binary(max_size=3).map(lambda rest: b"\xff" + rest)  # and no key that is one in Lua
KEYS = TEXT | INTEGERS | st.booleans() | st.floats(allow_nan=False) | NOT_TEXT


def nested(leaves, keys):
    return st.recursive(
        leaves,
        lambda items: st.lists(items, max_size=12) | st.dictionaries(keys, items, max_size=5),
        max_leaves=30,
    )


PLAIN = nested(LEAVES, KEYS | st.uuids())
COMMON_LEAVES = (
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXT | st.binary()
)
COMMON = nested(COMMON_LEAVES, TEXT | INTEGERS)


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


class Pixel(msgspec.Struct):
    place: object
    colour: object = None


class Row(msgspec.Struct, array_like=True):
    first: object
    second: object = None


class Shape(msgspec.Struct, tag="circle", rename="camel"):
    line_width: object


class Colour(enum.Enum):
    RED = "red"
    MIXED = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Weight(enum.Enum):
    HEAVY = 3


Pair = namedtuple("Pair", "left right")


def containers(value):
    """All that could be changed in place."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from containers(item)
    elif isinstance(value, list):
        yield value
        for item in value:
            yield from containers(item)
    elif isinstance(value, Error):
        yield value
        yield from containers(value.details)


def same(one, other):
    """Equal, and of equal types everywhere."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, datetime):
        return one == other and one.utcoffset() == other.utcoffset() and one.fold == other.fold
    return one == other


# -- what crosses ------------------------------------------------------------------------------


@given(PLAIN)
def test_the_copy_is_equal_and_shares_nothing_that_can_be_changed(value):
    copy = copy_payload(value)
    assert same(copy, value)
    mine = {id(container) for container in containers(value)}
    assert not any(id(container) in mine for container in containers(copy))


@given(PLAIN)
def test_a_copy_of_a_copy_is_the_same_again(value):
    once = copy_payload(value)
    assert same(copy_payload(once), once)


@given(st.lists(PLAIN, max_size=4).map(tuple))
def test_arguments_are_copied_one_by_one(values):
    copies = copy_items(values, "arguments")
    assert list(copies) == list(values)
    mine = {id(container) for value in values for container in containers(value)}
    assert not any(id(item) in mine for copy in copies for item in containers(copy))


@given(COMMON)
def test_inline_gives_what_the_wire_would_give(value):
    wire = msgspec.msgpack.decode(msgspec.msgpack.encode(value), strict=False)
    assert same(copy_payload(value), wire)


@given(st.lists(COMMON, max_size=12))
def test_a_tuple_arrives_as_a_list(items):
    assert same(copy_payload(tuple(items)), copy_payload(items))
    assert same(copy_payload({"t": (tuple(items), 1)}), copy_payload({"t": [items, 1]}))


@given(st.sets(TEXT | INTEGERS, max_size=12), st.booleans())
def test_a_set_arrives_as_a_list(items, frozen):
    copy = copy_payload(frozenset(items) if frozen else items)
    assert type(copy) is list
    assert len(copy) == len(items)
    assert set(copy) == items
    assert copy == copy_payload(frozenset(items))


ORDER_OF_SETS = """
from uuid import UUID
from procession.core.payload import copy_payload
words = {"alpha", "beta", "gamma", "delta", "epsilon"}
print(copy_payload([words, frozenset(words), {1.5, 2, "x", b"y", None, UUID(int=1)},
    {("a", 1), ("b", 2), ("c", 3)}, {frozenset(words), frozenset("xyz")}]))
"""


def test_a_set_crosses_in_an_order_that_does_not_depend_on_hash_seeds():
    seen = {
        subprocess.run(
            [sys.executable, "-c", ORDER_OF_SETS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(seen) == 1
    assert "['alpha', 'beta', 'delta', 'epsilon', 'gamma']" in seen.pop()


@given(COMMON, COMMON)
@pytest.mark.parametrize("kind", [Point, Pixel, Shape])
def test_a_struct_or_dataclass_arrives_as_the_map_that_the_wire_would_give(kind, one, two):
    value = kind(one) if kind is Shape else kind([one], {"deep": kind(two, one)})
    expected = msgspec.to_builtins(value, builtin_types=NATIVE_TYPES, str_keys=False)
    copy = copy_payload([value])
    assert same(copy, [copy_payload(expected)])
    mine = {id(item) for item in containers([one, two])}
    assert not any(id(item) in mine for item in containers(copy))


@given(COMMON, COMMON)
def test_a_struct_that_is_an_array_on_the_wire_arrives_as_a_list(one, two):
    assert same(copy_payload(Row(one, two)), [one, two])


class Measured(msgspec.Struct):
    day: date
    hour: time
    lasted: timedelta
    price: Decimal


@given(st.tuples(st.dates(), st.times(), st.timedeltas(), st.decimals(allow_nan=False)))
def test_dates_durations_and_decimals_arrive_as_text_that_a_typed_receiver_reads(values):
    copy = copy_payload(list(values))
    assert all(type(text) is str for text in copy)
    inside = copy_payload(Measured(*values))
    assert inside == dict(zip(("day", "hour", "lasted", "price"), copy, strict=True))
    assert msgspec.convert(inside, Measured) == Measured(*values)


@given(st.recursive(COMMON_LEAVES | st.dates() | st.builds(Invalid, TEXT), st.lists))
def test_what_is_inside_of_a_struct_arrives_as_it_does_outside(value):
    for kind in (Point, Pixel):
        inside = copy_payload(kind(value))
        assert same(next(iter(inside.values())), copy_payload(value))


def kind_name(error):
    """What an error without a message says: what it is."""
    return type(error).__name__


@given(st.sampled_from(sorted(KINDS)), TEXT, st.none() | st.booleans(), PLAIN)
def test_an_error_arrives_equal_and_shares_nothing(kind, message, retryable, details):
    error = KINDS[kind](message, retryable=retryable, details=details)
    copy = copy_payload({"why": error})["why"]
    assert type(copy) is KINDS[kind]
    assert copy is not error
    assert (copy.message, copy.retryable) == (message or kind_name(error), retryable)
    assert same(copy.details, details)
    mine = {id(item) for item in containers(details)}
    assert not any(id(item) in mine for item in containers(copy.details))


def test_an_error_keeps_its_message_even_if_it_is_no_valid_unicode():
    assert copy_error(Invalid("bad \ud800")).message == "bad \\ud800"


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (bytearray(b"ab"), b"ab"),
        (Point(bytearray(b"ab")), {"x": b"ab", "y": 0}),
        (memoryview(b"ab"), b"ab"),
        (Colour.RED, "red"),
        (Colour.MIXED, [1, 2]),
        (Level.HIGH, 3),
        ({Level.HIGH: Level.HIGH}, {3: 3}),
        (Pair(1, [2]), [1, [2]]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (type("MyStr", (str,), {})("é"), "é"),
        (type("MyInt", (int,), {})(5), 5),
        (type("MyFloat", (float,), {})(5.5), 5.5),
        (type("MyBytes", (bytes,), {})(b"5"), b"5"),
        (type("MyList", (list,), {})([1]), [1]),
        ((), []),
        (frozenset(), []),
    ],
)
def test_a_relative_of_a_plain_type_arrives_as_the_plain_type(value, arrives):
    assert same(copy_payload(value), arrives)
    assert same(copy_payload([value, {"k": value}]), [arrives, {"k": arrives}])


def test_a_timestamp_keeps_its_instant_and_offset_but_not_its_zone():
    zone = pytest.importorskip("zoneinfo").ZoneInfo("UTC")
    copy = copy_payload(datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=zone))
    assert copy == datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC)
    assert type(copy.tzinfo) is timezone


def test_the_bounds_of_integers_cross_and_what_lies_beyond_is_refused():
    assert copy_payload([INT_MIN, INT_MAX]) == [INT_MIN, INT_MAX]
    for value in (INT_MIN - 1, INT_MAX + 1):
        with pytest.raises(Invalid, match="64 is the limit"):
            copy_payload(value)


# -- what is refused ---------------------------------------------------------------------------

BAD = st.sampled_from(
    [
        object(),
        lambda: None,
        len,
        io.StringIO(),
        int,
        2**63,
        -(2**63) - 1,
        "\ud800",
        "tail\udfff",
        1j,
        range(3),
        ValueError("x"),
        {1, (2, 3), frozenset({object()})},
        {None: 1},
        {(1, 2): 1},
        {"a": 1, float("nan"): 2},
        {"ok": 1, "\ud800": 2},
    ]
)
SMALL = st.text("abc é", max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([list, tuple]), st.lists(LEAVES, max_size=10)),
        st.tuples(st.just(dict), st.dictionaries(SMALL | st.integers(0, 9), LEAVES, max_size=4)),
        st.tuples(st.just(OrderedDict), st.dictionaries(SMALL, LEAVES, max_size=4)),
        st.tuples(st.just(Point), LEAVES),
        st.tuples(st.just(Pixel), LEAVES),
    ),
    max_size=6,
)


def bury(bad, steps, data):
    """The bad value inside of plain ones, and the path to it."""
    value, path = bad, ""
    for kind, siblings in steps:
        if kind in (list, tuple):
            index = data.draw(st.integers(0, len(siblings)))
            value = kind([*siblings[:index], value, *siblings[index:]])
            path = f"[{index}]{path}"
        elif kind in (dict, OrderedDict):
            key = data.draw(SMALL)
            value = kind({**siblings, key: value})
            path = f"[{key!r}]{path}"
        elif kind is Point:
            value, path = Point(siblings, value), f".y{path}"
        else:
            value, path = Pixel(value, siblings), f".place{path}"
    return value, path


@given(BAD, STEPS, st.data())
def test_what_cannot_cross_is_refused_with_the_path_to_it(bad, steps, data):
    value, path = bury(bad, steps, data)
    with pytest.raises(Invalid) as refused:
        copy_payload(value)
    assert str(refused.value).startswith(f"payload{path} cannot cross to another process: ")
    assert refused.value.details == {"path": f"payload{path}"}
    copy_payload(refused.value)  # the refusal itself can be sent
    with pytest.raises(Invalid) as refused:
        copy_items((1, value), "arguments")
    assert str(refused.value).startswith(f"arguments[1]{path} cannot cross")


@pytest.mark.parametrize(
    "value",
    [
        {Colour.RED: 1, "red": 2},
        {"deep": [{Level.HIGH: 1, Weight.HEAVY: 2}]},
        {b"one in Lua": 1, "one in Lua": 2},
        {UUID(int=7): 1, str(UUID(int=7)): 2},
    ],
)
def test_a_map_whose_keys_would_become_one_is_refused_rather_than_cut_short(value):
    with pytest.raises(Invalid, match="keys are the same"):
        copy_payload(value)


@pytest.mark.parametrize("kind", [Point, Pixel, Colour, int])
def test_a_type_is_refused_and_not_mistaken_for_its_values(kind):
    for value, path in [(kind, "payload"), ([kind], "payload[0]"), (Point(kind), "payload.x")]:
        with pytest.raises(Invalid) as refused:
            copy_payload(value)
        assert refused.value.details == {"path": path}


def test_what_raises_when_it_is_read_is_refused():
    class Hostile(dict):
        def items(self):
            raise RuntimeError("do not look")

        keys = __iter__ = items

    @dataclasses.dataclass
    class Lazy:
        x: int

        def __getattribute__(self, name):
            if name == "x":
                raise RuntimeError("do not look")
            return super().__getattribute__(name)

    for value in (Hostile(a=1), Lazy(1), [Lazy(1)]):
        with pytest.raises(Invalid, match="cannot cross"):
            copy_payload(value)


@given(BAD, st.integers(30, 120))
def test_a_very_long_path_is_shortened_in_the_middle(bad, depth):
    value = bad
    for _ in range(depth):
        value = {"key": value}
    with pytest.raises(Invalid) as refused:
        copy_payload(value)
    path = refused.value.details["path"]
    assert len(path) < 120
    assert path.startswith("payload['key']")
    assert " ... " in path
    assert path.endswith("['key']")


def wrapped(value, depth, kind):
    for _ in range(depth):
        value = {"k": value} if kind == "map" else [value] if kind == "list" else (value,)
    return value


KINDS_OF_NESTS = ["map", "list", "tuple"]
TOO_DEEP = f"deeper than {MAX_DEPTH} levels, or contains itself"


@given(st.sampled_from(KINDS_OF_NESTS), COMMON_LEAVES)
def test_nesting_is_bounded_and_the_bound_itself_crosses(kind, leaf):
    assert copy_payload(wrapped(leaf, MAX_DEPTH, kind)) is not None
    for depth in (MAX_DEPTH + 1, MAX_DEPTH + 2):
        with pytest.raises(Invalid, match=TOO_DEEP):
            copy_payload(wrapped(leaf, depth, kind))


@pytest.mark.parametrize("kind", KINDS_OF_NESTS)
@pytest.mark.parametrize("depth", [1000, 100_000])
def test_what_nests_ever_so_deep_is_refused_as_what_nests_one_level_too_deep(kind, depth):
    with pytest.raises(Invalid, match=TOO_DEEP):
        copy_payload(wrapped("leaf", depth, kind))


def test_what_contains_itself_is_refused():
    endless_list, endless_map, point, pixel = [], {}, Point(1), Pixel(1)
    endless_list.append(endless_list)
    endless_map["self"] = endless_map
    point.x = [point]
    pixel.place = {"p": pixel}
    error = Invalid("x")
    error.details = {"cause": error}
    for value in (endless_list, endless_map, point, pixel, error):
        with pytest.raises(Invalid, match="contains itself"):
            copy_payload(value)


@given(COMMON, BAD)
@example([], 2**63)
def test_a_refusal_leaves_the_source_untouched(value, bad):
    source = {"good": value, "bad": bad}
    before = copy_payload(value)
    with pytest.raises(Invalid):
        copy_payload(source)
    assert same(source["good"], before)
    assert source["bad"] is bad
    assert list(source) == ["good", "bad"]


def test_uuids_are_shared_and_map_keys_keep_their_types():
    key = UUID(int=7)
    copy = copy_payload({key: 1, 2: 3, 2.5: 4, b"b": 5, False: 6})
    assert [type(key) for key in copy] == [UUID, int, float, bytes, bool]
