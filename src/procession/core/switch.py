"""How the machine goes from one strand to the next: the run queue, and a step of a coroutine.

Mechanism and no rules. Where the core is compiled `switch.pyx` is in the place of this file, and
does the same.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from procession.core.tokens import RETURNED, THROWN

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context, ContextVar


Ring = deque
"""A queue: of what waits in a channel."""


class RunQueue(deque[Any]):
    """The strands that are ready, and who of them runs next: first come, first served.

    What chooses in another way derives from it, and overrides `append`, `appendleft` (for the
    system lane, which goes ahead of all others), `popleft` and `__len__`.
    """

    __slots__ = ()


def resume(
    strand: Any, context: Context, coro: Coroutine[Any, Any, Any], tasks: dict[Any, Any], loop: Any
) -> Any:
    """Run the coroutine of a strand, in its context, until it yields; give what it has yielded.

    If it returns that is RETURNED, and the strand has the value. Meanwhile the strand is the task
    of the loop, in the table of `tasks`.
    """
    tasks[loop] = strand
    try:
        return context.run(coro.send, None)
    except StopIteration as end:
        strand.value = end.value
    return RETURNED


def throw(
    strand: Any,
    context: Context,
    coro: Coroutine[Any, Any, Any],
    exc: BaseException,
    tasks: dict[Any, Any],
    loop: Any,
) -> Any:
    """The same, by an exception. If that comes out of the coroutine, THROWN."""
    tasks[loop] = strand
    try:
        return context.run(coro.throw, exc)
    except StopIteration as end:
        strand.value = end.value
        return RETURNED
    except BaseException as raised:
        if raised is not exc:
            raise
    return THROWN


def settle(
    strand: object, context: Context, coro: Coroutine[Any, Any, Any], variable: ContextVar[Any]
) -> None:
    """Have `variable` in the context of a new strand say that it is the one.

    A strand that lives holds nothing that could be garbage, and there may be a million of them. So
    where the core is compiled, the cycle collector sees neither it nor what is its own, until
    `unsettle`.
    """
    context.run(variable.set, strand)


def unsettle(strand: object, context: Context, coro: Coroutine[Any, Any, Any]) -> None:
    """Let go of what a strand has: they may be parts of a cycle from now on."""


def untrack(thing: object) -> None:
    """Have the cycle collector pass something by, if the core is compiled: see `settle`."""


def track(thing: object) -> None:
    """Have the cycle collector look at it again, as at all that a process leaves behind."""
