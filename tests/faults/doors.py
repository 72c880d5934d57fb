"""Doors under load: who asks for what is not theirs, and units that are not let in for a while."""

from __future__ import annotations

import random
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from kafka.errors import GroupAuthorizationFailedError

from crossregion.data_directory import HOST
from crossregion.embedded.certificates import Authority
from crossregion.kafka import acls, users
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.private_files import write_private
from schemas import topics as contracts
from tests.faults.generate import UNITS
from tests.faults.rig import GROUPS, Rig, Scale
from tests.support import database_rights, kafka_rights

ROLES = [role for role in database_rights.ROLES if role != database_rights.OWNER]
THINGS = 12
"""So many tables, views and functions are tried by each role, drawn by lot."""
CHANGED, REMOVED, *OTHERS = UNITS
PRINCIPALS = {unit: kafka_connection.unit(unit) for unit in (CHANGED, REMOVED)}
BRIEF_SECONDS = 3.0
WRONG = {
    "expired": "certificate has expired",
    "another host": "IP address mismatch",
    "unknown CA": "unable to get local issuer|self-signed|certificate signature failure",
}

Connection = psycopg.Connection[tuple[Any, ...]]


def unauthorised(rig: Rig, scale: Scale) -> None:
    """Principals try every operation on every topic, and roles what the database has."""
    draw = random.Random(scale.events)
    for _ in range(scale.times):
        rig.accept(rig.generator.batch(scale.events))
        units = draw.sample(sorted(acls.units()), 2)
        for principal in (*units, draw.choice(acls.PROCESSES)):
            _kafka_refuses(rig, principal)
        rig.accept(rig.generator.batch(scale.events))
        there = _there(rig)
        for role in (database_rights.UNIT, database_rights.PARTNER, draw.choice(ROLES)):
            with psycopg.connect(rig.dsn(role), autocommit=True) as connection:
                for name in draw.sample(sorted(there), THINGS):
                    had = database_rights.rights(connection, name, there[name])
                    expected = database_rights.RIGHTS.get(name) or database_rights.of_library(name)
                    assert had == expected.get(role, ""), (role, name)
                if role.startswith("unit_"):
                    _sees_no_others(rig, connection, role.removeprefix("unit_"))


def _kafka_refuses(rig: Rig, principal: str) -> None:
    """All but what the contracts grant; and the offsets of another's group."""
    names = sorted(name for topic in contracts.TOPICS for name in topic.names())
    right = {row for row in kafka_rights.rows() if row.principal == principal}
    wrong = set(kafka_rights.Tried(rig.kafka, principal, names).rows()) ^ right
    assert not wrong, min(wrong)
    if principal not in acls.PROCESSES:
        with kafka_rights.admin_of(rig.kafka, principal) as admin:
            try:
                admin.list_group_offsets(GROUPS["intake"])
            except GroupAuthorizationFailedError:
                return
        raise AssertionError(f"{principal} sees how far intake is")


def _there(rig: Rig) -> dict[str, list[str]]:
    """Everything in the database's schemas; of a table its columns."""
    with rig.superuser() as connection:
        there: dict[str, list[str]] = dict(connection.execute(database_rights.RELATIONS).fetchall())
        return there | {name: [] for (name,) in connection.execute(database_rights.FUNCTIONS)}


def _sees_no_others(rig: Rig, connection: Connection, unit: str) -> None:
    """A new case of another unit, which nobody has been told of by a notice that was accepted."""
    assert {reporter for reporter, _ in database_rights.own(connection)} <= {unit}
    case = next(
        one
        for one in rig.generator.plain(4 * len(UNITS))
        if one.event == "CaseRecorded" and one.record["unit"] != unit
    )
    rig.accept([case])
    key = (case.record["unit"], case.record["case_id"])
    rig.wait(lambda: _stands(rig, *key), "the case does not come to the registry")
    assert key not in database_rights.own(connection)
    answers = {_asked(connection, *one) for one in (key, (key[0], "no such case"))}
    assert len(answers) == 1, "a unit learns whether there is such a case"
    shown = {one for one in database_rights.summed(connection) if one[0] != unit}
    with rig.superuser() as everything:
        told = set(everything.execute(TOLD, {"unit": unit}).fetchall())
    assert shown <= told, f"{unit} is shown cases that it was not told of"


def _stands(rig: Rig, *key: str) -> bool:
    stored = "SELECT FROM registry.record WHERE kind = 'case' AND (unit, record_id) = (%s, %s)"
    with rig.superuser() as connection:
        return connection.execute(stored, key).fetchone() is not None


