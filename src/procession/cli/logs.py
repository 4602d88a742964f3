"""Logs of the command line: one line each, for people or as JSON, on stderr."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")


def set_up_logs(log_format: str, level: str) -> None:
    """Send all logging of this OS process to stderr, in the format asked for."""
    shared: list[Any] = [structlog.stdlib.add_log_level, _add_traceback]
    if log_format == "json":
        shared += [
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        shared += [
            _add_fields_of_programs,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        ]
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ, pad_event_to=0
        )
    handler = logging.StreamHandler(sys.stderr)
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
        structlog.stdlib.ExtraAdder()(logger, method, event)
    return event


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
