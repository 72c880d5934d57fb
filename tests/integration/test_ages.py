"""What the registry shows of ages: bands as they were found, not as a record states them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumers.registry.batch import Batch
from consumers.registry.projections.decisions import confirmed_flags
from crossregion.domain.validation import validate_event
from crossregion.postgres import migrations, queries
from crossregion.postgres.connection import connect
from crossregion.postgres.transactions import Database
from crossregion.services import ages
from schemas import codec, topics
from tests.support.builders import newest_example as example

TRANSIT = "220100"
"""A unit on the example's way, which is told only of what is urgent."""


def born(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**record, "identity": {**record["identity"], **changes}}


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    migrations.migrate(dsn)
    return dsn


def store(dsn: str, *records: tuple[str, str, dict[str, Any]]) -> None:
    batch = Batch()
    for offset, (topic, event, record) in enumerate(records):
        batch.take(topic, 0, offset, codec.encode(event, record), {}, 0)
    held = Database(dsn)
    held.transact(batch.write)
    held.close()


def test_a_child_by_an_age_in_words_is_one_in_summaries_and_flags(
    dsn: str, as_role: Callable[[str, str], str]
) -> None:
    case, rescue = example("CaseRecorded"), example("RescueRecorded")
    worker = as_role(dsn, "crossregion_registry")
    victim = {**case["victims"][0], "age_band": "adult"}
    case["victims"] = [born(victim, birth_date="3岁", birth_precision="day")]
    validated = validate_event("CaseRecorded", case, case["unit"], None)
    assert validated.remarked["persons"] == [{"age_band": "under-6", "sex": "F"}]
    rescue = {**rescue, "found_at": "220302"}
    store(
        worker,
        (topics.CASES.name(case["unit"]), "CaseRecorded", case),
        (topics.RESCUES.name(rescue["unit"]), "RescueRecorded", rescue),
    )
    with connect(worker) as connection:
        connection.execute(
            "INSERT INTO registry.link"
            " SELECT gen_random_uuid(), gen_random_uuid(), %s, %s, %s, %s, %s",
            [
                *(case["unit"], case["case_id"], victim["victim_id"]),
                *(rescue["unit"], rescue["rescue_id"]),
            ],
        )
        rows = connection.execute("SELECT proposal_id::text FROM registry.link").fetchall()
        proposals = [proposal_id for (proposal_id,) in rows]
        (found,) = queries.rows(connection, "linked_places", {"proposals": proposals})
    assert found["age_bands"] == ["under-6"]
    with connect(as_role(dsn, "crossregion_office")) as connection:
        bands = connection.execute("SELECT kind, age_band FROM registry.person ORDER BY 1")
        assert bands.fetchall() == [("case", "under-6"), ("rescue", "unknown")]
    (flag,) = confirmed_flags([found])
    assert TRANSIT in flag["told"]
    (calm,) = confirmed_flags([{**found, "age_bands": ["adult"]}])
    assert TRANSIT not in calm["told"]


def test_the_office_lists_of_whose_age_nothing_is_told(
    dsn: str, as_role: Callable[[str, str], str]
) -> None:
    case, rescue = example("CaseRecorded"), example("RescueRecorded")
    nothing = {"birth_date": None, "birth_precision": "unknown", "id_number": None}
    first = {**case["victims"][0], "age_band": "unknown"}
    second = {**first, "victim_id": f"{case['case_id']}/2"}
    case["victims"] = [first, born(second, **nothing)]
    rescue["person"] = born(rescue["person"], **nothing)
    worker = as_role(dsn, "crossregion_registry")
    put = (topics.CASES.name(case["unit"]), "CaseRecorded")
    store(worker, (*put, case), (topics.RESCUES.name(rescue["unit"]), "RescueRecorded", rescue))
    office = as_role(dsn, "crossregion_office")
    assert [tuple(row.values()) for row in ages.not_told(office)] == [
        ("case", case["unit"], case["case_id"], "victims[2].identity.birth_date"),
        ("rescue", rescue["unit"], rescue["rescue_id"], "person.identity.birth_date"),
    ]
    told = {**case, "revision": 2, "victims": [first, born(second, **nothing, name="女婴")]}
    store(worker, (*put, told))
    assert [row["kind"] for row in ages.not_told(office)] == ["rescue"]
