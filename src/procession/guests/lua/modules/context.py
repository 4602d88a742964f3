"""What a process was told by those who started it, for the Lua module `ctx`."""

from __future__ import annotations

from typing import Any

from procession.core.errors import NotFound, did_you_mean
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.values import text


class Context(Part):
    """Reads the context of the process that calls."""

    @answering
    def get(self, key: bytes) -> Any:
        """A value. Raises NotFound."""
        context = self.me().context or {}
        wanted = text(key)
        if wanted not in context:
            raise NotFound(f"no {wanted!r} in the context{did_you_mean(wanted, context)}")
        return self.carried(context[wanted])

    @answering
    def all(self) -> Any:
        """Everything."""
        return self.carried(self.me().context or {})
