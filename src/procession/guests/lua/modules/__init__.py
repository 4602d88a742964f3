"""The modules that Lua programs may require: each in its file, `<name>.lua`, some with a `<name>.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.guests.lua.modules.time import zone

if TYPE_CHECKING:
    from procession.guests.lua.guest import LuaGuest

MODULES = ("time",)
"""What an entry may list in `modules`."""

PARTS = (*MODULES, "time_layout")
"""Every file of the folder: those that are required by another one are not for programs."""


def functions_of_modules(guest: LuaGuest) -> dict[str, Any]:
    """What the modules call of Python, by name: the second half of `kit.host`."""

    def zone_of(name: bytes, seconds: int) -> tuple[int, bytes] | None:
        found = zone(name.decode(errors="replace"), seconds)
        return None if found is None else (found[0], found[1].encode())

    return {"zone": zone_of}
