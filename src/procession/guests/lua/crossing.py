"""How a Lua state is entered and left: its coroutines, and the functions of Python that it calls.

Mechanism and no rules. This is the way by lupa. Where the core is compiled `crossing.pyx` is in the
place of this file, and does the same with the functions of Lua itself, in half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS = object()
"""What `send` gives, without having resumed, if the answer holds what is no scalar."""


class Crossing:
    """The ways into the state of a runtime, and out of it."""

    __slots__ = ("make",)

    def __init__(self, runtime: Any) -> None:
        self.make: Callable[[bytes], tuple[Any, bytes]]
        """Makes a coroutine in Lua and resumes it once: lupa knows no others."""

    def new(self, body: bytes) -> tuple[Any, int]:
        """A coroutine that will run a body of body.lua, and its address.

        Its `send` takes a tuple, or None, and gives what it yields: one value, or a tuple of them.
        """
        coroutine, address = self.make(body)
        return coroutine, int(address, 16)

    def type_function(self) -> int | None:
        """`type` for our own Lua, in the form that setup.lua reads; None: Lua's own."""
        return None

    def function(self, function: Callable[..., Any]) -> Any:
        """A function that takes and gives scalars only, in the form that setup.lua reads."""
        return function


def handle_of(coroutine: Any) -> Any:
    """What our own Lua is given for a coroutine: see `coroutine_of` in setup.lua."""
    return coroutine


def is_foreign(value: Any) -> bool:
    """Whether it stands for something of Lua that has no form in Python."""
    return type(value).__module__.startswith("lupa")
