"""How processes and entries are written: PIDs and entry references. SEMANTICS 1."""

from __future__ import annotations

import re
from typing import NamedTuple

from procession.core.errors import Invalid

_PID = re.compile(r"\{(?:(?P<node>[^{}|@\s]+)@)?(?P<host>[^{}|@\s]+)\|0x(?P<serial>[0-9a-f]{5,})\}")


class Pid(NamedTuple):
    """The parts of a PID string."""

    node: str | None
    host: str
    serial: int


def pid_prefix(host: str, node: str | None = None) -> str:
    """All of a PID up to its serial number, computed once per host: see `Kernel.spawn`."""
    return f"{{{node}@{host}|" if node else f"{{{host}|"


def parse_pid(text: str) -> Pid | None:
    """Take a PID apart; None if the text is not one."""
    match = _PID.fullmatch(text)
    if match is None:
        return None
    return Pid(match["node"], match["host"], int(match["serial"], 16))


# A serial number is made of who gave it, where its process lives, and a count: of the parent's own
# processes only the count is left.
_PLACE_BITS = 24
_COUNT_BITS = 32


def serial_base(creator: int, place: int) -> int:
    """What the serial numbers begin with that `creator` gives to processes at `place`."""
    return (creator << _PLACE_BITS | place) << _COUNT_BITS


def place_of(serial: int) -> int:
    """Where the process of a serial number lives."""
    return serial >> _COUNT_BITS & (1 << _PLACE_BITS) - 1


def creator_of(serial: int) -> int:
    """The place that gave a serial number."""
    return serial >> _COUNT_BITS + _PLACE_BITS


def number_of(serial: int) -> int:
    """The count in a serial number: ascending, for one creator and place."""
    return serial & (1 << _COUNT_BITS) - 1


def split_reference(text: str) -> tuple[str, str]:
    """Split an entry reference at its first colon into namespace and name. SEMANTICS 1.3."""
    namespace, colon, name = text.partition(":")
    if not (colon and namespace and name):
        raise Invalid(
            f"{text!r:.200} is no entry reference: write namespace:name, such as 'app:main'"
        )
    return namespace, name


def decides(pid: str, other: str) -> bool:
    """Whether the end of a link with this PID decides what counts, and not the other one."""
    return pid < other
