"""One OS process in which allocations of Lua fail: python allocations_child.py SEED FIRST COUNT

Each case is a program in a state of its own with little memory, from too little to start upward.
It gives the result that it gives with enough memory, or ends with an error: LimitExceeded, or
what the program itself makes of "not enough memory". Whatever allocation it is, the OS process
lives.
"""

import asyncio
import random
from pathlib import Path

import msgspec
from tests.fuzz.child import begin, bug, each_case, say, watch_loop

from procession import Error, Node

APP = Path(__file__).parent / "memory"
BASE = 330 << 10
"""Less than what a state takes with nothing in it."""

TOO_LONG = 60
"""Seconds for what must happen, on a machine under load."""

NAMES = [
    "strings",
    "tables",
    "takes_arguments",
    "gives_back",
    "sends",
    "calls",
    "inbox",
    "json",
    "coroutines",
    "errors",
    "raises",
    "channels",
    "spawns",
    "functions",
    "bus",
    "patterns",
    "upgrades",
    "prints",
]
CERTAIN = {*NAMES} - {"channels", "prints", "coroutines", "inbox"}
"""Those that always have the same result."""

BIG = [
    1,
    "x" * 1000,
    "y" * 60_000,
    "z" * 400_000,
    b"\xff" * 5000,
    list(range(150)),
    list(range(6000)),
    [[i, "a"] for i in range(900)],
    {f"key{i}": [i] for i in range(400)},
    {"a": {"b": [{"c": "d" * 2000}]}},
]


class Small:
    """Programs in states with as little memory as we say."""

    def __init__(self, node):
        self.node = node
        self.partner = node.spawn("memory:partner", "memory:large")
        lua, self.memory = node._lua, 64 << 20
        options_of = lua._options_of

        def with_our_memory(id):
            options = options_of(id)
            if id == "memory:small":
                small = msgspec.structs.replace(options.lua, memory=self.memory)
                options = msgspec.structs.replace(options, lua=small)
            return options

        lua._options_of = with_our_memory

    async def run(self, name, big, memory):
        """The result of a program, or its error."""
        self.memory = memory
        try:
            async with asyncio.timeout(TOO_LONG):
                args = (name, self.partner, big)
                return await self.node.exec("memory:programs", "memory:small", *args)
        except Error as error:
            return error


def is_plain_error(error):
    """Whether it is one that a program without memory may end with."""
    return error.kind == "LimitExceeded" or not any(
        trace in error.message for trace in ("Error:", "NoneType", "Traceback", "object at")
    )


async def run(seed, numbers):
    """The cases."""
    watch_loop()
    async with Node(APP, quiet_exits=True) as node:
        small = Small(node)
        right = {}
        for case in numbers:
            chance = random.Random(f"{seed} allocations {case}")
            name, kind = chance.choice(NAMES), chance.randrange(len(BIG))
            key = name, kind
            if key not in right:
                right[key] = await small.run(name, BIG[kind], 256 << 20)
            room = chance.choice([chance.randrange(200 << 10), chance.randrange(3 << 20)])
            what = f"{name} with {str(BIG[kind])[:20]}... and {BASE + room} bytes"
            say("start", program=f"{case} ({what})")
            try:
                found = await small.run(name, BIG[kind], BASE + room)
            except TimeoutError:
                bug(f"case {case}: {what} has not ended in {TOO_LONG} seconds")
                break
            if isinstance(found, Error):
                if not is_plain_error(found):
                    bug(f"case {case}: {what} ended with {found!r}")
            elif name in CERTAIN and found != right[key]:
                text = f"case {case}: {what} gave {str(found)[:200]}, not {str(right[key])[:200]}"
                bug(text)
            say("end", program=f"{case} ({what})")
        others = [one for one in node.processes() if one["entry"] != "memory:partner"]
        if others:
            bug(f"left: {others[:5]}")
        if await node.call(small.partner, "value", [1], timeout=TOO_LONG) != [1]:
            bug("the partner of all gives a wrong answer")
    say("peace")


if __name__ == "__main__":
    asyncio.run(run(*each_case(begin(4 << 30))))
