"""Logs: JSON lines on standard error, with ids and codes and never a value of a record."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any


def configure(least: str = "info") -> None:
    """Set up structlog, from level `least` on, and the standard library's logging.

    The libraries keep to warnings whatever is asked: below, some write keys and values.
    """
    import structlog

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    level = logging.getLevelNamesMapping()[least.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


class Logger:
    """structlog's logger, imported when the first line is written: most commands write none."""

    def __getattr__(self, name: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(), name)


def logger() -> Any:
    """What a module logs by."""
    return Logger()


def where(error: BaseException) -> list[str]:
    """Where an error was raised, outermost first; its text is left out, it may hold values."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.name}:{frame.lineno}" for frame in frames]
