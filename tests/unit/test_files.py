"""What a file owes agrees with a count by hand, day by day, from the raw records."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain.code_lists import code_list, departments
from crossregion.domain.dates import months_after
from crossregion.domain.events import ENTRIES, FileNoted
from crossregion.domain.files import obligations
from crossregion.domain.files.rules import duty, rules
from crossregion.domain.validation import validate_event
from tests.support.builders import a_rescue, an_entry, example

DAY = timedelta(days=1)

Record = dict[str, Any]
Owed = dict[str, tuple[date, date, str]]


def noted(event: str, record: Record) -> FileNoted:
    found = validate_event(event, record, record["unit"], None).noted
    assert found is not None
    return found


def owed(found: Record, entries: list[tuple[str, Record]]) -> Owed:
    notes = [noted("RescueRecorded", found), *(noted(*one) for one in entries)]
    items = obligations.owed(notes, {found["unit"]})
    assert len({one.item for one in items}) == len(items)
    return {one.item: (one.due_from, one.due_on, one.lead) for one in items}


# The count by hand: no function of the product but the table of rules and the code lists.


def by_hand(found: Record, entries: list[tuple[str, Record]]) -> Owed:
    start = real(found["found_on"]) or real(found["registered_at"])
    aid = [e for event, e in entries if event == "AssistanceRecorded"]
    visits = [e for event, e in entries if event == "FollowUpRecorded"]
    searches = [e for event, e in entries if event == "GuardianSearchRecorded"]
    wished: list[tuple[tuple[str, ...], str]] = []
    for kind, one in [*(("assistance", a) for a in aid), *(("follow-up", v) for v in visits)]:
        if one["wish"] in ("HOME", "ELSEWHERE", "UNDECIDED"):
            wished.append(((*said_on(one), kind, id_of(one)), one["wish"]))
    wish = max(wished)[1] if wished else None
    born = birthday(found, start)
    made: Owed = {}

    def put(name: str, clause: str, since: date, until: date, lead: str | None = None) -> None:
        made[name] = (min(since, until), until, lead or leads(clause))

    for one in aid:
        kind = one["kind"] if one["kind"] in code_list("service_type") else "POST_RETURN_SUPPORT"
        if one["state"] in ("DONE", "DECLINED"):
            continue
        since = real(one["needed_on"]) or real(one["started_on"]) or start
        until = real(one["due_on"])
        if until is None and since and one["state"] != "STARTED":
            until = walk(since, rules().open["assistance_days"])
        if until:
            lead = one["lead"] if one["lead"] in departments() else None
            put(f"{kind}:{one['unit']}/{id_of(one)}", kind, since or until, until, lead)
    home = any(s["state"] == "IN_WELFARE_HOME" or real(s["placed_on"]) for s in searches)
    known = any(s["state"] == "FOUND" or real(s["found_on"]) for s in searches)

    def guardianless(on: date) -> bool:
        if known:
            return False
        if born is None:
            return bool(searches) or found["guardian"] in ("TO_BE_FOUND", "NOT_FOUND")
        return on < age_month(born, 18) and found["guardian"] != "HAS_GUARDIAN"

    if start:
        fits = {"MEDICAL": start, "PSYCHOLOGICAL": start, "LEGAL_AID": start}
        if born:
            first, last = september(born, 6), september(born, 15)
            if max(start, first) < last:
                fits["SCHOOL_RETURN"] = max(start, first)
            if wish != "HOME":
                fits["VOCATIONAL_TRAINING"] = max(start, age_month(born, 16))
            if wish == "ELSEWHERE":
                fits["EMPLOYMENT_ELSEWHERE"] = max(start, age_month(born, 16))
        if guardianless(start) and not home:
            fits["CHILD_PLACEMENT"] = start
        for kind, since in fits.items():
            if all(one["kind"] != kind for one in aid) and since <= month(start, 24):
                put(kind, kind, since, walk(since, rules().fits[kind][1]))

    begun = earliest(searches, "begun_on") or start
    if begun:
        rule = rules().search
        notice = earliest(searches, "notice_on")
        if notice is None and guardianless(begun):
            put("PUBLIC_NOTICE", "PUBLIC_NOTICE", begun, walk(begun, 7))
        if notice and not home and guardianless(walk(notice, 30)):
            put("WELFARE_HOME", "WELFARE_HOME", walk(notice, 30), walk(notice, 37))
        for which, months in (("first", 1), ("second", 12)):
            after = month(begun, months)
            if earliest(searches, f"{which}_certificate_on") is None and guardianless(after):
                name = f"{which.upper()}_CERTIFICATE"
                put(name, name, after, walk(after, rule["certificate_within_days"]))

    visits.sort(key=lambda one: (*said_on(one), id_of(one)))
    made_on = [real(v["done_on"]) for v in visits if v["state"] == "DONE"]
    last_look = max([on for on in (start, *made_on) if on], default=date.min)
    planned = [
        (v, on)
        for v in visits
        if v["state"] == "PLANNED" and (on := real(v["planned_on"])) and on > last_look
    ]
    for visit, on in planned:
        put(f"FOLLOW_UP:{visit['unit']}/{id_of(visit)}", "FOLLOW_UP", on, walk(on, 14))
    others = [v["state"] for v in visits if v["state"] != "PLANNED"]
    if start and not planned and others[-1:] != ["LOST"]:
        due = month(last_look, 3)
        if due <= month(start, 12):
            put("FOLLOW_UP", "FOLLOW_UP", due, walk(due, 14))

    for kind in code_list("problem_kind"):
        standing: tuple[date | None, Record] | None = None
        for visit in visits:
            said = next((p for p in visit["problems"] if p["kind"] == kind), None)
            on = real(visit["done_on"]) or real(visit["planned_on"]) or start
            if said and said["state"] == "SOLVED":
                standing = None
            elif said and standing is None:
                standing = (on, said)
        if standing:
            found_on, said = standing
            until = real(said["due_on"]) or (walk(found_on, 30) if found_on else None)
            department = said["department"] if said["department"] in departments() else None
            if until:
                put(f"PROBLEM:{kind}", "PROBLEM", found_on or until, until, department)
    return made


def real(text: str | None) -> date | None:
    """A day that anything can be counted from."""
    try:
        on = date.fromisoformat(text or "")
    except ValueError:
        return None
    return on if 1900 <= on.year < 2200 else None


def said_on(one: Record) -> tuple[str]:
    days = [one.get(name) for name in ("done_on", "started_on", "planned_on", "needed_on")]
    return (next((text for text in days if real(text)), None) or "",)


def id_of(one: Record) -> str:
    return str(one.get("assistance_id") or one.get("follow_up_id") or one.get("search_id"))


def earliest(searches: list[Record], name: str) -> date | None:
    return min((on for one in searches if (on := real(one[name]))), default=None)


def walk(on: date, days: int) -> date:
    for _ in range(days):
        on += DAY
    return on


def month(on: date, months: int) -> date:
    """Day by day into that month, and on to the same day or the last before the next begins."""
    wanted = on.year * 12 + on.month + months
    there = on
    while there.year * 12 + there.month < wanted:
        there += DAY
    while there.day < on.day and (there + DAY).month == there.month:
        there += DAY
    return there


def birthday(found: Record, start: date | None) -> date | None:
    text = found["person"]["identity"]["birth_date"]
    if text and len(text) == 10 and real(text):
        return real(text)
    if text and len(text) == 7 and real(text + "-15"):
        return real(text + "-15")
    if text and len(text) == 4:
        return real(text + "-07-01")
    years = {"under-6": 3, "6-13": 9, "14-17": 15, "adult": 30}.get(found["person"]["age_band"])
    if years is None or start is None:
        return None
    day = 28 if (start.month, start.day) == (2, 29) and (start.year - years) % 4 else start.day
    return date(start.year - years, start.month, day)


def age_month(born: date, years: int) -> date:
    """The first of the months that begin after that birthday's has."""
    on = date(born.year + years, 1, 1)
    while (on.year, on.month) <= (born.year + years, born.month):
        on += DAY
    return on


