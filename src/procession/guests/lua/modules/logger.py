"""What Lua programs log, as records of Python's logging.

Loggers are named `procession.lua` or, by `logger:named("cart")`, `procession.lua.cart`. The latter
are names of records only: Python keeps a logger for ever, and a program might name any number.
"""

from __future__ import annotations

import logging
from typing import Any

from procession.guests.lua.modules.part import Part, answering
from procession.guests.lua.values import text

log = logging.getLogger("procession.lua")

_TAKEN = frozenset(vars(logging.makeLogRecord({}))) | {
    # by logging's formatters, by structlog's, and by ourselves
    *("message", "asctime", "event", "level", "logger", "timestamp", "exception", "stack"),
    *("pid", "entry"),
}


class Logs(Part):
    """Levels are those of logging, as numbers."""

    def enabled(self, level: int) -> bool:
        """Whether anybody wants to know."""
        return log.isEnabledFor(level)

    @answering
    def write(self, level: int, name: bytes, *flat: Any) -> Any:
        """Log a message with fields."""
        message, fields = self.values(flat)
        me = self.me()
        own = {"pid": me.pid, "entry": me.entry}
        extra: dict[str, Any] = dict(own)
        for key, value in fields.items():
            key = key if isinstance(key, str) else text(key)
            if key in own and value == own[key]:
                continue  # the record says so itself
            extra[f"field_{key}" if key in _TAKEN or key.startswith("_") else key] = _shown(value)
        full_name = f"{log.name}.{text(name)}" if name else log.name
        log.handle(
            log.makeRecord(full_name, level, me.entry, 0, _shown(message), (), None, extra=extra)
        )
        return True


def _shown(value: Any) -> Any:
    """A value for a renderer, which may know no bytes and no errors of ours."""
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else text(key) if isinstance(key, bytes) else str(key): (
                _shown(item)
            )
            for key, item in value.items()
        }
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
