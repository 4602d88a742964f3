"""Zones for the Lua module `time`: offsets and abbreviations, by the name of a zone and an instant.

A name comes from a Lua program, so it is checked before it becomes the name of a file, and the file
is one of the system's zone database.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
_MAX_NAME = 255
_DAY = 86_400
# What a datetime can hold, with a day for the offset.
_FIRST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) + _DAY
_LAST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) - _DAY


def zone(name: str, unix_seconds: int) -> tuple[int, str] | None:
    """The offset from UTC in seconds and the abbreviation there, or None for no such zone.

    "Local" is the zone of this machine: the variable TZ counts, as for the C library. An instant
    beyond the years 1 to 9999 gets what is valid at the nearest one.
    """
    unix_seconds = max(_FIRST, min(_LAST, unix_seconds))
    if name == "UTC":
        return 0, "UTC"
    if name == "Local":
        local = time.localtime(unix_seconds)
        return local.tm_gmtoff, local.tm_zone
    info = _load(name)
    if info is None:
        return None
    there = datetime.fromtimestamp(unix_seconds, info)
    offset = there.utcoffset()
    assert offset is not None
    return offset.days * _DAY + offset.seconds, there.tzname() or ""


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo | None:
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError):  # none, a folder, or not a zone
        return None
