"""Squares a number. The second worker needs a second try."""

from procession import process


async def main(task):
    work = await process.listen("work", message=True).receive()
    if task["number"] == 2 and task["try"] == 1:
        raise ConnectionError("not today")
    process.send(work.sender, "result", {"square": work.payload**2})
