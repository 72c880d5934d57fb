"""Who gets what from the database: each role, by its own log-in, at each thing there is.

The expected rights are one table over everything in the database's schemas
(`tests/support/database_rights.py`): what is added without a row there fails.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from consumers.registry import audit_chain
from consumers.registry.batch import Batch
from crossregion.domain import identifiers
from crossregion.embedded import postgres
from crossregion.postgres import audit, migrations, transactions
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres.migrations import RolesMissing
from crossregion.postgres.transactions import Database
from crossregion.services import endpoints
from schemas import codec, topics
from schemas.units import PARTNERS, UNITS
from tests.support.database_rights import (
    DELIVERY,
    FUNCTIONS,
    LIBRARY,
    OFFICE,
    OPERATOR,
    OWNER,
    PARTNER,
    RELATIONS,
    RIGHTS,
    ROLES,
    STRANGER,
    SUPERVISION,
    UNIT,
    WORKER,
    Entered,
    ask,
    given,
    of_library,
    own,
    rights,
    summed,
)
from tests.support.registry_history import NOTICE, TIP, answered, handed, history, triaged

CASE = json.loads(
    (Path(__file__).parents[2] / "schemas/examples/CaseRecorded/1/example.json").read_text("utf-8")
)

Enter = Callable[[str], Entered]
AsRole = Callable[[str, str], str]


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str], as_role: Callable[[str, str], str]) -> str:
    """A registry with records, flags, a proposal and dead letters of several units."""
    dsn = new_database()
    migrations.migrate(dsn)
    batch = Batch()
    for record in history():
        batch.take(*record)
    batch.take(topics.BOUNDARY_FLAGS.name(), 0, 90, told("220300", "220500"), {})
    cases = topics.CASES.name("220300")
    batch.take(cases, 0, 91, case("220300", "220300-C9"), {})
    held = Database(as_role(dsn, WORKER))
    held.transact(batch.write)
    held.close()
    endpoints.add(as_role(dsn, OPERATOR), "220200", "webhook", "https://unit.example/", None, "")
    return dsn


def case(unit: str, case_id: str) -> bytes:
    victims = [{**CASE["victims"][0], "victim_id": f"{case_id}/1"}]
    return codec.encode(
        "CaseRecorded", {**CASE, "unit": unit, "case_id": case_id, "victims": victims}
    )


def told(unit: str, *recipients: str) -> bytes:
    """A flag of the case 220300-C9, told to these units."""
    _, record = codec.decode(case(unit, "220300-C9"))
    flag = json.loads(
        (Path(__file__).parents[2] / "schemas/examples/BoundaryFlagged/1/example.json").read_text()
    )
    digest = identifiers.content_digest(record)  # type: ignore[arg-type]
    known = {"unit": unit, "case_id": "220300-C9", "revision": record["revision"]}
    return codec.encode(
        "BoundaryFlagged", {**flag, **known, "digest": digest, "told": list(recipients)}
    )


@pytest.fixture
def enter(dsn: str, as_role: Callable[[str, str], str]) -> Iterator[Enter]:
    """Enters as a role, by that role's own password."""
    entered: dict[str, Entered] = {}

    def connect(role: str) -> Entered:
        if role not in entered:
            entered[role] = psycopg.connect(as_role(dsn, role), autocommit=True)
        return entered[role]

    yield connect
    for connection in entered.values():
        connection.close()


def test_every_role_has_the_rights_of_the_table_and_no_other(enter: Enter) -> None:
    owner = enter(OWNER)
    there: dict[str, list[str]] = dict(owner.execute(RELATIONS).fetchall())
    there |= {name: [] for (name,) in owner.execute(FUNCTIONS)}
    found = {
        name: {role: had for role in ROLES if (had := rights(enter(role), name, columns))}
        for name, columns in there.items()
    }
    assert found == {
        **RIGHTS,
        **{name: of_library(name) for name in there if name.startswith(LIBRARY)},
    }
    assert sum(name.startswith(LIBRARY) for name in there) == 26


