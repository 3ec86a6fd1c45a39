"""Structured logs on standard error: JSON lines for journald and machines, coloured lines for people.

A log never holds personal data: only the keys in :data:`ALLOWED_KEYS` pass, so that a careless call cannot
leak a reading; what is dropped is named, so that the developer sees it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any, TextIO, cast

import structlog

from agent.log_lines import LogLines

STANDARD_ERROR = 2

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp",
        "terminal", "lane", "device", "driver", "tap", "reader", "application", "interface", "apdu_count",
        "reason", "granted", "zh", "en", "kind", "seq", "head", "acked", "chain", "record",
        "fault", "detail", "state", "retry_ms", "count", "input", "active", "output", "tone", "dropped",
        "read_ns", "decided_ns", "durable_ns", "commanded_ns", "confirmed_ns", "acked_ns",
        "version", "ready_ms", "signal", "address", "protocol", "error", "path", "problem", "nonce_age_ms", "since_ms",
        "uncertainty_ms", "lost", "hours_left", "broker", "counted", "poor",
    }
)  # fmt: skip


def only_allowed(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not known to be harmless."""
    unknown = sorted(key for key in event if key not in ALLOWED_KEYS)
    for key in unknown:
        del event[key]
    if unknown:
        event["dropped"] = ",".join(unknown)
    return event


@cache
def _lines() -> LogLines:
    return LogLines(STANDARD_ERROR)


def drain(timeout_s: float) -> bool:
    """Wait until what was logged so far has been written; whether it was in time."""
    return _lines().drain(timeout_s)


def configure(log_format: str = "auto", level: str = "info") -> None:
    """Set up logging for the process. ``auto`` is coloured on a terminal and JSON elsewhere."""
    if log_format == "auto":
        log_format = "console" if sys.stderr.isatty() else "json"
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        if log_format == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    lines = _lines()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            lines.admit,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", lines)),
        cache_logger_on_first_use=False,
    )


def log(**context: object) -> structlog.typing.FilteringBoundLogger:
    """A logger bound to a context, e.g. ``log(lane="north")``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**context)
    return logger
