"""What a supervisor can be asked: the other side of the functions in `supervisor.py`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import procession.process as process
from procession.core.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    LimitExceeded,
    NotFound,
    did_you_mean,
)
from procession.security.guarded import START_CHILD
from procession.supervision.children import Child, NotStarted
from procession.supervision.spec import child_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procession.process import Message
    from procession.supervision.body import SupervisorBody

log = logging.getLogger("procession.supervisor")

TOPIC = "supervisor."
"""What the topics of requests start with."""


async def answer(body: SupervisorBody, message: Message[Any]) -> None:
    """Do what a message asks for, and reply."""
    topic = message.topic
    if topic not in REQUESTS or not message.wants_reply:
        log.warning(
            "%s %s got an unexpected message on %r from %s",
            process.id(),
            process.pid(),
            topic,
            message.sender,
            extra={"pid": process.pid(), "entry": process.id(), "topic": topic},
        )
        if message.wants_reply:
            message.reply(
                Invalid(f"a supervisor knows no {topic!r}{did_you_mean(topic, REQUESTS)}")
            )
        return
    reply: Any
    try:
        reply = await REQUESTS[topic](body, message.payload)
    except NotStarted as failed:
        reply = failed.error
    except (Invalid, NotFound, AlreadyExists, Conflict, LimitExceeded) as error:
        reply = error
    message.reply(reply)


async def which_children(body: SupervisorBody, _: object) -> list[dict[str, Any]]:
    """Each child, in the order of their start."""
    return [
        {
            "id": None if body.spec.dynamic else child.spec.id,
            "pid": child.pid,
            "type": child.spec.type,
            "restart": child.spec.restart,
        }
        for child in body.children
    ]


async def count_children(body: SupervisorBody, _: object) -> dict[str, int]:
    """How many children of what kind."""
    children = body.children
    if body.spec.dynamic:  # all are of one kind, and may be too many to look at
        supervisors = len(children) if body.spec.children[0].type == "supervisor" else 0
    else:
        supervisors = sum(child.spec.type == "supervisor" for child in children)
    return {
        "specs": len(body.spec.children) if body.spec.dynamic else len(children),
        "active": children.active,
        "supervisors": supervisors,
        "workers": len(children) - supervisors,
    }


async def start_child(body: SupervisorBody, wanted: Any) -> str:
    """One more child."""
    spec = body.spec
    if spec.dynamic:
        if not isinstance(wanted, list):
            raise Invalid("a dynamic supervisor knows what to start: give it arguments only")
        if spec.max_children is not None and len(body.children) >= spec.max_children:
            raise LimitExceeded(
                f"max children: the supervisor has {spec.max_children}", retryable=True
            )
        pattern = spec.children[0]
        child = Child(pattern, [*pattern.args, *wanted])
    else:
        added = child_from(wanted)
        known = body.children.with_id(added.id)
        if known is not None:
            state = "is not running" if known.pid is None else f"runs as {known.pid}"
            raise AlreadyExists(f"child {added.id!r} exists, and {state}")
        child = Child(added, added.args)
    body.children.add(child)
    try:
        await body.start(child)
    except NotStarted:
        body.let_go(child)
        body.children.remove(child)
        raise
    assert child.pid is not None
    return child.pid


async def terminate_child(body: SupervisorBody, wanted: Any) -> None:
    """Stop a child, for good."""
    child = _find(body, wanted)
    await body.stop([child])
    child.halted = True
    body.let_go(child)
    if body.spec.dynamic and child in body.children:
        body.children.remove(child)


async def restart_child(body: SupervisorBody, wanted: Any) -> str:
    """Start a child that does not run."""
    child = _find_stopped(body, wanted)
    try:
        await body.start(child)
    except NotStarted:
        body.let_go(child)
        raise
    assert child.pid is not None
    return child.pid


async def delete_child(body: SupervisorBody, wanted: Any) -> None:
    """Forget a child that does not run."""
    body.children.remove(_find_stopped(body, wanted))


def _find_stopped(body: SupervisorBody, id: Any) -> Child:
    if body.spec.dynamic:
        raise Invalid(
            "a dynamic supervisor forgets a child that has ended: use start_child for another one"
        )
    child = _find(body, id)
    if child.pid is not None:
        raise Conflict(f"child {id!r} is running, as {child.pid}")
    return child


def _find(body: SupervisorBody, wanted: Any) -> Child:
    dynamic = body.spec.dynamic
    child = body.children.with_pid(wanted) if dynamic else body.children.with_id(wanted)
    if child is None:
        what = "PID" if dynamic else "id"
        raise NotFound(f"no child has the {what} {wanted!r:.100}")
    return child


REQUESTS: dict[str, Callable[[SupervisorBody, Any], Awaitable[Any]]] = {
    f"{TOPIC}which_children": which_children,
    f"{TOPIC}count_children": count_children,
    START_CHILD: start_child,
    f"{TOPIC}terminate_child": terminate_child,
    f"{TOPIC}restart_child": restart_child,
    f"{TOPIC}delete_child": delete_child,
}
"""What answers each request, by its topic."""
