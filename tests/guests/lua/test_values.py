"""Payloads between Lua and Python, and between Lua and Lua, whatever they are. SEMANTICS 3.3."""

import asyncio
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procession import Conflict, Error, Invalid, Node, NotFound, Timeout, process
from procession.core.payload import copy_payload

pytestmark = pytest.mark.semantics("3.3")

APP = Path(__file__).parent / "programs"
FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# -- values, and what they are after Lua ---------------------------------------------------------

offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=40)
    | st.uuids()
    | st.datetimes(
        min_value=datetime(1800, 1, 1),
        max_value=datetime(2200, 1, 1),
        timezones=offsets | st.just(UTC),
    )
)
keys = (
    st.text(max_size=8)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.binary(max_size=7).map(lambda rest: b"\xff" + rest)  # text has its own keys
)


def errors_of(details):
    return st.builds(
        lambda cls, message, retryable, details: cls(message, retryable=retryable, details=details),
        st.sampled_from([NotFound, Conflict, Timeout, Invalid]),
        st.text(min_size=1),
        st.none() | st.booleans(),
        st.none() | details,
    )


def containers(inner):
    items = st.none() | inner
    return (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, items, max_size=6)
        | st.frozensets(st.integers(0, 9), max_size=4)
        | errors_of(inner)
    )


values = st.recursive(scalars, containers, max_leaves=30)


def key_after(key):
    """A key of Lua: a float that is a whole number is that integer, bytes of UTF-8 are text."""
    if type(key) is float and key.is_integer() and -(2**63) <= key < 2**63:
        return int(key)
    if type(key) is bytes:
        return after(key)
    return key


def after(value):
    """What a value is in Python when it has been in Lua."""
    kind = type(value)
    if kind is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if kind is UUID:
        return str(value)
    if isinstance(value, frozenset):
        return after(copy_payload(value))
    if isinstance(value, (list, tuple)):
        return [after(item) for item in value] or {}
    if kind is dict:
        kept = {key_after(key): after(item) for key, item in value.items() if item is not None}
        numbers = range(1, len(kept) + 1)
        if kept and all(type(key) is int for key in kept) and set(kept) == set(numbers):
            return [kept[number] for number in numbers]
        return kept
    if isinstance(value, Error):
        details = None if value.details is None else after(value.details)
        return type(value)(value.message, retryable=value.retryable, details=details)
    return value


def distinct(value):
    """Whether no two keys of a map in it are one in Lua (True and 1 are one in Python already)."""
    if isinstance(value, dict):
        return len({(type(k), k) for k in map(key_after, value)}) == len(value) and all(
            map(distinct, value.values())
        )
    if isinstance(value, (list, tuple)):
        return all(map(distinct, value))
    if isinstance(value, Error):
        return distinct(value.details)
    return True