def test_every_table_that_holds_records_forces_its_policies(enter: Enter) -> None:
    free = enter(OWNER).execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND NOT (relrowsecurity AND relforcerowsecurity)"
        " AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'",
    )
    assert free.fetchall() == [("crossregion_migration",)]


def test_no_role_of_ours_can_pass_the_policies_or_make_roles(enter: Enter) -> None:
    rows = enter(OWNER).execute(
        "SELECT rolname, rolcanlogin, rolinherit FROM pg_roles"
        " WHERE (rolname LIKE 'crossregion%' OR rolname LIKE 'unit\\_%')"
        " AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)"
    )
    found = {name: (login, inherit) for name, login, inherit in rows}
    units = {f"unit_{unit}" for unit in (*UNITS, *PARTNERS)}
    groups = {f"crossregion_{name}" for name in ("unit", "own", "summary", "audit")}
    assert found == {
        **dict.fromkeys(units | {WORKER, DELIVERY, OFFICE, OPERATOR, SUPERVISION}, (True, True)),
        **dict.fromkeys(groups, (False, True)),
        OWNER: (True, False),
    }
    for name in units:
        assert f"'{name}'" in postgres.roles()


def test_a_role_finds_the_rows_it_may_read(enter: Enter) -> None:
    def counts(role: str) -> dict[str, int]:
        connection = enter(role)
        found = {}
        for name, had in RIGHTS.items():
            if "select" in had.get(role, "") and not name.startswith("public."):
                counted = sql.SQL("SELECT count(*) FROM {}").format(
                    sql.Identifier(*name.split("."))
                )
                ((found[name],),) = connection.execute(counted).fetchall()
        return found

    assert set(counts(OWNER).values()) == {0}
    office = counts(OFFICE)
    assert len(office) == 31
    assert min(office.values()) > 0
    letters = ("registry.dead_letter", "registry.dead_letter_outcome")
    assert counts(OPERATOR) == {
        "audit.entry": 1,
        **{name: office[name] for name in letters},
        **dict.fromkeys(("delivery.endpoint", "delivery.secret"), 1),
        **dict.fromkeys(("delivery.delivery", "delivery.attempt"), 0),
    }


