"""Services for the tests, started once a session and only when a test asks for them.

Every test carries what it needs as markers, by its folder and its fixtures: `kafka`, `postgres`,
`stack` (a whole stack, or services of its own) and `faults`. So `pytest -m "not stack"` says what
it needs.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import users
from crossregion.kafka.acls import Grant
from crossregion.kafka.connection import Kafka
from tests.support.prepared import prepare
from tests.support.stacks import end_at_once

settings.register_profile("default", deadline=None)
settings.register_profile("quick", deadline=None, derandomize=True)
settings.register_profile("ci", deadline=None, print_blob=True)
settings.load_profile("default")
"""A machine that does much at once makes no example wrong; `quick` is red by a change only."""

TESTS = Path(__file__).parent
BY_FOLDER = {"faults": ("faults", "stack"), "stack": ("stack",)}
BY_FIXTURE = ("kafka", "postgres", "stack")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with what it needs."""
    needs = {*BY_FOLDER.get(item.path.relative_to(TESTS).parts[0], ())}
    needs |= {name for name in BY_FIXTURE if name in getattr(item, "fixturenames", ())}
    for name in sorted(needs):
        item.add_marker(name)


@pytest.fixture(scope="session")
def service_data() -> Iterator[Path]:
    """A directory for the services' data, outside pytest's own, which other accounts cannot use."""
    with tempfile.TemporaryDirectory(prefix="crossregion-tests-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def kafka(service_data: Path) -> Iterator[Kafka]:
    """A broker with all topics, users and grants.

    A test's own topics have names that begin with `test-`; there everybody may do everything.
    """
    service = EmbeddedKafka(prepare(service_data / "broker") / "kafka")
    try:
        service.start()
        with kafka_admin.administering(service.connection) as admin:
            users.allow(admin, [Grant("*", "ALL", "TOPIC", "test-", prefixed=True)])
        yield service.connection
    finally:
        end_at_once(service)


@pytest.fixture(scope="session")
def postgres(service_data: Path) -> Iterator[EmbeddedPostgres]:
    """A database server; databases and their content are the test's to make."""
    service = EmbeddedPostgres(prepare(service_data / "database") / "postgres")
    try:
        service.start()
        yield service
    finally:
        end_at_once(service)


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres) -> Callable[[], str]:
    """Creates an empty database at each call and returns its owner's DSN."""
    return lambda: postgres.create_database(f"test_{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def as_role(postgres: EmbeddedPostgres) -> Callable[[str, str], str]:
    """The DSN by which another role enters the database of a DSN."""
    return lambda dsn, role: postgres.dsn(dsn.rpartition("/")[2], role)


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """DSN of one fresh database, shared by the session."""
    return new_database()
