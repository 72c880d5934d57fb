from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from crossregion.linkage.file_linkage import BadLine, link, read_listed

PERSON: dict[str, Any] = {
    "name_han": "王红英",
    "name_pinyin": "wang hongying",
    "aliases": ["小英"],
    "sex": "F",
    "birth_date": "1990-03-15",
    "birth_year": 1990,
    "dob_precision": "day",
    "home_region": "220281",
    "height_cm": 163,
    "marks": ["右手臂疤痕"],
    "id_number": None,
    "dna_sample_id": None,
}
OTHER: dict[str, Any] = {"name_han": "赵小梅", "birth_year": 1980, "dob_precision": "estimated"}


def write(path: Path, *rows: object) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_two_files_are_linked(tmp_path: Path, suffix: str) -> None:
    cases = write(
        tmp_path / f"cases.jsonl{suffix}",
        {**PERSON, "case_id": "C2", "missing_date": "2010-01-01"},
        {**PERSON, "case_id": "C1", "missing_date": "2010-01-01"},
        {**OTHER, "case_id": "C3"},
    )
    rescues = write(
        tmp_path / f"rescues.jsonl{suffix}",
        {**OTHER, "name_han": None, "rescue_id": "R2"},
        {**PERSON, "rescue_id": "R1", "found_date": "2012-01-01"},
    )
    out = tmp_path / f"pairs.jsonl{suffix}"
    assert link(cases, rescues, out) == 2
    text = gzip.decompress(out.read_bytes()) if suffix else out.read_bytes()
    rows = [json.loads(line) for line in text.decode().splitlines()]
    assert [(row["case_id"], row["rescue_id"], row["rank"]) for row in rows] == [
        ("C1", "R1", 1),
        ("C2", "R1", 2),
    ]
    assert all(row["probability"] > 0.99 and row["band"] == "very-likely" for row in rows)
    assert list(rows[0]) == ["case_id", "rescue_id", "probability", "rank", "band", "evidence"]


def test_the_order_of_the_lines_makes_no_difference(tmp_path: Path) -> None:
    rows = [{**PERSON, "case_id": f"C{n}", "height_cm": 150 + n} for n in range(20)]
    rescues = write(tmp_path / "r.jsonl", {**PERSON, "rescue_id": "R1"})
    outs = []
    for name, order in (("a", rows), ("b", rows[::-1])):
        out = tmp_path / f"{name}.out"
        link(write(tmp_path / f"{name}.jsonl", *order), rescues, out)
        outs.append(out.read_bytes())
    assert outs[0] == outs[1]


def test_empty_files_give_no_pairs(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.jsonl")
    assert link(empty, empty, tmp_path / "out") == 0
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"case_id": "C2"', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"case_id": "C1"}', "case_id of line 1 again"),
        ('{"case_id": ' + "9" * 5_000 + "}", "number too long"),
        ("[" * 100_000, "nested too deep"),
        ("{}", "case_id is missing"),
        ('{"case_id": 7}', "case_id is not text"),
        ('{"case_id": "C2", "name_han": 7}', "name_han is not text"),
        ('{"case_id": "\\ud800"}', "case_id is not Unicode text"),
        ('{"case_id": "C2", "name_han": "王\\ud800"}', "name_han is not Unicode text"),
        ('{"case_id": "C2", "marks": ["\\udfff"]}', "marks is not Unicode text"),
        ('{"case_id": "C2", "height_cm": "tall"}', "height_cm is not a number"),
        ('{"case_id": "C2", "height_cm": NaN}', "height_cm is not a number"),
        ('{"case_id": "C2", "birth_year": true}', "birth_year is not a number"),
        ('{"case_id": "C2", "marks": "scar"}', "marks is not a list of texts"),
        ('{"case_id": "C2", "aliases": [1]}', "aliases is not a list of texts"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"case_id": "C1"}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(BadLine, match=f"cases.jsonl:3: .*{message}"):
        list(read_listed(path, "case"))


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b'{"case_id": "C1"}\n\xff\xfe\n')
    with pytest.raises(BadLine, match=r"cases.jsonl:2: not UTF-8"):
        list(read_listed(path, "case"))


def test_a_file_that_is_torn_gzip_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "cases.jsonl.gz", {"case_id": "C1"})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadLine, match=r"cases.jsonl.gz:\d: not gzip"):
        list(read_listed(path, "case"))


def test_fields_are_taken_over(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rescues.jsonl",
        {**PERSON, "rescue_id": "R1", "found_date": "2012-01-01"},
        {**OTHER, "rescue_id": "R2"},
    )
    first, second = read_listed(path, "rescue")
    assert first["happened_on"] == "2012-01-01"
    assert first["persons"][0]["identity"] == {
        "name": "王红英",
        "pinyin": "wang hongying",
        "other_names": ["小英"],
        "sex": "F",
        "birth_date": "1990-03-15",
        "birth_precision": "day",
        "home": "220281",
        "height_cm": 163,
        "marks": ["右手臂疤痕"],
        "id_number": None,
        "dna_sample": None,
    }
    about = second["persons"][0]["identity"]
    assert (about["birth_date"], about["birth_precision"]) == ("1980", "about")