def september(born: date, years: int) -> date:
    year = born.year + years
    while (born.year + years, born.month, born.day) > (year, 8, 31):
        year += 1
    return date(year, 9, 1)


def leads(kind: str) -> str:
    clauses = {
        "HLT": ("MEDICAL", "PSYCHOLOGICAL"),
        "JUS": ("LEGAL_AID",),
        "EDU": ("SCHOOL_RETURN",),
        "PSD": ("FOLLOW_UP", "PROBLEM", "FIRST_CERTIFICATE", "SECOND_CERTIFICATE"),
    }
    return next((code for code, kinds in clauses.items() if kind in kinds), "CAD")


days = st.dates(date(2023, 12, 25), date(2026, 3, 5)).map(date.isoformat)
texts = st.one_of(st.none(), days, days, st.sampled_from(["2025-02-30", "soon", "9999-12-31"]))
births = st.one_of(
    st.none(),
    st.dates(date(1990, 1, 1), date(2024, 2, 29)).map(date.isoformat),
    st.sampled_from(["2010", "2012-02", "2008-13", "1999"]),
)
rescues = st.builds(
    a_rescue,
    found_on=texts,
    registered_at=texts,
    guardian=st.sampled_from([None, "TO_BE_FOUND", "NOT_FOUND", "HAS_GUARDIAN", "unclear"]),
    birth_date=births,
    age_band=st.sampled_from(["under-6", "6-13", "14-17", "adult", "unknown"]),
)
wishes = st.sampled_from([None, None, "HOME", "ELSEWHERE", "UNDECIDED", "abroad"])
offices = st.sampled_from([None, "EDU", "CAD", "FAO", "XYZ"])
problems = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["WORK", "HEALTH", "lonely"]),
            "department": offices,
            "state": st.sampled_from(["OPEN", "REFERRED", "SOLVED", "?"]),
            "due_on": texts,
        }
    ),
    max_size=3,
)
KINDS = [*sorted(code_list("service_type")), "own word"]


