"""Logs: JSON lines on standard error, with ids and codes and never a value of a record."""

from __future__ import annotations

import logging
import sys
import traceback

import structlog


def configure() -> None:
    """Set up structlog and the standard library's logging for one process."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def where(error: BaseException) -> list[str]:
    """Where an error was raised, outermost first; its text is left out, it may hold values."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.name}:{frame.lineno}" for frame in frames]
