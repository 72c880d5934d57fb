"""How a worker says that it is well, and ends where it is not."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Awaitable

import structlog

from crossregion import logs, metrics
from crossregion.errors import CrossregionError

log = structlog.get_logger()

EXIT_UNKNOWN_ERROR = 70
health = metrics.Health()
busy: set[str] = set()
"""The processes whose batch is being handled."""
progress = Counter[str]()
"""Batches handled so far, and steps, such as rebuilding, under way."""


async def or_end_process(step: Awaitable[None]) -> None:
    """Await a step whose error must end the process."""
    progress["steps"] += 1
    try:
        await step
    except Exception as error:  # noqa: BLE001 (Faust would only log it)
        end_process(error)
    finally:
        progress["steps"] -= 1


def end_process(error: BaseException) -> None:
    """End at once without a commit: the supervisor restarts the process."""
    if isinstance(error, CrossregionError):
        log.error("Process ends", fault=str(error))
    else:
        log.error(
            "Unhandled error: process ends", error=type(error).__name__, where=logs.where(error)
        )
    sys.stderr.flush()
    os._exit(EXIT_UNKNOWN_ERROR)
