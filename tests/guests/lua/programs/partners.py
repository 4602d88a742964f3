"""What the Lua programs talk to."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

from procession import Conflict, NotFound, process


async def echo():
    async for message in process.listen("echo", message=True):
        process.send(message.sender, "reply", message.payload)


async def fails():
    raise ValueError("kaboom")


async def fails_with_an_error():
    raise Conflict("changed meanwhile", retryable=True, details={"version": 7})


async def gives(*args):
    return list(args)


async def obeys():
    order = await process.listen("order").receive()
    if order == "fail":
        raise RuntimeError("ordered to fail")
    return order


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str] = dataclasses.field(default_factory=list)


async def typed(point: Point):
    assert isinstance(point, Point)
    return point


async def answers():
    async for message in process.listen("ask", message=True):
        message.reply({"answer": message.payload})


async def gives_everything():
    return {
        "none": None,
        "flag": True,
        "big": 2**63 - 1,
        "float": 0.5,
        "text": "ünï",
        "bytes": b"\xff\x00",
        "list": [1, [2, {"a": 3}]],
        "empty": [],
        "tuple": (1, 2),
        "moment": datetime(2024, 2, 29, 12, 30, 15, 123456, UTC),
        "uuid": UUID("12345678-1234-5678-1234-567812345678"),
        "error": NotFound("no cart", details={"id": 7}),
        "point": Point(1.5, ["a"]),
    }


async def reports_its_event(parent):
    events = process.events()
    process.send(parent, "report", "ready")
    event = await events.receive()
    process.send(parent, "report", {"kind": event.kind, "sender": event.sender})


async def links_itself(parent, other):
    process.link(other)
    process.send(parent, "report", "ready")
    await process.listen("never").receive()
