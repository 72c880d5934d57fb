"""The registry's content is a function of the records, not of their order or number."""

from __future__ import annotations

import functools
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from consumers.reconcile import files
from consumers.registry import counts
from consumers.registry.batch import Batch
from consumers.registry.projections import notices
from crossregion.domain import agreements, events, handovers, tips
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations, queries, transactions
from crossregion.postgres.connection import DatabaseFailed
from crossregion.postgres.transactions import Database
from crossregion.services import dead_letters
from schemas import codec, topics
from tests.support.builders import CASE, RESCUE, example
from tests.support.registry_history import (
    AGAIN,
    CASES,
    HOME,
    NOTICE,
    REPLAYS,
    RESCUES,
    TIP,
    TIPS,
    UNIT,
    Log,
    Record,
    answered,
    case,
    decision,
    handed,
    handed_over,
    history,
    recorded,
    triaged,
)

HOSTILE = (
    "'; DROP SCHEMA registry CASCADE; --",
    "$$ || pg_sleep(9) || $$",
    "%s %(rows)s {} {0.__class__}",
    '"}], "unit": "220300", "x": [{"',
    "\\u0000 \\x00 \\",
    "=cmd|'/c calc'!A1",
    "<script>alert(1)</script>",
    "line\r\nX-Header: 1\r\n\r\n",
    "\u202e\u200b\ufeff\U0001f600 \u2028",
    "{{7*7}} ${7*7}",
)


def store(held: Database, handled: Sequence[Record], sizes: Sequence[int]) -> None:
    start = 0
    for size in sizes:
        batch = Batch()
        for record in handled[start : start + size]:
            batch.take(*record)
        held.transact(batch.write)
        start += size


ANSWERS = """
SELECT notice.notice_id, answer, answer_revision, disclosure.reader, disclosure.case_id
FROM registry.notice LEFT JOIN registry.disclosure USING (notice_id)
ORDER BY notice.notice_id
"""
HANDED_OVER = """
SELECT record_id, owner, offered_to, asked_back, readers, jsonb_array_length(refused)
FROM registry.handover
"""
FILES = "SELECT item, owner, lead, due_from::text, due_on::text FROM registry.file_item ORDER BY 1"
OWED = [
    ("LEGAL_AID:220600/220600-A9", "220600", "JUS", "2026-09-02", "2026-10-01"),
    ("MEDICAL", "220600", "HLT", "2006-11-25", "2006-12-02"),
    ("PROBLEM:LIVELIHOOD", "220600", "CAD", "2026-11-03", "2026-12-01"),
    ("PSYCHOLOGICAL", "220600", "HLT", "2006-11-25", "2006-12-25"),
    ("SCHOOL_RETURN:220100/220100-A1", "220600", "EDU", "2026-09-02", "2026-10-01"),
]
"""What the stranger has written counts for nothing."""
TRIAGED = """
SELECT tip.unit, revision, duty, verdict, linked.case_id, reported, jsonb_array_length(refused)
FROM registry.tip JOIN registry.tip_case AS linked USING (unit, tip_id)
"""
CONFIRMED = """
SELECT link.case_id, confirmed.destination, confirmed.boundary, confirmed.told
FROM registry.link JOIN registry.confirmed_flag AS confirmed USING (proposal_id)
"""


def decisions_of(connection: postgres_connection.Connection) -> list[tuple[Any, ...]]:
    of = {"proposal_id": example("MatchDecided")["proposal_id"]}
    names = ("verdict", "revision", "refused", "in_force", "last")
    found = queries.rows(connection, "decisions", of)
    return [tuple(row[name] for name in names) for row in found]


def said(office: str) -> dict[str, Any]:
    with postgres_connection.connect(office) as connection:
        return {
            "content": counts.content(connection),
            "revisions": counts.revisions(connection),
            "duplicates": counts.duplicates(connection),
            "dead letters": counts.dead_letters(connection),
            "dead letter rows": list(dead_letters.dead_letter_rows(connection)),
            "flags": list(counts.flags(connection)),
            "proposals": list(counts.open_proposals(connection)),
            "decisions": decisions_of(connection),
            "agreements": list(queries.rows(connection, "agreements")),
            "corridors": list(queries.rows(connection, "corridors", {"on": "2026-06-30"})),
            "confirmed": connection.execute(CONFIRMED).fetchall(),
            "answers": connection.execute(ANSWERS).fetchall(),
            "handed over": connection.execute(HANDED_OVER).fetchall(),
            "files": connection.execute(FILES).fetchall(),
            "triaged": connection.execute(TRIAGED).fetchall(),
        }


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    migrations.migrate(dsn)
    return dsn


