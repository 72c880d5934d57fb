"""Each reconciler reads nothing on a sound system, and names what was broken on purpose."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cli.reconcile import discrepancies
from crossregion.installation import addresses
from crossregion.settings import settings
from producers.spool.store import Spool
from schemas import codec, topics
from tests.faults.conftest import SEED
from tests.faults.generate import Made
from tests.faults.rig import Rig, exported
from tests.support.live import read_all
from tests.support.prepared import prepare

STANDING_SECONDS = 1.5
COLUMNS = "kind, unit, record_id, revision, digest, event_id, record, remarks"
RESTORED = [
    (
        "DELETE FROM registry.{table}",
        f"INSERT INTO registry.{{table}} {into} SELECT {columns} FROM public.{{table}}",  # noqa: S608
        "DROP TABLE public.{table}",
    )
    for into, columns in [("", "*"), (f"({COLUMNS})", COLUMNS)]
]
"""One table has a column that PostgreSQL makes itself."""


@pytest.fixture(scope="module")
def rig(service_data: Path) -> Iterator[Rig]:
    """A stack of its own: days are accounted for that no fault has had a part in."""
    with Rig(prepare(service_data / "agreement"), SEED) as rig:
        yield rig


@pytest.fixture(scope="module", autouse=True)
def accounted(rig: Rig) -> None:
    """A stack in which yesterday's events have been accepted, sent and accounted for."""
    made = [*rig.generator.batch(80), *rig.generator.tips(30)]
    rig.put([one for one in made if one.event == "TipTriaged"])
    made = [one for one in made if one.through_spool]
    rig.supervisor.kill("sender")
    for unit in sorted({one.record["unit"] for one in made}):
        _accept_yesterday(rig, unit, [one for one in made if one.record["unit"] == unit])
    rig.quiet()
    rig.kill("sender")
    rig.wait(lambda: len(read_all(rig.kafka, *topics.DAYS.names())) > 0, "no day is told")
    rig.rest(1.0)


def _accept_yesterday(rig: Rig, unit: str, made: list[Made]) -> None:
    path = rig.spools / f"{unit}.sqlite"
    with Spool(path, unit) as spool:
        spool.accept_all([exported(one) for one in made])
    rig.note(made)
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("UPDATE event SET accepted_at = accepted_at - 86400")


def found(rig: Rig) -> dict[str, list[str]]:
    where = addresses(settings(data=rig.data))
    assert where is not None
    every = discrepancies(where, rig.spools, STANDING_SECONDS)
    return {name: lines for name, lines in every.items() if lines}


@contextmanager
def broken(rig: Rig, harm: str, *values: object) -> Iterator[None]:
    """The registry as a statement leaves it, and then as it was."""
    tables = ("sighting", "record_revision", "flag", "proposal", "tip")
    with rig.superuser() as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE public.{table} AS TABLE registry.{table}")
        connection.execute(harm, values)
        try:
            yield
        finally:
            for table in tables:
                for statement in RESTORED[table == "record_revision"]:
                    connection.execute(statement.format(table=table))


def test_a_sound_system_has_no_discrepancy(rig: Rig) -> None:
    days = [codec.decode(one.value)[1] for one in read_all(rig.kafka, *topics.DAYS.names())]
    assert sum(day["count"] for day in days) == len({one.ce_id for one in rig.ledger if one.ce_id})
    assert found(rig) == {}


HARMS = [
    (
        "DELETE FROM registry.sighting WHERE event_id = (SELECT min(event_id) FROM registry.flag"
        " JOIN registry.record_revision USING (unit, revision, digest))",
        {"days"},
        "were seen",
    ),
    (
        "UPDATE registry.sighting SET event_id = gen_random_uuid()::text"
        " WHERE event_id = (SELECT min(event_id) FROM registry.sighting)",
        {"days", "marks"},
        "other events",
    ),
    (
        "UPDATE registry.flag SET boundary = 'none', told = '[]'"
        " WHERE case_id = (SELECT min(case_id) FROM registry.flag WHERE boundary <> 'none')",
        {"flags"},
        "is not what its case says",
    ),
    (
        "DELETE FROM registry.flag WHERE case_id = (SELECT min(case_id) FROM registry.flag)",
        {"flags"},
        "is missing",
    ),
    (
        "UPDATE registry.proposal SET open = false"
        " WHERE proposal_id ="
        " (SELECT min(proposal_id::text) FROM registry.proposal WHERE open)::uuid",
        {"proposals"},
        "is missing",
    ),
    (
        "INSERT INTO registry.proposal SELECT gen_random_uuid(), 1, true, case_unit, case_id,"
        " victim_id, rescue_unit, rescue_id, kind, model, 0.9, 9, 'review', evidence"
        " FROM registry.proposal LIMIT 1",
        {"proposals", "untold"},
        "has no notice",
    ),
    ("DELETE FROM registry.tip", {"tips"}, "is not what was said of it"),
    ("UPDATE registry.tip SET duty = 'nobody'", {"tips"}, "nobody has no notice of it"),
    (
        "DELETE FROM registry.record_revision"
        " WHERE event_id = (SELECT min(event_id) FROM registry.record_revision)",
        {"marks"},
        "has no row",
    ),
]


@pytest.mark.parametrize(("harm", "names", "says"), HARMS)
def test_what_is_broken_is_named(rig: Rig, harm: str, names: set[str], says: str) -> None:
    with broken(rig, harm):
        named = found(rig)
    assert names <= named.keys()
    assert any(says in line for lines in named.values() for line in lines)
    assert found(rig) == {}


def test_events_that_wait_too_long_are_named(rig: Rig) -> None:
    (made, _) = rig.generator.plain(2)
    path = rig.spools / f"{made.record['unit']}.sqlite"
    frozen = rig.pause("sender")
    try:
        rig.accept([made])
        assert found(rig) == {}
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            database.execute("UPDATE event SET accepted_at = accepted_at - 301 WHERE NOT sent")
        assert found(rig) == {
            "unsent": [f"unit {made.record['unit']} has 1 events unsent for over 5 minutes"]
        }
    finally:
        rig.resume(frozen)
    rig.quiet()
    assert found(rig) == {}


def test_a_group_that_stands_still_with_work_to_do_is_named(rig: Rig) -> None:
    frozen = rig.pause("intake")
    try:
        rig.accept(rig.generator.plain(6))
        rig.wait(lambda: rig.unsent() == 0, "nothing is sent")
        named = found(rig)
    finally:
        rig.resume(frozen)
    assert any("crossregion-intake stands at" in line for line in named["standing"])
    rig.quiet()
    assert found(rig) == {}
