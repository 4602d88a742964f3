"""The frames that places tell each other: a tuple, of which the first value is one of these."""

from __future__ import annotations

from typing import Any

Frame = tuple[Any, ...]

(
    MESSAGE,
    CALL,
    REPLY,
    SPAWN,
    WATCH,
    UNWATCH,
    LINK,
    UNLINK,
    TIED,
    EXITED,
    LINK_DOWN,
    LINK_FAILING,
    LINK_REFUSED,
    DOOM,
    CANCEL,
    CREDIT,
    LOOK,
    WAITS,
    EVENT,
    INTEREST,
    WAIT_ENDED,
    ALL_ENDED,
    CONTROL,
) = range(23)

PARENT = 0
"""The place that all others were started from. It decides who has a name."""