@st.composite
def entries(draw: st.DrawFn) -> list[tuple[str, Record]]:
    made = []
    for number in range(draw(st.integers(0, 6))):
        event = draw(st.sampled_from(sorted(ENTRIES)))
        changes: Record = {name: draw(texts) for name in example(event) if name.endswith("_on")}
        if event == "AssistanceRecorded":
            states = ["NEEDED", "OFFERED", "DECLINED", "STARTED", "DONE", "?"]
            changes |= {"kind": draw(st.sampled_from(KINDS)), "lead": draw(offices)}
        elif event == "FollowUpRecorded":
            states = ["PLANNED", "DONE", "MISSED", "LOST", "?"]
            changes |= {"problems": draw(problems)}
        else:
            states = ["SEARCHING", "PUBLIC_NOTICE", "FOUND", "IN_WELFARE_HOME", "NOT_FOUND", "?"]
        if event != "GuardianSearchRecorded":
            changes["wish"] = draw(wishes)
        changes["state"] = draw(st.sampled_from(states))
        made.append((event, an_entry(event, number, **changes)))
    return made


@pytest.mark.slow
@given(found=rescues, said=entries())
def test_what_is_owed_agrees_with_a_count_by_hand(
    found: Record, said: list[tuple[str, Record]]
) -> None:
    assert owed(found, said) == by_hand(found, said)


