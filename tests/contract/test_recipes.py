"""What CONTRIBUTING.md says to do is held by tests: a step that was left out fails one of these.

Steps that older tests hold already are not repeated here; CONTRIBUTING.md names them.
"""

from __future__ import annotations

import csv
import json
import re
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, cast

import pytest

import schemas
from cli.endpoints import Kind
from consumers.delivery.channels import channels
from consumers.registry.batch import Batch
from crossregion.domain import identifiers, reading
from crossregion.domain.events import CaseRecorded, Remark
from crossregion.domain.validation import Rejected, validate_event
from crossregion.event_validation import validate_statement
from crossregion.services import addresses
from crossregion.settings import settings
from producers.exports import formats as formats_package
from producers.exports.formats import formats
from producers.exports.reader import PERSONAL, Export, read_export
from schemas import topics
from schemas.topics import Topic
from tests.support.registry_history import history

ROOT = Path(__file__).parents[2]
UNIT = "220200"
SAMPLES = ROOT / "tests/data/formats"
"""One file a format, named as its TOML file, with every column filled in at least one row."""
OF_A_ROW = (*PERSONAL, "record_id", "revision", "unit", "person_number")
"""Fields that say which record and victim a row is of, or something of that victim."""


NAMES = sorted(
    file.name.removesuffix(".toml")
    for file in resources.files(formats_package).iterdir()
    if file.name.endswith(".toml")
)
FORMATS = dict(zip(NAMES, formats(), strict=True))


