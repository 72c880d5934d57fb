"""Who gets what from the database: one table over everything there is, and how it is tried."""

from __future__ import annotations

import uuid
from typing import Any, LiteralString

import psycopg
from psycopg import sql

OPERATIONS: dict[str, LiteralString] = {
    "select": "SELECT FROM {}",
    "insert": "INSERT INTO {} DEFAULT VALUES",
    "update": "UPDATE {} SET {} = DEFAULT WHERE false",
    "delete": "DELETE FROM {} WHERE false",
    "truncate": "TRUNCATE {}",
}
NOT_INTO_A_VIEW = (
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.WrongObjectType,
)
OWNER, WORKER = "crossregion", "crossregion_registry"
DELIVERY = "crossregion_delivery"
SUPERVISION = "crossregion_supervision"
OFFICE, OPERATOR = "crossregion_office", "crossregion_operator"
UNIT, STRANGER, PARTNER = "unit_220200", "unit_220300", "unit_border"
ROLES = (OWNER, WORKER, DELIVERY, OFFICE, OPERATOR, SUPERVISION, UNIT, PARTNER)

OWNS = "select update delete truncate"
"""Of no row: what these find is in `test_a_role_finds_the_rows_it_may_read`."""
COUNTED = {
    OWNER: OWNS,
    WORKER: "select insert update",
    OFFICE: "select",
    SUPERVISION: "select",
}
"""Supervision reads of these the columns that are counted."""
VIEWED = {OWNER: "select", OFFICE: "select"}
"""A view shows what the asking role may read of its tables; nobody can write into it."""
RIGHTS: dict[str, dict[str, str]] = {
    "public.crossregion_migration": {
        OWNER: "select insert update delete truncate",
        WORKER: "select",
        DELIVERY: "select",
        OFFICE: "select",
        OPERATOR: "select",
        SUPERVISION: "select",
    },
    "crossregion_office()": dict.fromkeys(
        (OWNER, WORKER, DELIVERY, OFFICE, OPERATOR, SUPERVISION), "execute"
    ),
    "registry.topic": {OWNER: OWNS, WORKER: "select insert"},
    "registry.sighting": {OWNER: OWNS, WORKER: "insert", OFFICE: "select"},
    "registry.record_revision": {OWNER: OWNS, WORKER: "select insert", OFFICE: "select"},
    "registry.record": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.person": {OWNER: OWNS, WORKER: "select insert delete", OFFICE: "select"},
    "registry.flag": {OWNER: OWNS, WORKER: "insert", OFFICE: "select"},
    "registry.proposal": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.decision": COUNTED,
    "registry.link": {OWNER: OWNS, WORKER: "select insert delete", OFFICE: "select"},
    "registry.confirmed_flag": {OWNER: OWNS, WORKER: "select insert delete", OFFICE: "select"},
    "registry.agreement": COUNTED,
    "registry.agreement_held": VIEWED,
    "registry.case_ends": VIEWED,
    "registry.corridor": VIEWED,
    "registry.notice": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.acknowledgement": {**COUNTED, WORKER: "select insert update delete"},
    "registry.fact": COUNTED,
    "registry.notice_said": COUNTED,
    "registry.reassignment": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.handover_step": COUNTED,
    "registry.handover": COUNTED,
    "registry.file_note": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.file_item": {OWNER: OWNS, WORKER: "select insert delete", OFFICE: "select"},
    "registry.file_due": {**VIEWED, WORKER: "select"},
    "registry.file_overdue": VIEWED,
    "registry.today()": dict.fromkeys((OWNER, WORKER, OFFICE, UNIT, PARTNER), "execute"),
    "registry.file_items()": {UNIT: "execute", PARTNER: "execute"},
    "registry.file_notes()": {UNIT: "execute", PARTNER: "execute"},
    "registry.tip_route": {OWNER: OWNS, WORKER: "select insert", OFFICE: "select"},
    "registry.triage": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.tip": {OWNER: OWNS, WORKER: "select insert update", OFFICE: "select"},
    "registry.tip_case": VIEWED,
    "registry.disclosure": {OWNER: OWNS, WORKER: "select insert delete", OFFICE: "select"},
    "registry.dead_letter": {
        OWNER: OWNS,
        WORKER: "select insert update",
        OFFICE: "select",
        OPERATOR: "select",
    },
    "registry.dead_letter_outcome": {
        OWNER: OWNS,
        WORKER: "select insert update",
        OFFICE: "select",
        OPERATOR: "select",
    },
    "registry.asking_unit()": {OWNER: "execute", UNIT: "execute", PARTNER: "execute"},
    "registry.own_records()": {UNIT: "execute", PARTNER: "execute"},
    "registry.case_summary()": {UNIT: "execute", PARTNER: "execute"},
    "registry.told_notices()": {UNIT: "execute", PARTNER: "execute"},
    "registry.handovers()": {UNIT: "execute", PARTNER: "execute"},
    **{
        f"registry.{name}": {UNIT: "execute", PARTNER: "execute"}
        for name in (
            "told_notice(text)",
            "handover_of(text,text,text)",
            "tip_state(text,text)",
            "items_of_file(text,text)",
            "notes_of_file(text,text)",
            "has_record(text,text)",
            "has_tip(text,text)",
        )
    },
    "registry.tips()": {UNIT: "execute", PARTNER: "execute"},
    "registry.readable_tips()": {UNIT: "execute", PARTNER: "execute"},
    "registry.readable_records()": {UNIT: "execute", PARTNER: "execute"},
    "registry.ask_record(text,text,text,text,text)": {UNIT: "execute", PARTNER: "execute"},
    "registry.read_record(uuid)": {UNIT: "execute", PARTNER: "execute"},
    "audit.entry": {OWNER: "select", WORKER: "select", OPERATOR: "select"},
    "audit.ticket": {OWNER: "select"},
    "audit.turn": {OWNER: "select"},
    "audit.ask(text,text,text,text,text)": {},
    "audit.link(text,text,text,text,text,text)": {},
    "audit.chain()": {WORKER: "execute"},
    "audit.append(text,text,text,text)": {
        OWNER: "execute",
        OFFICE: "execute",
        OPERATOR: "execute",
        SUPERVISION: "execute",
    },
    **{
        f"supervision.{name}": {OWNER: "execute", SUPERVISION: "execute"}
        for name in (
            "newest()",
            "whole()",
            "day_of(timestamp with time zone)",
            "cut(date,timestamp with time zone)",
            "held(text,timestamp with time zone)",
            "solved_events(date,date,timestamp with time zone)",
            "solved(date,date,timestamp with time zone,text)",
            "undated_events(timestamp with time zone)",
            "undated(timestamp with time zone)",
            "ends(timestamp with time zone)",
            "asked(date,timestamp with time zone)",
            "handed_over(timestamp with time zone)",
            "past(date,timestamp with time zone)",
            "entries(text,timestamp with time zone)",
            "recorded(text,timestamp with time zone)",
            "aid_events(date,date,timestamp with time zone)",
            "aid(date,date,timestamp with time zone,text)",
            "guardian_events(date,date,timestamp with time zone)",
            "guardians(date,date,timestamp with time zone)",
            "corridor_events(date,date,timestamp with time zone)",
            "agreed(text,text,date,timestamp with time zone)",
            "corridors(date,date,timestamp with time zone)",
            "agreement_events(date,date,timestamp with time zone)",
            "venue_events(date,date,timestamp with time zone)",
            "venues(date,date,timestamp with time zone)",
        )
    },
    "delivery.endpoint": {
        OWNER: OWNS,
        DELIVERY: "select update",
        OPERATOR: "select insert update",
    },
    "delivery.secret": {
        OWNER: OWNS,
        DELIVERY: "select",
        OPERATOR: "select insert update delete",
    },
    "delivery.notice": {OWNER: OWNS, DELIVERY: "select insert"},
    "delivery.delivery": {
        OWNER: OWNS,
        DELIVERY: "select insert update",
        OPERATOR: "select update",
    },
    "delivery.attempt": {OWNER: OWNS, DELIVERY: "select insert", OPERATOR: "select"},
    "delivery.attempt_number_seq": {OWNER: "next"},
}
LIBRARY = "delivery.procrastinate_"
"""What the library that schedules makes: its worker's alone."""


