"""What must hold after every fault, once the system has come to rest."""

from __future__ import annotations

import json
import re
import stat
import struct
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossregion.data_directory import HOST
from crossregion.domain import identifiers
from schemas import codec, topics
from tests.faults import saying, tips
from tests.faults.generate import CANARY
from tests.faults.oracle import AGREEMENTS, Accepted, Expected, expected
from tests.faults.rig import Rig
from tests.support.live import follows, read_all

PERSONAL = (
    *topics.intake_names(),
    topics.LINKAGE_RECORDS.name(),
    topics.DEAD_LETTERS.name(),
    topics.REPLAYS.name(),
)
"""The only topics that may hold a personal value."""
PARTITION = re.compile(r"(?P<topic>.+?)-\d+(?:\.\w+-delete)?")
"""A directory of Kafka's, also of a partition that it is about to remove."""
BATCH_HEAD = struct.Struct(">8x i 9x h")
BATCH_BEGINNING, COMPRESSION = 12, 0b111
"""Of a batch: its length counts from behind itself; its attributes name the compression."""
PAGE_SECONDS = 60.0
SHOWN = 3
OF_ITS_DAY = ("regions", "persons", "exploitation", "answer_within_hours")


@dataclass
class Verdict:
    """What was found wrong; `lost` and `twice` count events and effects.

    `unblocked` counts pairs that blocking does not bring together, which is not wrong.
    """

    events: int = 0
    lost: int = 0
    twice: int = 0
    unblocked: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.wrong)


def check(rig: Rig) -> Verdict:
    """Hold the whole system to the oracle, and search every byte that it has written."""
    right = expected(rig.ledger, rig.erased)
    verdict = Verdict(events=len(rig.ledger), unblocked=right.unblocked)
    _check_registry(rig, right, verdict)
    _check_notices(rig, right, verdict)
    verdict.wrong += leaks(rig)
    return verdict


