"""Lists are legible at a terminal, whole in a pipe, and stable for programs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cli import lists, words
from cli.errors import CommandError
from cli.lists import Column, code, time_left
from crossregion.domain import acknowledgements, decisions, handovers, tips
from crossregion.domain.events import SHANGHAI
from crossregion.domain.notices import content
from crossregion.domain.routing import LEVELS
from crossregion.linkage.posterior import BANDS

COLUMNS = (
    Column("id", is_id=True),
    Column("case_unit", shown=code(words.UNIT), title="case_id"),
    Column("case_id", joined=True),
    Column("urgent"),
    Column("count", is_number=True),
    Column("units"),
    Column("until", shown=time_left),
)
FIRST, SECOND = "3f2a91c0-0000-4000-8000-000000000001", "7f2a91c0-0000-4000-8000-000000000002"
AT = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
ROWS = [
    {
        **{"id": FIRST, "case_unit": "220200", "case_id": "=K 1", "urgent": True},
        **{"count": 7, "units": ["220200", "220300"], "until": AT},
    },
    {
        **{"id": SECOND, "case_unit": "220300", "case_id": "K\x1b2", "urgent": False},
        **{"count": 12, "units": [], "until": None},
    },
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSREGION_LANGUAGE", "en")


def test_a_row_is_one_whole_line_in_a_pipe() -> None:
    heading, first, second = lists.table(COLUMNS, ROWS)
    assert heading.split() == ["id", "case", "id", "urgent", "count", "units", "until"]
    assert first.startswith(FIRST)
    assert "220200 =K 1" in first
    assert "220200 220300" in first
    assert "2026-11-01 12:00 overdue by " in first
    assert r"K\x1b2" in second
    assert "\x1b" not in second


@pytest.mark.parametrize("width", [80, 60])
def test_at_a_terminal_the_table_fits_and_nothing_is_lost(width: int) -> None:
    lines = lists.table(COLUMNS, ROWS, width)
    assert all(lists.columns_of(line) <= width for line in lines)
    assert [line[:8] for line in lines if line.startswith(("3f", "7f"))] == [FIRST[:8], SECOND[:8]]
    text = "".join("".join(lines).split())
    for part in ("=K", "220200", "220300", "2026-11-01", "overdueby"):
        assert part in text


def test_ids_are_shortened_to_what_tells_them_apart() -> None:
    assert lists.prefixes(["aaaaaaaa-1", "bbbbbbbb-1"]) == {
        "aaaaaaaa-1": "aaaaaaaa",
        "bbbbbbbb-1": "bbbbbbbb",
    }
    assert lists.prefixes(["aaaaaaaa-12", "aaaaaaaa-21", "c"]) == {
        "aaaaaaaa-12": "aaaaaaaa-1",
        "aaaaaaaa-21": "aaaaaaaa-2",
        "c": "c",
    }


def test_json_has_codes_whole_ids_and_times_of_shanghai() -> None:
    found = json.loads(lists.to_json(COLUMNS, ROWS))
    assert found[0] == {
        **{"id": FIRST, "case_unit": "220200", "case_id": "=K 1", "urgent": True},
        **{"count": 7, "units": ["220200", "220300"], "until": "2026-11-01T12:00:00+08:00"},
    }
    assert found[1]["until"] is None
    assert json.loads(lists.to_json(COLUMNS, [])) == []


def test_csv_has_the_same_and_no_formula() -> None:
    heading, first, second = csv.reader(io.StringIO(lists.to_csv(COLUMNS, ROWS)))
    assert heading == [one.name for one in COLUMNS]
    assert first == [
        *(FIRST, "220200", "'=K 1", "yes", "7", "220200 220300", "2026-11-01T12:00:00+08:00")
    ]
    assert second[-2:] == ["", ""]


def test_chinese_names_stand_beside_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert words.named(words.UNIT, "220200") == "220200"
    monkeypatch.setenv("CROSSREGION_LANGUAGE", "zh")
    assert words.named(words.UNIT, "220200") == "220200 吉林市"
    assert words.named(words.REGION, "220204") == "220204 船营区"
    assert words.named(words.DEPARTMENT, "PSD") == "PSD 省公安厅"
    assert words.named("exploitation_type", "FORCED_LABOUR") == "FORCED_LABOUR 强迫劳动"
    assert words.named("answer", "accepted") == "accepted 已接受"
    assert words.named(words.UNIT, "999999") == "999999"
    lines = lists.table(COLUMNS, ROWS, 80)
    assert all(lists.columns_of(line) <= 80 for line in lines)
    assert lines[0].split()[:3] == ["编号", "案件", "紧急"]
    assert json.loads(lists.to_json(COLUMNS, ROWS))[0]["case_unit"] == "220200"


def test_every_word_of_a_list_has_its_name() -> None:
    known = words.words()
    for name, said in {
        "band": BANDS,
        "proposal_kind": decisions.KINDS,
        "verdict": decisions.REASONS,
        "answer": acknowledgements.REASONS,
        "record_kind": handovers.KINDS,
        "triage": tips.VERDICTS,
        "disclosure": LEVELS,
        "notice_kind": (*content.FILE_KINDS, *content.OF_TIPS, handovers.NOTICE),
    }.items():
        assert all((name, word) in known for word in said), name


@pytest.mark.parametrize(
    ("left", "english", "chinese"),
    [
        (timedelta(minutes=5, seconds=30), "due in 5 min", "剩余 5 分钟"),
        (timedelta(hours=3, minutes=30), "due in 3 h", "剩余 3 小时"),
        (timedelta(days=5, hours=1), "due in 5 d", "剩余 5 天"),
        (timedelta(days=-2, hours=-1), "overdue by 2 d", "逾期 2 天"),
        (timedelta(minutes=-90), "overdue by 1 h", "逾期 1 小时"),
    ],
)
def test_a_deadline_says_how_long_it_is(
    monkeypatch: pytest.MonkeyPatch, left: timedelta, english: str, chinese: str
) -> None:
    until = datetime.now(SHANGHAI) + left
    assert time_left(until) == f"{until:%Y-%m-%d %H:%M} {english}"
    monkeypatch.setenv("CROSSREGION_LANGUAGE", "zh")
    assert time_left(until) == f"{until:%Y-%m-%d %H:%M} {chinese}"


def test_a_day_is_counted_in_days(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    turned = tmp_path / "today"
    turned.write_text("2026-11-29")
    monkeypatch.setenv("CROSSREGION_TODAY_FILE", str(turned))
    assert time_left(date(2026, 11, 29)) == "2026-11-29 due today"
    assert time_left(date(2026, 12, 1)) == "2026-12-01 due in 2 d"
    assert time_left(date(2026, 11, 28)) == "2026-11-28 overdue by 1 d"


def test_json_and_csv_exclude_each_other() -> None:
    with pytest.raises(CommandError, match="leave one out"):
        lists.show(COLUMNS, ROWS, "rows", as_json=True, as_csv=True)


def test_a_reader_that_ends_early_is_no_error() -> None:
    """As `head` does; what would be printed afterwards goes nowhere, and the status is kept."""
    program = (
        "import sys; from cli.terminal import Terminal, write\n"
        "console = Terminal()\n"
        "for _ in range(3):\n"
        "    write('x' * 200_000); console.print('y'); console.print('z', style='b')\n"
        "sys.exit(4)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.read(10)
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 4
