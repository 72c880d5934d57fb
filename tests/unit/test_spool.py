"""The spool keeps what it has accepted, tells it apart, and says clearly when it cannot."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from crossregion.domain import identifiers
from producers import publisher
from producers.exports.reader import read_export
from producers.records import LocalRecord
from producers.spool import store
from producers.spool.store import (
    Counts,
    PublishedRevision,
    Spool,
    SpoolBusy,
    SpoolDamaged,
    SpoolError,
    SpoolForeign,
    SpoolFull,
    SpoolTooNew,
)
from schemas import codec
from tests.support import exports
from tests.support.exports import UNIT, case, rescue

Export = Callable[..., list[LocalRecord]]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    def read(*rows: dict[str, str]) -> list[LocalRecord]:
        found = read_export(exports.write(tmp_path / "export.csv", *rows), UNIT)
        assert not found.refusals
        return found.records

    return read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / f"{UNIT}.sqlite"


def sent(opened: Spool) -> list[tuple[str, int]]:
    """Everything that waits, as (record, revision), and marked as sent."""
    waiting = opened.unsent(1_000)
    opened.mark_sent(event.sequence for event in waiting)
    return [(event.record_id, codec.decode(event.value)[1]["revision"]) for event in waiting]


def standing(exported: LocalRecord, revision: int) -> PublishedRevision:
    digest = identifiers.content_digest(exported.record)
    return PublishedRevision(store.KINDS[exported.event], exported.record_id, revision, digest)


def test_what_is_accepted_waits_until_it_is_marked(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        accepted = opened.accept_all(export(case(), case(案件编号="A")))
        assert (accepted.published, accepted.unchanged, accepted.refused) == (2, 0, ())
    with Spool(path, UNIT) as opened:
        first, second = opened.unsent(10)
        assert [event.record_id for event in opened.unsent(1)] == ["220200-C1"]
        assert (first.topic, first.event) == ("cases.220200", "CaseRecorded")
        record = codec.decode(first.value)[1]
        digest = identifiers.content_digest(cast(Any, record))
        assert first.event_id == identifiers.event_id(UNIT, "220200-C1", 1, digest)
        opened.mark_sent([first.sequence])
        assert [one.record_id for one in opened.unsent(10)] == [second.record_id]
        assert (opened.counts("case"), opened.counts("rescue")) == (Counts(2, 1), Counts(0, 0))
        assert opened.waiting() == 1


def test_nothing_is_published_twice(path: Path, export: Export) -> None:
    rows = [case(), case(案件编号="A", 修订号=""), case(修订号="2", 案件状态="破案")]
    with Spool(path, UNIT) as opened:
        assert opened.accept_all(export(*rows)).published == 3
        opened.accept_all(export(rescue()))
        sent(opened)
        for again in (rows, rows[::-1], rows[:1]):
            accepted = opened.accept_all(export(*again))
            assert (accepted.published, accepted.unchanged) == (0, len(again))
        assert opened.waiting() == 0


def test_a_corrected_row_is_published_under_its_revision(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case()))
        assert opened.accept_all(export(case(受害人姓名="王红"))).published == 1
        assert sent(opened) == [("220200-C1", 1), ("220200-C1", 1)]


def test_revisions_are_counted_where_the_unit_has_none(path: Path, export: Export) -> None:
    contents = [case(修订号="", 案件状态=word) for word in ("立案", "立案", "破案", "立案")]
    with Spool(path, UNIT) as opened:
        published = [opened.accept_all(export(row)).published for row in contents]
        assert published == [1, 0, 1, 1]
        assert sent(opened) == [("220200-C1", 1), ("220200-C1", 2), ("220200-C1", 3)]


def test_a_case_and_a_rescue_of_one_id_are_two(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case(案件编号="X", 修订号="")))
        opened.accept_all(export(rescue(解救编号="X", 修订号="")))
        assert sent(opened) == [("X", 1), ("X", 1)]


def test_a_new_spool_learns_from_the_topics(path: Path, export: Export) -> None:
    (first,) = export(case(修订号=""))
    (second,) = export(case(修订号="", 案件状态="破案"))
    places = {("cases.220200", 0): 2}
    with Spool(path, UNIT) as opened:
        assert opened.places() == {}
        opened.catch_up([standing(first, 1), standing(second, 2)], places)
        assert opened.places() == places
        assert opened.accept_all([second]).unchanged == 1
        assert opened.counts("case") == Counts(2, 2)
        opened.accept_all([first])
        assert sent(opened) == [("220200-C1", 3)]


@pytest.mark.parametrize("known", [[0], [0, 1], [1, 0], [1], []])
def test_what_was_counted_without_the_topics_is_counted_anew(
    path: Path, export: Export, known: list[int]
) -> None:
    contents = [export(case(修订号="", 案件状态=word))[0] for word in ("立案", "破案")]
    with Spool(path, UNIT) as opened:
        opened.accept_all(contents[:1])
        stood = [standing(contents[one], number) for number, one in enumerate(known, 1)]
        opened.catch_up(stood, {})
        newest = known[-1] if known else None
        expected = [] if newest == 0 else [("220200-C1", len(known) + 1)]
        assert sent(opened) == expected
        opened.catch_up(stood, {})
        assert opened.waiting() == 0


def test_what_stands_on_the_topics_is_not_sent_again(path: Path, export: Export) -> None:
    exported = export(case(), case(案件编号="A"), case(案件编号="B", 修订号=""))
    with Spool(path, UNIT) as opened:
        opened.accept_all(exported)
        sequences = [event.sequence for event in opened.unsent(9)]
        opened.catch_up([standing(exported[0], 1)], {})
        assert [event.sequence for event in opened.unsent(9)] == sequences[1:]
        opened.catch_up([standing(exported[2], 1)], {})
        assert sent(opened) == [("A", 1)]


def test_a_record_too_large_to_send_is_refused_alone(path: Path, tmp_path: Path) -> None:
    long = "王" * 2_000
    rows = [
        case(受害人序号=str(number), 体貌特征=long, 曾用名=long, 姓名拼音=long)
        for number in range(60)
    ]
    file = exports.write(tmp_path / "a.csv", *rows, case(案件编号="A"))
    with Spool(path, UNIT) as opened:
        report = publisher.accept([file], opened)
        assert [event.record_id for event in opened.unsent(9)] == ["A"]
    counts = report.kinds["case"]
    assert (counts.records_read, counts.published, counts.refused) == (2, 1, 1)
    assert [refusal.line for refusal in report.refusals] == list(range(2, 62))
    assert {refusal.reason for refusal in report.refusals} == {"over-limit"}


def test_an_unreadable_file_is_told_and_the_others_go_on(path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    good = exports.write(tmp_path / "good.csv", case())
    with Spool(path, UNIT) as opened:
        report = publisher.accept([empty, good], opened)
    assert [str(one) for one in report.unreadable] == [f"{empty} is empty: export it again."]
    assert report.kinds["case"].published == 1


def test_refused_rows_are_published_once_corrected(path: Path, tmp_path: Path) -> None:
    file = exports.write(tmp_path / "a.csv", case(案件编号="A"), case(受害人姓名="王\0"))
    with Spool(path, UNIT) as opened:
        first = publisher.accept([file], opened).kinds["case"]
        assert (first.published, first.refused, first.unchanged) == (1, 1, 0)
        exports.write(file, case(案件编号="A"), case())
        second = publisher.accept([file], opened).kinds["case"]
        assert (second.published, second.refused, second.unchanged) == (1, 0, 1)


def test_only_the_owner_may_read_any_of_its_files(path: Path, export: Export) -> None:
    path.parent.mkdir()
    path.touch(mode=0o666)
    path.chmod(0o666)
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case()))
        files = sorted(path.parent.iterdir())
        assert [file.name.removeprefix(path.name) for file in files] == ["", "-shm", "-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_folder_that_it_makes_is_its_owners_alone(path: Path) -> None:
    Spool(path, UNIT).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_units_spool_is_refused(path: Path) -> None:
    Spool(path, "220300").close()
    with pytest.raises(SpoolForeign, match="spool of unit 220300"):
        Spool(path, UNIT)


def test_another_programs_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "other.sqlite"
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as one " * 50)
    short = tmp_path / "short.txt"
    short.write_text("hello")
    for path in (database, text, short):
        before = path.read_bytes()
        with pytest.raises(SpoolForeign, match="move it away"):
            Spool(path, UNIT)
        assert path.read_bytes() == before


def test_a_newer_versions_spool_is_refused(path: Path) -> None:
    Spool(path, UNIT).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(SpoolTooNew, match="install that version"):
        Spool(path, UNIT)


def test_a_path_that_cannot_be_a_spool(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "spool.sqlite"):
        with pytest.raises(SpoolError, match="cannot be opened"):
            Spool(path, UNIT)


def test_a_damaged_event_is_found_before_it_is_sent(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case(), case(案件编号="A")))
    data = path.read_bytes()
    place = data.index("王红英".encode())
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with (
        Spool(path, UNIT) as opened,
        pytest.raises(SpoolDamaged, match="publish the exports again"),
    ):
        opened.unsent(10)


def test_a_damaged_page_is_a_clear_error(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(*(case(案件编号=f"C{number}") for number in range(200))))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(8192) + whole[12288:])
    with pytest.raises(SpoolDamaged), Spool(path, UNIT) as opened:
        opened.unsent(1_000)
        opened.accept_all(export(case(案件编号="C7"), case(案件编号="new")))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SpoolDamaged), Spool(path, UNIT) as opened:
        opened.unsent(1_000)
        opened.accept_all(export(case(案件编号="C7"), case(案件编号="new")))


def test_a_spool_held_by_another_process_is_a_clear_error(path: Path, export: Export) -> None:
    Spool(path, UNIT).close()
    holder = sqlite3.connect(path, isolation_level=None)
    with Spool(path, UNIT, 0.05) as opened:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolBusy, match=r"held by another process for 0\.05 s: end that"):
            opened.accept_all(export(case()))
        with pytest.raises(SpoolBusy, match="another process"):
            Spool(path, UNIT, 0.05)
        holder.execute("ROLLBACK")
        assert opened.accept_all(export(case())).published == 1
    holder.close()


def test_a_full_disk_stores_nothing_of_a_file(path: Path, export: Export) -> None:
    many = export(*(case(案件编号=f"C{number}", 体貌特征="痣" * 600) for number in range(400)))
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case()))
        (pages,) = opened._database.execute("PRAGMA page_count").fetchone()
        opened._database.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(SpoolFull, match="make room"):
            opened.accept_all(many)
        assert opened.counts("case") == Counts(1, 0)
        opened._database.execute("PRAGMA max_page_count = 1000000")
        assert opened.accept_all(many).published == 400


KILLED = """
import os, signal, sys
from pathlib import Path
from producers.spool import store
from producers.exports.reader import read_export
original = store.Spool._insert
count = 0
def insert(*arguments, **named):
    global count
    count += 1
    if count > 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
