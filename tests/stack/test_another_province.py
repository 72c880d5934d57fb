"""A made-up province with three units runs through intake to registry and notices by its file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import exports

ROOT = Path(__file__).parents[2]
UNITS_FILE = ROOT / "tests/data/province/units.toml"
UNITS = {"990000", "990100", "990300", "99ZON0"}

CASES = {
    "A1": ("990100", "990101", "990301"),
    "A2": ("990100", "990101", "990202"),
    "A3": ("990100", "990101", "990401"),
    "B1": ("990300", "990302", "MM"),
    "C1": ("99ZON0", "990302", "222401"),
}
"""Each with the unit that reports it, where the person was lost, and where they were taken."""

OTHERS = {
    "受害人姓名": "赵刚",
    "姓名拼音": "zhao gang",
    "曾用名": "",
    "性别": "男",
    "出生日期": "1975-11-30",
    "出生年份": "1975",
    "身高(cm)": "181",
    "体貌特征": "",
    "DNA样本编号": "",
}
"""Of the others is a man whom nobody has found."""


def run(data: Path, feed: Path, units: Path = UNITS_FILE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.support.province", str(data), str(feed)],
        cwd=ROOT,
        env={**os.environ, "CROSSREGION_UNITS": str(units)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def data(service_data: Path) -> Path:
    return service_data / "province"


@pytest.fixture(scope="module")
def province(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    feed = tmp_path_factory.mktemp("feed")
    for unit in ("990100", "990300", "99ZON0"):
        (feed / unit).mkdir()
        rows = [
            exports.case(
                案件编号=case_id,
                承办单位=unit,
                流出地代码=source,
                途经地代码="",
                流入地代码=destination,
                户籍地代码=source,
                公民身份号码="",
                **({} if case_id == "A1" else OTHERS),
            )
            for case_id, (reporter, source, destination) in CASES.items()
            if reporter == unit
        ]
        exports.write(feed / unit / "cases.csv", *rows)
    rescue = exports.rescue(
        解救编号="R1", 登记单位="990300", 解救地代码="990301", 关联案件编号="A1"
    )
    exports.write(feed / "990300" / "rescues.csv", rescue)
    done = run(data, feed)
    assert done.returncode == 0, done.stderr[-3_000:]
    yield json.loads(done.stdout)


def test_its_units_have_topics_and_those_of_jilin_have_none(province: dict[str, Any]) -> None:
    of_units = {name.partition(".")[2] for name in province["topics"] if "." in name}
    assert of_units == {*UNITS, "border", "220000"}
    assert [name for name in province["topics"] if name.startswith("cases.")] == sorted(
        f"cases.{unit}" for unit in UNITS
    )


def test_what_happens_in_a_region_is_its_units(province: dict[str, Any]) -> None:
    assert province["flags"] == [
        ["A1", "990100", "990300", "prefecture"],
        ["A2", "990100", "990100", "prefecture"],
        ["A3", "990100", "990000", "prefecture"],
        ["B1", "99ZON0", None, "border"],
        ["C1", "99ZON0", "990000", "province"],
    ]


def test_where_cases_lead_is_counted_by_this_province_and_the_others(
    province: dict[str, Any],
) -> None:
    assert province["ends"] == [
        ["A1", "990100", "990300"],
        ["A3", "990100", "990000"],
        ["C1", "99ZON0", "220000"],
    ]


def test_each_unit_enters_the_registry_and_reads_what_is_its_own(province: dict[str, Any]) -> None:
    own = {unit: [one for (one,) in rows] for unit, rows in province["own"].items()}
    assert own == {
        "990000": [],
        "990100": ["A1", "A2", "A3"],
        "990300": ["B1", "R1"],
        "99ZON0": ["C1"],
        "border": [],
    }


def test_whom_a_flag_concerns_is_notified_and_who_has_no_inbox_is_not(
    province: dict[str, Any],
) -> None:
    flagged = [(unit, case) for unit, kind, case in province["notices"] if kind == "flag"]
    told = {case: {unit for unit, one in flagged if one == case} for _, case in flagged if case}
    assert told["A1"] == {"990300"}
    assert told["A2"] == told["A3"] == {"990000"}
    assert told["B1"] == {"99ZON0", "990000", "border"}
    assert told["C1"] == {"990000"}
    assert ("220000", None) in flagged
    assert {unit for unit, kind, _ in province["notices"] if kind == "proposal"} == {"990000"}


def test_another_file_of_units_does_not_start_on_the_same_data(
    province: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    """It would take grants away from a unit that has published, and pass over its topics."""
    text = UNITS_FILE.read_text("utf-8")
    begin, end = text.index("[units.99ZON0]"), text.index("[partners.border]")
    (tmp_path / "divisions.csv").write_bytes(UNITS_FILE.with_name("divisions.csv").read_bytes())
    (tmp_path / "units.toml").write_text(text[:begin] + text[end:], "utf-8")
    (tmp_path / "feed").mkdir()
    done = run(data, tmp_path / "feed", tmp_path / "units.toml")
    assert done.returncode != 0
    said = (
        "has acknowledgements.99ZON0, whose unit is none of 990000, 990100, 990300, border, 220000"
    )
    assert said in done.stderr
