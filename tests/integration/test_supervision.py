"""Every figure of a report is what one counts by hand over the raw events, for any period."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.main import main
from consumers.registry.batch import Batch
from crossregion.domain import acknowledgements
from crossregion.domain.reports.figures import PATTERNS, Cell, Kind, Table
from crossregion.kafka.connection import Kafka
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations
from crossregion.postgres.connection import Connection
from crossregion.postgres.transactions import Database
from crossregion.services import baseline, reports
from crossregion.services.baseline import WHOLE, Baseline
from crossregion.services.reports import EVENTS, SECTIONS, NothingKnown, Question
from processors.intake import Incoming, take
from processors.outputs import Outputs
from schemas import topics
from schemas.units import UNITS
from tests.support import older_databases
from tests.support.figures import EARLY, ZONE, Known, quantile
from tests.support.supervised import BEGIN, DAYS, History, Read, log

EVENTS_MADE = History(8).events
LOG = log(EVENTS_MADE)
MOMENTS = sorted(one["ms"] for one in EVENTS_MADE)
BASELINE = Baseline({"220200": (40, 10), "222400": (0, 0), WHOLE: (90, 30)}, "digest")
FIRST = BEGIN.date() - timedelta(days=250)


def load(dsn: str, read: list[Read], seed: int) -> None:
    """By the registry itself, in batches of any size."""
    rng = random.Random(seed)
    held = Database(dsn)
    while read:
        size = rng.randint(1, 200)
        batch = Batch()
        for record in read[:size]:
            batch.take(*record)
        held.transact(batch.write)
        read = read[size:]
    held.close()


def shuffled(seed: int) -> list[Read]:
    """Each topic's partition in its order, all mixed: topics have no common one."""
    rng = random.Random(seed)
    places: dict[tuple[str, int], list[Read]] = {}
    for record in LOG:
        places.setdefault(record[:2], []).append(record)
    found = []
    while places:
        place = rng.choice(list(places))
        found.append(places[place].pop(0))
        if not places[place]:
            del places[place]
    return found