@pytest.mark.parametrize(
    ("role", "asked"),
    [
        (OFFICE, "SELECT event FROM registry.dead_letter"),
        (WORKER, "SELECT event FROM registry.dead_letter"),
        (WORKER, "SELECT record FROM registry.record_revision"),
        (WORKER, "SELECT identity FROM registry.person"),
        (WORKER, "SELECT subject FROM audit.entry"),
        (OPERATOR, "SELECT secret FROM delivery.secret"),
        (DELIVERY, "SELECT FROM registry.record"),
        (DELIVERY, "UPDATE delivery.endpoint SET address = ''"),
        ("postgres", "SET ROLE crossregion_summary; SELECT identity FROM registry.person"),
        ("postgres", "SET ROLE crossregion_summary; SELECT record FROM registry.record_revision"),
    ],
)
def test_a_role_reads_no_column_that_it_does_not_need(
    enter: Enter, role: str, asked: LiteralString
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        enter(role).execute(asked)


def test_a_unit_reads_whole_records_that_it_reported_and_no_other(enter: Enter) -> None:
    everything = set(
        enter(OFFICE).execute("SELECT unit, record_id FROM registry.record_revision").fetchall()
    )
    seen = set()
    for unit in (*UNITS, *PARTNERS):
        found = own(enter(f"unit_{unit}"))
        assert {reporter for reporter, _ in found} <= {unit}
        seen |= found
    assert seen == everything
    assert len({unit for unit, _ in everything}) == 4
    whole = enter(UNIT).execute("SELECT record FROM registry.own_records() LIMIT 1").fetchone()
    assert whole is not None
    assert "identity" in whole[0]["victims"][0]


def noted(dsn: str) -> None:
    """What the registry worker does all the time."""
    held = Database(dsn)
    held.transact(audit_chain.chain)
    held.close()


def read(worker: str, connection: Entered, *key: str) -> dict[str, Any] | None:
    """As a unit reads: it asks, the worker of the registry notes it, and it is given the record."""
    ticket = ask(connection, *key)
    noted(worker)
    return given(connection, ticket)


def readable(connection: Entered) -> set[tuple[str, str, str]]:
    return set(connection.execute("SELECT kind, unit, record_id FROM registry.readable_records()"))


def said(dsn: str, topic: str, event: str, **record: Any) -> None:
    """Have the registry worker store one event, by its own role."""
    batch = Batch()
    assert batch.take(topic, 0, next(OFFSETS), codec.encode(event, record), {}) == "stored"
    held = Database(dsn)
    held.transact(batch.write)
    held.close()


OFFSETS = itertools.count(1000)
C9 = ("case", "220300", "220300-C9")
C1 = ("case", "220200", CASE["case_id"])


@pytest.fixture
def accepting(dsn: str, as_role: Callable[[str, str], str]) -> Iterator[Callable[..., None]]:
    """Answers the notice about C1 that 220500 has accepted; puts the acceptance back at the end."""
    worker = as_role(dsn, WORKER)
    revisions = itertools.count(10)

    def answer(word: str, reason: str | None = None) -> None:
        changes = answered(word, next(revisions), reason=reason)
        said(worker, topics.ACKNOWLEDGEMENTS.name("220500"), "NoticeAcknowledged", **changes)

    yield answer
    answer("accepted")


def test_a_unit_reads_the_case_of_a_notice_while_it_has_accepted_it_and_each_time_is_noted(
    dsn: str, as_role: AsRole, enter: Enter, accepting: Callable[..., None]
) -> None:
    worker = as_role(dsn, WORKER)
    reader, stranger = enter("unit_220500"), enter(STRANGER)
    newest = CASE["victims"][0]["identity"]["name"]
    for answer, reason, may_read in (
        ("accepted", None, True),
        ("refused", "no-capacity", False),
        ("received", None, False),
        ("accepted", None, True),
        ("not-ours", None, False),
    ):
        accepting(answer, reason)
        before = audited(enter)
        record = read(worker, reader, *C1)
        assert (record is not None) == may_read
        assert (C1 in readable(reader)) == may_read
        assert len(audited(enter)) - len(before) == may_read
        assert own(reader) == set()
        assert read(worker, stranger, *C1) is None
        if record is not None:
            assert record["victims"][0]["identity"]["name"] == newest
            assert audited(enter)[-1] == (
                "unit_220500", "unit_220500", "tester", "read", " ".join(C1), "a review",
            )  # fmt: skip


def audited(enter: Enter) -> list[tuple[Any, ...]]:
    return (
        enter(OPERATOR)
        .execute(
            "SELECT login, role, actor, action, subject, purpose FROM audit.entry ORDER BY number"
        )
        .fetchall()
    )


BY_AN_EXCEPTION = """
DO $$
DECLARE
    ticket uuid;
    seen integer;
BEGIN
    ticket := registry.ask_record('{}', '{}', '{}', 'tester', 'a review');
    SELECT count(*) INTO seen FROM registry.read_record(ticket);
    RAISE '% %', ticket, seen;
EXCEPTION WHEN raise_exception THEN
    RAISE NOTICE '%', SQLERRM;
END
$$
"""


def test_nothing_is_read_before_another_has_committed_that_it_is(
    dsn: str, as_role: AsRole, enter: Enter, accepting: Callable[..., None]
) -> None:
    """Whatever the unit does with its own transactions."""
    accepting("accepted")
    worker, reader = as_role(dsn, WORKER), enter("unit_220500")
    before = audited(enter)

    def unread(ticket: uuid.UUID | None) -> None:
        assert ticket is not None
        noted(worker)
        assert given(reader, ticket) is None
        assert audited(enter) == before

    with reader.transaction(force_rollback=True):
        taken_back = ask(reader, *C1)
        unread(taken_back)
    unread(taken_back)
    with reader.transaction():
        with reader.transaction(force_rollback=True):
            to_a_savepoint = ask(reader, *C1)
            unread(to_a_savepoint)
        unread(to_a_savepoint)
    unread(to_a_savepoint)
    said: list[str] = []
    reader.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    reader.execute(BY_AN_EXCEPTION.format(*C1).encode())
    ((ticket, seen),) = (text.split() for text in said)
    assert seen == "0"
    unread(uuid.UUID(ticket))
    reader.execute("BEGIN")
    prepared = ask(reader, *C1)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        reader.execute("PREPARE TRANSACTION 'later'")
    unread(prepared)

    ticket_of_long_ago = ask(reader, *C1)
    noted(worker)
    assert given(reader, ticket_of_long_ago) is not None
    assert given(enter(STRANGER), ticket_of_long_ago) is None
    with psycopg.connect(as_role(dsn, "postgres")) as superuser:
        superuser.execute("UPDATE audit.ticket SET at = at - interval '6 minutes'")
    assert given(reader, ticket_of_long_ago) is None
    assert len(audited(enter)) == len(before) + 1


def test_no_open_transaction_of_a_unit_holds_up_the_audit(
    dsn: str, as_role: AsRole, enter: Enter, accepting: Callable[..., None]
) -> None:
    accepting("accepted")
    reader, operator = enter("unit_220500"), enter(OPERATOR)
    operator.execute("SET statement_timeout = '10s'")
    with reader.transaction(), psycopg.connect(as_role(dsn, "unit_220500")) as other:
        reader.execute("SELECT pg_advisory_lock(hashtext('audit.entry'))")
        assert ask(reader, *C1) is not None
        audit.append_audit(operator, "read", "a record", "")
        ticket = ask(other, *C1)
        other.commit()
        noted(as_role(dsn, WORKER))
        assert given(other, ticket) is not None


def test_a_unit_asks_a_thousand_times_an_hour_and_no_more(
    dsn: str, as_role: AsRole, enter: Enter, accepting: Callable[..., None]
) -> None:
    accepting("accepted")
    reader, superuser = enter("unit_220500"), as_role(dsn, "postgres")
    asking = "SELECT count(registry.ask_record(%s, %s, %s, '', '')) FROM generate_series(1, %s)"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("DELETE FROM audit.ticket")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            reader.execute(asking, (*C1, 1001))
        assert reader.execute(asking, (*C1, 1000)).fetchone() == (1000,)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            ask(reader, *C1)
        connection.execute("UPDATE audit.ticket SET at = at - interval '1 hour'")
        assert ask(reader, *C1) is not None
        connection.execute("DELETE FROM audit.ticket")


def test_who_has_the_turn_for_long_holds_up_no_worker(
    dsn: str, as_role: AsRole, enter: Enter, accepting: Callable[..., None]
) -> None:
    accepting("accepted")
    reader, worker = enter("unit_220500"), as_role(dsn, WORKER)
    ticket = ask(reader, *C1)
    with enter(OPERATOR).transaction():
        audit.append_audit(enter(OPERATOR), "read", "a record", "")
        noted(worker)
        assert given(reader, ticket) is None
    noted(worker)
    assert given(reader, ticket) is not None


def test_what_a_withdrawn_notice_or_an_undone_pair_disclosed_is_no_longer_read(
    dsn: str, enter: Enter, as_role: Callable[[str, str], str]
) -> None:
    worker, reader = as_role(dsn, WORKER), enter("unit_border")
    inbox, answers = (one.name("border") for one in (topics.NOTICES, topics.ACKNOWLEDGEMENTS))
    link = enter(OFFICE).execute("SELECT * FROM registry.link").fetchone()
    assert link is not None
    proposal_id, _, case_unit, case_id, _, rescue_unit, rescue_id = link
    both = {("case", case_unit, case_id), ("rescue", rescue_unit, rescue_id)}
    notice = {**NOTICE, "notice_id": str(uuid.uuid4()), "unit": "border"}
    notice |= {"case_unit": None, "case_id": None, "proposal_id": str(proposal_id)}
    known = {"notice_id": notice["notice_id"], "unit": "border"}
    said(worker, answers, "NoticeAcknowledged", **answered("accepted", 1, **known))
    assert readable(reader) == set()
    said(worker, inbox, "NoticeIssued", **notice)
    assert readable(reader) == both
    assert all(read(worker, reader, *key) is not None for key in both)
    gone = {name: notice[name] for name in ("notice_id", "unit", "kind", "cause")}
    said(worker, inbox, "NoticeWithdrawn", **gone, revision=2)
    assert readable(reader) == set()
    assert all(read(worker, reader, *key) is None for key in both)
    said(worker, inbox, "NoticeIssued", **{**notice, "revision": 3})
    assert readable(reader) == set()
    again = answered("accepted", 2, **known, notice_revision=3)
    said(worker, answers, "NoticeAcknowledged", **again)
    assert readable(reader) == both
    enter(WORKER).execute("DELETE FROM registry.link")
    assert readable(reader) == set()
    held = sql.SQL("INSERT INTO registry.link VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Literal, link))
    )
    enter(WORKER).execute(held)
    assert readable(reader) == both
    said(worker, inbox, "NoticeWithdrawn", **gone, revision=4)
    summary_only = {**notice, "revision": 5, "disclosure": "summary"}
    said(worker, inbox, "NoticeIssued", **summary_only)
    said(worker, answers, "NoticeAcknowledged", **{**again, "notice_revision": 5})
    assert readable(reader) == set()


def test_a_record_that_was_handed_over_is_read_by_all_who_have_owned_it_and_by_no_other(
    dsn: str, enter: Enter, as_role: Callable[[str, str], str]
) -> None:
    worker, kind, unit, record_id = as_role(dsn, WORKER), *C9
    last: str | None = None
    for action, by, to, readers in (
        ("offered", unit, "220700", ()),
        ("accepted", "220700", None, ("220700",)),
        ("offered", "220700", "220800", ("220700",)),
        ("accepted", "220800", None, ("220700", "220800")),
        ("returned", "220800", None, ("220700", "220800")),
    ):
        made = handed(kind, unit, record_id, action, by, to, last)
        said(worker, topics.HANDOVERS.name(by), "HandoverRecorded", **made)
        last = made["step_id"]
        for one in ("220700", "220800"):
            reader = enter(f"unit_{one}")
            assert (C9 in readable(reader)) == (one in readers)
            assert (read(worker, reader, *C9) is not None) == (one in readers)
            assert own(reader) == set()
        owners = enter(f"unit_{unit}").execute("SELECT owner FROM registry.handovers()").fetchall()
        assert len(owners) == 1
    assert owners == [("220700",)]
    assert (unit, record_id) in own(enter(f"unit_{unit}"))
    assert enter("unit_222400").execute("SELECT FROM registry.handovers()").fetchall() == []


def test_a_tip_is_read_by_who_received_it_and_who_has_to_triage_it_and_by_no_other(
    dsn: str, enter: Enter, as_role: AsRole
) -> None:
    """And, once it has accepted the notice of the link, by the unit of the case."""
    worker, linked_to = as_role(dsn, WORKER), "220800"
    tip = {**TIP, "tip_id": "doors", "unit": "220100", "place": "220602", "anonymous": True}
    key = ("tip", tip["unit"], tip["tip_id"])
    batch = Batch()
    batch.take(topics.TIPS.name("220100"), 0, next(OFFSETS), codec.encode("TipRecorded", tip), {})
    held = Database(worker)
    held.transact(batch.write)
    held.close()

    def readers() -> set[str]:
        found = set()
        for unit in UNITS:
            before = audited(enter)
            record = read(worker, enter(f"unit_{unit}"), *key)
            assert len(audited(enter)) - len(before) == (record is not None)
            if record is not None:
                found.add(unit)
                assert record["identity"]["text"] == TIP["identity"]["text"]
                assert record["identity"]["reporter_name"] is None
        return found

    def seers() -> set[str]:
        asked = "SELECT FROM registry.tips() WHERE tip_id = 'doors'"
        return {unit for unit in UNITS if enter(f"unit_{unit}").execute(asked).fetchall()}

    assert (readers(), seers()) == ({"220100", "220600"}, {"220100", "220600"})
    made = triaged("referred", "220600", to_unit="220300", tip_id="doors")
    said(worker, topics.TRIAGE.name("220600"), "TipTriaged", **made)
    assert (readers(), seers()) == ({"220100", "220300"}, {"220100", "220300", "220600"})
    to_case = {"case_unit": linked_to, "case_id": "any"}
    made = triaged("linked", "220300", made, tip_id="doors", **to_case)
    said(worker, topics.TRIAGE.name("220300"), "TipTriaged", **made)
    assert readers() == {"220100", "220300"}
    assert seers() == {"220100", "220300", "220600", linked_to}
    notice = {
        **NOTICE, **to_case, "notice_id": str(uuid.uuid4()), "unit": linked_to,
        "kind": "tip-linked", "cause": "doors", "contact": "220100",
    }  # fmt: skip
    said(worker, topics.NOTICES.name(linked_to), "NoticeIssued", **notice)
    assert linked_to not in readers()
    known = {"notice_id": notice["notice_id"], "unit": linked_to}
    for number, (answer, reads) in enumerate((("accepted", True), ("not-ours", False)), 1):
        answers = topics.ACKNOWLEDGEMENTS.name(linked_to)
        said(worker, answers, "NoticeAcknowledged", **answered(answer, number, **known))
        assert (linked_to in readers()) == reads
    said(worker, answers, "NoticeAcknowledged", **answered("accepted", 3, **known))
    assert linked_to in readers()
    owner, before = "220500", seers()
    offer = handed("case", linked_to, "any", "offered", linked_to, owner, None)
    said(worker, topics.HANDOVERS.name(linked_to), "HandoverRecorded", **offer)
    assert seers() == before
    taken = handed("case", linked_to, "any", "accepted", owner, None, offer["step_id"])
    said(worker, topics.HANDOVERS.name(owner), "HandoverRecorded", **taken)
    withdrawn = {name: notice[name] for name in ("notice_id", "unit", "kind", "cause")}
    said(worker, topics.NOTICES.name(linked_to), "NoticeWithdrawn", **withdrawn, revision=2)
    assert seers() == before | {owner}
    moved = {"notice_id": str(uuid.uuid4()), "unit": owner}
    said(worker, topics.NOTICES.name(owner), "NoticeIssued", **notice | moved)
    assert readers() == {"220100", "220300"}
    answers = topics.ACKNOWLEDGEMENTS.name(owner)
    said(worker, answers, "NoticeAcknowledged", **answered("accepted", 1, **moved))
    assert readers() == {"220100", "220300", owner}
    back = handed("case", linked_to, "any", "returned", owner, None, taken["step_id"])
    said(worker, topics.HANDOVERS.name(owner), "HandoverRecorded", **back)
    assert owner not in readers() | seers()
    made = triaged("new", "220300", made, tip_id="doors")
    said(worker, topics.TRIAGE.name("220300"), "TipTriaged", **made)
    assert linked_to not in readers() | seers()


def test_a_link_does_not_tell_whether_there_is_such_a_case(
    dsn: str, enter: Enter, as_role: AsRole
) -> None:
    worker = as_role(dsn, WORKER)
    before = triaged("new", "220600", triaged("linked", "220600", triaged(
        "referred", "220200", to_unit="220600"
    )))  # fmt: skip
    said(worker, topics.TRIAGE.name("220600"), "TipTriaged", **before)
    asked = "SELECT case_known FROM registry.tips() WHERE case_id IS NOT NULL"
    for case_unit, case_id, seen, office in (
        ("220300", "220300-C9", False, True),
        ("220300", "no such case", False, False),
    ):
        linked = triaged("linked", "220600", before, case_unit=case_unit, case_id=case_id)
        said(worker, topics.TRIAGE.name("220600"), "TipTriaged", **linked)
        assert enter("unit_220600").execute(asked).fetchall() == [(seen,)]
        assert enter(OFFICE).execute(
            "SELECT reported FROM registry.tip_case WHERE case_id = %s", [case_id]
        ).fetchall() == [(office,)]
        before = triaged("new", "220600", linked)
        said(worker, topics.TRIAGE.name("220600"), "TipTriaged", **before)


def test_by_a_flag_or_a_proposal_a_unit_reads_the_summary_and_nothing_else(
    dsn: str, as_role: AsRole, enter: Enter
) -> None:
    """Nobody has accepted a notice of these: a told unit sees no whole record."""
    told_of_it, finder = enter("unit_220500"), enter("unit_220100")
    assert summed(told_of_it) == {("220300", "220300-C9")}
    assert own(told_of_it) == set()
    assert read(as_role(dsn, WORKER), told_of_it, *C9) is None
    proposed = enter(OFFICE).execute(
        "SELECT case_unit, case_id FROM registry.proposal"
        " WHERE open AND rescue_unit = '220100' AND probability >= 0.5"
    )
    assert summed(finder) == set(proposed.fetchall()) == {("220200", "220200-C1")}
    assert {unit for unit, _ in own(finder)} == {"220100"}
    assert summed(enter(PARTNER)) == set()
    cursor = told_of_it.execute("SELECT * FROM registry.case_summary()")
    assert [column.name for column in cursor.description or ()] == [
        "unit", "case_id", "boundary", "at_least", "source_unit", "destination_unit", "kinds",
        "persons",
    ]  # fmt: skip
    (row,) = cursor.fetchall()
    assert [set(person) for person in row[-1]] == [{"age_band", "sex"}]
    assert CASE["victims"][0]["identity"]["name"] not in str(row)


def test_what_no_longer_concerns_a_unit_is_no_longer_shown(enter: Enter) -> None:
    worker, finder = enter(WORKER), enter("unit_220100")
    change = "UPDATE registry.proposal SET probability = %s, open = %s WHERE rescue_unit = '220100'"
    worker.execute(change, (0.97, False))
    for undone, shown in (("link", 1), ("confirmed_flag", 0)):
        assert len(summed(finder)) == 1
        worker.execute(sql.SQL("DELETE FROM registry.{}").format(sql.Identifier(undone)))
        assert len(summed(finder)) == shown
    for now, shown in (((0.49, True), 0), ((0.5, True), 1), ((0.97, False), 0), ((0.97, True), 1)):
        worker.execute(change, now)
        assert len(summed(finder)) == shown


def test_a_right_given_to_units_by_mistake_shows_them_their_own_rows_only(enter: Enter) -> None:
    owner, unit = enter(OWNER), enter(UNIT)
    owner.execute("GRANT USAGE ON SCHEMA audit, delivery TO crossregion_unit")
    owner.execute(
        "GRANT SELECT ON ALL TABLES IN SCHEMA registry, audit, delivery TO crossregion_unit"
    )
    try:
        seen = {}
        for name in RIGHTS:
            if name.endswith((")", "_seq")) or name.startswith("public."):
                continue
            everything = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name.split(".")))
            try:
                seen[name] = unit.execute(everything).fetchall()
            except psycopg.errors.InsufficientPrivilege:
                seen[name] = []  # a view whose function the unit may not call stays closed
    finally:
        owner.execute(
            "REVOKE ALL ON ALL TABLES IN SCHEMA registry, audit, delivery FROM crossregion_unit"
        )
        owner.execute("REVOKE ALL ON SCHEMA audit, delivery FROM crossregion_unit")
    assert {name for name, rows in seen.items() if rows} == {
        "registry.record_revision", "registry.record", "registry.person", "registry.flag",
    }  # fmt: skip
    assert all("220200" in row for rows in seen.values() for row in rows)