@pytest.fixture(scope="module")
def worker(dsn: str, as_role: Callable[[str, str], str]) -> str:
    return as_role(dsn, "crossregion_registry")


@pytest.fixture
def held(dsn: str, worker: str) -> Iterator[Database]:
    """The worker's connection to a registry that holds nothing."""
    migrations.drop_registry(dsn)
    held = Database(worker)
    yield held
    held.close()


@pytest.fixture(scope="module")
def office(dsn: str, as_role: Callable[[str, str], str]) -> str:
    return as_role(dsn, "crossregion_office")


@pytest.fixture(scope="module")
def operator(dsn: str, as_role: Callable[[str, str], str]) -> str:
    return as_role(dsn, "crossregion_operator")


def test_any_order_any_batches_and_any_repetition_give_the_same_registry(
    dsn: str, worker: str, office: str
) -> None:
    handled = history()
    held = Database(worker)
    store(held, handled, [len(handled)])
    expected = said(office)
    assert expected["revisions"] == {
        (UNIT, "case"): 5,
        (RESCUE["unit"], "rescue"): 1,
        **{(RESCUE["unit"], kind): 2 for kind, _ in events.ENTRIES.values()},
        ("220600", "assistance"): 1,
        ("220300", "assistance"): 1,
        (TIP["unit"], "tip"): 2,
    }
    assert expected["duplicates"] == {
        (UNIT, "case"): 1,
        ("220300", "case"): 1,
        (TIP["unit"], "tip"): 1,
    }
    assert expected["dead letters"] == {(UNIT, "case"): 2, ("220300", "case"): 1}
    assert len(expected["proposals"]) == 1
    assert expected["decisions"] == [
        ("confirmed", 1, None, False, False),
        ("dismissed", 1, "stale", False, False),
        ("undone", 2, None, False, False),
        ("confirmed", 3, None, True, True),
    ]
    assert expected["confirmed"] == [(CASE["case_id"], "220102", "prefecture", ["220100"])]
    assert expected["answers"] == [
        (AGAIN, None, None, None, None),
        (NOTICE["notice_id"], "accepted", 3, "220500", CASE["case_id"]),
    ]
    assert expected["files"] == OWED
    both = sorted({RESCUE["unit"], "220600"})
    assert expected["handed over"] == [(RESCUE["rescue_id"], "220600", None, True, both, 1)]
    assert expected["triaged"] == [(TIP["unit"], 2, "220600", "linked", CASE["case_id"], True, 2)]
    assert {row["reason"] for row in expected["dead letter rows"]} == {
        "another-unit", "torn", "not-single-object", "no-value", "wrong-event", "wrong-partition",
        "unknown-code",
    }  # fmt: skip
    winner = max(recorded()[:2], key=lambda one: agreements.version(one))  # type: ignore[arg-type]
    assert [
        (row["units"], row["revision"], row["answer_within_hours"], row["status"])
        for row in expected["agreements"]
    ] == [
        (["220100", "220200"], 1, 48, "ended"),
        (["220200", "222400"], 2, winner["answer_within_hours"], "in-force"),
    ]
    (corridor,) = expected["corridors"]
    assert (corridor["one"], corridor["other"], corridor["cases"]) == ("220100", "220200", 1)
    assert corridor["agreed"]
    store(held, handled, [1] * len(handled))
    assert said(office) == expected
    held.close()
    for seed in range(12):
        shuffle = random.Random(seed)
        shuffled = handled + shuffle.sample(handled, 8)
        if seed:
            shuffle.shuffle(shuffled)
        migrations.drop_registry(dsn)
        held = Database(worker)
        store(held, shuffled, [shuffle.randint(1, 5) for _ in shuffled])
        assert said(office) == expected, seed
        held.close()


HOUR = 3_600_000


