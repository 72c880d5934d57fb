"""Services for the tests, started once a session and only when a test asks for them."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossregion.runtime import EmbeddedKafka, EmbeddedPostgres


@pytest.fixture(scope="session")
def service_data() -> Iterator[Path]:
    """A directory for the services' data, outside pytest's own, which other accounts cannot use."""
    with tempfile.TemporaryDirectory(prefix="crossregion-tests-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def kafka(service_data: Path) -> Iterator[str]:
    """Bootstrap address of a broker; topics are the test's to create, under names of its own."""
    service = EmbeddedKafka(service_data / "kafka")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(scope="session")
def new_database(service_data: Path) -> Iterator[Callable[[], str]]:
    """Creates an empty database at each call and returns its DSN."""
    service = EmbeddedPostgres(service_data / "postgres")
    try:
        service.start()
        yield lambda: service.create_database(f"test_{uuid.uuid4().hex}")
    finally:
        service.stop()


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """DSN of one fresh database, shared by the session."""
    return new_database()
