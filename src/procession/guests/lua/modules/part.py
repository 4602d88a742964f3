"""What the functions that Lua can call have in common: see functions.py for their conventions."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from lupa.lua54 import LuaMemoryError

from procession.core.errors import Error, Internal
from procession.guests.lua.marks import FLAT
from procession.guests.lua.values import all_from_flat, from_flat, kind_of
from procession.security.guarded import GuardedKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.kernel import Kernel
    from procession.guests.lua.guest import LuaGuest
    from procession.guests.lua.process import LuaProcess
    from procession.security.permissions import Rules

F = TypeVar("F", bound="Callable[..., Any]")


def answering(function: F) -> F:
    """True and what the function gives; or False and the parts of the Error that it raised."""

    @wraps(function)
    def answer(self: Part, *args: Any) -> Any:
        try:
            if args and args[-1] is FLAT:  # before anything can be refused
                args = (*args[:-1], *self.me().state.pull())
            given = function(self, *args)
        except Exception as error:
            return self.answer_of(error)
        return given if type(given) is tuple else (True, given)

    return answer  # type: ignore[return-value]


class Part:
    """Functions for Lua: the Python half of a module."""

    lasting: ClassVar[frozenset[str]] = frozenset(("Invalid", "NotFound", "PermissionDenied"))
    """The kinds of its own errors whose cause cannot go away."""

    def __init__(self, guest: LuaGuest) -> None:
        self._guest = guest
        self._kernel: Kernel | None = None

    @property
    def kernel(self) -> Kernel:
        """The kernel of the node."""
        if self._kernel is None:
            self._kernel = self._guest.kernel
        return self._kernel

    def me(self) -> LuaProcess:
        """The process that is calling."""
        strand: Any = self.kernel.scheduler.current
        process: LuaProcess = strand.process
        return process

    def rules(self) -> Rules | None:
        """What the process that is calling may do; None: everything."""
        kernel = self.kernel
        return kernel.rules_of(self.me()) if isinstance(kernel, GuardedKernel) else None

    def answer_of(self, error: Exception) -> tuple[Any, ...]:
        """What Lua is told of an exception."""
        if isinstance(error, Error):
            return self.refused(error)
        if isinstance(error, TypeError):
            return None, str(error).encode(errors="replace")
        if isinstance(error, LuaMemoryError):
            raise error  # to `_limited` of the state
        # A bug of ours must not become a Python object in Lua.
        return self.failed(Internal(f"{type(error).__name__}: {error}"))

    def refused(self, error: Error) -> tuple[Any, ...]:
        """An error of ours for Lua; in the compatible mode it says if its cause cannot go away."""
        strand: Any = self.kernel.scheduler.current
        retryable = error.retryable
        if retryable is None and strand.state.compatible and error.kind in self.lasting:
            retryable = False
        return self._failed(error, retryable)

    def failed(self, error: Error) -> tuple[Any, ...]:
        """An error for Lua, as it is."""
        return self._failed(error, error.retryable)

    def _failed(self, error: Error, retryable: bool | None) -> tuple[Any, ...]:
        strand: Any = self.kernel.scheduler.current
        return (
            False,
            kind_of(error),
            error.message.encode(errors="replace"),
            retryable,
            *strand.carry(error.details),
        )

    def carried(self, value: Any) -> tuple[Any, ...]:
        """A value of Python for `carried` in Lua, as the answer of a function."""
        strand: Any = self.kernel.scheduler.current
        return (True, *strand.carry(value))

    def values(self, flat: tuple[Any, ...]) -> list[Any]:
        """The values that `with_flat` in Lua has made flat."""
        return all_from_flat(flat)

    def value(self, flat: tuple[Any, ...]) -> Any:
        """The one value that `with_flat` in Lua has made flat."""
        return from_flat(flat) if flat else None