@pytest.mark.slow
@given(found=rescues, said=entries(), shuffled=st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_nothing(
    found: Record, said: list[tuple[str, Record]], shuffled: Any
) -> None:
    before = owed(found, said)
    shuffled.shuffle(said)
    assert owed(found, said) == before


@given(on=st.dates(date(1950, 1, 1), date(2100, 1, 1)), months=st.integers(0, 30))
def test_a_month_ends_on_the_same_day_or_on_its_last(on: date, months: int) -> None:
    assert months_after(on, months) == month(on, months)


def test_a_child_whose_guardian_is_not_found() -> None:
    child = a_rescue(found_on="2026-01-31", guardian="NOT_FOUND", age_band="6-13")
    found = owed(child, [])
    assert {
        name: dates[:2] for name, dates in found.items() if "CERT" in name or "PUB" in name
    } == {
        "PUBLIC_NOTICE": (date(2026, 1, 31), date(2026, 2, 7)),
        "FIRST_CERTIFICATE": (date(2026, 2, 28), date(2026, 3, 7)),
        "SECOND_CERTIFICATE": (date(2027, 1, 31), date(2027, 2, 7)),
    }
    search = an_entry("GuardianSearchRecorded", 1, state="PUBLIC_NOTICE", notice_on="2026-02-03")
    found = owed(child, [("GuardianSearchRecorded", search)])
    assert found["WELFARE_HOME"] == (date(2026, 3, 5), date(2026, 3, 12), "CAD")
    assert "PUBLIC_NOTICE" not in found
    search |= {"state": "FOUND", "found_on": "2026-02-20"}
    found = owed(child, [("GuardianSearchRecorded", search)])
    assert found.keys() == {"MEDICAL", "PSYCHOLOGICAL", "LEGAL_AID", "SCHOOL_RETURN", "FOLLOW_UP"}


@pytest.mark.parametrize(
    ("birth_date", "wish", "expected"),
    [
        ("2019-08-31", None, {"SCHOOL_RETURN"}),
        ("2020-09-01", None, {"SCHOOL_RETURN"}),
        ("2010-08-31", None, {"VOCATIONAL_TRAINING"}),
        ("2011-03-01", None, {"SCHOOL_RETURN", "VOCATIONAL_TRAINING"}),
        ("1990-01-01", None, {"VOCATIONAL_TRAINING"}),
        ("1990-01-01", "ELSEWHERE", {"VOCATIONAL_TRAINING", "EMPLOYMENT_ELSEWHERE"}),
        ("1990-01-01", "HOME", set()),
    ],
)
def test_aid_fits_age_and_wish(birth_date: str, wish: str | None, expected: set[str]) -> None:
    person = a_rescue(found_on="2026-03-01", birth_date=birth_date, guardian="HAS_GUARDIAN")
    visit = an_entry("FollowUpRecorded", 1, state="DONE", done_on="2026-03-02", wish=wish)
    found = owed(person, [("FollowUpRecorded", visit)])
    everyone = {"MEDICAL", "PSYCHOLOGICAL", "LEGAL_AID", "FOLLOW_UP"}
    assert found.keys() - everyone == expected


def test_every_rule_names_a_clause_that_leads_and_aid_that_is_listed() -> None:
    assert rules().clauses.keys() >= code_list("service_type")
    assert rules().fits.keys() <= code_list("service_type")
    for kind in rules().clauses:
        assert duty(kind).leads
        assert {*duty(kind).leads, *duty(kind).assisting} <= departments()


def test_of_a_unit_that_writes_without_end_the_first_thousand_entries_of_a_file_count() -> None:
    found = a_rescue(found_on="2026-01-31")
    aid = [
        noted("AssistanceRecorded", an_entry("AssistanceRecorded", 10_000 + number, kind="SHELTER",
              state="NEEDED", needed_on="2026-02-01"))
        for number in range(obligations.MOST_ENTRIES + 5)
    ]  # fmt: skip
    medical = an_entry("AssistanceRecorded", 0, unit="220600", kind="MEDICAL", state="DONE")
    notes = [noted("RescueRecorded", found), *aid, noted("AssistanceRecorded", medical)]
    owed = obligations.owed(notes, {found["unit"], "220600"})
    assert sum(one.item.startswith("SHELTER:") for one in owed) == obligations.MOST_ENTRIES
    assert not any(one.item == "MEDICAL" for one in owed)
    assert obligations.owed(notes[::-1], {found["unit"], "220600"}) == owed


def test_whose_guardian_is_searched_for_is_a_child_whatever_the_age() -> None:
    """A unit that knows no age and begins a search says by it that there is a child."""
    found = a_rescue(found_on="2026-01-31")
    assert "FIRST_CERTIFICATE" not in owed(found, [])
    search = an_entry("GuardianSearchRecorded", 1, state="SEARCHING", begun_on="2026-02-02")
    items = owed(found, [("GuardianSearchRecorded", search)])
    assert items["PUBLIC_NOTICE"][:2] == (date(2026, 2, 2), date(2026, 2, 9))
    assert items["FIRST_CERTIFICATE"][:2] == (date(2026, 3, 2), date(2026, 3, 9))
    assert items["SECOND_CERTIFICATE"][:2] == (date(2027, 2, 2), date(2027, 2, 9))
    adult = a_rescue(found_on="2026-01-31", age_band="adult")
    assert "FIRST_CERTIFICATE" not in owed(adult, [("GuardianSearchRecorded", search)])
