"""What an export file becomes: records, refusals with their place, warnings; nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossregion.domain import identifiers, validation
from crossregion.domain.events import Identity
from crossregion.domain.reading import READING
from producers.exports import reader
from producers.exports.formats import Format, formats
from producers.exports.reader import MESSAGES, Export, read_export
from producers.exports.tables import ExportUnreadable
from schemas import codec
from tests.support import exports
from tests.support.exports import UNIT, case, rescue

FEED = Path(__file__).parents[2] / "examples/feed"


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Export]:
    def read(*rows: dict[str, str], **how: str) -> Export:
        return read_export(exports.write(tmp_path / "export.csv", *rows, **how), UNIT)

    return read


def one(export: Export) -> Any:
    assert not export.refusals
    (record,) = export.records
    return record.record


def identity(export: Export) -> Identity:
    record = one(export)
    person = record["victims"][0] if export.kind == "case" else record["person"]
    found: Identity = person["identity"]
    return found


def refused(export: Export) -> list[tuple[int, str, str]]:
    assert {refusal.file for refusal in export.refusals} <= {export.path.name}
    return [(refusal.line, refusal.column, refusal.reason) for refusal in export.refusals]


def doubted(export: Export) -> list[tuple[int, str, str]]:
    return [(warning.line, warning.column, warning.reason) for warning in export.warnings]


def usable(export: Export) -> None:
    """Whatever is accepted fits its schema, and intake accepts it too."""
    for exported in export.records:
        numbered = {**exported.record, "revision": exported.record["revision"] or 1}
        codec.validate(exported.event, numbered)
        validation.validate_event(exported.event, numbered, UNIT, None)


def balanced(export: Export, rows: set[int]) -> None:
    """Each row ends in exactly one of records and refusals, and so does each record."""
    taken = [line for exported in export.records for line in exported.lines]
    listed = {refusal.line for refusal in export.refusals}
    assert sorted([*taken, *listed]) == sorted(rows)
    assert export.records_read == len(export.records) + export.records_refused
    assert all(refusal.message == MESSAGES[refusal.reason] for refusal in export.refusals)


def test_every_sample_is_read_whole_and_without_doubt() -> None:
    files = sorted(FEED.glob("*/*.csv"))
    assert len(files) == 20
    read = 0
    for path in files:
        export = read_export(path, path.parent.name)
        assert (export.refusals, export.warnings) == ([], [])
        read += export.records_read
    assert read == 1_675


def test_a_case_as_a_record(publish: Callable[..., Export]) -> None:
    record = one(publish(case()))
    assert {name: record[name] for name in record if name not in ("victims", "legs")} == {
        "case_id": "220200-C1",
        "unit": UNIT,
        "revision": 1,
        "reported_at": "2012-05-03T08:30:00+08:00",
        "lost_on": "2012-05-01",
        "status": "UNDER_INVESTIGATION",
        "exploitation": ["FORCED_MARRIAGE"],
        "means": ["JOB_OFFER"],
        "intermediary": None,
        "venue": None,
        "reading": READING,
        "remarks": [],
    }
    assert [(leg["role"], leg["code"]) for leg in record["legs"]] == [
        ("taken_from", "220202"),
        ("transit", "230100"),
        ("transit", "340100"),
        ("taken_to", "130502"),
    ]
    (victim,) = record["victims"]
    assert (victim["victim_id"], victim["age_band"], victim["sex"]) == (
        "220200-C1/1",
        "adult",
        "F",
    )
    assert victim["identity"] == {
        "name": "王红英",
        "pinyin": "wang hongying",
        "other_names": ["阿英", "小英"],
        "sex": "F",
        "birth_date": "1990-02-03",
        "birth_precision": "day",
        "home": "220202",
        "height_cm": 162,
        "marks": ["左脸伤疤", "右手臂痣"],
        "id_number": "92022119900203793X",
        "dna_sample": "D100",
    }


def test_a_rescue_as_a_record(publish: Callable[..., Export]) -> None:
    record = one(publish(rescue(关联案件编号="220200-C1")))
    assert record["guardian"] == "TO_BE_FOUND"
    assert record["stated_case_id"] == "220200-C1"
    assert record["person"]["age_band"] == "adult"
    assert record["person"]["identity"]["birth_date"] == "1991"
    assert record["person"]["identity"]["birth_precision"] == "about"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2012-05-01", "2012-05-01"),
        ("2012-05-01 00:00:00", "2012-05-01"),
        ("2012/5/1 8:03", "2012-05-01"),
        ("2012年5月1日", "2012-05-01"),
        ("２０１２－０５－０１", "2012-05-01"),
        ("20120501", "2012-05-01"),
        ("2012.5.1", "2012-05-01"),
        ("2012-02-30", "2012-02-30"),
        ("去年春天", "去年春天"),
        ("", None),
    ],
)
def test_days(publish: Callable[..., Export], written: str, kept: str | None) -> None:
    assert one(publish(case(失踪日期=written)))["lost_on"] == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2012/5/3 8:30", "2012-05-03T08:30:00+08:00"),
        ("2012-05-03T08:30:01.5", "2012-05-03T08:30:01+08:00"),
        ("2012-05-03T08:30:00Z", "2012-05-03T08:30:00Z"),
        ("2012-05-03 00:00:00", "2012-05-03"),
        ("2012-05-03", "2012-05-03"),
        ("2012-05-03 25:61:00", "2012-05-03 25:61:00"),
        ("昨天", "昨天"),
    ],
)
def test_times(publish: Callable[..., Export], written: str, kept: str) -> None:
    assert one(publish(case(报案时间=written)))["reported_at"] == kept


@pytest.mark.parametrize(
    ("born", "year", "kept"),
    [
        ("1990-02-03 00:00:00", "", ("1990-02-03", "day")),
        ("1990-02", "1980", ("1990-02", "month")),
        ("１９９０年２月", "", ("1990-02", "month")),
        ("1990", "", ("1990", "year")),
        ("农历1990年生", "", ("1990", "about")),
        ("1990-13-45", "", ("1990-13-45", "day")),
        ("不记得", "1990", ("1990", "year")),
        ("记不太清", "1990", ("记不太清", "day")),
        ("", "1990年", ("1990", "year")),
        ("", "约1990", ("1990", "about")),
        ("", "", (None, "unknown")),
    ],
)
def test_births(
    publish: Callable[..., Export], born: str, year: str, kept: tuple[str | None, str]
) -> None:
    found = identity(publish(case(出生日期=born, 出生年份=year)))
    assert (found["birth_date"], found["birth_precision"]) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        *(("162", 162), ("１６２", 162), ("162.0", 162), ("162cm", 162), ("1.62", 162)),
        *(("300", 300), ("-5", -5), ("1.62米", 162), ("3米", 300), ("1.6 m", 160)),
        *(("", None), ("很高", None), ("9" * 20, None)),
    ],
)  # fmt: skip
def test_heights(publish: Callable[..., Export], written: str, kept: int | None) -> None:
    export = publish(case(**{"身高(cm)": written}))
    assert identity(export)["height_cm"] == kept
    expected = [(2, "身高(cm)", "no-whole-number")] if written and kept is None else []
    assert doubted(export) == expected


def test_full_width_codes_numbers_and_revisions(publish: Callable[..., Export]) -> None:
    wide = case(
        修订号="２", 流出地代码="２２０２０２", 公民身份号码="９２０２２１１９９００２０３７９３ｘ"
    )
    export = publish(
        wide, case(受害人序号="２", 修订号="2", 承办单位="２２０２００", 受害人姓名="李")
    )
    record = one(export)
    assert (record["revision"], record["legs"][0]["code"]) == (2, "220202")
    assert [victim["victim_id"] for victim in record["victims"]] == ["220200-C1/1", "220200-C1/2"]
    assert record["victims"][0]["identity"]["id_number"] == "92022119900203793X"


@pytest.mark.parametrize(
    "name",
    [
        "\u202e红王\u202c",
        "王\u200b红",
        "<script>alert(1)</script>",
        "'; DROP TABLE person; --",
        "=cmd|'/C calc'!A0",
        "王\x07红\x1b[31m",
        "王\n红",
        "王,红",
        '王"红',
        "{{7*7}}${x}",
        "😀𠮷",
        "%s%n",
        "王\x85红\u2028英",
    ],
)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_strange_names_are_kept_as_written(
    publish: Callable[..., Export], name: str, encoding: str
) -> None:
    export = publish(case(受害人姓名=name), encoding=encoding)
    assert identity(export)["name"] == name
    usable(export)


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"受害人姓名": "王\0红"}, "受害人姓名", "unstorable-text"),
        ({"体貌特征": "x" * 10_000}, "体貌特征", "over-limit"),
        ({"案件编号": "C" * 101}, "案件编号", "over-limit"),
        ({"体貌特征": "痣；" * 101}, "体貌特征", "over-limit"),
        ({"途经地代码": "230100、" * 49}, "途经地代码", "over-limit"),
        ({"案件编号": "  "}, "案件编号", "no-record-id"),
        ({"承办单位": "220300"}, "承办单位", "another-unit"),
    ],
)
def test_a_row_is_refused_with_its_place_and_the_others_go_on(
    publish: Callable[..., Export], change: dict[str, str], column: str, reason: str
) -> None:
    good = [case(案件编号="A"), case(案件编号="B")]
    export = publish(good[0], case(**change), good[1])
    assert refused(export) == [(3, column, reason)]
    assert [exported.record_id for exported in export.records] == ["A", "B"]
    assert (export.records_read, export.records_refused) == (3, 1)
    assert "王" not in str(export.refusals)


def test_a_row_without_a_person_is_refused(publish: Callable[..., Export]) -> None:
    nobody = dict.fromkeys(exports.CASE, "") | {"案件编号": "A", "承办单位": UNIT}
    assert refused(publish(nobody)) == [(2, "受害人姓名", "no-person")]
    assert identity(publish(nobody | {"体貌特征": "左脸伤疤"}))["marks"] == ["左脸伤疤"]


def test_what_is_only_doubtful_is_accepted(publish: Callable[..., Export]) -> None:
    export = publish(
        case(
            修订号="乙", 承办单位="", 流出地代码="999999", 失踪日期="2999-01-01", 性别="女性",
            公民身份号码="123", 案件状态="挂起", **{"身高(cm)": "300"},
        )
    )  # fmt: skip
    record = one(export)
    usable(export)
    assert doubted(export) == [(2, "承办单位", "no-unit"), (2, "修订号", "bad-revision")]
    assert (record["revision"], record["unit"], record["status"]) == (0, UNIT, "挂起")
    assert record["victims"][0]["sex"] == "F"


@pytest.mark.parametrize("revision", ["0", "-1", "1.5", "x", "9" * 19])
def test_a_revision_that_is_none_is_counted_by_the_spool(
    publish: Callable[..., Export], revision: str
) -> None:
    export = publish(case(修订号=revision))
    assert not export.records[0].has_revision
    assert doubted(export) == [(2, "修订号", "bad-revision")]


def test_the_same_revision_twice_with_two_contents_is_refused(
    publish: Callable[..., Export],
) -> None:
    other = case(案件编号="A")
    twice = publish(case(), other, case(受害人姓名="王红"))
    assert refused(twice) == [(2, "受害人序号", "ambiguous"), (4, "受害人序号", "ambiguous")]
    assert [exported.record_id for exported in twice.records] == ["A"]
    status = publish(case(), case(受害人序号="2", 案件状态="破案"))
    assert {column for _, column, _ in refused(status)} == {"案件状态"}
    found = publish(rescue(), rescue(解救地代码="220100"))
    assert refused(found) == [(2, "解救编号", "ambiguous"), (3, "解救编号", "ambiguous")]
    assert (found.records_read, found.records_refused) == (1, 1)


CASE_FORM = next(form for form in formats() if "案件编号" in form.spelled.values())
COMPARED = {
    CASE_FORM.spelled[name]: meaning
    for name, meaning in CASE_FORM.columns.items()
    if meaning not in reader.KEY
}
"""Columns but those that tell records and their persons apart, with what they mean."""


@pytest.mark.parametrize("column", sorted(COMPARED))
def test_rows_of_one_case_that_contradict_each_other_are_refused(
    publish: Callable[..., Export], column: str
) -> None:
    first = case(中介类型="", 场所类型="", 年龄="")
    export = publish(first, {**first, "受害人序号": "2", column: "13"})
    contradicts = [(2, column, "ambiguous"), (3, column, "ambiguous")]
    assert refused(export) == ([] if COMPARED[column] in reader.PERSONAL else contradicts)


@pytest.mark.parametrize("form", [form for form in formats() if form.kind == "case"])
def test_every_column_of_a_case_is_of_the_key_a_person_or_the_case(form: Format) -> None:
    known = [*reader.KEY, *reader.PERSONAL, *reader.CASE_FIELDS]
    assert {*form.columns.values()} <= {*known}
    assert len(known) == len({*known})


def test_a_new_field_of_a_case_is_compared_without_being_listed_anywhere() -> None:
    fields = [*codec.schema("CaseRecorded")["fields"], {"name": "weather", "type": "string"}]
    but = ("case_id", "unit", "revision", "victims", "reading", "remarks")
    assert reader.columns_of(fields, *but) == (*reader.CASE_FIELDS, "weather")


def test_the_same_content_twice_is_counted_once(publish: Callable[..., Export]) -> None:
    for row, heading in ((case(), "案件编号"), (rescue(), "解救编号")):
        export = publish(row, row)
        assert export.records[0].lines == (2, 3)
        assert doubted(export) == [(3, heading, "repeated-row")]
    both = publish(case(受害人序号=""), case(受害人序号=""))
    assert len(one(both)["victims"]) == 1


def test_revisions_of_a_record_in_one_file(publish: Callable[..., Export]) -> None:
    export = publish(case(修订号="2", 案件状态="破案"), case(修订号="1"), case(修订号="10"))
    assert [exported.record["revision"] for exported in export.records] == [2, 1, 10]
    assert len({identifiers.content_digest(exported.record) for exported in export.records}) == 2


def test_a_case_is_refused_whole_when_a_row_of_it_is(tmp_path: Path) -> None:
    second = case(受害人序号="2", 受害人姓名="李\0梅")
    path = exports.write(tmp_path / "a.csv", case(), second, case(修订号="2"))
    export = read_export(path, UNIT)
    assert refused(export) == [
        (2, "案件编号", "with-its-record"),
        (3, "受害人姓名", "unstorable-text"),
    ]
    assert [exported.record["revision"] for exported in export.records] == [2]
    data = exports.text([case(), case(受害人序号="2", 受害人姓名="李梅")]).encode("gb18030")
    for broken, reason in (
        (data[: data.rindex("李".encode("gb18030")) + 1], "undecodable"),
        (data[: data.rindex("李".encode("gb18030"))], "torn"),
    ):
        path.write_bytes(broken)
        export = read_export(path, UNIT)
        assert [reason for _, _, reason in refused(export)] == ["with-its-record", reason]
        assert (export.records, export.records_read) == ([], 1)


def test_a_torn_row_that_can_add_nothing_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for row in (case(), rescue()):
        whole = exports.text([row])
        last = whole.splitlines()[1]
        path.write_text(whole + last[: last.rindex(",")], encoding="gb18030")
        export = read_export(path, UNIT)
        assert [(line, reason) for line, _, reason in refused(export)] == [(3, "torn")]
        assert (len(export.records), export.records_read) == (1, 2)


def test_an_undecodable_cell_is_named(tmp_path: Path) -> None:
    path = exports.write(tmp_path / "a.csv", case(受害人姓名="??"), case(案件编号="B"))
    path.write_bytes(path.read_bytes().replace(b"??", b"\xff\xff"))
    export = read_export(path, UNIT)
    assert refused(export) == [(2, "受害人姓名", "undecodable")]
    assert [exported.record_id for exported in export.records] == ["B"]


def test_headings_unknown_missing_repeated_and_required(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    row = {
        name: cell for name, cell in case(备注="x").items() if name not in ("DNA样本编号", "修订号")
    }
    export = read_export(exports.write(path, row), UNIT)
    assert doubted(export) == [
        (1, "备注", "unknown-heading"),
        (1, "DNA样本编号", "missing-heading"),
        (1, "修订号", "missing-heading"),
    ]
    assert not export.records[0].has_revision
    path.write_text("案件编号,受害人姓名,受害人姓名\nC1,王红,李梅\n", encoding="gb18030")
    export = read_export(path, UNIT)
    assert (1, "受害人姓名", "repeated-heading") in doubted(export)
    assert identity(export)["name"] == "王红"
    path.write_text("案件编号,性别,失踪日期\nC1,女,2012-05-01\n", encoding="gb18030")
    assert identity(read_export(path, UNIT))["sex"] == "F"
    for missing in ("案件编号", "解救编号"):
        row = exports.CASE if missing == "案件编号" else exports.RESCUE
        exports.write(path, {name: cell for name, cell in row.items() if name != missing})
        with pytest.raises(ExportUnreadable, match=f"lacks the heading {missing}"):
            read_export(path, UNIT)


def test_headings_alone_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(exports.RESCUE), encoding="gb18030")
    export = read_export(path, UNIT)
    assert (export.records_read, export.kind) == (0, "rescue")


def test_too_many_victims_are_refused(publish: Callable[..., Export]) -> None:
    rows = [case(受害人序号=str(number)) for number in range(validation.MAX_VICTIMS + 1)]
    assert {reason for _, _, reason in refused(publish(*rows))} == {"over-limit"}
    assert len(one(publish(*rows[:-1]))["victims"]) == validation.MAX_VICTIMS


def numbers(export: Export) -> dict[str | None, str]:
    victims = one(export)["victims"]
    return {victim["identity"]["name"]: victim["victim_id"] for victim in victims}


def test_a_victim_without_a_number_keeps_one_by_content(publish: Callable[..., Export]) -> None:
    wang = case(受害人序号="")
    li = case(受害人序号="", 受害人姓名="李梅")
    both = numbers(publish(wang, li))
    assert numbers(publish(li, wang)) == both
    corrected = wang | {"身高(cm)": "158", "公民身份号码": "", "出生日期": "1990-02-04"}
    assert numbers(publish(corrected, li)) == both
    assert numbers(publish(li)) == {"李梅": both["李梅"]}
    zhao = case(受害人序号="", 受害人姓名="赵敏")
    assert numbers(publish(zhao, li))["赵敏"] not in both.values()
    mixed = publish(wang, li | {"受害人序号": "7"})
    assert numbers(mixed) == {"王红英": both["王红英"], "李梅": "220200-C1/7"}


def test_victims_of_one_name_or_none_are_told_apart(publish: Callable[..., Export]) -> None:
    for name in ("王红英", "", "不详"):
        twins = [case(受害人序号="", 受害人姓名=name, **{"身高(cm)": cm}) for cm in ("90", "95")]
        victims = one(publish(*twins))["victims"]
        assert len({victim["victim_id"] for victim in victims}) == 2
        assert one(publish(*reversed(twins)))["victims"] == victims


def test_the_number_outlives_a_new_optional_field(publish: Callable[..., Export]) -> None:
    found = identity(publish(case(受害人姓名="")))
    assert identifiers.canonical(found) == identifiers.canonical({**found, "added_later": None})


def test_the_content_does_not_depend_on_how_the_file_is_written(tmp_path: Path) -> None:
    rows = [
        case(受害人序号=str(number), 受害人姓名=name, **{"身高(cm)": "150"})
        for number, name in enumerate(["王红英", "李梅", "赵敏敏"], 1)
    ]
    names = list(exports.CASE)
    random.Random(2).shuffle(names)
    turned = [{name: row[name] for name in names} for row in reversed(rows)]
    typed: list[dict[str, object]] = [
        {**row, "报案时间": datetime(2012, 5, 3, 8, 30), "失踪日期": datetime(2012, 5, 1)}
        | {"出生日期": date(1990, 2, 3), "身高(cm)": 150.0, "修订号": 1, "流出地代码": 220202}
        | {"受害人序号": int(row["受害人序号"])}
        for row in rows
    ]
    files = [
        exports.write(tmp_path / "a.csv", *rows),
        exports.write(tmp_path / "b.csv", *rows, encoding="utf-8", end="\n"),
        exports.write(tmp_path / "c.txt", *turned, encoding="utf-8-sig", end="\r"),
        exports.write_xlsx(tmp_path / "d.xlsx", *rows),
        exports.write_xlsx(tmp_path / "e.xlsx", *typed),
    ]
    tabbed = tmp_path / "f.csv"
    tabbed.write_text(exports.text(turned, delimiter="\t"), encoding="gb18030")
    found = [one(read_export(path, UNIT)) for path in [*files, tabbed]]
    assert all(record == found[0] for record in found)
    assert len({identifiers.content_digest(record) for record in found}) == 1


CELLS = (
    st.sampled_from(["", " ", "A", "B", "1", "2", "220200", "220300", "2012-05-01", "1.5", "王红"])
    | st.sampled_from(["x" * 2_001, "；" * 150, "痣；" * 101, "a\0", "９９", "女", "99999999999"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_every_row_ends_in_one_place_and_every_record_is_usable(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(formats()))
    names = list(form.spelled.values())
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    required = [form.spelled[name] for name in form.required]
    headings = data.draw(st.permutations(sorted({*chosen, *required})))
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(headings, CELLS)), max_size=6))
    path = tmp_path_factory.getbasetemp() / "any.csv"
    table = exports.text([dict(zip(headings, headings, strict=True)), *rows], "\n")
    path.write_bytes(table.partition("\n")[2].encode("utf-8"))
    export = read_export(path, UNIT)
    usable(export)
    taken = [line for exported in export.records for line in exported.lines]
    listed = {refusal.line for refusal in export.refusals}
    assert len(taken) == len(set(taken))
    assert not listed & set(taken)
    assert export.records_read == len(export.records) + export.records_refused
    said = sum(any(cell.strip() for cell in row.values()) for row in rows)
    assert len(taken) + len(listed) >= said
    assert all(refusal.message and refusal.file == path.name for refusal in export.refusals)
