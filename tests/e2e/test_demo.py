"""The demonstration on the examples, and on a feed with everything that can be wrong in it."""

import csv
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ENVIRONMENT, assert_one_clear_line, run, run_process

ROOT = Path(__file__).parents[2]
FEED = ROOT / "examples/feed"
SAMPLE_FLAGS = ROOT / "tests/data/sample_flags.csv"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def demo() -> tuple[str, Path]:
    """What `make demo` printed, and where its results lie."""
    answer = subprocess.run(
        ["make", "-s", "demo"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout, ROOT / "demo-out"


def test_every_case_revision_has_the_flag_that_is_true(demo: tuple[str, Path]) -> None:
    columns = ("case_id", "revision", "source", "destination", "boundary")
    with SAMPLE_FLAGS.open(encoding="utf-8") as file:
        expected = Counter(tuple(row[name] for name in columns) for row in csv.DictReader(file))
    found = Counter(
        tuple("" if flag[name] is None else str(flag[name]) for name in columns)
        for flag in lines(demo[1] / "flags.jsonl")
    )
    assert found == expected


def test_every_row_is_accounted_for(demo: tuple[str, Path]) -> None:
    accounts = json.loads((demo[1] / "accounts.json").read_text())
    assert accounts["balanced"] is True
    read = sum(k["records_read"] for unit in accounts["units"].values() for k in unit.values())
    assert f"Every row: {read} read = {read} published" in demo[0]


def test_proposals_carry_evidence_and_the_stated_come_first(demo: tuple[str, Path]) -> None:
    proposals = lines(demo[1] / "proposals.jsonl")
    kinds = [proposal["kind"] for proposal in proposals]
    assert kinds == sorted(kinds)
    assert kinds[0] == "stated"
    for proposal in proposals:
        assert proposal["evidence"]
        assert 0.0 <= proposal["probability"] <= 1.0
    assert sum(proposal["probability"] > 0.5 for proposal in proposals) > 150


def test_notices_say_to_whom_why_and_of_what(demo: tuple[str, Path]) -> None:
    notices = lines(demo[1] / "notices.jsonl")
    assert len({notice["notice_id"] for notice in notices}) == len(notices)
    assert {notice["kind"] for notice in notices} == {"flag", "proposal", "remarks"}
    proposals = {p["proposal_id"] for p in lines(demo[1] / "proposals.jsonl")}
    in_force = [n for n in notices if n["state"] == "in force" and n["kind"] == "proposal"]
    assert in_force
    assert {notice["cause"] for notice in in_force} <= proposals


def test_results_are_private(demo: tuple[str, Path]) -> None:
    assert {file.stat().st_mode & 0o777 for file in demo[1].iterdir()} == {0o600}


def test_a_feed_with_bad_rows_and_files_is_accounted_for(tmp_path: Path) -> None:
    feed, out = tmp_path / "feed", tmp_path / "out"
    (feed / "220600").mkdir(parents=True)
    text = (FEED / "220600/cases.csv").read_bytes().decode("gb18030")
    head, *rows = text.splitlines()
    rows[0] = "," + rows[0].split(",", 1)[1]
    rows[1] = rows[1].rsplit(",", 1)[0] + ",220200"
    rows[2] = rows[2][: len(rows[2]) // 2]
    (feed / "220600/cases.csv").write_text("\n".join([head, *rows]), encoding="utf-8-sig")
    shutil.copytree(FEED / "22CBS0", feed / "22CBS0")
    answer = run_process("demo", "--feed", feed, "--out", out)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    reasons = [row["reason"] for row in lines(out / "refusals.jsonl")]
    assert sorted(reasons) == ["another-unit", "no-record-id", "torn"]
    account = json.loads((out / "accounts.json").read_text())["units"]["220600"]["cases"]
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