@pytest.fixture(scope="module")
def owner(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    migrations.migrate(dsn)
    return dsn


@pytest.fixture(scope="module")
def registry(owner: str, as_role: Callable[[str, str], str]) -> Iterator[Connection]:
    """A registry that has read it all, entered by the role that reports."""
    load(as_role(owner, "crossregion_registry"), shuffled(1), 1)
    with psycopg.connect(as_role(owner, "crossregion_supervision"), autocommit=True) as connection:
        yield connection


def questions() -> st.SearchStrategy[tuple[Question, int]]:
    """Any period and any moment, at and between the broker's times."""
    moments = st.sampled_from(MOMENTS) | st.integers(MOMENTS[0] - 1, MOMENTS[-1] + 10**9)
    days = st.integers(0, DAYS + 400).map(lambda number: FIRST + timedelta(days=number))
    return st.builds(
        lambda one, other, ms, by: (
            Question(
                min(one, other),
                max(one, other),
                datetime.fromtimestamp(ms / 1000, UTC),
                by,
                baseline=BASELINE,
            ),
            ms,
        ),
        days,
        days,
        moments,
        st.sampled_from(list(PATTERNS)),
    )


def test_an_answer_is_early_where_it_is_for_the_registry() -> None:
    assert acknowledgements.EARLY_SECONDS * 1000 == EARLY


def counted(question: Question, ms: int) -> Known:
    return Known(EVENTS_MADE, question.since, question.until, ms)


def rows(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def near(one: float | None, other: float | None) -> bool:
    return one == other or (
        one is not None and other is not None and abs(one - other) < 1e-6 * max(1, abs(other))
    )


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def part_of(on: str, by: str) -> str:
    month = int(on[5:7])
    return {
        "year": on[:4],
        "quarter": f"{on[:4]}-Q{(month - 1) // 3 + 1}",
        "month": on[:7],
        "whole": "whole",
    }[by]


@settings(max_examples=60, deadline=None)
@given(asked=questions())
def test_solved_is_what_one_counts(registry: Connection, asked: tuple[Question, int]) -> None:
    question, ms = asked
    known = counted(question, ms)
    found = known.solved()
    table = rows(SECTIONS["solved"](registry, question))
    periods = list(dict.fromkeys(row["period"] for row in table))
    assert {row["unit"] for row in table} == {*UNITS, WHOLE}
    assert len(table) == len(periods) * (len(UNITS) + 1)
    for name in ("reported", "solved", "unclear"):
        for row in table:
            of = [
                one
                for one in found[name]
                if row["unit"] in (one[0], WHOLE) and part_of(one[1], question.by) == row["period"]
            ]
            nobody = row["unit"] not in known.units() if row["unit"] != WHOLE else not known.units()
            assert row[name] == (None if nobody else len(of)), row
        listed = {part_of(one[1], question.by) for one in found[name]}
        assert listed <= set(periods)
    for row in table:
        assert near(row["share"], share(row["solved"] or 0, row["reported"] or 0))
        before = BASELINE.counts.get(row["unit"])
        assert row["baseline_share"] == (share(before[1], before[0]) if before else None)
        if row["share"] is None or row["baseline_share"] is None:
            assert row["points_above_baseline"] is None
        else:
            points = 100 * (row["share"] - row["baseline_share"])
            assert near(row["points_above_baseline"], points)


@settings(max_examples=60, deadline=None)
@given(asked=questions())
def test_corridors_and_agreements_are_what_one_counts(
    registry: Connection, asked: tuple[Question, int]
) -> None:
    question, ms = asked
    known = counted(question, ms)
    found = known.corridors()
    pairs = {one[:2] for counted in found.values() for one in counted}
    table = rows(SECTIONS["corridors"](registry, question))
    assert {(row["one"], row["other"]) for row in table} == pairs
    for row in table:
        pair = (row["one"], row["other"])
        of = {name: [one for one in every if one[:2] == pair] for name, every in found.items()}
        for name, every in of.items():
            assert row[name] == len(every), (name, row)
        hours = [one[3] for one in of["answered"]]
        assert near(row["median_hours_to_answer"], quantile(hours, 0.5))
        assert near(row["slowest_tenth_hours"], quantile(hours, 0.9))
        taken = [one[3] for one in of["handed_over"]]
        assert near(row["median_hours_to_hand_over"], quantile(taken, 0.5))
        assert near(row["share_in_time"], share(len(of["in_time"]), len(of["due"])))
        assert row["agreement"] == ("yes" if known.agreed(*pair) else "no")
    *missing, whole = rows(SECTIONS["agreements"](registry, question))
    with_cases = {one[:2] for one in found["cases"]}
    without = {pair for pair in with_cases if not known.agreed(*pair)}
    assert {(row["one"], row["other"]) for row in missing} == without
    assert whole["pairs"] == len(with_cases)
    assert whole["with_agreement"] == len(with_cases - without)


@settings(max_examples=50, deadline=None)
@given(asked=questions())
def test_venues_and_undated_are_what_one_counts(
    registry: Connection, asked: tuple[Question, int]
) -> None:
    question, ms = asked
    length = question.until - question.since + timedelta(days=1)
    earlier = replace(question, since=question.since - length, until=question.until - length)
    known, before = counted(question, ms).venues(), counted(earlier, ms).venues()
    every = [*known["cases"], *known["not_stated"]]
    every_before = [*before["cases"], *before["not_stated"]]
    table = rows(SECTIONS["venues"](registry, question))
    keys = [(row["venue"], row["taken_from"]) for row in table]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {(one[0] or "not stated", one[1]) for one in (*every, *every_before)}
    for row in table:
        key = (None if row["venue"] == "not stated" else row["venue"], row["taken_from"])
        assert row["cases"] == sum(one[:2] == key for one in every)
        assert row["cases_in_period_before"] == sum(one[:2] == key for one in every_before)
    found = counted(question, ms)
    undated = {row["unit"]: row for row in rows(SECTIONS["undated"](registry, question))}
    assert undated.keys() == found.units()
    for name in ("cases", "rescues"):
        for unit, row in undated.items():
            assert row[name] == sum(one[0] == unit for one in found.undated()[name])


@settings(max_examples=60, deadline=None)
@given(asked=questions(), unit=st.sampled_from([None, None, "220100", "220200"]))
def test_aid_and_guardians_are_what_one_counts(
    registry: Connection, asked: tuple[Question, int], unit: str | None
) -> None:
    question, ms = replace(asked[0], unit=unit), asked[1]
    known = counted(question, ms)
    found = {
        name: [one for one in every if unit in (None, one[1])]
        for name, every in known.aid().items()
    }
    table = rows(SECTIONS["aid"](registry, question))
    persons = len(found["rescued"])
    none_recorded = not known.events["AssistanceRecorded"]
    kinds = {row["aid"] for row in table}
    assert kinds >= {one[0] for one in (*found["given"], *found["declined"])}
    assert len(kinds) == len(table) == 14
    for row in table:
        given_ones = [one for one in found["given"] if one[0] == row["aid"]]
        days = [one[3] for one in given_ones if one[3] is not None]
        assert row["rescued"] == persons
        assert row["given"] == (None if none_recorded else len(given_ones))
        assert near(row["share"], None if none_recorded else share(len(given_ones), persons))
        assert near(row["median_days"], quantile(days, 0.5))
        assert near(row["slowest_tenth_days"], quantile(days, 0.9))
        if row["aid"] != "any" and not none_recorded:
            assert row["declined"] == sum(one[0] == row["aid"] for one in found["declined"])
    children = known.guardians()
    none_recorded = not known.events["GuardianSearchRecorded"]
    table = rows(SECTIONS["guardians"](registry, question))
    of_units = {one[0] for one in children["children"]}
    assert {row["unit"] for row in table} == {
        one for one in (*of_units, WHOLE) if unit in (None, one)
    }
    for row in table:
        of = {
            name: [one for one in every if row["unit"] in (one[0], WHOLE)]
            for name, every in children.items()
        }
        for name, every in of.items():
            always = name in ("children", "without_guardian")
            assert row[name] == (None if none_recorded and not always else len(every)), name
        if not none_recorded:
            assert near(row["share_found"], share(len(of["found"]), len(of["without_guardian"])))
        days = [one[2] for one in of["found"] if one[2] is not None]
        assert near(row["median_days_to_find"], quantile(days, 0.5))


@settings(max_examples=20, deadline=None)
@given(asked=questions())
def test_each_figure_lists_the_events_that_it_counts(
    registry: Connection, asked: tuple[Question, int]
) -> None:
    question, ms = asked
    known = counted(question, ms)
    for section, figures in EVENTS.items():
        found = getattr(known, section)()
        assert found.keys() == set(figures)
        for figure in figures:
            table = reports.events(registry, f"{section}.{figure}", question)
            keys = len(table.columns)
            expected = [one[:keys] for one in found[figure]]
            assert sorted(map(str, map(tuple, table.rows))) == sorted(map(str, expected))


def everything(connection: Connection, question: Question) -> list[Table]:
    figures = (reports.events(connection, name, question) for name in reports.FIGURES)
    return [*reports.report(connection, list(SECTIONS), question), *figures]


@pytest.mark.parametrize("share_read", [0.3, 0.8])
def test_as_known_then_is_what_was_said_then_and_a_rebuilt_registry_says_the_same(
    registry: Connection,
    new_database: Callable[[], str],
    as_role: Callable[[str, str], str],
    share_read: float,
) -> None:
    then = MOMENTS[int(len(MOMENTS) * share_read)]
    dsn = new_database()
    migrations.migrate(dsn)
    worker = as_role(dsn, "crossregion_registry")
    load(worker, [record for record in LOG if record[5] <= then], 3)
    known_at = datetime.fromtimestamp(then / 1000, UTC)
    day = known_at.date() - timedelta(days=1)
    question = Question(FIRST, day, known_at, baseline=BASELINE)
    by_then = replace(question, since=day - timedelta(days=90), by="month", unit="220200")
    with psycopg.connect(as_role(dsn, "crossregion_supervision"), autocommit=True) as at_the_time:
        assert reports.newest(at_the_time) == known_at
        said = [everything(at_the_time, one) for one in (question, by_then)]
    now = replace(question, known_at=reports.newest(registry))
    assert [everything(registry, one) for one in (question, by_then)] == said
    assert everything(registry, now) != said[0]
    migrations.drop_registry(dsn)
    load(worker, shuffled(4), 4)
    with psycopg.connect(as_role(dsn, "crossregion_supervision"), autocommit=True) as rebuilt:
        assert [everything(rebuilt, one) for one in (question, by_then)] == said
        assert everything(rebuilt, now) == everything(registry, now)


def test_ends_are_those_of_the_corridors(
    owner: str, registry: Connection, as_role: Callable[[str, str], str]
) -> None:
    """As known now, by flags that the registry has from intake: two ways to the same pairs."""
    mine = registry.execute(
        "SELECT unit, record_id, one, other FROM supervision.ends(supervision.newest())"
    ).fetchall()
    flags = [
        one
        for topic, partition, offset, value, headers, ms in LOG
        if topic.startswith("cases.")
        for one in flags_of(topic, partition, offset, value, headers, ms)
    ]
    held = Database(as_role(owner, "crossregion_registry"))
    batch = Batch()
    for number, flag in enumerate(flags):
        batch.take(topics.BOUNDARY_FLAGS.name(), 0, number, flag, {})
    held.transact(batch.write)
    held.close()
    with psycopg.connect(as_role(owner, "crossregion_office")) as office:
        theirs = office.execute(
            "SELECT unit, case_id, least(from_unit, to_unit), greatest(from_unit, to_unit)"
            " FROM registry.case_ends"
        ).fetchall()
    assert len(mine) > 30
    assert sorted(set(mine)) == sorted(set(theirs))


def flags_of(*read: Any) -> Iterator[bytes | None]:
    topic, partition, offset, value, headers, _ = read
    outputs = Outputs()
    take(Incoming(topic, partition, offset, b"k", value, headers), outputs)
    for name, _, _, made in outputs:
        if name == topics.BOUNDARY_FLAGS.name():
            yield made


def test_who_supervises_reads_figures_and_no_person(registry: Connection) -> None:
    registry.execute("SELECT count(*) FROM registry.fact")
    for asked in (
        "SELECT record FROM registry.record_revision",
        "SELECT identity FROM registry.person",
        "SELECT note FROM registry.decision",
        "SELECT contacts FROM registry.agreement",
        "SELECT persons FROM registry.notice",
        "SELECT event FROM registry.dead_letter",
        "SELECT subject FROM audit.entry",
        "INSERT INTO registry.fact DEFAULT VALUES",
        "CREATE TABLE supervision.mine ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            registry.execute(asked)


def test_that_a_report_was_asked_for_stands_in_the_audit(
    owner: str, registry: Connection, as_role: Callable[[str, str], str]
) -> None:
    question = Question(FIRST, FIRST, reports.newest(registry))
    reports.report(registry, ["solved", "venues"], question, "yearly")
    reports.events(registry, "solved.solved", question, "a question of the office")
    with psycopg.connect(as_role(owner, "crossregion_operator")) as connection:
        rows = connection.execute(
            "SELECT login, action, subject, purpose FROM audit.entry ORDER BY number DESC LIMIT 2"
        ).fetchall()
    assert rows == [
        (
            "crossregion_supervision",
            "report",
            "events of solved.solved",
            "a question of the office",
        ),
        ("crossregion_supervision", "report", "solved venues", "yearly"),
    ]


def test_what_was_read_before_it_was_counted_is_not_left_out_in_silence(
    new_database: Callable[[], str],
    as_role: Callable[[str, str], str],
) -> None:
    dsn = new_database()
    older_databases.run_migrations(dsn, range(1, 9))
    with psycopg.connect(postgres_connection.as_role(dsn, "crossregion_registry")) as connection:
        connection.execute("INSERT INTO registry.record VALUES ('case', '220200', 'C', 1, 'd')")
    migrations.migrate(dsn)
    load(as_role(dsn, "crossregion_registry"), LOG[:20], 5)
    with (
        psycopg.connect(as_role(dsn, "crossregion_supervision")) as connection,
        pytest.raises(NothingKnown, match="has to be rebuilt"),
    ):
        reports.newest(connection)
    migrations.drop_registry(dsn)
    with (
        psycopg.connect(as_role(dsn, "crossregion_supervision")) as connection,
        pytest.raises(NothingKnown, match="read nothing yet"),
    ):
        reports.newest(connection)
    load(as_role(dsn, "crossregion_registry"), LOG[:20], 5)
    with psycopg.connect(as_role(dsn, "crossregion_supervision")) as connection:
        assert reports.newest(connection) == datetime.fromtimestamp(LOG[19][5] / 1000, UTC)


@pytest.fixture
def command(
    registry: Connection,
    owner: str,
    as_role: Callable[[str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Runs `crossregion report`; returns its status and what it has written."""
    here = {
        **Kafka("127.0.0.1:9", tmp_path).environment(),
        "CROSSREGION_DATABASE": as_role(owner, "crossregion_supervision"),
        "COLUMNS": "80",
    }
    for name, value in here.items():
        monkeypatch.setenv(name, value)

    def run(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["crossregion", "report", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_the_command_shows_and_writes_the_same_figures(
    command: Callable[..., tuple[int, str]], registry: Connection, tmp_path: Path
) -> None:
    before = tmp_path / "2007.csv"
    before.write_text("unit,reported,solved\n220200,40,10\n")
    period = ("--from", "2024-03-01", "--as-of", "2024-12-31", "--known-at", "2025-06-30")
    files = ("--csv", tmp_path / "out", "--xlsx", tmp_path / "report.xlsx")
    status, said = command(*period, "--baseline", before, *files)
    assert status == 0, said
    question = Question(
        date(2024, 3, 1),
        date(2024, 12, 31),
        datetime(2025, 6, 30, 23, 59, 59, 999_000, tzinfo=ZONE),
        baseline=baseline.read(before),
    )
    tables = reports.report(registry, list(SECTIONS), question)
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert book.sheetnames == ["about", *SECTIONS]
    for table in tables:
        assert table.title in said
        for row in table.rows:  # also on a screen that is too narrow for it
            assert all(str(key) in said for key in _keys(table, row) if key is not None)
        with (tmp_path / f"out/{table.name}.csv").open(encoding="utf-8-sig", newline="") as file:
            written = list(csv.reader(file))
        assert written[0] == [column.name for column in table.columns]
        assert len(written) == len(table.rows) + 1
        sheet = list(book[table.name].iter_rows(min_row=2, values_only=True))
        for cells, row, in_sheet in zip(written[1:], table.rows, sheet, strict=True):
            for cell, given_cell, in_book in zip(cells, row, in_sheet, strict=True):
                if given_cell is None:
                    assert cell == in_book == "n/a"
                elif isinstance(given_cell, str):
                    assert cell == in_book == given_cell
                else:
                    assert near(float(cell), round(given_cell, 4)) or len(cell) > 5
                    assert near(float(str(in_book)), given_cell)
    about = (tmp_path / "out/about.csv").read_text("utf-8-sig")
    for line in ("from,2024-03-01", "as of,2024-12-31", "known at,2025-06-30T23:59:59.999+08:00"):
        assert line in about
    again = command(*period, "--baseline", before)
    assert again[1] in said


def _keys(table: Table, row: Sequence[Cell]) -> list[Cell]:
    columns = zip(row, table.columns, strict=True)
    return [cell for cell, column in columns if column.kind is Kind.KEY]


def test_the_command_lists_events_and_rounds_for_others(
    command: Callable[..., tuple[int, str]], registry: Connection
) -> None:
    period = ("--from", "2024-01-01", "--as-of", "2025-06-30")
    status, listed = command("--events", "corridors.in_time", *period, "--unit", "220200")
    question = Question(
        date(2024, 1, 1), date(2025, 6, 30), reports.newest(registry), unit="220200"
    )
    table = reports.events(registry, "corridors.in_time", question)
    lines = listed.splitlines()
    assert (status, lines[0]) == (0, "one,other,event_id")
    assert [line.split(",") for line in lines[1:]] == [list(row) for row in table.rows]
    assert len(lines) > 3
    assert all("220200" in line for line in lines[1:])
    none = command("--events", "corridors.in_time", "--from", "2001-01-01", "--as-of", "2001-01-02")
    assert none == (0, "one,other,event_id\r\n")
    status, said = command("solved", *period, "--rounded", "--by", "month")
    assert status == 0
    counts = [cell.strip() for line in said.splitlines() for cell in line.split("│")[3:6]]
    assert counts
    assert {cell for cell in counts if cell} <= {"n/a", *map(str, range(0, 100, 5))}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["wrong"], "wrong is no section: solved, aid, guardians"),
        (["--from", "2025-02-01", "--as-of", "2025-01-01"], "before it begins on 2025-02-01"),
        (["--as-of", "31.1.2025"], "31.1.2025 is no day: write 2026-01-31"),
        (["--as-of", "20250131"], "20250131 is no day of a report"),
        (["--from", "0001-01-01"], "from 1900 on"),
        (["--as-of", "2025-01-02", "--known-at", "2025-01-01"], "give a later --known-at"),
        (["--as-of", "2031-01-01"], "ends on 2031-01-01, and what counts was known on"),
        (["--known-at", "2025-13-01"], "2025-13-01 is no day: write 2026-01-31"),
        (["--known-at", "2026-W01-1"], "2026-W01-1 is no day of a report"),
        (["--known-at", "yesterday"], "yesterday is no day and no time"),
        (["--known-at", "2025-01-01T12:00"], "has no zone: write"),
        (["--known-at", "9999-12-31"], "9999-12-31 is no time of a report"),
        (["--known-at", "9999-12-31T23:59:59-12:00"], "is no time of a report"),
        (["--known-at", "0001-01-01T00:00:00+14:00"], "is no time of a report"),
        (["--unit", "999999"], "999999 is no unit: 220000, "),
        (["--by", "week"], "week is no part of a period: year, quarter, month, whole"),
        (["--events", "solved.all"], "solved.all is no figure with events: solved.reported"),
        (["--events", "solved.solved", "--rounded"], "A rounded report lists no events"),
        (["solved", "--events", "solved.solved"], "names the section itself"),
        (["--baseline", "nowhere.csv"], "nowhere.csv: No such file"),
        (["solved", "--csv", "/dev/null"], "/dev/null cannot be written"),
        (["solved", "--xlsx", "/dev/null/x.xlsx"], "cannot be written"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(
    command: Callable[..., tuple[int, str]], words: list[str], says: str
) -> None:
    status, said = command(*words)
    assert status == 1
    assert says in said.splitlines()[-1]
    assert "Traceback" not in said