def test_neither_plans_nor_statistics_nor_errors_tell_a_unit_what_there_is(enter: Enter) -> None:
    unit = enter(UNIT)
    plans = []
    explain = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF, FORMAT JSON) SELECT FROM"
    for record_id in ("220300-C9", "no such case"):
        for asked in ("own_records() WHERE record_id", "case_summary() WHERE case_id"):
            row = unit.execute(f"{explain} registry.{asked} = %s", [record_id]).fetchone()
            assert row is not None
            plans.append(str(row[0]).replace(record_id, "?"))
    assert plans[:2] == plans[2:]
    assert "record_revision" not in "".join(plans)
    assert unit.execute(
        "SELECT count(*) FROM pg_stats WHERE schemaname = 'registry'"
    ).fetchone() == (0,)
    answers = set()
    for key in ("220300-C9", "no such case"):
        for statement in (
            "INSERT INTO registry.record VALUES ('case', '220300', %s, 1, 'x')",
            "SELECT FROM registry.record WHERE record_id = %s AND revision = 'x'::bigint / 0",
            "SELECT FROM registry.person WHERE record_id = %s",
        ):
            with pytest.raises(psycopg.Error) as refused:
                unit.execute(statement, [key])
            answers.add((statement, refused.value.sqlstate, str(refused.value)))
    assert len(answers) == 3


