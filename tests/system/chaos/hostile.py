"""Python programs that harm whoever is near, if they can: main is told how."""

import asyncio
import time as stdlib_time

from procession import Error, process, time


class Evil(Exception):
    """It is shown by code that never ends."""

    def __str__(self):
        while True:
            pass

    __repr__ = __str__


class EvilResult:
    @property
    def __class__(self):
        raise RuntimeError("evil")


async def loops():
    while True:
        pass


async def loops_and_catches():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


async def eats():
    kept = []
    while True:
        kept.append(bytes(1 << 20))


async def blocks():
    stdlib_time.sleep(60)


async def floods(names):
    for number in range(1, 5000):
        try:
            process.send(names[number % len(names)], "n", number * 1000 + 1)
        except Error:
            continue


async def recurses():
    def recurse():
        recurse()

    recurse()


async def raises_evil():
    raise Evil


async def exits():
    raise SystemExit(3)


async def cancels():
    raise asyncio.CancelledError


async def gives_evil():
    return EvilResult()


async def never_cleans_up():
    try:
        await time.sleep("1h")
    finally:
        while True:
            await asyncio.sleep(0)


KINDS = {
    one.__name__: one
    for one in (
        loops,
        loops_and_catches,
        eats,
        blocks,
        floods,
        recurses,
        raises_evil,
        exits,
        cancels,
        gives_evil,
        never_cleans_up,
    )
}


async def main(kind, names):
    """Be hostile in this way."""
    body = KINDS[kind]
    return await (body(names) if body is floods else body())
