"""The environment variables that a Lua program may see, for the module `env`."""

from __future__ import annotations

import os
from typing import Any

from procession.core.errors import NotFound
from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.values import text

PREFIXES = ("APP_", "PROCESSION_")
"""Variables with such names are for every program of an app."""


class Environment(Part):
    """Reads `os.environ`: the names with our prefixes, and those in `meta.env` of the entry; in an
    app with permissions, those that the entry may read."""

    @answering
    def get(self, name: bytes) -> Any:
        """The value of a variable. Raises NotFound if there is none, or not for this program;
        PermissionDenied in a closed app."""
        wanted = text(name)
        rules = self.rules()
        if rules is not None:
            rules.check_read(wanted)
        elif not self._is_visible(wanted):
            raise NotFound(
                f"environment variable {wanted!r} is not for this program; "
                f"list it in meta.env of {self.me().entry}"
            )
        value = os.environ.get(wanted)
        if value is None:
            raise NotFound(f"environment variable {wanted!r} is not set")
        return os.fsencode(value)

    @answering
    def get_all(self) -> Any:
        """All that the program may see, by name."""
        rules = self.rules()
        is_visible = self._is_visible if rules is None else rules.may_read
        return self.carried(
            {
                name: os.fsencode(value)
                for name, value in sorted(os.environ.items())
                if is_visible(name)
            }
        )

    def _is_visible(self, name: str) -> bool:
        return name.startswith(PREFIXES) or name in self._listed()

    def _listed(self) -> list[Any]:
        listed = self._guest.meta_of(self.me().entry).get("env")
        return listed if isinstance(listed, list) else [listed]
