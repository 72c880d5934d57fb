"""The file of units: Jilin's, another province's, and files that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from crossregion.domain.regions import Regions
from crossregion.errors import ServiceUnavailable
from crossregion.kafka import subscription
from crossregion.kafka.connection import Kafka
from producers.sender import SpoolSender
from schemas import topics, units
from schemas.units import UnitsUnusable, read

PROVINCE = Path(__file__).parents[1] / "data/province/units.toml"
TEXT = PROVINCE.read_text("utf-8")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        (tmp_path / "divisions.csv").write_bytes(PROVINCE.with_name("divisions.csv").read_bytes())
        file = tmp_path / "units.toml"
        file.write_text(text, "utf-8")
        return file

    return written


def test_the_units_of_jilin() -> None:
    found = read(units.OWN_FILE)
    assert found.units[0] == found.office == "220000"
    assert len(found.units) == 11
    assert found.regions == {code: code for code in found.units[1:]}
    assert found.names["22CBS0"] == ("长白山保护开发区", "Changbaishan")
    assert found.names.keys() == {*found.units, *found.partners, *found.provinces}


def test_another_province() -> None:
    found = read(PROVINCE)
    assert found.units == ("990000", "990100", "990300", "99ZON0")
    assert (found.partners, found.provinces) == (("border",), ("220000",))
    assert found.divisions == PROVINCE.with_name("divisions.csv")


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("990100", "990100"),
        ("990201", "990100"),
        ("990202", "990100"),
        ("990301", "990300"),
        ("990302", "99ZON0"),
        ("990401", "990000"),
        ("990000", "990000"),
        ("220202", "990000"),
        ("HK", "990000"),
        ("MM", None),
    ],
)
def test_the_unit_of_a_place_in_another_province(code: str, unit: str | None) -> None:
    assert Regions(read(PROVINCE)).unit_of(code) == unit


def test_places_of_another_province() -> None:
    found = Regions(read(PROVINCE))
    assert found.place("990201", date(2020, 1, 1)).status == "not_valid_on_date"
    assert found.place("990201", date(2010, 1, 1)).prefecture == "990200"
    assert found.borders("990301") == {"MM"}
    assert found.borders("990401") == frozenset()
    assert (found.other_province("222401"), found.other_province("990301")) == ("220000", None)
    assert found.borders("222401") == frozenset()


def test_a_province_without_a_table_of_its_own_has_the_national_one(
    write: Callable[[str], Path],
) -> None:
    text = 'province = "640000"\nname_zh = "宁夏"\nname_en = "Ningxia"\n'
    file = write(text + '[units.640100]\nname_zh = "银川市"\nname_en = "Yinchuan"\n')
    found = Regions(read(file))
    assert [found.unit_of(code) for code in ("640104", "640202")] == ["640100", "640000"]


WRONG = {
    "no province": (TEXT.replace('province = "990000"', ""), "province must be a code"),
    "no code of a province": (TEXT.replace('"990000"', '"990001"'), "province must be a code"),
    "a number": (TEXT.replace('"990000"', "990000"), "province must be a code"),
    "no name": (TEXT.replace('name_en = "Beta"', ""), "units.990300 needs name_zh and name_en"),
    "no name of the province": (
        TEXT.replace('name_en = "Testland"', ""),
        "the province needs name_zh and name_en",
    ),
    "no units": (TEXT.replace("[units.", "[provinces."), "name at least one"),
    "a unit of another province": (TEXT.replace("[units.990300]", "[units.980300]"), "99 first"),
    "small letters": (TEXT.replace("[units.99ZON0]", "[units.99zon0]"), "six capital letters"),
    "the office as a unit": (TEXT.replace("[units.990300]", "[units.990000]"), "units.990000"),
    "a place of two units": (
        TEXT.replace('["990302"]', '["990300"]'),
        "990300 is in the regions of 990300 and 99ZON0",
    ),
    "a place elsewhere": (TEXT.replace('["990302"]', '["220201"]'), "no code of a place in 990000"),
    "no list": (TEXT.replace('["990302"]', '"990302"'), "regions must be a list"),
    "an unknown partner": (TEXT.replace("partners.border", "partners.army"), "none of border"),
    "a province that is no code": (TEXT.replace("provinces.220000", "provinces.x"), "provinces.x"),
    "itself as neighbour": (TEXT.replace("provinces.220000", "provinces.990000"), "another"),
    "an unknown entry": (TEXT + "\nphone = 1\n", "provinces.220000 has an unknown entry: phone"),
    "an unknown key": ("x = 1\n" + TEXT, "the file has an unknown entry: x"),
    "no tables": (TEXT.replace("[partners.border]", "[partners]"), "partners must be tables"),
    "no table of divisions": (TEXT.replace("divisions.csv", "gone.csv"), "gone.csv is no file"),
    "no TOML": (TEXT.replace("[units.990100]", "[units"), "no TOML file in UTF-8"),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    write: Callable[[str], Path], text: tuple[str, str]
) -> None:
    given, said = text
    file = write(given)
    with pytest.raises(UnitsUnusable) as caught:
        read(file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_a_table_that_lacks_a_column_is_refused(write: Callable[[str], Path]) -> None:
    file = write(TEXT)
    (file.parent / "divisions.csv").write_text("code,level\n990000,province\n")
    with pytest.raises(UnitsUnusable, match="lacks the columns borders_country, parent_code"):
        read(file)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (b"990400,prefecture_city\n", "row {} of {} has 2 cells, not "),
        ("990400,泰斯特\n".encode("gbk"), "is no table in UTF-8"),
    ],
    ids=["a short row", "another encoding"],
)
def test_a_table_that_cannot_be_read_is_refused_by_its_own_name(
    write: Callable[[str], Path], added: bytes, said: str
) -> None:
    """Not as if the file of units were wrong, and not by a traceback where a place is looked up."""
    table = write(TEXT).with_name("divisions.csv")
    rows = len(table.read_text("utf-8").splitlines())
    table.write_bytes(table.read_bytes() + added)
    with pytest.raises(UnitsUnusable) as caught:
        read(table.with_name("units.toml"))
    assert f"divisions: {table}" in str(caught.value) or f"of {table} has" in str(caught.value)
    assert said.format(rows, table) in str(caught.value)


def test_a_region_that_no_table_knows_is_refused(write: Callable[[str], Path]) -> None:
    found = read(write(TEXT.replace('["990302"]', '["990309"]')))
    with pytest.raises(UnitsUnusable, match="990309 stand in no table of divisions"):
        Regions(found)


def test_whoever_knows_other_units_has_another_digest(write: Callable[[str], Path]) -> None:
    found = read(PROVINCE)
    assert read(write(TEXT.replace("Beta", "Second"))).digest == found.digest
    assert read(write(TEXT.replace('["990302"]', '["990301"]'))).digest != found.digest
    assert read(units.OWN_FILE).digest != found.digest


@pytest.mark.parametrize("program", ["-m processors.intake", "-c COMMAND doctor"])
def test_a_process_with_a_bad_file_ends_with_one_line(
    write: Callable[[str], Path], program: str
) -> None:
    command = "from cli.main import main; main()"
    file = write(TEXT.replace('"990000"', '"x"'))
    done = subprocess.run(
        [sys.executable, *(command if one == "COMMAND" else one for one in program.split())],
        env={**os.environ, units.SETTING: str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"CROSSREGION_UNITS: {file}: province must be a code of GB/T 2260, such as 220000.\n"
    )


def test_a_process_does_not_start_where_kafka_has_topics_of_a_unit_that_it_does_not_know() -> None:
    ours = topics.names_of(topics.TOPICS)
    subscription.require_known_units((*ours, "test-cases.990100", "cases.220200.more", "else"))
    with pytest.raises(ServiceUnavailable, match=r"Kafka has cases\.990100, whose unit is none of"):
        subscription.require_known_units((*ours, "notices.990100", "cases.990100"))


def test_the_digest_stands_on_the_page_of_metrics() -> None:
    digest = units.INSTALLATION.digest
    line = f'crossregion_units{{digest="{digest}"}} {len(units.UNITS)}.0'
    assert line in generate_latest().decode().splitlines()


def test_the_sender_names_a_spool_of_a_unit_that_it_does_not_know_once(tmp_path: Path) -> None:
    (tmp_path / "990100.sqlite").touch()
    sender = SpoolSender(tmp_path, Kafka("", Path()))
    with capture_logs() as said:
        assert (sender.step(), sender.step()) == ((0, False), (0, False))
    assert [one["unit"] for one in said if "CROSSREGION_UNITS" in one["event"]] == ["990100"]
