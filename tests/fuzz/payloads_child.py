"""One OS process in which values of every kind cross: python payloads_child.py SEED FIRST COUNT

Each goes the same ways: copied, over the wire, as argument, message, reply and result, in Python
inline and in a worker, in Lua with both kinds of states. It arrives as the same everywhere, or is
refused everywhere by an Invalid that names the path; and its sender has it unchanged.
"""

import asyncio
import collections
import copy
import dataclasses
import enum
import random
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
from tests.fuzz.child import begin, bug, each_case, say, watch_loop
from tests.guests.lua.test_values import after, same

from procession import Conflict, Error, Invalid, Node, NotFound
from procession.core.payload import copy_payload
from procession.hosts import wire

APP = Path(__file__).parent / "echo"

# -- values ---------------------------------------------------------------------------------------


class Record(msgspec.Struct):
    a: object
    b: object = None


@dataclasses.dataclass
class Evil:
    a: object

    def __getattribute__(self, name):
        if name == "a":
            raise ValueError("evil")
        return object.__getattribute__(self, name)


class EvilDict(dict):
    def items(self):
        raise KeyError("evil")

    def __iter__(self):
        return iter([1, 2])

    def copy(self):
        return None


class EvilList(list):
    def __iter__(self):
        raise RuntimeError("evil")

    def __len__(self):
        return 10**9


class EvilText(str):
    def encode(self, *args):
        return None

    def isascii(self):
        return "evil"


class EvilInt(int):
    def __index__(self):
        raise ValueError

    def __le__(self, other):
        raise ValueError


class Unprintable:
    def __repr__(self):
        raise RuntimeError("evil")

    __str__ = __repr__


class Lying:
    @property
    def __class__(self):
        raise RuntimeError("evil")


class Hue(enum.Enum):
    RED = "red"
    DEEP = ([1],)


class Endless:
    """An evil key: equal to everything."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return True


def cyclic():
    value = [1]
    value.append({"me": value})
    return value


HOSTILE = [
    object,
    Unprintable,
    Lying,
    lambda: Evil(1),
    lambda: EvilDict(a=1),
    lambda: EvilList([1]),
    lambda: EvilText("é"),
    lambda: EvilInt(5),
    cyclic,
    lambda: {Endless(): 1},
    lambda: 1 << 64,
    lambda: -(1 << 63) - 1,
    lambda: 10**5000,
    lambda: "\ud800",
    lambda: {"\udfff": 1},
    lambda: {float("nan"): 1},
    lambda: dict.fromkeys([1, True]),
    lambda: {"a": 1, b"a": 2},
    lambda: {(1, 2): 3},
    lambda: {None: 1},
    lambda: iter([1]),
    lambda: open,
    lambda: Record(Unprintable()),
    lambda: [Lying()],
    lambda: 1j,
    lambda: Invalid("x", details={"a": object()}),
    lambda: collections.defaultdict(object),
    lambda: range(3),
    lambda: type,
    lambda: Hue.DEEP,
    lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
    lambda: memoryview(b"abc")[::2],
    lambda: {UUID(int=1): 1, str(UUID(int=1)): 2},
    lambda: Decimal("NaN"),
    lambda: timedelta.max,
    lambda: [[]] * 3,
]


def leaf(chance):
    """A value that crosses as it is."""
    return chance.choice(
        [
            True,
            False,
            0,
            1,
            -1,
            chance.randrange(-(1 << 63), 1 << 63),
            1 << 53,
            (1 << 63) - 1,
            -(1 << 63),
            0.5,
            -0.0,
            float("inf"),
            1e308,
            5e-324,
            "",
            "a",
            "é",
            "\0",
            "x" * chance.choice([10, 300, 70_000]),
            "\U0001f600",
            b"",
            b"\xff",
            b"\0\xfe" * 40,
            UUID(int=chance.getrandbits(128)),
            chance.uniform(-1e9, 1e9),
            datetime(
                2000,
                2,
                29,
                23,
                59,
                59,
                chance.randrange(10**6),
                tzinfo=chance.choice([UTC, timezone(timedelta(minutes=-90))]),
            ),
        ]
    )


def odd_leaf(chance):
    """A value that crosses, as something else."""
    return chance.choice(
        [
            None,
            float("nan"),
            datetime(2020, 1, 1),
            date(2020, 2, 2),
            time(1, 2),
            timedelta(1),
            Decimal("1.5"),
            Hue.RED,
            (1, 2),
            {1, 2},
            frozenset("ab"),
            bytearray(b"x"),
            memoryview(b"y"),
            Record(1, [2]),
            collections.OrderedDict(a=1),
            collections.Counter("aab"),
            collections.namedtuple("P", "x")(1),
            {},
        ]
    )


def value_of(chance, depth, odd, hostile):
    """A value; with odd leaves, and with what cannot cross, as often as told."""
    roll = chance.random()
    if depth <= 0 or roll < 0.3:
        if chance.random() < hostile:
            return chance.choice(HOSTILE)()
        return odd_leaf(chance) if chance.random() < odd else leaf(chance)
    count = chance.choice([1, 1, 2, 3, 8, 30])
    if depth > 2 and chance.random() < 0.05:
        count = chance.choice([300, 5000, 20_000])
        return [chance.randrange(1000) for _ in range(count)]
    if roll < 0.6:
        return [value_of(chance, depth - 1, odd, hostile) for _ in range(count)]
    if roll < 0.95:
        return {key_of(chance): value_of(chance, depth - 1, odd, hostile) for _ in range(count)}
    kind = chance.choice([NotFound, Conflict, Invalid])
    return kind(
        "m" * chance.randrange(1, 5), details={"d": value_of(chance, depth - 1, odd, hostile)}
    )


def key_of(chance):
    return chance.choice(
        [
            f"k{chance.randrange(50)}",
            chance.randrange(-5, 50),
            chance.randrange(1 << 62),
            b"\xff" + bytes([chance.randrange(256)]),
            chance.uniform(0, 1),
            "é" * chance.randrange(1, 4),
        ]
    )


def levels(chance):
    """A value of about as many levels as may cross."""
    value = leaf(chance)
    for _ in range(chance.choice([100, 126, 127, 128, 129, 900, 5000])):
        value = chance.choice([[value], {"a": value}, {"a": value, "b": 1}])
    return value


# -- the ways --------------------------------------------------------------------------------------


class Ways:
    """A node with somebody on each way who gives back what he gets."""

    def __init__(self, node):
        self.node = node
        self.partners = {
            "inline": node.spawn("echo:back", "echo:inline"),
            "worker": node.spawn("echo:back", "echo:workers"),
            "lua shared": node.spawn("echo:lua", "echo:shared", "message", None),
            "lua own": node.spawn("echo:lua", "echo:own", "message", None),
        }

    async def all(self, value):
        """What comes back on each, or the error."""
        found = {}
        for name, pid in self.partners.items():
            found[f"a message, {name}"] = await self._outcome(self.node.call, pid, "value", value)
        for host in ("inline", "workers"):
            found[f"an argument, {host}"] = await self._outcome(
                self.node.exec, "echo:py", f"echo:{host}", value
            )
        for host in ("shared", "own"):
            found[f"an argument, lua {host}"] = await self._outcome(
                self.node.exec, "echo:lua", f"echo:{host}", "result", value
            )
        return found

    async def _outcome(self, function, *args):
        try:
            return await function(*args)
        except Error as error:
            return error
        except Exception as error:
            return error


def snapshot(value):
    """What a value is, to see whether it was changed."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return None