def of_library(name: str) -> dict[str, str]:
    """Who may do what with a thing of the library."""
    if name.endswith(")"):
        return {OWNER: "execute", DELIVERY: "execute"}
    if name.endswith("_seq"):
        drawn = "procrastinate_workers" not in name
        return {OWNER: "next"} | ({DELIVERY: "next"} if drawn else {})
    return {OWNER: OWNS, DELIVERY: "select insert update delete"}


RELATIONS = """
SELECT
    relation.relnamespace::regnamespace || '.' || relation.relname,
    ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = relation.oid AND attnum > 0 AND attgenerated = '' AND NOT attisdropped
    )
FROM pg_class AS relation
WHERE relation.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND relation.relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'
"""
FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema$)'
"""

Entered = psycopg.Connection[tuple[Any, ...]]


def may(connection: Entered, statement: sql.Composed) -> bool:
    """Try a statement and take it back; every refusal must look the same."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, *NOT_INTO_A_VIEW):
        return False
    except psycopg.Error:
        return True
    return True


def rights(connection: Entered, name: str, columns: list[str]) -> str:
    if name.endswith(")"):
        routine, _, types = name[:-1].partition("(")
        nothing = sql.SQL(", ").join(sql.NULL for one in types.split(",") if one)
        call = sql.SQL("SELECT {}({})").format(sql.Identifier(*routine.split(".")), nothing)
        return "execute" if may(connection, call) else ""
    relation = sql.Identifier(*name.split("."))
    if name.endswith("_seq"):
        return "next" if may(connection, sql.SQL("SELECT nextval({})").format(name)) else ""
    tried = {
        operation: [sql.SQL(text).format(relation, sql.Identifier(one)) for one in columns]
        for operation, text in OPERATIONS.items()
    }
    return " ".join(
        operation
        for operation, statements in tried.items()
        if any(may(connection, statement) for statement in statements)
    )


def own(connection: Entered) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT unit, record_id FROM registry.own_records()").fetchall())


def summed(connection: Entered) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT unit, case_id FROM registry.case_summary()").fetchall())


def ask(connection: Entered, kind: str, unit: str, record_id: str) -> uuid.UUID | None:
    ((ticket,),) = connection.execute(
        "SELECT registry.ask_record(%s, %s, %s, 'tester', 'a review')", (kind, unit, record_id)
    )
    found: uuid.UUID | None = ticket
    return found


def given(connection: Entered, ticket: uuid.UUID | None) -> dict[str, Any] | None:
    found = connection.execute("SELECT record FROM registry.read_record(%s)", [ticket]).fetchone()
    return None if found is None else found[0]
