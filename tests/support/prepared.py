"""Data directories of Kafka and PostgreSQL as they stand before the first event, made once.

Formatting, 123 topics, the users with their grants and all migrations take a stack several CPU
seconds. They are done once for a state of the sources, kept in the system's temporary directory
and copied for each further stack.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.installation import DATABASE, OWNER
from crossregion.kafka import admin as kafka_admin
from crossregion.postgres import migrations

ROOT = Path(__file__).parents[2]
MADE_FROM = ("schemas", "crossregion", "consumers", "requirements.lock")
"""What the data depend on: contracts, grants, roles, migrations and the versions of the servers."""
SUFFIXES = (".py", ".sql", ".toml", ".avsc", ".json", ".lock")
PER_START = ("lock", "ports.json", "server.log")
KEPT_SECONDS = 86_400.0


def prepare(data: Path) -> Path:
    """Fill a directory that does not exist yet with prepared `kafka` and `postgres`; returns it.

    Owners and modes are kept: PostgreSQL's files belong to an account of their own.
    """
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(_template()), str(data)], check=True)
    return data


@functools.cache
def _template() -> Path:
    """The directory to copy, made by whichever test process comes first."""
    place = Path(tempfile.gettempdir()) / f"crossregion-prepared-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise PermissionError(f"{place} belongs to another account")
    template = place / _key()
    with _alone(place):
        if not template.exists():
            _forget_old(place)
            fresh = place / "new"
            shutil.rmtree(fresh, ignore_errors=True)
            _make(fresh)
            fresh.rename(template)
    return template


def _key() -> str:
    """A digest of all that the data are made from."""
    digest = hashlib.sha256()
    for name in MADE_FROM:
        path = ROOT / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix in SUFFIXES:
                digest.update(f"{file.relative_to(ROOT)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old(place: Path) -> None:
    """Remove what was made of sources that have changed, unless a run may still copy it."""
    newest = max((path.stat().st_mtime for path in place.iterdir()), default=0.0)
    for path in place.iterdir():
        if path.is_dir() and path.stat().st_mtime < newest - KEPT_SECONDS:
            shutil.rmtree(path)


def _make(data: Path) -> None:
    with EmbeddedKafka(data / "kafka") as kafka:
        kafka_admin.apply(kafka.connection)
    with EmbeddedPostgres(data / "postgres") as postgres:
        postgres.create_database(DATABASE)
        migrations.migrate(postgres.dsn(DATABASE, OWNER))
    for service in data.iterdir():
        for name in PER_START:
            (service / name).unlink(missing_ok=True)