def test_a_unit_cannot_be_another(enter: Enter) -> None:
    unit = enter(UNIT)
    for attempt in (
        "SET ROLE unit_220300",
        "SET SESSION AUTHORIZATION unit_220300",
        "SELECT set_config('role', 'unit_220300', false)",
        "ALTER ROLE unit_220300 PASSWORD 'x'",
        "ALTER FUNCTION registry.asking_unit() RENAME TO mine",
        "CREATE TABLE public.mine ()",
        "CREATE TEMP TABLE mine ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            unit.execute(attempt)
    unit.execute("SET search_path = pg_temp, registry")
    assert {reporter for reporter, _ in own(unit)} == {"220200"}


def test_a_unit_can_fill_no_disk_and_hold_up_no_migration(
    dsn: str, as_role: AsRole, enter: Enter
) -> None:
    unit = enter(UNIT)
    for statement in (
        "SELECT lo_from_bytea(0, 'x'::bytea)",
        "SELECT lo_create(0)",
        "CREATE TEMP TABLE filled AS SELECT 1",
        "CREATE TABLE filled AS SELECT 1",
        "LOCK TABLE public.crossregion_migration IN ACCESS SHARE MODE",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), unit.transaction():
            unit.execute(statement.encode())
    for name in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(as_role(f"/{name}", UNIT))
    unit.execute("SELECT pg_advisory_lock(%s)", [migrations.MIGRATION_LOCK])
    assert migrations.migrate(f"{dsn}?options=-c%20statement_timeout%3D10s") == []
    unit.execute("SELECT pg_advisory_unlock_all()")


def test_an_owner_alone_can_run_the_whole_by_acting_as_each_role(dsn: str) -> None:
    """So `up` uses a database that the settings name, with one connection string."""
    for role, readable in ((WORKER, "record"), (OFFICE, "person"), (OPERATOR, "dead_letter")):
        with transactions.session(postgres_connection.as_role(dsn, role)) as connection:
            asked = sql.SQL("SELECT count(1) > 0 FROM {}").format(
                sql.Identifier("registry", readable)
            )
            assert connection.execute(asked).fetchone() == (True,)


def test_without_the_roles_a_migration_says_who_makes_them(
    new_database: Callable[[], str], as_role: Callable[[str, str], str]
) -> None:
    dsn = new_database()
    with psycopg.connect(as_role(dsn, "postgres"), autocommit=True) as connection:
        connection.execute("ALTER ROLE crossregion_own RENAME TO crossregion_away")
        try:
            with pytest.raises(RolesMissing, match="roles are missing: its administrator"):
                migrations.migrate(dsn)
        finally:
            connection.execute("ALTER ROLE crossregion_away RENAME TO crossregion_own")
        connection.execute(postgres.roles())
    assert migrations.migrate(dsn)


def test_one_connection_can_act_for_one_unit_after_another(
    dsn: str, as_role: Callable[[str, str], str]
) -> None:
    for unit in ("220100", "220300"):
        as_unit = postgres_connection.as_role(as_role(dsn, f"unit_{unit}"), f"unit_{unit}")
        with psycopg.connect(as_unit) as connection:
            assert {reporter for reporter, _ in own(connection)} == {unit}
