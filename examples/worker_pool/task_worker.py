"""A worker: takes a while, then returns its result."""

from procession import time


async def main(task):
    await time.sleep("100ms")
    return task["value"] * 2
