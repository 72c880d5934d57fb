"""The relay: what a unit's own system saves becomes events by itself.

crossregion.outbox of the unit's PostgreSQL  ->  <unit>.sqlite

A row goes once the spool has it, and only then: whoever is killed in between, the spool knows the
row by its id. The rows of one record are taken one after the other, also by two relays at once.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import LiteralString

import psycopg

from crossregion import logs, metrics
from crossregion.errors import CrossregionError
from crossregion.failpoints import failpoint
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres.connection import Connection, DatabaseFailed
from crossregion.process import run_process
from crossregion.settings import settings
from producers.json_records import Fault, Unfit, check, parse
from producers.spool.store import (
    KINDS,
    REFUSED,
    IdempotentRequest,
    Spool,
    SpoolBusy,
    SpoolFull,
    Stored,
)
from schemas.units import UNITS

SETTING = "CROSSREGION_OUTBOX"
MOST_ROWS = 200
MOST_BYTES = 4 * 1024 * 1024
POLL_SECONDS = 1.0
"""How often it looks while nothing wakes it."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
NOT_THERE = frozenset({"42P01", "3F000", "42501"})
"""SQLSTATEs of a table or schema that is missing, or not granted."""

LISTEN = "LISTEN crossregion_outbox"
NEXT_ROWS = """
SELECT number, id::text, event, record_id,
    CASE WHEN octet_length(record::text) <= %(most_bytes)s THEN record::text END
FROM crossregion.outbox AS one
WHERE refused_at IS NULL AND NOT EXISTS (
    SELECT FROM crossregion.outbox AS before
    WHERE before.refused_at IS NULL AND before.event = one.event
        AND before.record_id = one.record_id AND before.number < one.number)
ORDER BY number LIMIT %(most_rows)s FOR UPDATE SKIP LOCKED
"""
MARK_TAKEN = """
DELETE FROM crossregion.outbox AS old USING crossregion.outbox AS taken
WHERE taken.number = ANY(%(numbers)s) AND old.event = taken.event
    AND old.record_id = taken.record_id AND old.number <= taken.number
"""
"""With it goes what was refused of the same record before: the newer row has all of it."""
MARK_REFUSED = """
UPDATE crossregion.outbox SET refused_at = now(), reason = given.reason
FROM unnest(%(numbers)s::bigint[], %(reasons)s::text[]) AS given (number, reason)
WHERE outbox.number = given.number
"""
COUNTS = """
SELECT count(*) FILTER (WHERE refused_at IS NULL), count(*) FILTER (WHERE refused_at IS NOT NULL)
FROM crossregion.outbox
"""

log = logs.logger()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the outbox; without a text it is too large to be read."""

    number: int
    id: str
    event: str
    record_id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that were read, and those that stand in the outbox because they cannot be used."""

    read: int
    refused: int


def outbox_sql(example: bool) -> LiteralString:
    """The statements that make the outbox, or those of a unit's tables with their triggers."""
    name = "example.sql" if example else "outbox.sql"
    return (resources.files("producers.outbox") / name).read_text("utf-8")