def test_answers_to_what_nobody_was_told_are_let_go_and_early_ones_are_none(
    dsn: str, worker: str, office: str
) -> None:
    """Whichever is read first: the answers of the hours 0, 5 and 9, or the notice of hour 6."""
    inbox, own = (one.name(NOTICE["unit"]) for one in (topics.NOTICES, topics.ACKNOWLEDGEMENTS))
    notice = codec.encode("NoticeIssued", NOTICE)
    said: list[tuple[str, int, bytes]] = [
        (own, 0, codec.encode("NoticeAcknowledged", answered("accepted", 9))),
        (own, 5, codec.encode("NoticeAcknowledged", answered("received", 1))),
        (inbox, 6, notice),
    ]
    random_ids = [str(uuid.uuid4()) for _ in range(20)]
    contents = set()
    for order in (said, said[::-1]):
        migrations.drop_registry(dsn)
        held = Database(worker)
        batch = Batch()
        for topic, hour, value in order:
            batch.take(topic, 0, hour, value, {}, hour * HOUR)
        for number, notice_id in enumerate(random_ids):
            other = codec.encode("NoticeAcknowledged", answered("accepted", 1, notice_id=notice_id))
            batch.take(own, 0, 10 + number, other, {}, 9 * HOUR)
        held.transact(batch.write)
        with postgres_connection.connect(office) as connection:
            contents.add(counts.content(connection))
            connection.commit()
            for now, left in ((11, 22), (11.1, 2)):
                forgets_at = now * HOUR / 1000
                held.transact(functools.partial(notices.forget, now=forgets_at))
                count = "SELECT count(*) FROM registry.acknowledgement"
                assert connection.execute(count).fetchone() == (left,)
                assert connection.execute(ANSWERS).fetchall() == [
                    (NOTICE["notice_id"], "received", 1, None, None)
                ]
                contents.add(counts.content(connection))
                connection.commit()
        held.close()
    assert len(contents) == 1


@pytest.mark.parametrize("size", [1, 2, 9])
def test_a_notice_is_due_by_its_first_statement_or_sooner_until_it_is_withdrawn(
    held: Database, office: str, size: int
) -> None:
    """Stated at hours 0, 10 and 11, taken back at 12 and told again at 13; by the broker's time."""
    urgent = {**NOTICE, "urgent": True, "answer_within_hours": 24}
    gone = {name: NOTICE[name] for name in ("notice_id", "unit", "kind", "cause")}
    said: list[tuple[int, str, dict[str, Any], int | None]] = [
        (0, "NoticeIssued", {**NOTICE, "answer_within_hours": 30}, 30),
        (10, "NoticeIssued", {**urgent, "revision": 2}, 30),
        (11, "NoticeIssued", {**urgent, "revision": 3, "answer_within_hours": 6}, 17),
        (12, "NoticeWithdrawn", {**gone, "revision": 4}, None),
        (13, "NoticeIssued", {**urgent, "revision": 5}, 37),
    ]
    inbox = topics.NOTICES.name(NOTICE["unit"])
    for start in range(0, len(said), size):
        batch = Batch()
        for hour, event, record, _ in said[start : start + size]:
            batch.take(inbox, 0, hour, codec.encode(event, record), {}, hour * HOUR)
        held.transact(batch.write)
        with postgres_connection.connect(office) as connection:
            query = "SELECT extract(epoch FROM answer_until) / 3600 FROM registry.notice"
            (row,) = connection.execute(query).fetchall()
        assert row == (said[min(start + size, len(said)) - 1][-1],)


