"""The entries of a rescued person's file: remarks on each, and the note derived from it.

A note holds what due items are computed from: known codes and real days, and nothing that says
who the person is. Of a birth it keeps the months in which school, work and majority begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any, cast

from crossregion.domain import events
from crossregion.domain.age import STATED_AGE
from crossregion.domain.code_lists import code_list, departments
from crossregion.domain.dates import day, months_after
from crossregion.domain.events import (
    AssistanceRecorded,
    Entry,
    FileNoted,
    FilePerson,
    FollowUpRecorded,
    Remark,
    RescuedPerson,
    RescueRecorded,
)
from crossregion.domain.field_remarks import EARLIEST, date_remarks, word_remarks
from crossregion.domain.files.rules import duty, rules
from crossregion.domain.stated_ages import said_of

LATEST = date(2200, 1, 1)
"""Days beyond are no one's: nothing is counted from them."""

WORDS = {
    "AssistanceRecorded": {"kind": "service_type", "state": "assistance_state", "wish": "wish"},
    "FollowUpRecorded": {"state": "follow_up_state", "wellbeing": "wellbeing", "wish": "wish"},
    "GuardianSearchRecorded": {"state": "guardian_search_state"},
}
"""Fields whose words are checked against a code list of `data/enumerations.csv`."""
DAYS = {
    "AssistanceRecorded": ("needed_on", "started_on", "done_on"),
    "FollowUpRecorded": ("done_on",),
    "GuardianSearchRecorded": (
        *("begun_on", "notice_on", "placed_on", "found_on"),
        *("first_certificate_on", "second_certificate_on"),
    ),
}
"""Days of what has happened."""
PLANNED = {"AssistanceRecorded": ("due_on",), "FollowUpRecorded": ("planned_on",)}
ORDERED: dict[str, list[tuple[str, ...]]] = {
    "AssistanceRecorded": [("needed_on", "started_on", "done_on")],
    "GuardianSearchRecorded": [
        ("begun_on", "notice_on", "placed_on"),
        ("begun_on", "found_on"),
        ("begun_on", "first_certificate_on", "second_certificate_on"),
    ],
}
"""Days that follow each other."""
DATED = {
    ("AssistanceRecorded", "STARTED"): "started_on",
    ("AssistanceRecorded", "DONE"): "done_on",
    ("FollowUpRecorded", "PLANNED"): "planned_on",
    ("FollowUpRecorded", "DONE"): "done_on",
    ("GuardianSearchRecorded", "PUBLIC_NOTICE"): "notice_on",
    ("GuardianSearchRecorded", "FOUND"): "found_on",
    ("GuardianSearchRecorded", "IN_WELFARE_HOME"): "placed_on",
}
"""States that say something of a day, which is then to be named."""


def remarks(event: str, entry: Entry, received_on: date | None) -> Iterator[Remark]:
    """Remarks on an entry that follow from the entry alone."""
    said = cast("dict[str, Any]", entry)
    for field, enum in WORDS[event].items():
        yield from word_remarks(field, said[field], enum)
    for field in DAYS[event]:
        yield from date_remarks(field, said[field], day(said[field]), received_on)
    for field in PLANNED.get(event, ()):
        yield from date_remarks(field, said[field], day(said[field]), None)
    for fields in ORDERED.get(event, []):
        known = [(field, on) for field in fields if (on := day(said[field]))]
        for (_, earlier), (field, later) in pairwise(known):
            if later < earlier:
                yield {"field": field, "code": "out-of-order"}
    dated = DATED.get((event, said["state"]))
    if dated and said[dated] is None:
        yield {"field": dated, "code": "missing-day"}
    if event == "AssistanceRecorded":
        yield from _department_remarks(cast(AssistanceRecorded, entry))
    elif event == "FollowUpRecorded":
        yield from _problem_remarks(cast(FollowUpRecorded, entry))


def _department_remarks(entry: AssistanceRecorded) -> Iterator[Remark]:
    found = duty(entry["kind"]) if entry["kind"] in rules().clauses else None
    lead = entry["lead"]
    if lead is not None and lead not in departments():
        yield {"field": "lead", "code": "unknown-department"}
    elif lead is not None and found and lead not in found.leads:
        yield {"field": "lead", "code": "wrong-lead"}
    for number, code in enumerate(entry["assisting"], 1):
        if code not in departments():
            yield {"field": f"assisting[{number}]", "code": "unknown-department"}
        elif found and code not in (*found.leads, *found.assisting):
            yield {"field": f"assisting[{number}]", "code": "wrong-assisting"}