def _check_registry(rig: Rig, right: Expected, verdict: Verdict) -> None:
    with rig.superuser() as connection:

        def rows(table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
            query = f"SELECT {columns} FROM registry.{table} WHERE {where}"  # noqa: S608
            return connection.execute(query).fetchall()

        revisions = rows(
            "record_revision", "event_id, kind, unit, record_id, revision, digest, record"
        )
        stored = {row[0]: ((row[1], row[2], row[3]), (row[4], row[5])) for row in revisions}
        verdict.lost += len(right.events.keys() - stored.keys())
        verdict.twice += len(revisions) - len(stored)
        _compare("revisions", right.events, stored, verdict)
        altered = [row[0] for row in revisions if identifiers.content_digest(row[6]) != row[5]]
        if altered:
            verdict.wrong.append(f"{len(altered)} records are not as they were sent")
        held = rows("record", "kind, unit, record_id, revision, digest")
        _compare("records", right.records, {row[:3]: row[3:] for row in held}, verdict)
        persons = rows("person", "kind, unit, record_id, person_id, identity")
        _compare("persons", right.persons, {(p[:3], p[3]): p[4] for p in persons}, verdict)
        columns = "source, destination, source_unit, destination_unit, boundary, at_least, told"
        flags = rows("flag", f"unit, case_id, revision, digest, {columns}")
        said = {(("case", f[0], f[1]), (f[2], f[3])): f[4:] for f in flags}
        wanted = {
            key: tuple(flag[name] for name in columns.split(", "))
            for key, flag in right.flags.items()
        }
        _compare("flags", wanted, said, verdict)
        columns = (
            "case_unit, case_id, victim_id, rescue_unit, rescue_id, kind, model, probability,"
            " rank, band, evidence"
        )
        proposals = rows("proposal", f"proposal_id::text, {columns}", "open")
        proposed = {
            proposal_id: tuple(proposal[name] for name in columns.replace(" ", "").split(","))
            for proposal_id, proposal in right.proposals.items()
        }
        _compare("proposals", proposed, {row[0]: row[1:] for row in proposals}, verdict)
        letters = rows("dead_letter", 'topic, partition, "offset", reason')
        outside = {AGREEMENTS, *saying.TOPICS, *tips.TRIAGE, *topics.intake_names()}
        _compare(
            "dead letters",
            right.dead_letters,
            {row[:3]: row[3] for row in letters if row[0] in outside},
            verdict,
        )
        owed = rows("file_item", "rescue_unit, rescue_id, item, lead, due_from, due_on")
        _compare("file items", right.file_items, {row[:3]: row[3:] for row in owed}, verdict)
        stood = rows("tip", f"unit, tip_id, {tips.COLUMNS}")
        _compare("tips", right.tips, {row[:2]: row[2:] for row in stood}, verdict)
        states = rows("agreement", "agreement_id::text, revision, digest, answer_within_hours")
        _compare("agreements", right.agreements, {row[:3]: row[3] for row in states}, verdict)
        owners = rows("handover", "kind, unit, record_id, owner, offered_to, asked_back")
        deeds = {about: deed.standing for about, deed in right.deeds.items() if deed.stamps}
        _compare("hand-overs", deeds, {row[:3]: row[3:] for row in owners}, verdict)


def _compare(
    what: str, right: Mapping[Any, Any], found: Mapping[Any, Any], verdict: Verdict
) -> None:
    missing = sorted(map(str, right.keys() - found.keys()))
    extra = sorted(map(str, found.keys() - right.keys()))
    other = sorted(str(key) for key in right.keys() & found.keys() if right[key] != found[key])
    for name, keys in (("missing", missing), ("too many", extra), ("different", other)):
        if keys:
            verdict.wrong.append(f"{what}: {len(keys)} {name}, as {'; '.join(keys[:SHOWN])}")


def _check_notices(rig: Rig, right: Expected, verdict: Verdict) -> None:
    """Issued and withdrawn in turn under one id; what holds is what the oracle says.

    What stands in a notice as of its day, and not anew with each revision, is left out.
    """
    last: dict[str, tuple[str, dict[str, Any]]] = {}
    stated = {}
    withdrawn: dict[str, int] = {}
    for record in read_all(rig.kafka, *topics.NOTICES.names()):
        event, notice = codec.decode(record.value)
        stated[notice["notice_id"], notice["revision"]] = (notice["unit"], event)
        before, known = last.get(notice["notice_id"], ("", {"revision": 0}))
        if notice["revision"] != known["revision"] + 1 or not follows(before, known, event, notice):
            verdict.twice += 1
            verdict.wrong.append(f"notice {notice['notice_id']}: {event} {notice['revision']}")
        last[notice["notice_id"]] = (event, notice)
        if event == "NoticeWithdrawn":
            withdrawn[notice["notice_id"]] = notice["revision"]
    in_force = {
        notice_id: _lasting({**notice, "revision": 0})
        for notice_id, (event, notice) in last.items()
        if event == "NoticeIssued"
    }
    wanted = {notice_id: _lasting(notice) for notice_id, notice in right.notices.items()}
    _compare("notices", wanted, in_force, verdict)
    with rig.superuser() as connection:
        query = "SELECT notice_id::text, revision, unit, event FROM delivery.notice"
        to_bring = {(row[0], row[1]): row[2:] for row in connection.execute(query)}
        query = "SELECT notice_id, answer, answer_revision FROM registry.notice WHERE answer <> ''"
        given = {row[0]: row[1:] for row in connection.execute(query)}
        query = "SELECT notice_id FROM registry.disclosure"
        disclosed = {row[0]: True for row in connection.execute(query)}
    _compare("notices to be brought", stated, to_bring, verdict)
    answers = saying.in_force(last, withdrawn, right.answers)
    _compare("answers", answers, given, verdict)
    may_read = {
        notice_id: True
        for notice_id, (answer, _) in answers.items()
        if answer == "accepted" and last[notice_id][1]["disclosure"] == "record"
    }
    _compare("disclosures", may_read, disclosed, verdict)


def _lasting(notice: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in notice.items() if name not in OF_ITS_DAY}


def leaks(rig: Rig) -> list[str]:
    """Where a canary was found that should not be there, and files that others may read."""
    found = []
    for name, written in _written(rig):
        if CANARY.search(written):
            found.append(f"a canary in {name}")
        if "/" in name and compressed(written):
            found.append(f"{name} is compressed, and was not searched")
    for part in ("log", "spool", "kafka", "crash"):
        for path in (rig.data / part).rglob("*"):
            mode = _mode(path)
            if part != "crash" and mode is not None and mode & 0o077:
                found.append(f"{path.relative_to(rig.data)} has mode {mode:o}")
    return found


def _mode(path: Path) -> int | None:
    try:
        kept = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(kept) if stat.S_ISREG(kept) else None


def _written(rig: Rig) -> Iterator[tuple[str, bytes]]:
    """Everything that must be free of personal values, piece by piece."""
    for path in (*(rig.data / "log").iterdir(), rig.broker.log, rig.postgres.log):
        yield path.name, path.read_bytes()
    for directory in (rig.data / "kafka/log").iterdir():
        partition = PARTITION.fullmatch(directory.name)
        if partition is not None and partition["topic"] not in PERSONAL:
            for path in directory.glob("*.log"):
                yield f"{directory.name}/{path.name}", _read(path)
    for name, port in rig.metrics_ports.items():
        yield f"metrics of {name}", page(rig, name, port)
    with rig.superuser() as connection:
        listing = connection.execute(
            'SELECT topic, partition, "offset", event_id, reason, detail FROM registry.dead_letter'
        ).fetchall()
        seen = connection.execute("SELECT event_id FROM registry.sighting").fetchall()
    yield "dead letters' listing", json.dumps([*listing, *seen], ensure_ascii=False).encode()


def _read(path: Path) -> bytes:
    """Kafka removes files of its own accord."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def page(rig: Rig, name: str, port: int, seconds: float = PAGE_SECONDS) -> bytes:
    """A process's metrics; one that has just been started is waited for.

    Raises: Stuck, for a page that nobody can read has not been searched.
    """
    pages: list[bytes] = []

    def read() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
                pages.append(bytes(answer.read()))
        except OSError:
            return False
        return True

    rig.wait(read, f"the metrics of {name} cannot be searched", seconds)
    return pages[-1]


def compressed(segment: bytes) -> bool:
    """Whether Kafka's file holds a batch in which nothing can be found by searching its bytes."""
    at = 0
    while at + BATCH_HEAD.size <= len(segment):
        length, attributes = BATCH_HEAD.unpack_from(segment, at)
        if attributes & COMPRESSION:
            return True
        at += BATCH_BEGINNING + length
    return False


__all__ = ["Accepted", "Verdict", "check", "leaks", "page"]
