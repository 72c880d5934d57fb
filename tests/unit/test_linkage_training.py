from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crossregion.linkage.file_linkage import BadLine
from crossregion.linkage.index import Index
from crossregion.linkage.model import KeyRule, read
from crossregion.linkage.training import labelled
from crossregion.linkage.training import train as training
from crossregion.linkage.training.evaluate import effort, evaluate, measured
from crossregion.linkage.training.labelled import LAST_LOOK, part
from crossregion.linkage.training.train import ModelRejected, train

SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴", "红英梅芳丽秀兰燕玲霞静敏娟艳云香花月琴萍"
HOMES = ["220102", "220281", "220403", "220581", "220822", "222401", "230103", "520524"]
TODAY = date(2026, 11, 24)


def people(count: int, chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "name_han": chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=2)),
            "aliases": [],
            "sex": "F",
            "birth_date": f"{chance.randint(1970, 1995)}-{chance.randint(1, 12):02}-"
            f"{chance.randint(1, 28):02}",
            "dob_precision": "day",
            "home_region": chance.choice(HOMES),
            "height_cm": chance.randint(150, 170),
            "marks": chance.sample(["右手痣", "左手痣", "额头疤", "左耳痣"], chance.randint(0, 2)),
        }
        for _ in range(count)
    ]