def _problem_remarks(entry: FollowUpRecorded) -> Iterator[Remark]:
    seen = set()
    for number, problem in enumerate(entry["problems"], 1):
        field = f"problems[{number}]"
        yield from word_remarks(f"{field}.kind", problem["kind"], "problem_kind")
        yield from word_remarks(f"{field}.state", problem["state"], "problem_state")
        due_on = problem["due_on"]
        yield from date_remarks(f"{field}.due_on", due_on, day(due_on), None)
        if problem["department"] is not None and problem["department"] not in departments():
            yield {"field": f"{field}.department", "code": "unknown-department"}
        if problem["kind"] in seen:
            yield {"field": f"{field}.kind", "code": "repeated-kind"}
        seen.add(problem["kind"])


def note(
    event: str, entry: Entry, record_id: str, digest: str, received_on: date | None
) -> FileNoted:
    """What an entry says of what is due; nothing has happened on a day that was still to come."""
    said = cast("dict[str, Any]", entry)
    words = {field: _known(said[field], enum) for field, enum in WORDS[event].items()}
    days = {field: _happened(said[field], received_on) for field in DAYS[event]}
    days |= {field: _real(said[field]) for field in PLANNED.get(event, ())}
    kind, _ = events.ENTRIES[event]
    noted: FileNoted = {
        "kind": kind,
        "record_id": record_id,
        "unit": entry["unit"],
        "revision": entry["revision"],
        "digest": digest,
        "rescue_unit": entry["rescue_unit"],
        "rescue_id": entry["rescue_id"],
        "person": None,
        "assistance": None,
        "follow_up": None,
        "search": None,
    }
    if event == "AssistanceRecorded":
        noted["assistance"] = cast(
            Any,
            {
                **words,
                **days,
                "lead": _department(said["lead"]),
                "assisting": [code for code in said["assisting"] if code in departments()],
            },
        )
    elif event == "FollowUpRecorded":
        words.pop("wellbeing")
        problems = {
            problem["kind"]: {
                "kind": problem["kind"],
                "state": _known(problem["state"], "problem_state"),
                "department": _department(problem["department"]),
                "due_on": _real(problem["due_on"]),
            }
            for problem in reversed(said["problems"])
            if problem["kind"] in code_list("problem_kind")
        }
        noted["follow_up"] = cast(Any, {**words, **days, "problems": list(problems.values())})
    else:
        noted["search"] = cast(Any, {**words, **days})
    return noted


def note_of_rescue(rescue: RescueRecorded, digest: str) -> FileNoted:
    """The note of a rescue: what the due items of the found person are computed from."""
    start_on = _real(rescue["found_on"]) or _real(rescue["registered_at"])
    start = day(start_on)
    born = _born(rescue["person"], start)
    return {
        "kind": "rescue",
        "record_id": rescue["rescue_id"],
        "unit": rescue["unit"],
        "revision": rescue["revision"],
        "digest": digest,
        "rescue_unit": rescue["unit"],
        "rescue_id": rescue["rescue_id"],
        "person": _person(born, start_on, _known(rescue["guardian"], "guardian_state")),
        "assistance": None,
        "follow_up": None,
        "search": None,
    }


def _person(born: date | None, start_on: str | None, guardian: str | None) -> FilePerson:
    bounds = rules().bounds

    def month(years: int) -> str | None:
        """The first of the month after that birthday."""
        return months_after(born.replace(day=1), 12 * years + 1).isoformat() if born else None

    def september(years: int) -> str | None:
        """The September after the August by whose end that birthday has been."""
        if born is None:
            return None
        return date(born.year + years + (born.month > 8), 9, 1).isoformat()

    return {
        "start_on": start_on,
        "guardian": guardian,
        "school_from": september(bounds["school_from"]),
        "school_to": september(bounds["school_to"]),
        "work_from": month(bounds["work_from"]),
        "adult_from": month(bounds["adult_from"]),
    }


def _born(person: RescuedPerson, start: date | None) -> date | None:
    """The day of birth, the middle of what is known, or what the band stands for."""
    text, precision = person["identity"]["birth_date"] or "", person["identity"]["birth_precision"]
    for middle in ("", "-15", "-07-01"):
        born = day(_real(text + middle))
        if born and len(text + middle) == 10:
            return born
    years = rules().ages.get(person["age_band"])
    if start is None:
        return None
    stated = said_of(text, bare=True) if precision == STATED_AGE else None
    if stated is not None and stated.lower is not None and stated.upper is not None:
        return months_after(start, -((stated.lower + stated.upper) // 2))
    return None if years is None else months_after(start, -12 * years)


def _known(word: str | None, enum: str) -> str | None:
    return word if word in code_list(enum) else None


def _department(code: str | None) -> str | None:
    return code if code in departments() else None


def _happened(text: str | None, received_on: date | None) -> str | None:
    """The day, unless it was still to come: with a wrong year, what is due would never be told."""
    found = day(text)
    later = found is not None and received_on is not None and found > received_on
    return None if later else _real(text)


def _real(text: str | None) -> str | None:
    """The day that a text names, if anything can be counted from it."""
    found = day(text)
    return found.isoformat() if found and EARLIEST <= found < LATEST else None
