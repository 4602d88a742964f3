"""Code of a process that the runtime calls outside of its body: a property of what it returned.

The step limit holds there as in the body (SEMANTICS 11.4): whoever may raise an exception in a
process from outside knows `call_user`, and that what this calls is code of the process whose step
it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def call_user(function: Callable[..., Any], *args: Any) -> Any:
    """Call something that runs, or may run, code of the process. It may raise whatever it likes."""
    return function(*args)