def same(a, b):
    """Equal, also in type."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        ours = {(type(key), key): item for key, item in a.items()}
        theirs = {(type(key), key): item for key, item in b.items()}
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(a, Error):
        return (a.message, a.retryable) == (b.message, b.retryable) and same(a.details, b.details)
    if isinstance(a, datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return a == b


# -- the partners --------------------------------------------------------------------------------


class World:
    """A node in a loop of its own with one Python process that does what a test asks."""

    def __init__(self, host):
        self.host = host
        self.runner = asyncio.Runner()
        self.node = Node(APP)
        self.run(self.node.start())

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def execute(self, main, *args):
        """The result of an `async def main(host, ...)` as a process."""
        return self.run(self.node.exec(main, self.host, self.host, *args))

    def close(self):
        self.run(self.node.stop())
        self.runner.close()


@pytest.fixture(scope="module", params=["shared", "own"])
def world(request):
    world = World(f"lua:{request.param}")
    yield world
    world.close()


@pytest.fixture(scope="module")
def through_lua(world):
    """Send a value to Lua; give what comes back."""
    echo = world.node.spawn("lua:echo", world.host)

    def through(value):
        async def main(host):
            process.send(echo, "echo", value)
            return await process.listen("reply").receive()

        return world.execute(main)

    return through


@pytest.fixture(scope="module")
def between_lua(world):
    """Send a value to Lua, from there to a neighbour and back; give it and the verdict."""
    echo = world.node.spawn("lua:echo", world.host)
    box = asyncio.Queue()

    async def collects():
        async for answer in process.listen("answer"):
            box.put_nowait(answer)

    collector = world.run(started(world.node, collects, world.host))
    asks = world.node.spawn("lua:asks_for_an_echo", world.host, collector, echo)

    def between(value):
        async def ask():
            world.node.send(asks, "ask", value)
            return await box.get()

        return world.run(ask())

    return between


async def started(node, main, host):
    return node.spawn(main, host)


# -- what survives -------------------------------------------------------------------------------


@FEW
@given(value=values.filter(distinct))
def test_a_value_comes_back_from_lua_as_documented(through_lua, value):
    got = through_lua(value)
    assert same(got, after(value)), (got, after(value))


@FEW
@given(value=st.dictionaries(keys, st.booleans(), max_size=20).filter(distinct))
def test_a_map_comes_from_lua_in_an_order_of_its_keys(through_lua, value):
    def order(key):
        return type(key).__name__, repr(key)

    got = through_lua({"map": {"to make it no list": 0, **value}})["map"]
    kinds = set(map(type, got))
    assert list(got) == sorted(got, key=None if kinds == {str} else order)


@FEW
@given(value=values.filter(distinct))
def test_what_has_been_in_lua_is_not_changed_by_another_time(through_lua, value):
    once = through_lua(value)
    assert same(through_lua(once), once)


@FEW
@given(value=values.filter(distinct))
def test_a_value_between_lua_processes_is_the_same_for_lua(between_lua, value):
    answer = between_lua(value)
    assert answer["same"] is True
    assert same(answer["value"], after(value))


@FEW
@given(args=st.lists(st.none() | values.filter(distinct), max_size=5))
def test_arguments_and_results_cross_like_payloads(world, args):
    async def main(host):
        return await process.exec("lua:counts_its_arguments", host, *args), [
            await process.exec("lua:gives", host, arg) for arg in args
        ]

    assert same(world.execute(main), [len(args), [after(arg) for arg in args]])


@pytest.mark.parametrize("nothing", [math.nan, -math.nan])
def test_what_is_no_number_comes_back_as_such(through_lua, nothing):
    assert math.isnan(through_lua([nothing])[0])


# -- size ------------------------------------------------------------------------------------------

LARGE = {
    "list": list(range(20_000)),
    "texts": [f"text {i}" for i in range(20_000)],
    "map": {f"key {i}": i for i in range(20_000)},
    "maps": [{"id": i, "tags": ["a", {"b": i}]} for i in range(5_000)],
    "text": "ü" * 1_000_000,
    "bytes": b"\xff" * 1_000_000,
}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_large_payloads_cross(through_lua, between_lua, value):
    assert through_lua(value) == value
    assert between_lua(value) == {"value": value, "same": True}


@pytest.mark.parametrize("depth", [100, 126])
def test_deep_payloads_cross(through_lua, between_lua, depth):
    lists, maps = [1], {"end": 1}
    for _ in range(depth - 1):
        lists, maps = [lists], {"in": maps}
    assert through_lua(lists) == lists
    assert through_lua(maps) == maps
    if depth == 100:
        assert between_lua(maps) == {"value": maps, "same": True}


def test_many_large_payloads_one_after_the_other(through_lua):
    for i in range(50):
        value = {"number": i, "items": list(range(i * 37))[::-1] or {}}
        assert through_lua(value) == value


# -- what is refused -----------------------------------------------------------------------------

deep = [1]
for _ in range(130):
    deep = [deep]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (print, "payload"),
        ({"a": [1, {"b c": print}]}, "payload['a'][1]['b c']"),
        ([2**63], "payload[0]"),
        ("\ud800", "payload"),
        ({"a": object()}, "payload['a']"),
        ({(1, 2): 1}, "payload"),
        (deep, None),
    ],
    ids=["function", "inside", "integer", "surrogate", "object", "key", "deep"],
)
def test_python_is_told_where_the_value_is_that_cannot_cross(world, through_lua, value, path):
    with pytest.raises(Invalid, match="cannot cross to another process") as refused:
        through_lua(value)
    if path is not None:
        assert refused.value.message.startswith(f"{path} cannot cross")
        assert refused.value.details["path"] == path
    assert through_lua("the next one") == "the next one"  # and nothing came before it


@FEW
@given(
    path=st.lists(
        st.integers(1, 5)
        | st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5),
        max_size=6,
    )
)
def test_lua_is_told_where_the_value_is_that_cannot_cross(world, path):
    async def main(host):
        return await process.exec("lua:is_refused", host, process.pid(), path)

    steps = "".join(f'["{step}"]' if isinstance(step, str) else f"[{step}]" for step in path)
    assert world.execute(main) == {"path": f"payload{steps}", "kind": "Invalid"}


# -- isolation -------------------------------------------------------------------------------------


def test_what_python_changes_after_its_send_is_not_seen_by_lua(world):
    async def main(host):
        pid = process.spawn("lua:receives_late", host, process.pid())
        sent = {"n": 1, "list": [1, 2], "map": {"a": 1}}
        process.send(pid, "payload", sent)
        sent["n"] = 2
        sent["list"].append(3)
        sent["map"]["b"] = 2
        process.send(pid, "go")
        return await process.listen("report").receive()

    assert world.execute(main) == {"n": 1, "list": [1, 2], "map": {"a": 1}}


def test_what_lua_changes_after_its_send_is_not_seen_by_python(world):
    async def main(host):
        pid = process.spawn_monitored("lua:changes_what_it_sent", host, process.pid())
        sent = {"n": 1, "map": {"a": 1}}
        process.send(pid, "payload", sent)
        result = (await process.events().receive()).result
        return [sent, await process.listen("report").receive(), result]

    kept = {"n": 1, "map": {"a": 1}}
    assert world.execute(main) == [kept, kept, {"n": 1, "changed": True}]


@pytest.mark.parametrize("receiver", ["lua:receives_late", "python"])
def test_what_lua_changes_after_its_send_is_seen_by_nobody(world, receiver):
    async def receives_late(parent):
        await process.listen("go").receive()
        process.send(parent, "report", await process.listen("payload").receive())

    async def main(host):
        entry = receives_late if receiver == "python" else receiver
        pid = process.spawn(entry, host, process.pid())
        process.spawn("lua:sends_then_changes", host, pid, {"n": 1, "list": [1, {"a": 1}]})
        return await process.listen("report").receive()

    assert world.execute(main) == {"n": 1, "list": [1, {"a": 1}]}
