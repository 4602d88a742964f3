"""How long something takes, as users write it. SEMANTICS 13.1."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from functools import lru_cache

from procession.core.errors import Invalid

Duration = str | float | timedelta
"""`"100ms"`, `"1h30m"`, `"1.5s"`; or a number of seconds; or a `timedelta`."""

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+")


@lru_cache(1024)  # a program writes few of them, but waits often
def parse_duration(text: str) -> float:
    """The seconds that a duration string stands for. Raises Invalid."""
    if len(text) > 100 or not _WHOLE.fullmatch(text):
        if text == "0":
            return 0.0
        raise Invalid(
            f"{text[:100]!r} is no duration: write a number with its unit, such as "
            "'100ms', '1.5s' or '1h30m' (units: ns us ms s m h)"
        )
    seconds = math.fsum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text[0] == "-" else seconds


def seconds(duration: Duration) -> float:
    """The seconds of a duration in any of its forms. Raises Invalid, or TypeError."""
    if isinstance(duration, str):
        return parse_duration(duration)
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, (int, float)) and not isinstance(duration, bool):
        try:
            value = float(duration)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise Invalid(f"a duration of {value} seconds has no end")
        return value
    raise TypeError(
        f"a duration is a string, a number of seconds or a timedelta, not {type(duration).__name__}"
    )