TOLD = """
SELECT unit, case_id FROM registry.flag WHERE told ? %(unit)s
UNION SELECT case_unit, case_id FROM registry.proposal WHERE rescue_unit = %(unit)s
UNION SELECT unit, case_id FROM registry.confirmed_flag WHERE told ? %(unit)s
UNION SELECT case_unit, case_id FROM registry.link WHERE rescue_unit = %(unit)s
"""
"""More than a unit is shown: also what was true of earlier revisions."""
ASKED: tuple[LiteralString, ...] = (
    "SELECT registry.ask_record('case', %s, %s, 'rig', 'a review')",
    "SELECT FROM registry.read_record((SELECT registry.ask_record('case', %s, %s, 'rig', '')))",
    "SELECT count(*) FROM registry.readable_records() WHERE (unit, record_id) = (%s, %s)",
    "SELECT count(*) FROM registry.record WHERE (unit, record_id) = (%s, %s)",
    "SELECT count(*) FROM registry.agreement_held, registry.case_ends WHERE (unit, case_id)"
    " = (%s, %s)",
    "INSERT INTO registry.record VALUES ('case', %s, %s, 1, 'x')",
    "SELECT FROM registry.person WHERE unit = %s AND record_id = %s AND 1 / 0 = 1",
)


def _asked(connection: Connection, *key: str) -> str:
    """What a unit finds out about a record by these; a refusal is told by its text as well."""
    answers = []
    for statement in ASKED:
        try:
            found = connection.execute(statement, key).fetchall()
        except psycopg.Error as refused:
            answers.append(f"{refused.sqlstate} {refused}")
        else:
            answers.append(f"{found}")
    return "\n".join(answers)


def not_let_in(rig: Rig, scale: Scale) -> None:
    """A password changed, a unit removed, certificates that are not right; then all put right."""
    if scale.times > 1:
        rig.kill_broker(BRIEF_SECONDS)
    for _ in range(scale.times):
        rig.quiet()
        _passwords(rig, scale)
    for wrong in list(WRONG)[: scale.times]:
        _certificate(rig, scale, wrong)
    if scale.times > 1:
        rig.quiet()
        rig.kill_broker()


def _passwords(rig: Rig, scale: Scale) -> None:
    """Two units are refused, which is said, and what they accept waits; others' events go on."""
    files = {unit: rig.kafka.secrets / name for unit, name in PRINCIPALS.items()}
    old = {unit: file.read_text() for unit, file in files.items()}
    with kafka_admin.administering(rig.kafka) as admin:
        users.renew(admin, rig.kafka, PRINCIPALS[CHANGED])
        users.remove(admin, rig.kafka.secrets, PRINCIPALS[REMOVED])
    new, heard = files[CHANGED].read_text(), rig.listen("sender")
    for unit, file in files.items():
        write_private(file, old[unit])
    if scale.times == 1:
        rig.to_broker.reset()  # at full scale their sessions end by themselves

    def refused() -> bool:
        for unit in PRINCIPALS:
            if not rig.unsent(unit):
                rig.accept(rig.generator.plain(len(UNITS)))
        said = (f"refuses {name}: put its present password" for name in PRINCIPALS.values())
        return all(map(heard, said))

    rig.wait(refused, "a unit whose password is not the present one is let in, or told nothing")
    rig.wait(lambda: not rig.unsent(*OTHERS), "two units that are refused hold up others")
    rig.rest(scale.outage / 3)
    assert all(rig.unsent(unit) for unit in PRINCIPALS)
    write_private(files[CHANGED], new)
    with kafka_admin.administering(rig.kafka) as admin:
        users.renew(admin, rig.kafka, PRINCIPALS[REMOVED])


def _certificate(rig: Rig, scale: Scale, wrong: str) -> None:
    """Kafka shows one that is not right to whoever connects."""
    with tempfile.TemporaryDirectory(prefix="crossregion-certificate-") as name:
        directory = Path(name)
        own = (rig.kafka.secrets / kafka_connection.AUTHORITY, rig.data / "kafka/ca.key")
        foreign = (directory / "ca.pem", directory / "ca.key")
        authority = Authority(*(foreign if wrong == "unknown CA" else own))
        hosts = ["kafka.example"] if wrong == "another host" else [HOST]
        lifetime = timedelta(seconds=-1) if wrong == "expired" else None
        heard = rig.listen("sender")
        with kafka_rights.server_with(
            authority.issue("broker", hosts, lifetime), directory
        ) as there:
            rig.to_broker.lead_to(int(there.rpartition(":")[2]))
            rig.accept(rig.generator.plain(scale.events))
            rig.wait(
                lambda: heard(f"is not trusted .({WRONG[wrong]})"), f"{wrong}: nothing is said"
            )
            rig.rest(scale.outage / 3)
            assert rig.unsent() > 0
        rig.heal()
    rig.accept(rig.generator.batch(scale.events))
