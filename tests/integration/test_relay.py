"""The relay: what an officer saves becomes events by itself, once, whoever is killed on the way."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crossregion import metrics
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.errors import CrossregionError
from crossregion.failpoints import KILLED
from crossregion.kafka.connection import Kafka
from crossregion.postgres import connection as postgres_connection
from producers import publisher
from producers.outbox import relay
from producers.outbox.relay import Relay
from producers.sender import SpoolSender
from producers.spool.store import Spool
from schemas import codec, topics
from tests.faults.proxy import Proxy
from tests.support.command import run
from tests.support.exports import UNIT
from tests.support.intake import case
from tests.support.live import read_all
from tests.support.outbox import NAME, SAVE_VICTIM, Office, start_relay

WAIT_SECONDS = 30.0
SAYS = "{} rows read; {} stay in the outbox with their reason"


@pytest.fixture
def office(postgres: EmbeddedPostgres) -> Office:
    return Office(postgres, f"unit_{uuid.uuid4().hex}")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool" / f"{UNIT}.sqlite", UNIT) as opened:
        yield opened


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def spooled(spool: Spool) -> list[tuple[str, int, Any]]:
    """Record, revision and content of what waits."""
    found = [codec.decode(one.value)[1] for one in spool.unsent(10_000)]
    return [(record["case_id"], record["revision"], record) for record in found]


def test_what_an_officer_saves_is_taken_whole_and_each_change_of_it(
    office: Office, spool: Spool
) -> None:
    office.save("吉2012-7")
    Relay(office.relay, spool).once()
    with office.officer() as connection:
        connection.execute("UPDATE cases SET taken_to = '130502' WHERE case_no = '吉2012-7'")
        connection.execute(SAVE_VICTIM, ["吉2012-7", 2, "阿英"])
    with office.officer() as connection:
        connection.execute("UPDATE cases SET status = status WHERE case_no = '吉2012-7'")
    Relay(office.relay, spool).once()
    (first, second) = spooled(spool)
    assert [one[:2] for one in (first, second)] == [("吉2012-7", 1), ("吉2012-7", 2)]
    record = first[2]
    assert (record["unit"], record["lost_on"], record["status"]) == (UNIT, "2012-05-01", "立案")
    assert record["legs"] == [{"role": "taken_from", "code": "220202", "certainty": "stated"}]
    (victim,) = record["victims"]
    assert (victim["victim_id"], victim["age_band"]) == ("吉2012-7/1", "adult")
    identity = victim["identity"]
    assert (identity["name"], identity["birth_date"]) == (NAME, "1990-02-03")
    assert identity["birth_precision"] == "day"
    assert [leg["code"] for leg in second[2]["legs"]] == ["220202", "130502"]
    assert len(second[2]["victims"]) == 2
    assert office.rows() == []


def test_a_case_that_is_not_saved_is_not_reported(office: Office, spool: Spool) -> None:
    with pytest.raises(ZeroDivisionError), office.officer() as connection:
        connection.execute("INSERT INTO cases (case_no) VALUES ('undone')")
        connection.execute("INSERT INTO victims (case_no, number) VALUES ('undone', 1)")
        raise ZeroDivisionError
    with office.officer() as connection:
        connection.execute("INSERT INTO cases (case_no) VALUES ('nobody yet')")
    Relay(office.relay, spool).once()
    assert spooled(spool) == []
    assert office.rows() == []


def test_two_officers_who_save_one_case_at_once_are_both_reported(
    office: Office, spool: Spool
) -> None:
    office.save("C")
    with office.officer() as one, office.officer() as other:
        for number, connection in ((2, one), (3, other)):
            connection.execute("INSERT INTO victims (case_no, number) VALUES ('C', %s)", [number])
        second = threading.Thread(target=other.commit)
        one.commit()
        second.start()
        second.join()
    Relay(office.relay, spool).once()
    newest = max(spooled(spool), key=lambda found: found[1])
    assert [victim["victim_id"] for victim in newest[2]["victims"]] == ["C/1", "C/2", "C/3"]


def test_a_row_that_cannot_be_used_stays_with_its_reason_and_holds_up_none(
    office: Office, spool: Spool
) -> None:
    bad = {
        "no victims": case("no victims", victims=[]),
        "another unit": case("another unit", unit="220100"),
        "another id": case("this one"),
        "unknown field": case("unknown field", extra=1),
        "huge number": '{"revision": 1' + "0" * 5_000 + "}",
        "a list": [1, 2],
        "too large": case("too large", venue="长" * relay.MOST_BYTES),
        "defect": case("defect", lost_on="2012-05-01", reported_at="x" * 3_000),
    }
    for record_id, record in bad.items():
        office.emit("CaseRecorded", record_id, record)
        office.save(f"after {record_id}")
    office.emit("MatchDecided", "no event of a unit", {})
    for _ in range(2):
        Relay(office.relay, spool).once()
        assert Counter(one[0] for one in spooled(spool)) == Counter(f"after {name}" for name in bad)
    reasons = dict(office.rows())
    assert reasons.keys() == {*bad, "no event of a unit"}
    assert "/victims says nothing of a person" in str(reasons["no victims"])
    assert "another unit's" in str(reasons["another unit"])
    assert "write the same" in str(reasons["another id"])
    assert "the contract does not have" in str(reasons["unknown field"])
    assert "JSON" in str(reasons["huge number"])
    assert "shorten" in str(reasons["too large"])
    assert "no event that a unit may write" in str(reasons["no event of a unit"])
    for reason in reasons.values():
        assert NAME not in str(reason)


def test_once_it_ends_and_its_status_tells(office: Office, tmp_path: Path) -> None:
    here = {"CROSSREGION_OUTBOX": office.relay, "CROSSREGION_DATA": str(tmp_path)}
    office.save("C")
    taken = run("relay", "--unit", UNIT, "--once", **here)
    assert (taken.returncode, taken.stdout.strip()) == (0, SAYS.format(2, 0)), taken.stderr
    office.emit("CaseRecorded", "D", case("D", victims=[]))
    refused = run("relay", "--unit", UNIT, "--once", **here)
    assert (refused.returncode, refused.stdout.strip()) == (3, SAYS.format(1, 1)), refused.stderr


def test_what_was_refused_goes_once_its_record_is_saved_again(office: Office, spool: Spool) -> None:
    office.emit("CaseRecorded", "C", case("C", victims=[]))
    office.emit("CaseRecorded", "D", case("D", victims=[]))
    Relay(office.relay, spool).once()
    office.emit("CaseRecorded", "C", case("C"))
    Relay(office.relay, spool).once()
    assert [record_id for record_id, _ in office.rows()] == ["D"]
    assert [one[0] for one in spooled(spool)] == ["C"]


def test_the_rows_of_a_record_are_taken_in_order_by_several_relays_at_once(
    office: Office, tmp_path: Path, spool: Spool
) -> None:
    """Each revision once, although the spool counts: no row twice, none before another."""
    for number in range(30):
        for record_id in ("A", "B", "C"):
            office.emit("CaseRecorded", record_id, case(record_id, venue=f"{number}"))

    def take() -> None:
        with Spool(spool.path, UNIT) as own:
            Relay(office.relay, own).once()

    while office.rows():
        relays = [threading.Thread(target=take) for _ in range(3)]
        for one in relays:
            one.start()
        for one in relays:
            one.join()
    found = spooled(spool)
    for record_id in ("A", "B", "C"):
        venues = [(revision, one["venue"]) for name, revision, one in found if name == record_id]
        assert venues == [(number + 1, f"{number}") for number in range(30)]


@pytest.mark.parametrize("point", ["before-commit", "after-commit", "before-mark", "before-done"])
def test_killed_anywhere_it_loses_nothing_and_takes_nothing_twice(
    office: Office, tmp_path: Path, point: str
) -> None:
    """Two contents of one record in one go: taken anew they would be counted on."""
    crash = tmp_path / "crash"
    crash.mkdir()
    (crash / point).touch()
    settings = {"FAILPOINT": point, "FAILPOINT_DIRECTORY": crash}
    office.emit("CaseRecorded", "C", case("C", venue="first"))
    office.emit("CaseRecorded", "C", case("C", venue="second"))
    office.emit("CaseRecorded", "C", case("C", venue="first"))
    office.emit("RescueRecorded", "R", {"nonsense": NAME})
    killed = start_relay(office, tmp_path, tmp_path / "log", **settings)
    assert killed.wait(WAIT_SECONDS) == KILLED
    assert len(office.rows()) == 4
    with Spool(tmp_path / "spool" / f"{UNIT}.sqlite", UNIT) as spool:
        Relay(office.relay, spool).once()
        assert [(revision, one["venue"]) for _, revision, one in spooled(spool)] == [
            (1, "first"),
            (2, "second"),
            (3, "first"),
        ]
    ((refused, reason),) = office.rows()
    assert (refused, "missing" in str(reason)) == ("R", True)
    assert NAME not in (tmp_path / "log").read_text()


def test_a_row_wakes_it_and_the_database_may_go_away(
    postgres: EmbeddedPostgres, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being woken it would look once an hour here."""
    monkeypatch.setattr(relay, "POLL_SECONDS", 3_600.0)
    stop, health = threading.Event(), metrics.Health()
    with Proxy(lambda: _port(direct.administrator)) as proxy:
        direct = Office(postgres, f"unit_{uuid.uuid4().hex}", proxy.port)

        def run() -> None:
            with Spool(spool.path, UNIT) as own:
                Relay(direct.relay, own).run(stop, health)

        running = threading.Thread(target=run)
        running.start()
        direct.save("at the start")
        wait_until(lambda: len(spooled(spool)) == 1)
        direct.save("woken")
        wait_until(lambda: len(spooled(spool)) == 2)
        proxy.refuse()
        direct.save("while away")
        time.sleep(0.5)
        assert len(spooled(spool)) == 2
        proxy.heal()
        wait_until(lambda: len(spooled(spool)) == 3)
        stop.set()
        direct.save("the last")
        running.join(WAIT_SECONDS)
        assert not running.is_alive()


