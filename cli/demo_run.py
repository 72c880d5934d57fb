"""The demonstration: every export of a directory through the whole stack, and what came of it.

Results are JSON Lines, and an account of every row in which each number is counted by another
part: the file reader, the spool, the broker and the registry.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from consumers.registry import counts
from crossregion.embedded.stack import Stack
from crossregion.flows import Lags
from crossregion.kafka import reader
from crossregion.kafka.connection import Kafka
from crossregion.postgres import transactions
from crossregion.services import dead_letters as dead_letters_service
from producers.publisher import Report, publish
from producers.spool.store import Spool
from schemas import codec, topics
from schemas.units import UNITS

KINDS = {"cases": ("case", topics.CASES), "rescues": ("rescue", topics.RESCUES)}
SUFFIXES = (".csv", ".xlsx")
STUCK_SECONDS = 300.0
STEP_SECONDS = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True)
class Account:
    """What became of one unit's records of one kind, each number by who counted it.

    File reader: records_read, refused. Spool: published, unchanged, published_so_far.
    Broker: records_on_broker. Registry: registry_revisions, dead_letters, duplicates.
    """

    records_read: int
    refused: int
    published: int
    unchanged: int
    published_so_far: int
    records_on_broker: int
    registry_revisions: int
    dead_letters: int
    duplicates: int

    def numbers(self) -> dict[str, int]:
        return asdict(self)

    @property
    def balanced(self) -> bool:
        return (
            self.records_read == self.published + self.refused + self.unchanged
            and self.published_so_far == self.registry_revisions + self.dead_letters
            and self.records_on_broker == self.published_so_far + self.duplicates
        )


@dataclass(frozen=True)
class Results:
    """What came out: the reports of publishing, the rows of each file, and the accounts."""

    reports: list[Report]
    flags: list[dict[str, Any]]
    proposals: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    accounts: dict[str, dict[str, Account]]

    @property
    def balanced(self) -> bool:
        return all(
            account.balanced for kinds in self.accounts.values() for account in kinds.values()
        )

    @property
    def complete(self) -> bool:
        """Whether every row of every file is accounted for."""
        return self.balanced and not any(report.unreadable for report in self.reports)


def find_feed(feed: Path) -> dict[str, list[Path]]:
    """The export files of each unit's directory.

    Raises: CrossregionError when there is none, or a directory is no unit's.
    """
    if not feed.is_dir():
        raise CommandError("no-feed", feed=feed)
    found: dict[str, list[Path]] = {}
    for directory in sorted(path for path in feed.iterdir() if path.is_dir()):
        if directory.name not in UNITS:
            raise CommandError("directory-of-no-unit", directory=directory, known=UNITS)
        files = sorted(path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES)
        if files:
            found[directory.name] = files
    if not found:
        raise CommandError("empty-feed", feed=feed)
    return found


def run(feed: dict[str, list[Path]], stack: Stack, say: Say, show: Say) -> Results:
    """Publish everything, wait until all is processed, and collect the results.

    `say` is given what happened, `show` what is going on at the moment.
    Raises: CrossregionError when nothing moves for five minutes or a worker gives up.
    """
    reports = []
    for unit, files in feed.items():
        show(f"Publishing the exports of {unit}")
        with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
            reports.append(publish(files, spool, stack.kafka))
        stack.check()
        say(f"{unit}: {sum(c.records_read for c in reports[-1].kinds.values())} records read")
    lags = Lags(stack.kafka)
    try:
        _wait(stack, lags, list(feed), say, show)
        return _collect(reports, stack, lags)
    finally:
        lags.close()


def _wait(stack: Stack, lags: Lags, units: list[str], say: Say, show: Say) -> None:
    last, since = "", time.monotonic()
    while True:
        for death in stack.check():
            say(f"{death.name} ended with status {death.status} and is started again")
        left = _left(stack, lags, units)
        if left is None:
            return
        if left != last:
            last, since = left, time.monotonic()
            show(left)
        if time.monotonic() - since > STUCK_SECONDS:
            raise CommandError(
                "stuck", stuck_seconds=STUCK_SECONDS, left=left, logs=stack.data / "log"
            )
        time.sleep(STEP_SECONDS)


def _left(stack: Stack, lags: Lags, units: list[str]) -> str | None:
    unsent = 0
    for unit in units:
        with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
            unsent += spool.waiting()
    if unsent:
        return f"Sending: {unsent} events to go"
    open_flow = lags.first_open()
    if open_flow is None:
        return None
    flow, left = open_flow
    return f"Working ({flow.group.removeprefix('crossregion-')}): {left} events to go"


def _collect(reports: list[Report], stack: Stack, lags: Lags) -> Results:
    with transactions.session(stack.database) as connection:
        revisions = counts.revisions(connection)
        dead = counts.dead_letters(connection)
        duplicates = counts.duplicates(connection)
        accounts: dict[str, dict[str, Account]] = {}
        for report in reports:
            unit = report.unit
            with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
                accounts[unit] = {
                    name: Account(
                        records_read=report.kinds[kind].records_read,
                        refused=report.kinds[kind].refused,
                        published=report.kinds[kind].published,
                        unchanged=report.kinds[kind].unchanged,
                        published_so_far=spool.counts(kind).sent,
                        records_on_broker=sum(lags.ends([topic.name(unit)]).values()),
                        registry_revisions=revisions.get((unit, kind), 0),
                        dead_letters=dead.get((unit, kind), 0),
                        duplicates=duplicates.get((unit, kind), 0),
                    )
                    for name, (kind, topic) in KINDS.items()
                }
        return Results(
            reports=reports,
            flags=list(counts.flags(connection)),
            proposals=list(counts.open_proposals(connection)),
            notices=_notices(stack.kafka),
            dead_letters=list(dead_letters_service.dead_letter_rows(connection)),
            accounts=accounts,
        )


def _notices(kafka: Kafka) -> list[dict[str, Any]]:
    """The last word on each notice id, read from the units' own topics."""
    newest: dict[str, dict[str, Any]] = {}
    for record in reader.records(kafka, "notices", topics.NOTICES.names()):
        event, notice = codec.decode(record.value)
        known = newest.get(notice["notice_id"])
        if known is None or known["revision"] < notice["revision"]:
            issued = event == "NoticeIssued"
            kept = notice if issued or known is None else {**known, **notice}
            state = "in force" if issued else "withdrawn"
            newest[notice["notice_id"]] = {**kept, "state": state}
    return [newest[notice_id] for notice_id in sorted(newest)]


