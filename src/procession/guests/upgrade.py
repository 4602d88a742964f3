"""What a Python process yields to become another program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from contextvars import Context

    from procession.core.process import Program


class Upgrade:
    """What a process yields to go on as another program."""

    __slots__ = ("context", "coro", "program")

    def __init__(self, program: Program, coro: Coroutine[Any, Any, Any], context: Context) -> None:
        self.program = program
        self.coro = coro
        self.context = context

    def __await__(self) -> Generator[Any, None, None]:
        yield self