def test_its_role_sees_the_outbox_and_no_table_of_the_unit(office: Office) -> None:
    office.save("C")
    with psycopg.connect(office.relay, autocommit=True) as connection:
        for statement in (
            "SELECT * FROM cases",
            "SELECT * FROM victims",
            "SELECT crossregion.case_record('C')",
            "SELECT crossregion.emit('CaseRecorded', 'C', '{}')",
            "INSERT INTO crossregion.outbox (event, record_id, record) VALUES ('a', 'b', '{}')",
            "UPDATE crossregion.outbox SET record = '{}'",
            "CREATE TABLE own (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with office.officer() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM crossregion.outbox")


def test_what_is_wrong_with_its_database_is_said(office: Office, spool: Spool) -> None:
    with pytest.raises(CrossregionError, match="Set CROSSREGION_OUTBOX"):
        Relay(None, spool).once()
    with pytest.raises(postgres_connection.DatabaseRefused, match="correct CROSSREGION_OUTBOX"):
        Relay(office.relay.replace("relay of a test", "another"), spool).once()
    with psycopg.connect(office.administrator) as connection:
        connection.execute("DROP SCHEMA crossregion CASCADE")
    with pytest.raises(CrossregionError, match="has no outbox for this role: its administrator"):
        Relay(office.relay, spool).run(threading.Event(), metrics.Health())


