"""From a function to where every OS process of the node finds it."""

from __future__ import annotations

import sys
from typing import Any

from procession.core.errors import Invalid
from procession.core.order import Importable

MAIN = "__mp_main__"
"""What the parent's main script is called in a worker: as multiprocessing calls it, so that
functions of it can be handed on to a process pool there."""


def importable(function: Any) -> Importable:
    """Where another OS process can import a function. Raises Invalid.

    It is what its module calls by its name: else something else would run over there.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    found = getattr(sys.modules.get(module), name, None) if isinstance(module, str) else None
    if found is not function or not isinstance(module, str) or ":" in module:
        raise Invalid(
            f"{name or repr(function)} cannot be run in another OS process: it has to be a "
            "function at the top level of a module that can be imported, or an entry of the "
            "manifest"
        )
    return Importable(f"{'__main__' if module == MAIN else module}:{name}")
