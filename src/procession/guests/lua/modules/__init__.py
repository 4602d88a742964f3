"""The modules that Lua programs may require: a file `<name>.lua` each, and for most a Python half.

A module is a chunk that is called once per Lua state with `kit` (see setup.lua) and returns the
table that all processes of the state share: so nothing that can change is reachable from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.guests.lua.modules.context import Context
from procession.guests.lua.modules.environment import Environment
from procession.guests.lua.modules.events import Events
from procession.guests.lua.modules.funcs import Calls
from procession.guests.lua.modules.logger import Logs
from procession.guests.lua.modules.terminal import Terminal
from procession.guests.lua.modules.time import zone
from procession.guests.lua.modules.uuid import Uuids

if TYPE_CHECKING:
    from procession.guests.lua.guest import LuaGuest
    from procession.guests.lua.modules.part import Part

GLOBALS = ("process", "channel", "errors")
"""Those that every program has anyway, and may require as well."""

_FILES = ("time", "json", "logger", "io", "env", "uuid", "ctx", "funcs", "events")

MODULES = (*GLOBALS, *_FILES)
"""What an entry may list in `modules`."""

_PARTS_OF_TIME = ("object", "layout", "duration", "zone", "instant", "alarm")
_PARTS_OF_JSON = ("read", "write", "value", "keywords", "pattern", "schema")
PARTS = (
    *_FILES,
    *(f"time_{part}" for part in _PARTS_OF_TIME),
    *(f"json_{part}" for part in _PARTS_OF_JSON),
    "check",
)
"""Every file of the folder: those that are required by another one are not for programs."""

_HALVES: dict[str, tuple[type[Part], str]] = {
    "logger": (Logs, "enabled write"),
    "io": (Terminal, "is_here args write flush read read_line"),
    "env": (Environment, "get get_all"),
    "uuid": (Uuids, "v1 v3 v4 v5 v7 validate parse version variant format"),
    "ctx": (Context, "get all"),
    "funcs": (Calls, "start start_with waiting outcome is_complete is_canceled channel cancel"),
    "events": (Events, "subscribe send"),
}
"""The Python half of a module, and its functions for Lua: `json_encode` is one's name there."""


def functions_of_modules(guest: LuaGuest) -> dict[str, Any]:
    """What the modules call of Python, by name: the second half of `kit.host`."""

    def zone_of(name: bytes, seconds: int) -> tuple[int, bytes] | None:
        found = zone(name.decode(errors="replace"), seconds)
        return None if found is None else (found[0], found[1].encode())

    functions: dict[str, Any] = {"zone": zone_of}
    for module, (half, names) in _HALVES.items():
        part = half(guest)
        functions |= {f"{module}_{name}": getattr(part, name) for name in names.split()}
    return functions