def sample(name: str) -> list[dict[str, str]]:
    with (SAMPLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(folder: Path, rows: list[dict[str, str]]) -> Export:
    path = folder / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return read_export(path, UNIT)


def said(export: Export) -> list[Any]:
    """All that came of an export."""
    return [[one.record for one in export.records], export.warnings, export.refusals]


def fields_of(name: str) -> list[tuple[str, str]]:
    """Each heading of a format as it is spelled, and the field that it fills."""
    form = FORMATS[name]
    return sorted((form.spelled[heading], field) for heading, field in form.columns.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_a_sample_that_is_read_whole_and_without_doubt(name: str) -> None:
    export = read_export(SAMPLES / f"{name}.csv", UNIT)
    assert export.records
    assert export.kind == FORMATS[name].kind
    assert (export.warnings, export.refusals) == ([], [])
    assert set(sample(name)[0]) == set(FORMATS[name].spelled.values())
    remarks = [one for local in export.records for one in remarks_of(local.event, local.record)]
    assert [one for one in remarks if one["code"] == "unknown-word"] == []


@pytest.mark.parametrize(
    ("name", "heading"), [(name, heading) for name in NAMES for heading, _ in fields_of(name)]
)
def test_a_column_of_a_format_is_read(name: str, heading: str, tmp_path: Path) -> None:
    """A column whose field is misspelled in the format would be left out without a word."""
    rows = sample(name)
    assert any(row[heading] for row in rows), "the sample has nothing in this column"
    without = [{**row, heading: ""} for row in rows]
    assert said(read(tmp_path, without)) != said(read(tmp_path, rows))


def test_each_field_of_a_case_is_in_the_export() -> None:
    """But what reading leaves out: the sample holds nothing that it would."""
    (exported,) = read_export(SAMPLES / "cases.csv", UNIT).records
    fields = {field["name"] for field in schemas.schema("CaseRecorded")["fields"]}
    assert {name for name in fields if not exported.record.get(name)} == {"remarks"}


@pytest.mark.parametrize(
    "heading", [heading for heading, field in fields_of("cases") if field not in OF_A_ROW]
)
def test_two_rows_of_a_case_that_contradict_each_other_are_refused(
    heading: str, tmp_path: Path
) -> None:
    """Each row is a victim, and what is said of the case has to be the same in all of them."""
    first, second = sample("cases")
    export = read(tmp_path, [first, {**second, heading: ""}])
    assert not export.records
    assert {(one.reason, one.column) for one in export.refusals} >= {("ambiguous", heading)}


def words_of(event: str) -> list[str]:
    """Fields of an event that hold a word, or words, of a code list."""
    listed = [
        field["name"]
        for field in schemas.schema(event)["fields"]
        if str(field.get("doc", "")).startswith("Code list ")
    ]
    assert listed
    return listed


@pytest.mark.parametrize("field", words_of("CaseRecorded"))
def test_a_word_of_a_case_that_is_in_no_code_list_is_remarked(field: str) -> None:
    record = of_event("CaseRecorded")
    assert field not in {one["field"] for one in remarks_of("CaseRecorded", record)}
    record[field] = ["no such word"] if isinstance(record[field], list) else "no such word"
    assert {"field": field, "code": "unknown-word"} in remarks_of("CaseRecorded", record)


@pytest.mark.parametrize("field", words_of("CaseRecorded"))
def test_a_filler_instead_of_a_word_of_a_case_is_left_out(field: str) -> None:
    record = of_event("CaseRecorded")
    empty: list[str] | None = [] if isinstance(record[field], list) else None
    record[field] = "不详" if empty is None else ["不详"]
    found = dict(reading.read("CaseRecorded", cast(CaseRecorded, record)))
    assert found[field] == empty
    assert {"field": field, "code": "filler"} in cast(list[Remark], found["remarks"])


def remarks_of(event: str, record: Any) -> list[Remark]:
    digest = identifiers.content_digest(record)
    record_id = record["case_id" if event == "CaseRecorded" else "rescue_id"]
    cause = identifiers.event_id(record["unit"], record_id, record["revision"], digest)
    return list(validate_event(event, record, record["unit"], cause).remarks)


def test_each_channel_is_known_to_sender_command_service_and_database() -> None:
    opened = channels(settings())
    assert set(opened) == {kind.value for kind in Kind} == set(addresses.PARSERS)
    texts = [path.read_text("utf-8") for path in sorted(ROOT.glob("consumers/**/*.sql"))]
    listed = re.findall(
        r"(?:CREATE|ALTER) TABLE delivery\.endpoint\b[^;]*?kind IN \(([^)]*)\)", "\n".join(texts)
    )
    assert set(re.findall(r"'(\w+)'", listed[-1])) == set(opened)


def test_each_channel_module_is_opened_for_its_own_kind() -> None:
    folder = ROOT / "consumers/delivery/channels"
    modules = {
        path.stem
        for path in folder.glob("[!_]*.py")
        if re.search(r"^class \w+Channel\b", path.read_text("utf-8"), re.MULTILINE)
    }
    opened = channels(settings())
    assert modules == set(opened)
    endpoint = {
        "address": "https://unit.example/notices",
        "network": None,
        "secrets": ["whsec_" + "A" * 32],
    }
    for kind, opens in opened.items():
        assert type(opens(endpoint)).__module__.rpartition(".")[2] == kind


def test_each_channel_is_tried_on_a_receiver() -> None:
    text = (ROOT / "tests/integration/test_delivery.py").read_text("utf-8")
    tried = set(re.findall(r'\.add\((?:unit|"\d{6}"), "(\w+)"', text))
    assert tried == set(channels(settings()))


READ_AND_STORED = [
    (topic, event)
    for topic in topics.TOPICS
    if "registry" in topic.read_by and topic not in (*topics.INTAKE, topics.REPLAYS)
    for event in topic.schemas
]
"""Topics that the registry reads as they are, and what stands there; intake's are records."""
STATED = [
    (topic, event)
    for topic in topics.TOPICS
    if set(topic.written_by) <= {"unit", "office"} and topic not in (*topics.INTAKE, topics.DAYS)
    for event in topic.schemas
]
"""Topics that persons write to, and what they state there."""


def of_event(name: str) -> dict[str, Any]:
    newest = str(max(schemas.versions()[name]))
    example = resources.files("schemas") / "examples" / name / newest / "example.json"
    record: dict[str, Any] = json.loads(example.read_text("utf-8"))
    if name == "DeadLettered":
        for field in ("key", "value"):
            record[field] = record[field].encode("latin-1")
        record["headers"] = {key: text.encode("latin-1") for key, text in record["headers"].items()}
    return record


@pytest.mark.parametrize(("topic", "event"), READ_AND_STORED, ids=lambda one: str(one)[:30])
def test_no_event_is_dropped_in_silence(topic: Topic, event: str) -> None:
    """What the registry reads leaves at least one row of its own."""
    record = of_event(event)
    name = topic.name(None if topic.per == "one" else record["unit"])
    partition = topics.partition_of(record.get("rescue_id", ""), topic)
    value = schemas.encode(event, record)
    batch = Batch()
    outcome = batch.take(name, partition, 0, value, {"ce_id": b"id"}, 1_700_000_000_000)
    assert outcome == "stored"
    assert batch != Batch(), "no row follows from this event"
    assert not batch.dead_letters.rows or event == "DeadLettered"


@pytest.mark.parametrize(("topic", "event"), STATED, ids=lambda one: str(one)[:30])
def test_a_statement_that_cannot_be_stored_is_rejected(topic: Topic, event: str) -> None:
    record = of_event(event)
    name = topic.name(None if topic.per == "one" else record["unit"])
    partition = topics.partition_of(record.get("rescue_id", ""), topic)
    validate_statement(event, record, name, partition)
    broken = {
        key: f"{value}\0" if isinstance(value, str) else value for key, value in record.items()
    }
    with pytest.raises(Rejected):
        validate_statement(event, broken, name, partition)


@pytest.mark.parametrize("event", sorted({event for _, event in STATED}))
def test_what_persons_state_is_published_by_a_service(event: str) -> None:
    """Commands and pages publish nothing themselves: without a service nobody can state it."""
    folder = ROOT / "crossregion/services"
    text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    assert f'"{event}"' in text


def test_the_history_of_the_registrys_tests_has_each_event_that_it_stores() -> None:
    """They show that order and repetition change nothing, of the events that stand in it."""
    found = set()
    for _, _, _, value, _ in history():
        with suppress(schemas.Undecodable):  # some are meant to be
            found.add(schemas.decode(value)[0])
    read = {event for topic in topics.read_by("registry") for event in topic.schemas}
    assert sorted(read - found) == []


@pytest.mark.parametrize(
    "event", sorted({one for t in topics.TOPICS if "notices" in t.read_by for one in t.schemas})
)
def test_notices_names_each_event_that_it_reads(event: str) -> None:
    """A planner that leaves an event out tells nobody, and nothing else would show it."""
    folder = ROOT / "crossregion/domain/notices"
    text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    assert f'"{event}"' in text
