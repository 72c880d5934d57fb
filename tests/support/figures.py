"""Figures counted by hand over raw events, for tests: nothing here is shared with the product.

An event is a dict: `event`, `record`, `topic`, `ms` (the broker's time), `id` (its header's), and
`counts`, whether it is one that can count at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from typing import Any

Event = dict[str, Any]
Counted = list[tuple[Any, ...]]

ZONE = timezone(timedelta(hours=8))
PLACES: dict[str | None, tuple[bool, str | None]] = {
    None: (False, None),
    "": (False, None),
    "999999": (False, None),
    "220102": (True, "220100"),
    "220202": (True, "220200"),
    "222401": (True, "222400"),
    "22CBS1": (True, "22CBS0"),
    "210102": (True, "210000"),
    "230100": (True, "230000"),
    "KP": (True, None),
    "HK": (True, "220000"),
}
"""Whether a code is a place, and whose it is; another province is named itself."""
VENUES = {"RAILWAY_STATION", "HOTEL"}
DECISIVE = {"SOLVED", "REPORTED", "UNDER_INVESTIGATION"}
RECORDS = {
    "CaseRecorded": "case_id",
    "RescueRecorded": "rescue_id",
    "AssistanceRecorded": "assistance_id",
    "GuardianSearchRecorded": "search_id",
}
CHILDREN = {"under-6", "6-13", "14-17"}
AIDS = {
    *("CHILD_PLACEMENT", "FOLLOW_UP", "LEGAL_AID", "MEDICAL", "PSYCHOLOGICAL", "RIGHTS_TRAINING"),
    *("SCHOOL_RETURN", "SHELTER"),
}
STEPS = {
    "searched": ("begun_on", None),
    "public_notice": ("notice_on", "PUBLIC_NOTICE"),
    "found": ("found_on", "FOUND"),
    "placed": ("placed_on", "IN_WELFARE_HOME"),
    "first_certificate": ("first_certificate_on", "never by a state"),
    "second_certificate": ("second_certificate_on", "never by a state"),
}
"""By which day a search has done a thing, and which state says so without a day."""
ANSWERS = {"accepted", "refused", "not-ours"}
HOUR = EARLY = 3_600_000


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, ZONE).date()


def day(text: str | None, ms: int) -> date | None:
    """The day a text names, if the broker's clock had reached it."""
    if text is None or not re.match(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        found = date.fromisoformat(text[:10])
    except ValueError:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            found = moment.astimezone(ZONE).date()
    except ValueError:
        pass
    return found if found <= day_of(ms) else None


def bare(value: Any) -> Any:
    """Without what says nothing."""
    if isinstance(value, dict):
        kept = {name: bare(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, [], {})}
    return [bare(one) for one in value] if isinstance(value, list) else value


def digest(record: dict[str, Any]) -> str:
    content = bare({name: value for name, value in record.items() if name != "revision"})
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Known:
    """What was known at a moment of a period, counted one by one."""

    def __init__(self, events: list[Event], since: date, until: date, known_ms: int) -> None:
        self.since, self.until, self.known_ms = since, until, known_ms
        over = datetime(until.year, until.month, until.day, tzinfo=ZONE) + timedelta(days=1)
        self.cut = min(known_ms, int(over.timestamp() * 1000) - 1)
        self.events: dict[str, list[Event]] = defaultdict(list)
        seen = set()
        for one in sorted(events, key=lambda one: one["ms"]):
            same = (one["event"], one["id"])
            if one["counts"] and one["ms"] <= known_ms and same not in seen:
                seen.add(same)
                self.events[one["event"]].append(one)

    def within(self, on: date | None) -> bool:
        return on is not None and self.since <= on <= self.until

    def revisions(self, event: str) -> dict[tuple[str, str], list[Event]]:
        """The revisions of each record, the one that holds last; of equals the higher digest."""
        name = RECORDS[event]
        found: dict[tuple[str, str], dict[int, Event]] = defaultdict(dict)
        for one in self.events[event]:
            record = one["record"]
            there = found[record["unit"], record[name]]
            rival = there.get(record["revision"])
            if rival is None or digest(rival["record"]) < digest(record):
                there[record["revision"]] = one
        return {key: [there[number] for number in sorted(there)] for key, there in found.items()}

    def solved(self) -> dict[str, Counted]:
        found: dict[str, Counted] = {"reported": [], "solved": [], "unclear": []}
        for (unit, _), revisions in self.revisions("CaseRecorded").items():
            held = revisions[-1]
            on = day(held["record"]["reported_at"], held["ms"])
            if not self.within(on):
                continue
            found["reported"].append((unit, str(on), held["id"]))
            said = [one for one in revisions if one["record"]["status"] in DECISIVE]
            if not said:
                found["unclear"].append((unit, str(on), held["id"]))
            elif said[-1]["record"]["status"] == "SOLVED":
                found["solved"].append((unit, str(on), said[-1]["id"]))
        return found

    def undated(self) -> dict[str, Counted]:
        found: dict[str, Counted] = {"cases": [], "rescues": []}
        for event, field, name in (
            ("CaseRecorded", "reported_at", "cases"),
            ("RescueRecorded", "found_on", "rescues"),
        ):
            for (unit, _), revisions in self.revisions(event).items():
                held = revisions[-1]
                if day(held["record"][field], held["ms"]) is None:
                    found[name].append((unit, held["id"]))
        return found

    def venues(self) -> dict[str, Counted]:
        found: dict[str, Counted] = {"cases": [], "not_stated": []}
        for revisions in self.revisions("CaseRecorded").values():
            held = revisions[-1]
            record = held["record"]
            if self.within(day(record["reported_at"], held["ms"])):
                _, unit = PLACES[leg(record, "taken_from")]
                venue = record["venue"]
                if venue is None:
                    found["not_stated"].append((None, unit, held["id"]))
                else:
                    word = venue if venue in VENUES else "other word"
                    found["cases"].append((word, unit, held["id"]))
        return found

    def ends(self) -> dict[tuple[str, str], list[tuple[str, str, Event]]]:
        """Of each case the pairs of units it is between."""
        cases, rescues = self.revisions("CaseRecorded"), self.revisions("RescueRecorded")
        last: dict[str, Event] = {}
        for one in self.events["MatchDecided"]:
            last[one["record"]["proposal_id"]] = one
        found: dict[tuple[str, str], list[tuple[str, str, Event]]] = {}
        for key, revisions in cases.items():
            held = revisions[-1]
            source = PLACES[leg(held["record"], "taken_from")][1]
            there, destination = PLACES[leg(held["record"], "taken_to")]
            others = {destination}
            for one in last.values():
                record = one["record"]
                pair = (record["rescue_unit"], record["rescue_id"])
                if (
                    record["verdict"] == "confirmed"
                    and (record["case_unit"], record["case_id"]) == key
                    and not there
                    and pair in rescues
                ):
                    others.add(PLACES[rescues[pair][-1]["record"]["found_at"]][1])
            found[key] = [
                (min(source, other), max(source, other), held)
                for other in others
                if source and other and source != other
            ]
        return found

    def asked(self) -> list[dict[str, Any]]:
        """Every question to a unit about a case, with what became of it."""
        said: dict[str, list[Event]] = defaultdict(list)
        for event in ("NoticeIssued", "NoticeWithdrawn"):
            for one in self.events[event]:
                if one["ms"] <= self.cut and one["record"]["kind"] in ("flag", "confirmed"):
                    said[one["record"]["notice_id"]].append(one)
        found: list[dict[str, Any]] = []
        for notice_id, statements in said.items():
            question: dict[str, Any] | None = None
            for one in sorted(statements, key=lambda one: one["record"]["revision"]):
                record = one["record"]
                if one["event"] == "NoticeWithdrawn":
                    if question:
                        question["withdrawn"] = one["ms"]
                    question = None
                    continue
                if question is None:
                    question = {
                        "notice_id": notice_id,
                        "first": one,
                        "withdrawn": None,
                        "until": [],
                    }
                    found.append(question)
                question["last"] = one
                hours = record["answer_within_hours"]
                if hours is not None:
                    question["until"].append(one["ms"] + hours * HOUR)
        for question in found:
            self._answer(question)
        return [one for one in found if one["due"] is not None]

    def _answer(self, question: dict[str, Any]) -> None:
        first, last = question["first"]["record"], question["last"]["record"]
        question["due"] = min(question["until"], default=None)
        question["answer"] = next(
            (
                one
                for one in self.events["NoticeAcknowledged"]
                if one["ms"] <= self.cut
                and one["record"]["notice_id"] == question["notice_id"]
                and one["record"]["unit"] == first["unit"]
                and one["record"]["answer"] in ANSWERS
                and first["revision"] <= one["record"]["notice_revision"] <= last["revision"]
                and one["ms"] >= question["first"]["ms"] - EARLY
            ),
            None,
        )

    def rescued(self) -> dict[tuple[str, str], tuple[Event, date]]:
        """Who was rescued in the period, and when."""
        found = {}
        for key, revisions in self.revisions("RescueRecorded").items():
            held = revisions[-1]
            on = day(held["record"]["found_on"], held["ms"])
            if on is not None and self.within(on):
                found[key] = (held, on)
        return found

    def entries(self, event: str) -> dict[tuple[str, str], list[Event]]:
        """Of each rescue the entries of those who had the person, by unit and id."""
        found: dict[tuple[str, str], list[Event]] = defaultdict(list)
        takers = {(kind, *who) for kind, *who in self.taken(self.known_ms)}
        for key, revisions in sorted(self.revisions(event).items()):
            record = revisions[-1]["record"]
            rescue = (record["rescue_unit"], record["rescue_id"])
            if key[0] == rescue[0] or ("rescue", *rescue, key[0]) in takers:
                found[rescue].append(revisions[-1])
        return found

    def aid(self) -> dict[str, Counted]:
        found: dict[str, Counted] = {"rescued": [], "given": [], "declined": []}
        entries = self.entries("AssistanceRecorded")
        for rescue, (held, rescued_on) in self.rescued().items():
            found["rescued"].append((None, rescue[0], held["id"], None))
            given: dict[str, list[tuple[date, Event]]] = defaultdict(list)
            declined: dict[str, list[tuple[date, Event]]] = defaultdict(list)
            for one in entries[rescue]:
                record = one["record"]
                kind = record["kind"] if record["kind"] in AIDS else "other word"
                done = day(record["done_on"], one["ms"])
                begun = day(record["started_on"], one["ms"]) or done
                if record["state"] == "DECLINED" and not (done and done > self.until):
                    declined[kind].append((done or date.max, one))
                if record["state"] in ("STARTED", "DONE") and not (begun and begun > self.until):
                    for name in (kind, *(["any"] if kind != "FOLLOW_UP" else [])):
                        given[name].append((begun or date.max, one))
            for kind, ones in given.items():
                on, one = min(ones, key=lambda pair: pair[0])
                days = (on - rescued_on).days if rescued_on <= on < date.max else None
                found["given"].append((kind, rescue[0], one["id"], days))
            for kind, ones in declined.items():
                if kind not in given:
                    _, one = min(ones, key=lambda pair: pair[0])
                    found["declined"].append((kind, rescue[0], one["id"], None))
        return found

    def guardians(self) -> dict[str, Counted]:
        names = ("children", "without_guardian", *STEPS)
        found: dict[str, Counted] = {name: [] for name in names}
        entries = self.entries("GuardianSearchRecorded")
        for rescue, (held, rescued_on) in self.rescued().items():
            record = held["record"]
            if record["person"]["age_band"] not in CHILDREN:
                continue
            found["children"].append((rescue[0], held["id"], None))
            if record["guardian"] in ("TO_BE_FOUND", "NOT_FOUND") or entries[rescue]:
                found["without_guardian"].append((rescue[0], held["id"], None))
            for name, (field, state) in STEPS.items():
                done = []
                for one in entries[rescue]:
                    on = day(one["record"][field], one["ms"])
                    if on is not None and on <= self.until:
                        done.append((on, one))
                    elif on is None and state in (None, one["record"]["state"]):
                        done.append((date.max, one))
                if done:
                    on, one = min(done, key=lambda pair: pair[0])
                    days = (on - rescued_on).days if rescued_on <= on < date.max else None
                    found[name].append((rescue[0], one["id"], days))
        return found

    def taken(self, until: int) -> dict[tuple[str, str, str, str], list[tuple[Any, ...]]]:
        """By kind, reporter, record and taker: each time that it was taken over."""
        steps: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
        for one in self.events["HandoverRecorded"]:
            record = one["record"]
            if one["ms"] <= until:
                steps[record["kind"], record["record_unit"], record["record_id"]].append(one)
        found: dict[tuple[str, str, str, str], list[tuple[Any, ...]]] = defaultdict(list)
        for key, given in steps.items():
            reporter = key[1]
            owner, head, offer = reporter, None, None
            for one in given:
                record = one["record"]
                if record["follows"] != head:
                    continue
                action, unit = record["action"], record["unit"]
                if action == "offered" and unit == owner and offer is None:
                    offer = one
                elif action == "accepted" and offer and unit == offer["record"]["to_unit"]:
                    hours = (one["ms"] - offer["ms"]) / HOUR
                    pair = sorted((owner, unit))
                    found[(*key, unit)].append((*pair, one["id"], day_of(one["ms"]), hours))
                    owner, offer = unit, None
                elif action == "refused" and offer and unit == offer["record"]["to_unit"]:
                    offer = None
                else:
                    continue
                head = record["step_id"]
        return found

    def corridors(self) -> dict[str, Counted]:
        names = ("cases", "asked", "answered", "due", "in_time", "handed_over")
        found: dict[str, Counted] = {name: [] for name in names}
        ends = self.ends()
        for pairs in ends.values():
            for one, other, held in pairs:
                if self.within(day(held["record"]["reported_at"], held["ms"])):
                    found["cases"].append((one, other, held["id"], None))
        for question in self.asked():
            first = question["first"]
            record = first["record"]
            if not self.within(day_of(first["ms"])):
                continue
            case = (record["case_unit"], record["case_id"])
            pairs_of = [
                pair[:2]
                for key, pairs in ends.items()
                for pair in pairs
                if key == (first["case"] if case[0] is None else case)
                and record["unit"] in pair[:2]
            ]
            for one, other in set(pairs_of):
                answer, due = question["answer"], question["due"]
                found["asked"].append((one, other, first["id"], None))
                over = min(self.cut, question["withdrawn"] or self.cut)
                if answer:
                    hours = (answer["ms"] - first["ms"]) / HOUR
                    found["answered"].append((one, other, answer["id"], hours))
                    if answer["ms"] <= due:
                        found["in_time"].append((one, other, answer["id"], None))
                if answer or due < over:
                    found["due"].append((one, other, first["id"], None))
        for times in self.taken(self.cut).values():
            for one, other, event_id, on, hours in times:
                if self.within(on):
                    found["handed_over"].append((one, other, event_id, hours))
        return found

    def agreed(self, one: str, other: str) -> bool:
        held: dict[str, Event] = {}
        for event in self.events["AgreementRecorded"]:
            record = event["record"]
            there = held.get(record["agreement_id"])
            if there is None or _version(there) < _version(event):
                held[record["agreement_id"]] = event
        for event in held.values():
            record = event["record"]
            if not record["valid_from"] <= str(self.until) <= (record["valid_to"] or "9999"):
                continue
            if set(record["units"]) == {one, other}:
                return True
            for end in (one, other):
                away = end.endswith("0000") and not end.startswith("22")
                if away and set(record["units"]) == {end, "220000"}:
                    return True
        return False

    def agreements(self) -> dict[str, Counted]:
        found: dict[str, Counted] = {"agreed": [], "missing": []}
        for one, other, event_id, _ in self.corridors()["cases"]:
            name = "agreed" if self.agreed(one, other) else "missing"
            found[name].append((one, other, event_id))
        return found

    def units(self) -> set[str]:
        """Of whom anything was known."""
        return {one["record"]["unit"] for event in RECORDS for one in self.events[event]}


def leg(record: dict[str, Any], role: str) -> str | None:
    return next((leg["code"] for leg in record["legs"] if leg["role"] == role), None)


def _version(event: Event) -> tuple[int, str]:
    return event["record"]["revision"], digest(event["record"])


def quantile(numbers: list[float], share: float) -> float | None:
    """Between the two nearest, as far as the share says."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