class Relay:
    """Takes the outbox of one unit into its spool."""

    def __init__(self, dsn: str | None, spool: Spool) -> None:
        self._dsn = dsn
        self._spool = spool

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Take rows as they come until told to stop; while the database is away, try again.

        Raises: CrossregionError when waiting cannot help.
        """
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                with self._connected() as connection:
                    pause = FIRST_PAUSE_SECONDS
                    connection.execute(LISTEN)
                    while not stop.is_set():
                        self.drain(connection, health)
                        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                            pass
            except (psycopg.Error, postgres_connection.DatabaseUnavailable) as error:
                if isinstance(error, psycopg.Error) and not postgres_connection.is_temporary(error):
                    raise _explained(error) from None
                log.warning(
                    "Outbox database unavailable: retries",
                    unit=self._spool.unit,
                    error=type(error).__name__,
                )
            except (SpoolBusy, SpoolFull) as error:
                log.error("Spool unavailable: retries", unit=self._spool.unit, error=str(error))
            else:
                continue
            health.beat()
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def once(self) -> Counts:
        """Take what stands there now. Raises: CrossregionError, SpoolError."""
        try:
            with self._connected() as connection:
                return self.drain(connection, metrics.Health())
        except psycopg.Error as error:
            raise _explained(error) from None

    def _connected(self) -> Connection:
        connection = postgres_connection.connect(self._dsn, SETTING)
        connection.autocommit = True
        return connection

    def drain(self, connection: Connection, health: metrics.Health) -> Counts:
        """Take rows until there are none that nobody else is taking."""
        rows = 0
        while found := self.step(connection):
            rows += found
            health.beat()
        health.beat()
        counted = connection.execute(COUNTS).fetchone()
        waiting, refused = counted or (0, 0)
        metrics.OUTBOX_WAITING.labels(self._spool.unit).set(waiting)
        metrics.OUTBOX_REFUSED.labels(self._spool.unit).set(refused)
        return Counts(rows, refused)

    def step(self, connection: Connection) -> int:
        """Take some rows, in one transaction of the outbox; returns how many were there."""
        with connection.transaction():
            limits = {"most_rows": MOST_ROWS, "most_bytes": MOST_BYTES}
            rows = [Row(*found) for found in connection.execute(NEXT_ROWS, limits)]
            if not rows:
                return 0
            refused: dict[int, str] = {}
            parcels = [(row, parcel) for row in rows if (parcel := self._parcel(row, refused))]
            taken = self._spool.take([parcel for _, parcel in parcels])
            failpoint("before-mark")
            for (row, _), one in zip(parcels, taken, strict=True):
                if any(stored.state == REFUSED for stored in one.stored):
                    refused[row.number] = Fault("", "over-limit").message
                for stored in one.stored:
                    self._count(row.event, stored.state)
            self._mark(connection, rows, refused)
            failpoint("before-done")
        return len(rows)

    def _parcel(self, row: Row, refused: dict[int, str]) -> IdempotentRequest | None:
        """What the spool is given of a row; None for one that is refused."""
        try:
            if row.event not in KINDS:
                raise Unfit(Fault("/event", "no-such-event"))
            if row.text is None:
                raise Unfit(Fault("", "over-limit"))
            exported = check(row.event, parse(row.text.encode()), self._spool.unit).exported
            if exported.record_id != row.record_id:
                raise Unfit(Fault("/record_id", "another-id"))
        except Unfit as unfit:
            refused[row.number] = str(unfit)
            self._count(row.event, REFUSED)
            log.warning("Row refused", unit=self._spool.unit, row=row.number, why=str(unfit))
            return None
        return IdempotentRequest(f"outbox {row.id}", "", (exported,), _receipt)

    def _count(self, event: str, state: str) -> None:
        metrics.EVENTS.labels("relay", KINDS.get(event, "other"), state).inc()

    def _mark(self, connection: Connection, rows: Sequence[Row], refused: dict[int, str]) -> None:
        done = [row.number for row in rows if row.number not in refused]
        connection.execute(MARK_TAKEN, {"numbers": done})
        given = {"numbers": list(refused), "reasons": list(refused.values())}
        connection.execute(MARK_REFUSED, given)


def _receipt(_: Sequence[Stored]) -> str:
    """Nobody reads the receipt of a row: it stands there so that the row is known again."""
    return ""


def _explained(error: psycopg.Error) -> CrossregionError:
    if error.sqlstate in NOT_THERE:
        return CrossregionError("outbox.missing", setting=SETTING)
    return DatabaseFailed(error)


def relay(unit: str, data: Path, *, once: bool = False) -> Counts | None:
    """Run the relay of a unit; returns what it did if it does it once.

    Raises: CrossregionError, SpoolError.
    """
    chosen = settings()
    if unit not in UNITS:
        raise CrossregionError("no-publishing-unit", unit=unit, known=UNITS)
    with Spool(data / "spool" / f"{unit}.sqlite", unit) as spool:
        one = Relay(chosen.outbox, spool)
        if once:
            return one.once()
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        health = metrics.Health()
        port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
        log.info("Metrics", process="relay", port=port)
        one.run(stop, health)
    return None


def main() -> None:
    """Run the relay of one unit's outbox."""
    chosen = settings()
    logs.configure(chosen.log_level)
    parser = argparse.ArgumentParser(prog="relay", description=main.__doc__)
    parser.add_argument("--unit", required=True)
    relay(parser.parse_args().unit, chosen.data)


if __name__ == "__main__":
    run_process(main)
