"""Records made from the contracts' examples, changed where a test says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import schemas
from crossregion.domain.events import ENTRIES

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"

Record = dict[str, Any]


def example(event: str, version: int = 1) -> Record:
    """The example of a version of an event's contract."""
    text = (EXAMPLES / event / f"{version}/example.json").read_text("utf-8")
    found: Record = json.loads(text)
    return found


def newest_example(event: str) -> Record:
    """The example of the newest version; Avro's JSON writes bytes as ISO-8859-1 text."""
    record = example(event, max(schemas.versions()[event]))
    if event == "DeadLettered":
        for field in ("key", "value"):
            record[field] = record[field].encode("latin-1")
        record["headers"] = {k: v.encode("latin-1") for k, v in record["headers"].items()}
    return record


READ: Record = {"reading": 1, "remarks": []}
"""What a reader by the newest contract finds in a record that was written before it."""
CASE, RESCUE = {**example("CaseRecorded"), **READ}, {**example("RescueRecorded"), **READ}
CASE_UNIT, RESCUE_UNIT = CASE["unit"], RESCUE["unit"]


def a_case(case_id: str = CASE["case_id"], **changes: Any) -> Record:
    """A case whose victims are its own: their ids begin with the case's."""
    victims = [
        {**victim, "victim_id": f"{case_id}/{number}"}
        for number, victim in enumerate(CASE["victims"], 1)
    ]
    return {**CASE, "case_id": case_id, "victims": victims, **changes}


def a_case_to(destination: str | None, **changes: Any) -> Record:
    """A case with the example's route but for its end."""
    *route, end = CASE["legs"]
    return a_case(legs=[*route, {**end, "code": destination}], **changes)


def a_rescue(**changes: Any) -> Record:
    """A rescue of which nothing is known of the person's age, guardian and registration."""
    identity = {**RESCUE["person"]["identity"], "birth_date": changes.pop("birth_date", None)}
    person = {**RESCUE["person"], "identity": identity}
    person["age_band"] = changes.pop("age_band", "unknown")
    return {**RESCUE, "registered_at": None, "guardian": None, "person": person, **changes}


def an_entry(event: str, number: int, **changes: Any) -> Record:
    """An entry of a file that says nothing but its kind, its state and what is changed."""
    empty: Record = {
        name: [] if isinstance(value, list) else None
        for name, value in example(event).items()
        if name not in ("unit", "rescue_unit", "rescue_id", "details", "kind", "state")
    }
    _, field = ENTRIES[event]
    return {**example(event), **empty, "revision": 1, field: f"E{number}", **changes}