def write(directory: Path, name: str, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (directory / f"{name}.jsonl").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of four rescued persons have been reported; some fields are lost or blurred."""
    found, chance = tmp_path_factory.mktemp("labelled"), random.Random(3)
    victims, strangers = people(400, chance), people(60, chance)
    write(
        found,
        "cases",
        [
            {**one, "case_id": f"C{number}", "missing_date": "2010-01-01"}
            for number, one in enumerate(victims)
        ],
    )
    rescues, truth = [], []
    for number, one in enumerate([*victims[:180], *strangers]):
        seen = dict(one, rescue_id=f"R{number}", found_date="2012-01-01")
        for field in ("home_region", "height_cm", "birth_date"):
            if chance.random() < 0.2:
                seen[field] = None
        rescues.append(seen)
        if number < 180:
            kind = "twice" if number < 5 else "exact"
            truth.append({"case_id": f"C{number}", "rescue_id": f"R{number}", "kind": kind})
    truth.append({"case_id": "C399", "rescue_id": "R0", "kind": "twice"})
    write(found, "rescues", rescues)
    write(found, "truth", truth)
    return found


def test_parts_depend_on_the_rescue_alone_and_have_their_sizes() -> None:
    parts = [part(f"R{number}") for number in range(2_000)]
    assert parts == [part(f"R{number}") for number in range(2_000)]
    shares = [parts.count(name) / 2_000 for name in ("training", "choosing", "last look")]
    assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.05)


@pytest.mark.slow
def test_a_model_is_trained_written_measured_and_used(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.json"
    figures = train(directory, out, "small-1", TODAY, "train labelled")
    model = read(out)
    assert figures.f1 > 0.9
    assert figures.sure_precision > 0.9
    assert model.name == "small-1"
    assert model.trained["when"] == "2026-11-24"
    assert model.trained["figures"]["f1"] == figures.f1
    assert len(Index(model)) == 0
    last_look = labelled.read(directory).only(lambda one: one == LAST_LOOK)
    assert evaluate(model, last_look) == figures
    again = train(directory, out, "small-1", TODAY, "train labelled")
    assert again == figures


@pytest.mark.slow
def test_a_model_that_finds_less_is_refused_and_the_installed_one_stays(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.json"
    had = train(directory, out, "good-1", TODAY, "train labelled").f1
    before = out.read_bytes()
    monkeypatch.setattr(training, "WORSE_F1", -0.01)
    with pytest.raises(ModelRejected, match=f"F1 {had:.4f}, the installed one {had:.4f}"):
        train(directory, out, "same-1", TODAY, "train labelled")
    assert out.read_bytes() == before
    assert not out.with_name("model.json.new").exists()
    monkeypatch.undo()
    train(directory, out, "same-1", TODAY, "train labelled")
    assert read(out).name == "same-1"


@pytest.mark.slow
def test_a_model_whose_number_of_links_is_off_is_refused_and_the_installed_one_stays(
    directory: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.json"
    train(directory, out, "good-1", TODAY, "train labelled")
    before = out.read_bytes()
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for name in ("cases", "rescues"):
        (wrong / f"{name}.jsonl").write_bytes((directory / f"{name}.jsonl").read_bytes())
    rows = [
        json.loads(line)
        for line in (directory / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for row in rows:
        if part(row["rescue_id"]) != LAST_LOOK:
            row["case_id"] = f"C{(int(row['case_id'][1:]) * 7 + 11) % 400}"
    write(wrong, "truth", rows)
    with pytest.raises(ModelRejected, match="expects 0 links, there are 5"):
        train(wrong, out, "bad-1", TODAY, "train wrong")
    assert out.read_bytes() == before
    assert not out.with_name("model.json.new").exists()


def test_nothing_is_learned_from_nothing(directory: Path, tmp_path: Path) -> None:
    for name in ("cases", "rescues"):
        (tmp_path / f"{name}.jsonl").write_bytes((directory / f"{name}.jsonl").read_bytes())
    write(tmp_path, "truth", [])
    with pytest.raises(ModelRejected, match="no true pair"):
        train(tmp_path, tmp_path / "model.json", "none-1", TODAY, "train nothing")
    assert not (tmp_path / "model.json").exists()


def test_a_name_that_no_group_could_have_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="name"):
        train(directory, tmp_path / "model.json", "模型 1", TODAY, "train labelled")
    assert not (tmp_path / "model.json").exists()


def test_what_cannot_be_compared_is_not_replaced(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.json"
    for text in ("{", '{"format": 3}', (directory / "truth.jsonl").read_text(encoding="utf-8")):
        out.write_text(text, encoding="utf-8")
        with pytest.raises(ModelRejected, match="cannot be compared, move it away"):
            train(directory, out, "small-1", TODAY, "train labelled")
        assert out.read_text(encoding="utf-8") == text


def test_a_model_that_nothing_measures_is_refused(directory: Path, tmp_path: Path) -> None:
    for name in ("cases", "rescues"):
        (tmp_path / f"{name}.jsonl").write_bytes((directory / f"{name}.jsonl").read_bytes())
    number = next(n for n in range(180) if part(f"R{n}") != LAST_LOOK)
    write(tmp_path, "truth", [{"rescue_id": f"R{number}", "case_id": f"C{number}"}])
    with pytest.raises(ModelRejected, match="no true pair to measure it by"):
        train(tmp_path, tmp_path / "model.json", "few-1", TODAY, "train few")
    assert not (tmp_path / "model.json").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nope", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"rescue_id": "R1"}', "rescue_id or case_id is missing"),
        (b'{"rescue_id": "R1", "case_id": []}', "case_id is not text"),
        (b'{"rescue_id": "R1", "case_id": "C1", "kind": 7}', "kind is not text"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_line_of_the_truth_is_named(
    directory: Path, tmp_path: Path, line: bytes, message: str
) -> None:
    for name in ("cases", "rescues"):
        (tmp_path / f"{name}.jsonl").write_bytes((directory / f"{name}.jsonl").read_bytes())
    (tmp_path / "truth.jsonl").write_bytes(b'{"rescue_id": "R0", "case_id": "C0"}\n\n' + line)
    with pytest.raises(BadLine, match=f"truth.jsonl:3: .*{message}"):
        labelled.read(tmp_path)


@pytest.mark.parametrize("data", [b"xx", gzip.compress(b"{}", mtime=0)[:-9]])
def test_a_truth_that_is_no_gzip_is_named(directory: Path, tmp_path: Path, data: bytes) -> None:
    for name in ("cases", "rescues"):
        (tmp_path / f"{name}.jsonl").write_bytes((directory / f"{name}.jsonl").read_bytes())
    (tmp_path / "truth.jsonl.gz").write_bytes(data)
    with pytest.raises(BadLine, match=r"truth.jsonl.gz:\d: not gzip, or torn"):
        labelled.read(tmp_path)


def test_figures_are_counted_right(directory: Path) -> None:
    data = labelled.read(directory)
    (first, *_) = data.rescues
    few = labelled.Labelled(data.cases, [first], data.truth)
    pair: Any = {"rescue_id": "R0", "band": "review", "evidence": []}
    said: list[Any] = [
        {**pair, "case_id": "C0", "probability": 0.95, "rank": 1},
        {**pair, "case_id": "C7", "probability": 0.6, "rank": 2},
    ]
    figures = measured(said, few)
    assert (figures.links, figures.precision, figures.recall, figures.f1) == (2, 0.5, 0.5, 0.5)
    assert (figures.sure_precision, figures.sure_recall, figures.first_five) == (1.0, 0.5, 0.5)
    assert figures.calibration_error == pytest.approx((0.05 + 0.6) / 2)
    assert figures.expected_links == pytest.approx(1.55)
    assert figures.by_error == {"twice": (2, 0.5, 0.5)}
    assert "precision 0.5000" in "\n".join(figures.lines())


@pytest.mark.slow
def test_what_blocking_misses_is_counted(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.json"
    train(directory, out, "small-1", TODAY, "train labelled")
    last_look = labelled.read(directory).only(lambda one: one == LAST_LOOK)
    whole = effort(read(out), last_look)
    narrow = effort(replace(read(out), keys=(KeyRule("surname-day", 0),)), last_look)
    assert whole.blocking_recall > 0.95
    assert 0 < narrow.candidates < whole.candidates <= whole.most_candidates <= 400
    assert narrow.blocking_recall < whole.blocking_recall
    nobody = effort(read(out), replace(last_look, rescues=[]))
    assert (nobody.blocking_recall, nobody.candidates, nobody.slow) == (0, 0, 0)
    said = "\n".join(whole.lines())
    assert f"recall {whole.blocking_recall:.4f}" in said
    assert "records/s" in said
