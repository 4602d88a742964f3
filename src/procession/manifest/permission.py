"""What a manifest says about what a program may do: the key `permissions`. SEMANTICS 14.6.

What it means is in the room `security`; here it is read. A text in a list is a pattern: `*` in it
stands for any characters, also for none, and nothing else is special.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import Invalid
from procession.manifest import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from procession.manifest.document import Keys
    from procession.manifest.section import Section

ANY = "any"
EVERYTHING = "*"


class Permissions(msgspec.Struct, frozen=True):
    """Patterns of what is allowed, by what for. None: nothing is said, so a default counts."""

    spawn: list[str] | None = None
    """Processes that it may start, and become."""
    funcs: list[str] | None = None
    """Functions that it may call."""
    hosts: list[str] | None = None
    """Hosts that it may start them on, besides its own."""
    send: list[str] | None = None
    """Names and PIDs that it may send to, call, monitor, link to, cancel and terminate."""
    names: list[str] | None = None
    """Names that it may register, free and look up."""
    env: list[str] | None = None
    """Environment variables that it may read."""


def read_permissions(section: Section, reference: Callable[[Any], str]) -> Permissions | None:
    """What the key `permissions` of a section says; None if there is none.

    `reference` makes the id of an entry of a name in this manifest.
    """
    found = section.section("permissions")

    def entry(value: Any) -> str:
        return _entry(value, reference)

    send = found.listed("send", _destination, ANY)
    permissions = Permissions(
        spawn=found.listed("spawn", entry),
        funcs=found.listed("funcs", entry),
        hosts=found.listed("hosts", entry),
        send=[EVERYTHING] if send == [ANY] else send,
        names=found.listed("names", _name),
        env=found.listed("env", _variable),
    )
    found.close()
    return permissions if "permissions" in section else None


def references_in(permissions: Permissions | None, keys: Keys) -> Iterator[tuple[Keys, str, str]]:
    """The entries that permissions name in full: where, which, and in what list."""
    for key in ("spawn", "funcs", "hosts"):
        for index, one in enumerate(getattr(permissions, key, None) or ()):
            if "*" not in one:
                yield (*keys, "permissions", key, index), one, key


def _entry(value: Any, reference: Callable[[Any], str]) -> str:
    """The id of an entry, or a pattern of ids; without a colon, of this namespace."""
    pattern = check.text(value)
    if "*" not in pattern:
        return reference(pattern)
    # What the stars stand for is taken for letters: all else has to be as in an id.
    plain = reference(pattern.replace("*", "x"))
    if not plain:
        return ""
    return pattern if ":" in pattern else f"{plain.partition(':')[0]}:{pattern}"


def _destination(value: Any) -> str:
    pattern = check.text(value)
    if pattern == ANY:
        raise Invalid("`any` stands alone: send: any")
    return pattern


def _name(value: Any) -> str:
    pattern = check.text(value)
    return pattern if "*" in pattern else check.process_name(pattern)


def _variable(value: Any) -> str:
    pattern = check.text(value)
    if "=" in pattern or "\0" in pattern:
        raise Invalid(f"{check.shown(pattern)} is no name of an environment variable")
    return pattern
