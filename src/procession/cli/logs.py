"""Logs of the command line: one line each, for people or as JSON, on stderr.

What programs say comes in as well: in the text for people nothing of it is obeyed by a terminal, or
looks like a line of somebody else.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

from procession.core.payload import clean_text
from procession.core.printable import in_lines, printable
from procession.core.text import plain
from procession.hosts.log_forwarding import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_NO_LIMIT = sys.maxsize
_MOST_LEVELS = 100


class _Handler(logging.StreamHandler[Any]):
    """Has a line also for a record that cannot be formatted: its arguments do not fit its text."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        try:
            return super().format(record)
        except Exception as broken:
            message = f"{plain(record.msg, _NO_LIMIT)} (not formatted: {type(broken).__name__})"
            place = (record.name, record.levelno, record.pathname, record.lineno)
            return super().format(logging.LogRecord(*place, message, (), None))


def set_up_logs(log_format: str, level: str) -> None:
    """Send all logging of this OS process to stderr, in the format asked for."""
    shared: list[Any] = [structlog.stdlib.add_log_level, _add_traceback]
    if log_format == "json":
        shared += [
            structlog.stdlib.add_logger_name,
            _add_fields,
            _in_valid_json,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        shared += [
            _add_fields_of_programs,
            _in_lines_of_its_own,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        ]
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ, pad_event_to=0
        )
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel("WARNING")


def hide_logs_while(hidden: Callable[[logging.LogRecord], bool]) -> None:
    """Show no record that is `hidden`. To be called once logs are set up."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not hidden(record))


def _add_fields_of_programs(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """What Lua programs log has its fields beside the text: our own says all in the text."""
    if event["_record"].name.partition("procession.lua")[0] == "":
        _add_fields(logger, method, event)
    return event


def _add_fields(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The fields of a record, but for those that would take the place of what we say ourselves."""
    for name, value in vars(event["_record"]).items():
        if name not in ORDINARY and name not in event:
            event[name] = value
    return event


def _in_lines_of_its_own(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """For people: a line, and below it, indented, the traceback. Nothing a terminal would obey."""
    fields = dict(event)
    event.clear()
    for name, value in fields.items():
        if name in ("_record", "_from_structlog"):
            event[name] = value
        elif name in ("exception", "stack"):
            event[name] = in_lines(str(value))
        else:
            value = plain(value, _NO_LIMIT)
            event[printable(name)] = printable(value) if isinstance(value, str) else value
    return event


def _in_valid_json(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """For programs: nothing that is no JSON, such as half a character, NaN or a huge integer."""
    fields = dict(event)
    event.clear()
    for name, value in fields.items():
        kept = name in ("_record", "_from_structlog")
        event[clean_text(name)] = value if kept else _for_json(value, 0)
    return event


def _for_json(value: Any, depth: int) -> Any:
    if depth < _MOST_LEVELS and type(value) in (list, tuple):
        return [_for_json(one, depth + 1) for one in value]
    if depth < _MOST_LEVELS and type(value) is dict:
        return {
            clean_text(key) if type(key) is str else str(plain(key, _NO_LIMIT)): _for_json(
                one, depth + 1
            )
            for key, one in value.items()
        }
    return plain(value, _NO_LIMIT)


def _add_traceback(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The traceback of a process that failed comes as text: see `log_with_traceback`."""
    record: logging.LogRecord = event["_record"]
    if record.exc_info:
        event["exc_info"] = record.exc_info
        structlog.processors.format_exc_info(logger, method, event)
    elif record.exc_text:
        event["exception"] = record.exc_text.rstrip()
    return event
