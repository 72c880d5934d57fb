"""The demonstration on the examples, and on a feed with everything that can be wrong in it."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Demo
from tests.e2e.running import FEED, ROOT
from tests.support.command import assert_one_clear_line, run

SAMPLE_FLAGS = ROOT / "tests/data/sample_flags.csv"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_every_case_revision_has_the_flag_that_is_true(demo: Demo) -> None:
    columns = ("case_id", "revision", "source", "destination", "boundary")
    with SAMPLE_FLAGS.open(encoding="utf-8") as file:
        expected = Counter(tuple(row[name] for name in columns) for row in csv.DictReader(file))
    found = Counter(
        tuple("" if flag[name] is None else str(flag[name]) for name in columns)
        for flag in lines(demo.out / "flags.jsonl")
    )
    assert found == expected


def test_every_row_is_accounted_for(demo: Demo) -> None:
    accounts = json.loads((demo.out / "accounts.json").read_text())
    assert accounts["balanced"] is True
    read = sum(k["records_read"] for unit in accounts["units"].values() for k in unit.values())
    assert f"Every row: {read} read = {read} published" in demo.printed


def test_proposals_carry_evidence_and_the_stated_come_first(demo: Demo) -> None:
    proposals = lines(demo.out / "proposals.jsonl")
    kinds = [proposal["kind"] for proposal in proposals]
    assert kinds == sorted(kinds)
    assert kinds[0] == "stated"
    for proposal in proposals:
        assert proposal["evidence"]
        assert 0.0 <= proposal["probability"] <= 1.0
    assert sum(proposal["probability"] > 0.5 for proposal in proposals) > 150


def test_notices_say_to_whom_why_and_of_what(demo: Demo) -> None:
    notices = lines(demo.out / "notices.jsonl")
    assert len({notice["notice_id"] for notice in notices}) == len(notices)
    assert {notice["kind"] for notice in notices} == {"flag", "proposal", "remarks"}
    proposals = {p["proposal_id"] for p in lines(demo.out / "proposals.jsonl")}
    in_force = [n for n in notices if n["state"] == "in force" and n["kind"] == "proposal"]
    assert in_force
    assert {notice["cause"] for notice in in_force} <= proposals


def test_results_are_private(demo: Demo) -> None:
    files = [file for file in demo.out.iterdir() if file.is_file()]  # a report may stand beside
    assert len(files) > 5
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_feed_with_bad_rows_and_files_is_accounted_for(bad_demo: Demo) -> None:
    rows = (FEED / "220600/cases.csv").read_bytes().decode("gb18030").splitlines()[1:]
    reasons = [row["reason"] for row in lines(bad_demo.out / "refusals.jsonl")]
    assert sorted(reasons) == ["another-unit", "no-record-id", "torn"]
    account = json.loads((bad_demo.out / "accounts.json").read_text())["units"]["220600"]["cases"]
    assert account["refused"] == 3
    assert account["records_read"] == account["published"] + 3 == len(rows)


@pytest.mark.parametrize(
    ("unit", "words"), [("990000", ["990000", "220100"]), (None, ["holds no"])]
)
def test_a_directory_that_is_no_feed_is_one_clear_line(
    tmp_path: Path, unit: str | None, words: list[str]
) -> None:
    if unit:
        (tmp_path / unit).mkdir()
    assert_one_clear_line(run("demo", "--feed", tmp_path, "--out", tmp_path / "out"), *words)
