"""Sessions that end, passwords that change and users that are removed, while events flow."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossregion import metrics
from crossregion.embedded import stack
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.stack import Stack
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import users
from producers import publisher
from producers import sender as sender_module
from producers.sender import SpoolSender
from producers.spool.store import Spool
from schemas import codec
from schemas import topics as contracts
from schemas.units import UNITS
from tests.support import exports
from tests.support.live import read_all, wait_for_quiet
from tests.support.stacks import DisposableStack

SESSION_SECONDS = 3.0


class Brief(EmbeddedKafka):
    """A broker whose sessions last for three seconds."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, session_seconds=SESSION_SECONDS)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setattr(stack, "EmbeddedKafka", Brief)
    with (
        tempfile.TemporaryDirectory(prefix="crossregion-sessions-") as directory,
        DisposableStack(Path(directory) / "data") as running,
    ):
        running.wait_healthy()
        yield running


def accept(spools: Path, unit: str, first: int, count: int = 1) -> None:
    """Put new cases into a unit's spool."""
    rows = [
        exports.case(案件编号=f"{unit}-C{number}", 承办单位=unit)
        for number in range(first, first + count)
    ]
    with Spool(spools / f"{unit}.sqlite", unit) as spool:
        file = exports.write(spools / f"{unit}.csv", *rows)
        assert publisher.accept([file], spool).kinds["case"].published == count


def waiting(spools: Path, unit: str) -> int:
    with Spool(spools / f"{unit}.sqlite", unit) as spool:
        return spool.waiting()


def flagged(running: Stack) -> list[str]:
    found = read_all(running.kafka, contracts.BOUNDARY_FLAGS.name())
    return sorted(codec.decode(one.value)[1]["case_id"] for one in found)


def test_the_whole_stack_goes_on_over_many_sessions_and_through_a_change_of_every_password(
    brief: Stack,
) -> None:
    units = UNITS[:3]
    for unit in units:
        accept(brief.spools, unit, 0)
    wait_for_quiet(brief)
    before = brief.supervisor.pids()
    for number in range(1, 11):
        for unit in units:
            accept(brief.spools, unit, number)
        time.sleep(SESSION_SECONDS / 3)
    wait_for_quiet(brief)
    assert brief.supervisor.pids() == before
    expected = sorted(f"{unit}-C{number}" for unit in units for number in range(11))
    assert sorted(set(flagged(brief))) == expected

    with kafka_admin.administering(brief.kafka) as admin:
        for name in (*before, *(f"unit-{unit}" for unit in units)):
            if name != "sender":
                users.renew(admin, brief.kafka, name)
    for number in range(11, 19):
        for unit in units:
            accept(brief.spools, unit, number)
        time.sleep(SESSION_SECONDS / 3)
        brief.check()
    wait_for_quiet(brief)
    expected = sorted(f"{unit}-C{number}" for unit in units for number in range(19))
    assert sorted(set(flagged(brief))) == expected


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with (
        tempfile.TemporaryDirectory(prefix="crossregion-sessions-") as directory,
        Brief(Path(directory) / "kafka") as started,
    ):
        kafka_admin.apply(started.connection)
        yield started


def patiently(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_removed_units_session_ends_and_its_events_wait_for_its_return(
    broker: EmbeddedKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sender_module, "REFUSED_SECONDS", 0.5)
    kafka, spools = broker.connection, tmp_path / "spool"
    spools.mkdir()
    own = kafka.secrets / "unit-220200"
    password = own.read_text()
    stop, numbers = threading.Event(), iter(range(10_000))
    thread = threading.Thread(target=SpoolSender(spools, kafka).run, args=(stop, metrics.Health()))
    thread.start()

    def both_accept() -> None:
        number = next(numbers)
        accept(spools, "220200", number)
        accept(spools, "220300", number)

    try:
        both_accept()
        patiently(lambda: not waiting(spools, "220200"))
        with kafka_admin.administering(kafka) as admin:
            users.remove(admin, kafka.secrets, "unit-220200")
        own.write_text(password)
        own.chmod(0o600)
        deadline = time.monotonic() + 30
        while waiting(spools, "220200") < 5:
            assert time.monotonic() < deadline
            both_accept()
            time.sleep(SESSION_SECONDS / 4)
        patiently(lambda: not waiting(spools, "220300"))
        kept = waiting(spools, "220200")
        said = capsys.readouterr()
        assert "refuses unit-220200" in said.out + said.err
        kafka_admin.apply(kafka)
        time.sleep(1.0)
        assert waiting(spools, "220200") == kept
        with kafka_admin.administering(kafka) as admin:
            users.renew(admin, kafka, "unit-220200")
        patiently(lambda: not waiting(spools, "220200"))
    finally:
        stop.set()
        thread.join(60)
    sent = next(numbers)
    for unit in ("220200", "220300"):
        keys = {one.key for one in read_all(kafka, contracts.CASES.name(unit))}
        assert len(keys) == sent