def test_an_officers_row_becomes_an_event_by_itself_also_when_lines_are_down(
    kafka: Kafka, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """From the row to the topic, by the processes that a unit runs; both lines fail meanwhile."""
    to_kafka = Proxy(lambda: int(kafka.address.rpartition(":")[2]))
    stop = threading.Event()
    with to_kafka, Proxy(lambda: _port(unit.administrator)) as to_postgres:
        unit = Office(postgres, f"unit_{uuid.uuid4().hex}", to_postgres.port)
        away = Kafka(f"127.0.0.1:{to_kafka.port}", kafka.secrets)
        sender = SpoolSender(tmp_path / "spool", away)
        sending = threading.Thread(target=sender.run, args=(stop, metrics.Health()))
        process = start_relay(unit, tmp_path, tmp_path / "log")
        prefix = uuid.uuid4().hex[:8]
        try:
            sending.start()
            unit.save(f"{prefix}-1")
            wait_until(lambda: _on_topic(kafka, prefix) == {f"{prefix}-1": 1})
            to_kafka.refuse()
            unit.save(f"{prefix}-2")
            to_postgres.refuse()
            unit.save(f"{prefix}-3")
            process.kill()
            process.wait()
            process = start_relay(unit, tmp_path, tmp_path / "log")
            time.sleep(0.5)
            to_postgres.heal()
            wait_until(lambda: unit.rows() == [])
            to_kafka.heal()
            wait_until(lambda: len(_on_topic(kafka, prefix)) == 3)
        finally:
            stop.set()
            process.terminate()
            sending.join(WAIT_SECONDS)
        assert process.wait(WAIT_SECONDS) == 0
    with Spool(tmp_path / "spool" / f"{UNIT}.sqlite", UNIT) as spool:
        publisher.catch_up(spool, kafka)
        assert spool.waiting() == 0
    assert _on_topic(kafka, prefix) == {f"{prefix}-{number}": 1 for number in (1, 2, 3)}
    assert NAME not in (tmp_path / "log").read_text()


def _port(dsn: str) -> int:
    return int(psycopg.conninfo.conninfo_to_dict(dsn)["port"] or 0)


def _on_topic(kafka: Kafka, prefix: str) -> Counter[str]:
    """How many different events there are of each of this test's records."""
    found = {
        (record.key.decode(), dict(record.headers)["ce_id"])
        for record in read_all(kafka, topics.CASES.name(UNIT))
    }
    return Counter(key for key, _ in found if key.startswith(prefix))