def write(results: Results, out: Path) -> None:
    """Write the result files, mode 0600."""
    out.mkdir(parents=True, exist_ok=True)
    _write_lines(out / "flags.jsonl", results.flags)
    _write_lines(out / "proposals.jsonl", results.proposals)
    _write_lines(out / "notices.jsonl", results.notices)
    _write_lines(out / "dead_letters.jsonl", results.dead_letters)
    _write_lines(out / "refusals.jsonl", _rows_of(results, "refusals"))
    _write_lines(out / "warnings.jsonl", _rows_of(results, "warnings"))
    units = {
        unit: {
            kind: {**account.numbers(), "balanced": account.balanced}
            for kind, account in kinds.items()
        }
        for unit, kinds in results.accounts.items()
    }
    unreadable = [str(one) for report in results.reports for one in report.unreadable]
    accounts = {"balanced": results.complete, "unreadable": unreadable, "units": units}
    _write_text(out / "accounts.json", json.dumps(accounts, ensure_ascii=False, indent=2) + "\n")


def _rows_of(results: Results, kind: str) -> list[dict[str, Any]]:
    return [
        {"unit": report.unit, **asdict(one), "message": one.message}
        for report in results.reports
        for one in getattr(report, kind)
    ]


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    _write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write_text(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def boundaries(results: Results) -> Counter[str]:
    """Flags by kind of boundary, of the newest revision of each case."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for flag in results.flags:
        key = (flag["unit"], flag["case_id"])
        if key not in newest or newest[key]["revision"] < flag["revision"]:
            newest[key] = flag
    return Counter(flag["boundary"] for flag in newest.values())
