"""The log of a running server: one line an event, JSON or text, to standard error.

    logging (ours and every library's) ─> root handler ─ request id, level, time ─ secrets out ─> a line

All code logs through the standard library's `logging`; structlog only writes. What belongs to a request is in its
context (`bind`), which threads that work for it inherit, so that each of their lines carries its id.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

from config.tree import Log, LogFormat
from server.redact import HIDDEN, is_secret, redacted

OURS = ("prismcube", "providers", "processes", "cache", "ingester", "server")
"""Loggers that the level of the settings is for; libraries tell warnings at most, unless it is debug."""
QUIET = {"rasterio": logging.ERROR}
"""GDAL tells of each value it moved off nodata, which is a rule of ours (docs/concepts/pixels.md), not news."""

Event = MutableMapping[str, Any]


def configure(log: Log) -> None:
    """Send everything that is logged in this process, and in those that it forks, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(log.format, colors=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    level = logging.getLevelNamesMapping()[log.level.upper()]
    root.setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, level))
    logging.captureWarnings(True)


def formatter(kind: LogFormat, *, colors: bool = False) -> logging.Formatter:
    """Writes a record with everything that its request has bound."""
    write: list[Any]
    if kind is LogFormat.JSON:
        write = [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(serializer=_json)]
    else:
        write = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    return ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            add_log_level,
            add_logger_name,
            ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            *([] if kind is LogFormat.JSON else [one_line]),
            *write,
        ],
    )


def redact(_logger: Any, _method: str, event: Event) -> Event:
    """Leave secrets out of every text of a line; values of secret names are left out whole."""
    for name, value in event.items():
        event[name] = HIDDEN if is_secret(name) else _clean(value)
    return event


def one_line(_logger: Any, _method: str, event: Event) -> Event:
    """Nobody writes lines of his own into the log: control characters are shown as escapes, but in our own traces."""
    for name, value in event.items():
        if isinstance(value, str) and name != "exception" and not value.isprintable():
            event[name] = "".join(one if one.isprintable() else repr(one)[1:-1] for one in value)
    return event


def bind(**values: Any) -> None:
    """Have every line of this request carry these."""
    bind_contextvars(**values)


def request_id() -> str:
    """The id of the request that this code works for; empty outside of one."""
    return str(get_contextvars().get("request_id", ""))


def _clean(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case Mapping():
            return {name: HIDDEN if is_secret(str(name)) else _clean(one) for name, one in value.items()}
        case list() | tuple():
            return [_clean(one) for one in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return redacted(str(value))


def _json(event: Any, default: Callable[[Any], Any] | None = None) -> str:
    # Lone surrogates, as of file names that are no Unicode, have no place in JSON.
    try:
        return orjson.dumps(event, default=default).decode()
    except orjson.JSONEncodeError:
        plain = {name: value if isinstance(value, int | float) else _escaped(value) for name, value in event.items()}
        return orjson.dumps(plain).decode()


def _escaped(value: Any) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()
