"""The command that checks an installation: the office's, a unit's, or that of `crossregion up`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from cli.errors import CommandError, sentence
from cli.options import kafka_and_database
from cli.terminal import Terminal
from crossregion.domain.regions import regions
from crossregion.errors import CrossregionError
from crossregion.settings import settings
from schemas import topics as contracts
from schemas.units import INSTALLATION, OFFICE, OWN_FILE, UNITS

console = Terminal()


def doctor() -> None:
    """Check this installation part by part, and say what to do about what is wrong.

    Exit status 1 if anything is.
    """
    settings()  # what cannot be read at all is told once, and not by each part
    wrong = 0
    for name, check in CHECKS.items():
        try:
            for line in check():
                _say("ok", "green", name, line)
        except CrossregionError as fault:
            wrong += 1
            _say("wrong", "red", name, sentence(fault))
    if wrong:
        raise typer.Exit(1)


def _say(found: str, style: str, name: str, line: str) -> None:
    console.print(f"{found:<6}", style=style, end="")
    console.print(f" {name:<11} {line}")


def _python() -> Iterator[str]:
    yield f"Python {sys.version.split()[0]}"


def _units() -> Iterator[str]:
    regions()
    file, (_, province) = settings().units or OWN_FILE, INSTALLATION.names[OFFICE]
    yield f"{len(UNITS)} of {province}, digest {INSTALLATION.digest}: {file}"


def _embedded() -> Iterator[str]:
    from crossregion.embedded import kafka as embedded_kafka
    from crossregion.embedded import postgres

    chosen = settings()
    if chosen.kafka is None:
        jars = embedded_kafka.class_path().count(":") + 1
        yield f"Apache Kafka {embedded_kafka.KAFKA_VERSION}: {jars} jars"
    if chosen.database is None and not _is_a_units():
        yield f"PostgreSQL {postgres.POSTGRES_MAJOR}: {postgres.binaries()}"


def _is_a_units() -> bool:
    """Whether this is the machine of units, which know Kafka by their own passwords only."""
    from crossregion.kafka import connection as kafka_connection

    chosen = settings()
    if chosen.kafka is None or chosen.kafka_secrets is None or chosen.database is not None:
        return False
    return not (chosen.kafka_secrets / kafka_connection.OPERATOR).exists() and bool(_units_here())


def _units_here() -> list[str]:
    from crossregion.kafka import connection as kafka_connection

    secrets = settings().kafka_secrets or Path()
    return [unit for unit in UNITS if (secrets / kafka_connection.unit(unit)).exists()]


def _kafka_of_units() -> Iterator[str]:
    from crossregion.kafka import admin as kafka_admin
    from crossregion.kafka import connection as kafka_connection

    kafka = kafka_connection.kafka(settings())
    for unit in _units_here():
        with kafka_admin.administering(kafka, kafka_connection.unit(unit)) as admin:
            there = set(admin.list_topics())
            kafka_admin.check_partitions(admin, [topic.name(unit) for topic in contracts.INTAKE])
        missing = [topic.name(unit) for topic in contracts.INTAKE if topic.name(unit) not in there]
        if missing:
            raise CommandError("topic-not-granted", unit=unit, topic=missing[0])
        yield f"{kafka.address}: {unit} is let in, and its topics are there"


def _kafka() -> Iterator[str]:
    from crossregion.flows import Lags, flows
    from crossregion.kafka import admin as kafka_admin

    if _is_a_units():
        yield from _kafka_of_units()
        return
    where = kafka_and_database()
    kafka_admin.check(where.kafka)
    yield f"{where.kafka.address}: every topic is there, and as its contract says"
    lags = Lags(where.kafka)
    try:
        for flow in flows():
            yield f"{flow.group}: {lags.lag(flow)} records to go"
    finally:
        lags.close()


def _database() -> Iterator[str]:
    from crossregion.postgres import migrations

    if _is_a_units():
        yield "none, and a unit needs none"
        return
    migrations.require_current(kafka_and_database().database)
    yield f"at migration {max(migrations.migrations())}"


def _spools() -> Iterator[str]:
    directory = settings().data / "spool"
    for unit in UNITS:
        path = directory / f"{unit}.sqlite"
        if path.exists():
            from producers.spool.store import Spool

            with Spool(path, unit) as spool:
                yield f"{unit}: {spool.waiting()} events to send"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "python": _python,
    "units": _units,
    "embedded": _embedded,
    "kafka": _kafka,
    "database": _database,
    "spools": _spools,
}