def problem_of(expected, refused, found):
    """What is wrong with what has come back."""
    for way, got in found.items():
        if refused:
            if not isinstance(got, Invalid) or "cannot cross" not in got.message:
                return f"{way}: not refused, but {type(got).__name__}: {str(got)[:300]}"
        elif "lua" in way:
            wanted = after(expected)
            if not same_in_lua(wanted, got):
                return f"{way}: {short(got)}, not {short(wanted)}"
        elif not same(normal(expected), normal(got)):
            return f"{way}: {short(got)}, not {short(expected)}"
    return None


def short(value):
    """For people, whatever it is."""
    try:
        return f"{type(value).__name__} {repr(value)[:400]}"
    except Exception as error:
        return f"a {type(value).__name__}, of which repr raises {type(error).__name__}"


def normal(value):
    """A NaN as something that is equal to itself."""
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items()}
    if isinstance(value, Error):
        return type(value)(value.message, retryable=value.retryable, details=normal(value.details))
    return value


def same_in_lua(wanted, got):
    """Whether it is what Lua makes of it; lists with holes become something else, as documented."""
    if has_hole(wanted):
        return True
    return same(normal(wanted), normal(got))


def has_hole(value):
    """Whether something in it has no one form in Lua: None in a list, a time without a zone, UUIDs
    as keys."""
    if isinstance(value, list):
        return None in value or any(map(has_hole, value))
    if isinstance(value, dict):
        return any(isinstance(key, UUID) for key in value) or any(map(has_hole, value.values()))
    if isinstance(value, Error):
        return has_hole(value.details)
    return isinstance(value, datetime) and (value.tzinfo is None or not 1 < value.year < 9000)


def same_copy(value, expected):
    """Whether it crosses as it did before."""
    return same(normal(copy_payload(value)), normal(expected))


async def one_case(chance, ways):
    """Make a value, send it everywhere; what is wrong."""
    roll = chance.random()
    if roll < 0.05:
        value = levels(chance)
    else:
        odd, hostile = chance.choice([(0, 0), (0, 0), (0.3, 0), (0.2, 0.02), (0, 0.3)])
        value = value_of(chance, chance.choice([0, 1, 2, 4]), odd, hostile)
    before = snapshot(value)
    try:
        expected, refused = copy_payload(value), False
    except Invalid as error:
        expected, refused = error, True
        if not error.message.startswith("payload") or not error.details["path"]:
            return f"no path in {error.message}"
    except Exception as error:
        return f"copy_payload({short(value)}) raises {type(error).__name__}: {error}"
    else:
        try:
            once = wire.decode(wire._encoder.encode([wire.pack(expected)]))[0]
        except Invalid:
            once = expected  # too long for the wire
        except wire.WireError as error:
            return f"it crosses, but is nonsense on the wire: {error}: {short(value)}"
        if not same(normal(once), normal(expected)):
            return f"over the wire: {short(once)}, not {short(expected)}"
    found = await ways.all(value)
    wrong = problem_of(expected, refused, found)
    unchanged = refused or before is None or same(normal(copy_payload(before)), normal(expected))
    if wrong is None and not (unchanged and (refused or same_copy(value, expected))):
        return f"the sender's value was changed: {short(value)}"
    return wrong and f"{wrong}\nof {short(value)}"


async def run(seed, numbers):
    """The cases."""
    watch_loop()
    async with Node(APP, quiet_exits=True) as node:
        ways = Ways(node)
        for case in numbers:
            say("start", program=str(case))
            wrong = await one_case(random.Random(f"{seed} payloads {case}"), ways)
            if wrong:
                bug(f"case {case}: {wrong}")
                ways = Ways(node)  # one of them may have ended
            say("end", program=str(case))
    say("peace")


if __name__ == "__main__":
    asyncio.run(run(*each_case(begin(8 << 30))))
