"""A parcel is taken once, however often it comes, with its receipt or not at all."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from crossregion.domain import identifiers
from producers.exports.reader import read_export
from producers.records import LocalRecord
from producers.spool import store
from producers.spool.store import IdempotentRequest, Spool, Stored
from schemas import codec
from tests.support import exports
from tests.support.exports import UNIT, case


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / f"{UNIT}.sqlite"


def cases(tmp_path: Path, *rows: dict[str, str]) -> tuple[LocalRecord, ...]:
    return tuple(read_export(exports.write(tmp_path / "export.csv", *rows), UNIT).records)


def answer(stored: Sequence[Stored]) -> str:
    return json.dumps([(one.record_id, one.state, one.revision, one.event_id) for one in stored])


def parcel(key: str, *exported: LocalRecord, fingerprint: str = "f") -> IdempotentRequest:
    return IdempotentRequest(key, fingerprint, exported, answer)


def waiting(opened: Spool) -> list[tuple[str, int]]:
    return [
        (event.record_id, codec.decode(event.value)[1]["revision"]) for event in opened.unsent(99)
    ]


def test_a_parcel_says_what_became_of_each_record(path: Path, tmp_path: Path) -> None:
    first, second = cases(tmp_path, case(), case(案件编号="A", 修订号=""))
    with Spool(path, UNIT) as opened:
        opened.accept_all([first])
        (taken,) = opened.take([parcel("k", first, second)])
        sent = {event.event_id for event in opened.unsent(9)}
    assert [(one.record_id, one.state, one.revision) for one in taken.stored] == [
        ("220200-C1", "unchanged", 1),
        ("A", "accepted", 1),
    ]
    assert {one.event_id for one in taken.stored} == sent
    assert taken.answer == answer(taken.stored)


def test_what_comes_again_under_its_key_changes_nothing(path: Path, tmp_path: Path) -> None:
    """Also where the spool counts, and what came in between was another content."""
    old, new = (cases(tmp_path, case(修订号="", 案件状态=word))[0] for word in ("立案", "破案"))
    with Spool(path, UNIT) as opened:
        (first, second) = opened.take([parcel("1", old), parcel("2", new)])
        before = waiting(opened)
    with Spool(path, UNIT) as opened:
        again = opened.take([parcel("1", old), parcel("2", new), parcel("1", old)])
        assert [one.answer for one in again] == [first.answer, second.answer, first.answer]
        assert all(one.same and not one.stored for one in again)
        assert waiting(opened) == before == [("220200-C1", 1), ("220200-C1", 2)]


def test_another_content_under_a_known_key_is_said_and_not_taken(
    path: Path, tmp_path: Path
) -> None:
    first, second = cases(tmp_path, case(), case(案件编号="A"))
    with Spool(path, UNIT) as opened:
        opened.take([parcel("k", first)])
        (taken,) = opened.take([parcel("k", second, fingerprint="another")])
        assert not taken.same
        assert waiting(opened) == [("220200-C1", 1)]


def test_what_is_too_large_spares_the_others_of_its_commit(path: Path, tmp_path: Path) -> None:
    (good,) = cases(tmp_path, case())
    large = cast(Any, {**good.record, "case_id": "L", "venue": "长" * codec.MAX_EVENT_BYTES})
    with Spool(path, UNIT) as opened:
        both = opened.take(
            [parcel("1", LocalRecord("CaseRecorded", "L", large, ())), parcel("2", good)]
        )
        assert [one.stored[0].state for one in both] == [store.REFUSED, store.ACCEPTED]
        assert waiting(opened) == [("220200-C1", 1)]


def test_a_commit_that_fails_keeps_no_receipt(path: Path, tmp_path: Path) -> None:
    first, second = cases(tmp_path, case(), case(案件编号="A"))

    def fails(_: Sequence[Stored]) -> str:
        raise ZeroDivisionError

    with Spool(path, UNIT) as opened:
        with pytest.raises(ZeroDivisionError):
            opened.take([parcel("1", first), IdempotentRequest("2", "f", (second,), fails)])
        assert waiting(opened) == []
        (taken,) = opened.take([parcel("1", first)])
        assert taken.stored[0].state == store.ACCEPTED


def test_receipts_are_forgotten_after_their_time(path: Path, tmp_path: Path) -> None:
    exported = cases(tmp_path, case())
    with Spool(path, UNIT) as opened:
        opened.take([parcel("old", *exported), parcel("new")])
    with closing(sqlite3.connect(path)) as database, database:
        long_ago = int(time.time()) - store.RECEIPT_SECONDS - 1
        database.execute("UPDATE receipt SET made_at = ? WHERE key = 'old'", [long_ago])
    with Spool(path, UNIT) as opened:
        (again, known) = opened.take([parcel("old", *exported), parcel("new")])
        assert again.stored[0].state == store.UNCHANGED
        assert known.stored == ()


def test_a_spool_of_the_second_version_is_brought_up_to_date(path: Path, tmp_path: Path) -> None:
    exported = cases(tmp_path, case())
    with Spool(path, UNIT) as opened:
        opened.accept_all(exported)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE receipt")
        database.execute("DROP TABLE file")
        database.execute("PRAGMA user_version = 2")
    with Spool(path, UNIT) as opened:
        (taken,) = opened.take([parcel("k", *exported)])
        assert taken.stored[0].state == store.UNCHANGED
        opened.remember_file("/a", 1, 2)
        assert opened.files() == {"/a": (1, 2)}


def test_an_events_id_is_the_one_under_which_it_is_sent(path: Path, tmp_path: Path) -> None:
    (one,) = cases(tmp_path, case(修订号=""))
    with Spool(path, UNIT) as opened:
        (taken,) = opened.take([parcel("k", one)])
        (event,) = opened.unsent(2)
        record = codec.decode(event.value)[1]
        digest = identifiers.content_digest(cast(Any, record))
        assert taken.stored[0].event_id == event.event_id
        assert event.event_id == identifiers.event_id(UNIT, "220200-C1", 1, digest)