def test_steps_of_strangers_are_bounded_and_show_nobody_anything(
    held: Database, office: str
) -> None:
    record = ("rescue", RESCUE["unit"], RESCUE["rescue_id"])
    log, count = Log(), handovers.MOST_STEPS + 5
    for number in range(count):
        step = handed(*record, "accepted", "220800", None, f"nothing {number}")
        log.add(topics.HANDOVERS.name("220800"), codec.encode("HandoverRecorded", step))
    store(held, log.records, [count // 2, count - count // 2])
    store(held, log.records, [count])
    steps = "SELECT count(*) FROM registry.handover_step WHERE unit = '220800'"
    with postgres_connection.connect(office) as connection:
        assert said(office)["handed over"] == []
        assert connection.execute(steps).fetchone() == (handovers.MOST_STEPS,)
        connection.commit()
        rightful = Log()
        for step in handed_over():
            value = codec.encode("HandoverRecorded", step)
            rightful.add(topics.HANDOVERS.name(step["unit"]), value)
        store(held, rightful.records, [len(rightful.records)])
        assert connection.execute(HANDED_OVER).fetchall() == [
            (RESCUE["rescue_id"], "220600", None, True, sorted({RESCUE["unit"], "220600"}), 1)
        ]


def test_of_a_unit_that_triages_without_end_a_hundred_are_kept(held: Database, office: str) -> None:
    """And of a tip that is corrected without end all are kept, and one for each place looked at."""
    tip = {**TIP, "place": "220202"}
    log, count = Log(), tips.MOST_TRIAGES + 5
    for number in range(1, count + 1):
        revision = {**tip, "revision": number, "place": ("220202", "220203", None)[number % 3]}
        log.add(TIPS, codec.encode("TipRecorded", revision))
        stray: dict[str, Any] = {
            "follows": f"nothing {number}",
            "revision": 2,
            "reason": "unfounded",
        }
        made = triaged(tips.DISMISSED, "220800", **stray)
        log.add(topics.TRIAGE.name("220800"), codec.encode("TipTriaged", made))
    store(held, log.records, [count, count])
    store(held, log.records, [2 * count])
    rightful = triaged(tips.DISMISSED, "220200", reason="unfounded")
    log.add(topics.TRIAGE.name("220200"), codec.encode("TipTriaged", rightful))
    store(held, log.records[-1:], [1])
    with postgres_connection.connect(office) as connection:
        stored = "SELECT unit, count(*) FROM registry.triage GROUP BY unit ORDER BY unit"
        assert connection.execute(stored).fetchall() == [
            ("220200", 1),
            ("220800", tips.MOST_TRIAGES),
        ]
        stands = "SELECT revision, place, verdict, may FROM registry.tip"
        place = ("220202", "220203", None)[count % 3]
        assert connection.execute(stands).fetchall() == [
            (count, place, "dismissed", ["220000", "220200"])
        ]
        routes = "SELECT count(*) FROM registry.tip_route"
        assert connection.execute(routes).fetchone() == (count,)
    key = [{"unit": tip["unit"], "tip_id": tip["tip_id"]}]
    assert len(held.transact(lambda c: list(queries.put(c, "tip_routes_of", key)))) == 3


def test_what_strangers_write_into_a_file_is_stored_and_not_looked_at(
    held: Database, office: str
) -> None:
    handled = history()
    store(held, handled, [len(handled)])
    file = {"rescue_unit": RESCUE["unit"], "rescue_id": RESCUE["rescue_id"]}
    looked_at = held.transact(lambda c: list(queries.put(c, "notes_of_files", [file])))
    assert {note["unit"] for _, _, note, _, _ in looked_at} == {RESCUE["unit"], "220600"}
    with postgres_connection.connect(office) as connection:
        stored = connection.execute("SELECT DISTINCT unit FROM registry.file_note").fetchall()
    assert ("220300",) in stored


def test_an_item_that_its_file_does_not_call_for_is_found(
    held: Database, worker: str, office: str
) -> None:
    handled = history()
    store(held, handled, [len(handled)])

    def found() -> list[str]:
        with postgres_connection.connect(office) as connection:
            return list(files.owed(connection))

    assert found() == []
    with transactions.session(worker) as connection:
        connection.execute("DELETE FROM registry.file_item WHERE item = 'MEDICAL'")
        connection.execute(
            "INSERT INTO registry.file_item (rescue_unit, rescue_id, item, owner, lead, assisting,"
            " clause, due_from, due_on, lapses_on)"
            " VALUES ('220300', 'R', 'X', '220300', 'CAD', '[]', '', now(), now(), now())"
        )
    name = f"rescue {RESCUE['rescue_id']} of {RESCUE['unit']}"
    assert found() == [
        f"the duty MEDICAL of {name} is missing",
        "there is a duty X of rescue R of 220300, and nothing calls for it",
    ]


def test_texts_that_mean_something_to_a_parser_are_stored_as_they_are(
    held: Database, office: str
) -> None:
    log = Log()
    for number, text in enumerate(HOSTILE):
        log.put(CASES, case(case_id=f"{number} {text}", venue=text))
    store(held, log.records, [3] * len(HOSTILE))
    with transactions.session(office) as connection:
        rows = connection.execute(
            "SELECT record_id, record ->> 'venue' FROM registry.record_revision"
        ).fetchall()
    assert sorted(rows) == sorted((f"{n} {text}", text) for n, text in enumerate(HOSTILE))


@pytest.mark.parametrize("newer_first", [True, False])
@pytest.mark.parametrize("contents", [("read", "read better"), ("read better", "read")])
def test_of_one_revision_the_content_of_the_newer_reading_holds(
    held: Database, office: str, contents: tuple[str, str], newer_first: bool
) -> None:
    """Whichever of the two has the higher digest, and whichever came first."""
    old, new = contents
    values = [case(venue=old, means=[]), case(venue=new, means=[], reading=2)]
    for value in reversed(values) if newer_first else values:
        log = Log()
        log.put(CASES, value)
        store(held, log.records, [len(log.records)])
    with transactions.session(office) as connection:
        rows = connection.execute(
            "SELECT revision.record ->> 'venue', flag.digest = held.digest"
            " FROM registry.record AS held"
            " JOIN registry.record_revision AS revision"
            " USING (kind, unit, record_id, revision, digest)"
            " JOIN registry.flag AS flag"
            " ON (flag.unit, flag.case_id, flag.revision, flag.digest)"
            " = (held.unit, held.record_id, held.revision, held.digest)"
        ).fetchall()
    assert rows == [(new, True)]


@pytest.mark.parametrize("first", ["decision", "case"])
def test_two_workers_at_once_leave_no_flag_of_an_older_case(
    held: Database, worker: str, office: str, first: str
) -> None:
    """The second may not read before the first has committed, whichever it is."""
    log = Log()
    log.put(CASES, case())
    log.put(RESCUES, codec.encode("RescueRecorded", RESCUE))
    store(held, log.records, [len(log.records)])
    halves = {"case": Batch(), "decision": Batch()}
    halves["case"].take(*log.add(CASES, case(2, lost_on="2006-02-20")))
    value = codec.encode("MatchDecided", decision())
    halves["decision"].take(*log.add(topics.DECISIONS.name(), value, partition=HOME))
    other = Database(worker)
    (second,) = halves.keys() - {first}
    thread = threading.Thread(target=other.transact, args=[halves[second].write])

    def both(connection: postgres_connection.Connection) -> None:
        halves[first].write(connection)
        thread.start()
        thread.join(0.5)

    held.transact(both)
    thread.join(30.0)
    assert not thread.is_alive()
    with postgres_connection.connect(office) as connection:
        revisions = connection.execute("SELECT revision FROM registry.confirmed_flag").fetchall()
    assert revisions == [(2,)]
    other.close()


def test_a_letter_larger_than_an_event_is_listed_and_can_be_put_back(
    held: Database, operator: str
) -> None:
    log = Log()
    letter = log.put(CASES, case() + bytes(1_000_000))
    assert letter is not None
    assert letter["reason"] == "too-large"
    again = codec.encode("DeadLettered", letter)
    assert len(again) > codec.MAX_EVENT_BYTES
    twice = log.put(REPLAYS, again)
    assert twice is not None
    assert (twice["dead_letter_id"], twice["topic"]) == (letter["dead_letter_id"], CASES)
    store(held, log.records, [len(log.records)])
    with postgres_connection.connect(operator) as connection:
        event = dead_letters.dead_letter_event(connection, letter["dead_letter_id"])
    assert event is not None
    assert codec.decode(event)[1] == letter


def test_nothing_of_a_batch_is_stored_when_a_part_of_it_fails(held: Database, office: str) -> None:
    before = said(office)
    batch = Batch()
    for record in history():
        batch.take(*record)
    batch.dead_letters.settled["no uuid"] = "replayed"
    with pytest.raises(DatabaseFailed, match="22P02"):
        held.transact(batch.write)
    assert said(office) == before
