"""A sweep ends stalled jobs, also while others end them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from psycopg.errors import InsufficientPrivilege, RaiseException

from consumers.delivery.jobs import Jobs


class Manager:
    """Two stalled jobs, the first of which cannot be ended."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        self.ended: list[int] = []

    async def get_stalled_jobs(self, seconds_since_heartbeat: float) -> Iterable[Any]:
        return [SimpleNamespace(id=1), SimpleNamespace(id=2)]

    async def finish_job(self, job: Any, status: Any, delete_job: bool) -> None:
        if job.id == 1:
            raise ConnectorException from self.cause
        self.ended.append(job.id)


def end_stalled(manager: Manager) -> None:
    jobs = Jobs(cast(App, SimpleNamespace(job_manager=manager)))
    asyncio.run(jobs.end_stalled(10.0))


def test_a_job_that_ended_meanwhile_holds_up_no_other() -> None:
    manager = Manager(RaiseException("Job was not found"))
    end_stalled(manager)
    assert manager.ended == [2]


def test_another_fault_of_the_database_is_raised() -> None:
    with pytest.raises(ConnectorException):
        end_stalled(Manager(InsufficientPrivilege("denied")))
