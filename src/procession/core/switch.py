"""How the machine goes from one strand to the next: the run queue, and a step of a coroutine.

Mechanism and no rules. Where the core is compiled `switch.pyx` is in the place of this file, and
does the same.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context


class RunQueue(deque[Any]):
    """The strands that are ready, and who of them runs next: first come, first served.

    What chooses in another way derives from it, and overrides `append`, `appendleft` (for the
    system lane, which goes ahead of all others), `popleft` and `__len__`.
    """

    __slots__ = ()


def resume(
    strand: object, context: Context, coro: Coroutine[Any, Any, Any], tasks: dict[Any, Any], loop: Any
) -> Any:
    """Run the coroutine of a strand, in its context, until it yields; give what it has yielded.

    Meanwhile the strand is the task of the loop, in the table of `tasks`.
    """
    tasks[loop] = strand
    return context.run(coro.send, None)