opened = store.Spool(Path(sys.argv[1]), "220200")
print(opened.accept_all(read_export(Path(sys.argv[2]), "220200").records[:5]).published, flush=True)
store.Spool._insert = insert
opened.accept_all(read_export(Path(sys.argv[2]), "220200").records[5:])
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_a_file_it_holds_what_it_said_and_no_more(
    path: Path, tmp_path: Path
) -> None:
    file = exports.write(tmp_path / "a.csv", *(case(案件编号=f"C{number}") for number in range(50)))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (-9, "5\n"), done.stderr
    with Spool(path, UNIT) as opened:
        assert opened.counts("case") == Counts(5, 0)
        assert publisher.accept([file], opened).kinds["case"].published == 45


def test_a_spool_of_the_first_version_is_brought_up_to_date(path: Path, export: Export) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case(), case(案件编号="C2")))
        opened.mark_sent([opened.unsent(1)[0].sequence])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE event DROP COLUMN accepted_at")
        for table in ("day", "receipt", "file"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 1")
    with Spool(path, UNIT) as opened:
        assert opened.files() == {}
        assert opened.counts("case") == Counts(2, 1)
        assert opened.overdue() == 0
        (waiting,) = opened.unsent(2)
        tomorrow = waiting.accepted_at.date() + timedelta(days=2)
        opened.mark_sent([waiting.sequence])
        (day,) = opened.days_to_tell(tomorrow)
    assert day["count"] == 1


def test_a_day_is_told_once_it_is_over_and_sent_and_again_only_if_it_changes(
    path: Path, export: Export
) -> None:
    with Spool(path, UNIT) as opened:
        opened.accept_all(export(case()))
        today = date.fromisoformat(identifiers.day_of_acceptance(datetime.now(UTC)))
        tomorrow = today + timedelta(days=1)
        assert opened.days_to_tell(tomorrow) == []
        (event,) = opened.unsent(2)
        opened.mark_sent([event.sequence])
        assert opened.days_to_tell(today) == []
        (day,) = opened.days_to_tell(tomorrow)
        assert (day["count"], day["revision"]) == (1, 1)
        assert day["digest"] == identifiers.digest_of_ids([event.event_id])
        opened.mark_told([day])
        assert opened.days_to_tell(tomorrow) == []
        late = PublishedRevision("case", "C9", 1, "d" * 64, int(event.accepted_at.timestamp()))
        opened.catch_up([late], {})
        (again,) = opened.days_to_tell(tomorrow)
        assert (again["count"], again["revision"]) == (2, 2)


def test_a_new_spool_is_made_once_by_whoever_comes_at_once(tmp_path: Path) -> None:
    """The sender looks for it while the first export is being published."""
    refused = []

    def use(path: Path, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            with Spool(path, UNIT) as spool:
                assert spool.unsent(1) == []
        except SpoolError as error:
            refused.append(error)

    for number in range(40):
        gate = threading.Barrier(6)
        given = (tmp_path / f"{number}.sqlite", gate)
        threads = [threading.Thread(target=use, args=given) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []
