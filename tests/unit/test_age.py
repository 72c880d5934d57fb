"""Ages as bounds: from every form that records have, at every door, and what is urgent by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossregion.domain import age, identity_number
from crossregion.domain.notices.board import NoticePlanner
from crossregion.domain.partial_dates import period
from crossregion.domain.routing import is_urgent
from crossregion.domain.stated_ages import (
    Age,
    combined,
    said_by_mark,
    said_by_name,
    said_of,
    tells_of_child,
)
from crossregion.domain.validation import ValidatedEvent, validate_event
from producers import json_records
from producers.exports.reader import read_export
from producers.http_intake import request
from producers.outbox import relay
from schemas import codec
from tests.support import exports
from tests.support.builders import newest_example as example

UNIT = exports.UNIT
LOST, REPORTED = date(2012, 5, 1), "2012-05-03 08:30:00"
NOBODY = {
    "受害人姓名": "",
    "姓名拼音": "",
    "曾用名": "",
    "出生日期": "",
    "出生年份": "",
    "公民身份号码": "",
    "体貌特征": "左脸伤疤",
    "性别": "男",
    "身高(cm)": "",
    "年龄": "",
}


def numbered(born: date, place: str = "220202") -> str:
    """An identity number with this birth and a right check digit."""
    body = f"{place}{born:%Y%m%d}003"
    total = sum(int(a) * b for a, b in zip(body, identity_number.WEIGHTS, strict=True))
    return body + identity_number.CHECK[total % 11]


def validated(event: str, record: dict[str, Any]) -> ValidatedEvent:
    """As intake validates what comes by Kafka."""
    known = {**record, "revision": record["revision"] or 1}
    found, decoded = codec.decode(codec.encode(event, known))
    return validate_event(found, decoded, known["unit"], None)


def urgent_in_notices(*validated_events: ValidatedEvent) -> set[bool]:
    """The urgency of every notice that is issued of these events and of a proposal on them."""
    board = NoticePlanner()
    for one in validated_events:
        board.take("RecordRemarked", dict(one.remarked), 1.0)
        if one.flag is not None:
            board.take("BoundaryFlagged", dict(one.flag), 1.0)
    cases = [one for one in validated_events if one.kind == "case"]
    rescues = [one for one in validated_events if one.kind == "rescue"]
    for case in cases or rescues:
        rescue = rescues[0] if rescues else None
        proposal = {
            **example("MatchProposed"),
            "case_unit": UNIT,
            "case_id": case.record_id if cases else "nowhere",
            "rescue_unit": rescue.unit if rescue else UNIT,
            "rescue_id": rescue.record_id if rescue else "nowhere",
            "probability": 0.9,
        }
        board.take("MatchProposed", proposal, 1.0)
    issued = [cast(dict[str, Any], one) for one, _ in board.pending()]
    assert any(one["kind"] == "proposal" for one in issued)
    return {one["urgent"] for one in issued if one["kind"] in ("flag", "proposal")}


def of_export(path: Path, **changes: str) -> tuple[str, dict[str, Any]]:
    """What the export of one case becomes."""
    file = exports.write(path / "cases.csv", exports.case(**{**NOBODY, **changes}))
    (exported,) = read_export(file, UNIT).records
    return exported.event, cast(dict[str, Any], exported.record)


BOY_OF_TWO = {
    "day": {"出生日期": "2010-03-01"},
    "month": {"出生日期": "2010-03"},
    "month in Chinese": {"出生日期": "2010年3月"},
    "year": {"出生日期": "2010"},
    "column of the year": {"出生年份": "2010年"},
    "about a year": {"出生日期": "约2010年"},
    "age in the birth": {"出生日期": "2岁"},
    "a bare number as the birth": {"出生日期": "2"},
    "age in months": {"出生日期": "26个月"},
    "age in Chinese numerals": {"出生日期": "两岁"},
    "age in lived years": {"出生日期": "2周岁"},
    "and a half": {"出生日期": "两岁半"},
    "nominal age": {"出生日期": "虚岁3岁"},
    "a column of ages": {"年龄": "2"},
    "a column of ages with its unit": {"年龄": "二岁"},
    "the column beside another birth": {"年龄": "2岁", "出生日期": "1978-01-01"},
    "a column of ages beside words": {"年龄": "2", "出生日期": "见备注"},
    "an age in the column of the year": {"出生年份": "约两岁"},
    "a column of the year beside words": {"出生年份": "2010", "出生日期": "见备注"},
    "number": {"公民身份号码": numbered(date(2010, 3, 1))},
    "number beside another birth": {
        "公民身份号码": numbered(date(2010, 3, 1)),
        "出生日期": "1978-01-01",
    },
    "loss in a month": {"出生日期": "2010-03-01", "失踪日期": "2012-05"},
    "loss in a year": {"出生日期": "2010", "失踪日期": "2012年"},
    "loss not known": {"出生日期": "2010-03-01", "失踪日期": ""},
    "loss in words": {"出生日期": "2010-03-01", "失踪日期": "五一前后"},
    "loss after the report": {"出生日期": "2010-03-01", "失踪日期": "2032-05-01"},
    "loss by default": {"出生日期": "2010-03-01", "失踪日期": "1900-01-01"},
    "no day at all": {"出生日期": "2010-03-01", "失踪日期": "", "报案时间": ""},
    "two digits": {"出生日期": "10.3.1"},
    "six digits": {"出生日期": "201003"},
    "Chinese numerals": {"出生日期": "二〇一〇年三月一日"},
    "day first": {"出生日期": "01/03/2010"},
    "a spreadsheet's number": {"出生日期": "40238"},
    "lunar": {"出生日期": "农历2010年正月"},
    "era": {"出生日期": "平成22年3月1日"},
    "word as name": {"受害人姓名": "男婴"},
    "nobody's name with an age": {"受害人姓名": "无名氏（约2岁）"},
    "child of": {"受害人姓名": "王某之子"},
    "word for the sex": {"性别": "男童"},
    "word as a mark": {"体貌特征": "男童，约两岁；左脸伤疤"},
    "word as the birth": {"出生日期": "婴儿"},
    "in English": {"受害人姓名": "unknown baby boy"},
    "kind of exploitation": {"拐卖类型": "非法收养"},
    "kind of means": {"拐骗方式": "拐骗儿童"},
    "unit's own kind": {"拐卖类型": "拐卖儿童"},
    "born after the loss": {"出生日期": "2012-05-02"},
}


@pytest.mark.parametrize("form", BOY_OF_TWO)
def test_each_form_of_one_boy_of_two_is_urgent(form: str, tmp_path: Path) -> None:
    event, record = of_export(tmp_path, **{"拐卖类型": "强迫劳动", **BOY_OF_TWO[form]})
    assert is_urgent([record["victims"][0]["age_band"]])
    found = validated(event, record)
    assert is_urgent([person["age_band"] for person in found.remarked["persons"]])
    assert found.flag is not None
    calm = validated(*of_export(tmp_path, 出生日期="1980-01-01")).flag
    assert calm is not None
    assert len(found.flag["told"]) >= len(calm["told"])
    assert urgent_in_notices(found) == {True}
    assert "age-not-told" not in {remark["code"] for remark in found.remarks}


ADULTS: dict[str, dict[str, str]] = {
    "day": {"出生日期": "1990-02-03"},
    "on the birthday": {"出生日期": "1998-05-01"},
    "year": {"出生日期": "1997"},
    "about": {"出生日期": "约1990年"},
    "age": {"出生日期": "14岁"},
    "lived years": {"出生日期": "满14周岁"},
    "tens": {"年龄": "二十多岁"},
    "number": {"公民身份号码": numbered(date(1990, 2, 3))},
    "polio": {"出生日期": "1990-02-03", "体貌特征": "小儿麻痹后遗症；婴儿瘫"},
    "scalded as a child": {"出生日期": "1990-02-03", "体貌特征": "儿童时期烫伤；3岁时烫伤疤痕"},
    "a mother": {"出生日期": "1990-02-03", "体貌特征": "生过两个小孩，剖宫产疤"},
    "the name of the crime": {"出生日期": "1990-02-03", "拐卖类型": "拐卖妇女儿童"},
    "a kind that a birth contradicts": {"出生日期": "1990-02-03", "拐卖类型": "非法收养"},
    "surname 童": {"出生日期": "1990-02-03", "受害人姓名": "童英"},
    "wrong check digit": {
        "出生日期": "1990-02-03",
        "公民身份号码": numbered(date(2010, 3, 1))[:-1]
        + ("1" if numbered(date(2010, 3, 1))[-1] != "1" else "2"),
    },
}


@pytest.mark.parametrize("form", ADULTS)
def test_who_is_shown_to_be_14_or_more_is_not_urgent(form: str, tmp_path: Path) -> None:
    found = validated(*of_export(tmp_path, **ADULTS[form]))
    assert not is_urgent([person["age_band"] for person in found.remarked["persons"]])
    assert urgent_in_notices(found) == {False}
    assert "age-not-told" not in {remark["code"] for remark in found.remarks}


def test_who_may_be_under_14_is_urgent_and_told_as_such(tmp_path: Path) -> None:
    for form in ({"出生日期": "1998"}, {"出生日期": "约1998年"}, {"年龄": "13-15岁"}):
        found = validated(*of_export(tmp_path, **form))
        assert found.remarked["persons"] == [{"age_band": "perhaps-under-14", "sex": "M"}]
        assert urgent_in_notices(found) == {True}


@pytest.mark.parametrize("text", ["", "不详", "/", "无"])
def test_of_whom_nothing_tells_the_age_is_remarked_and_not_urgent(
    text: str, tmp_path: Path
) -> None:
    found = validated(*of_export(tmp_path, 受害人姓名="王红英", 出生日期=text))
    assert {"field": "victims[1].identity.birth_date", "code": "age-not-told"} in found.remarks
    assert urgent_in_notices(found) == {False}
    assert found.remarked["persons"] == [{"age_band": "unknown", "sex": "M"}]


@pytest.mark.parametrize(
    ("changes", "urgent"),
    [
        ({"出生日期": "2010-03-01"}, True),
        ({"推断出生年份": "2000"}, True),
        ({"出生日期": "约8岁"}, True),
        ({"年龄": "8个月", "推断出生年份": ""}, True),
        ({"推断出生年份": "约八岁"}, True),
        ({"推断出生年份": "1998"}, True),
        ({"自称姓名": "女婴", "推断出生年份": ""}, True),
        ({"出生日期": "2010-03-01", "解救日期": ""}, True),
        ({"公民身份号码": numbered(date(2010, 3, 1)), "推断出生年份": ""}, True),
        ({"推断出生年份": "1990"}, False),
        ({"出生日期": "1998-06-01"}, False),
    ],
)
def test_a_rescued_child_is_urgent_by_the_age_at_the_finding(
    changes: dict[str, str], urgent: bool, tmp_path: Path
) -> None:
    """The proposal is, though the case that it is with names an adult."""
    file = exports.write(tmp_path / "rescues.csv", exports.rescue(**changes, 别名=""))
    (exported,) = read_export(file, UNIT).records
    found = validated(exported.event, cast(dict[str, Any], exported.record))
    assert is_urgent([found.remarked["persons"][0]["age_band"]]) is urgent
    assert urgent_in_notices(found) == {urgent}
    adult = validated(*of_export(tmp_path, 出生日期="1980-01-01"))
    assert (True in urgent_in_notices(adult, found)) is urgent


def test_a_record_offered_of_a_rescued_child_is_urgent() -> None:
    rescue = {**example("RescueRecorded")}
    rescue["person"] = {**rescue["person"], "identity": {**rescue["person"]["identity"]}}
    rescue["person"]["identity"] |= {"birth_date": "2004", "birth_precision": "year"}
    board = NoticePlanner()
    step = {
        **example("HandoverRecorded"),
        "kind": "rescue",
        "record_unit": rescue["unit"],
        "record_id": rescue["rescue_id"],
        "action": "offered",
        "unit": rescue["unit"],
        "to_unit": "220300",
        "follows": None,
    }
    board.take("HandoverRecorded", step, 1.0)
    (calm,) = [one for one, _ in board.pending()]
    assert not cast(Any, calm)["urgent"]
    board.take("RecordRemarked", dict(validated("RescueRecorded", rescue).remarked), 2.0)
    (hurried,) = [one for one, _ in board.pending() if one["kind"] == "handover"]
    assert cast(Any, hurried)["urgent"]
    assert hurried["notice_id"] == calm["notice_id"]


def test_a_word_for_a_child_that_a_door_has_taken_out_still_says_child() -> None:
    case, rescue = example("CaseRecorded"), example("RescueRecorded")
    nobody = {"name": None, "birth_date": None, "id_number": None}
    victim = {**case["victims"][0], "age_band": "unknown"}
    victim["identity"] = {**victim["identity"], **nobody}
    person = {**rescue["person"], "identity": {**rescue["person"]["identity"], **nobody}}
    for remarks, band in (([], "unknown"), (["says-child"], "under-14"), (["filler"], "unknown")):
        said = [{"field": "victims[1].identity.name", "code": code} for code in remarks]
        found = age.of_case(cast(Any, {**case, "victims": [victim], "remarks": said}))
        assert [one.band for one in found] == [band]
        said = [{"field": "person.identity.name", "code": code} for code in remarks]
        told = age.of_rescue(cast(Any, {**rescue, "person": person, "remarks": said}))
        assert told.band == band


def shown(form: str, born: date, lost: date) -> dict[str, str]:
    """A birth that makes a child, in a form that still proves it, as a cell says it."""
    months = (lost.year - born.year) * 12 + lost.month - born.month - (lost.day < born.day)
    return {
        "day": {"出生日期": born.isoformat()},
        "dots": {"出生日期": f"{born.year}.{born.month}.{born.day}"},
        "figures": {"出生日期": f"{born:%Y%m%d}"},
        "number": {"公民身份号码": numbered(born)},
        "serial": {"出生日期": str((born - date(1899, 12, 30)).days)},
        "years": {"年龄": f"{months // 12}岁"},
        "bare years": {"年龄": str(months // 12)},
        "months": {"出生日期": f"{months}个月"},
        "years in the birth": {"出生日期": f"{months // 12}周岁"},
        "nominal": {"出生日期": f"虚岁{months // 12 + 1}"},
        "below": {"出生日期": f"不满{months // 12 + 1}岁"},
    }[form]


FORMS = (
    *("day", "dots", "figures", "number", "serial", "years", "bare years", "months"),
    *("years in the birth", "nominal", "below"),
)
ALMOST = 13 * 365
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "受害人姓名": st.sampled_from(["王红英", "李伟", "金哲洙", ""]),
        "户籍地代码": st.sampled_from(["220202", "", "999999"]),
        "身高(cm)": st.sampled_from(["80", "160", ""]),
        "流入地代码": st.sampled_from(["130502", "KP", "220300", ""]),
        "失踪日期": st.sampled_from(["", "2012年5月", "2012"]),
        "拐卖类型": st.sampled_from(["强迫劳动", "拐卖妇女儿童", ""]),
    },
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    days=st.integers(0, 14 * 365 - 1),
    form=st.sampled_from(FORMS),
    others=OTHERS,
    stated=st.sampled_from([None, "adult", "14-17", "unknown"]),
)
def test_whatever_proves_a_child_is_urgent_at_every_door(
    tmp_path_factory: pytest.TempPathFactory,
    days: int,
    form: str,
    others: dict[str, str],
    stated: str | None,
) -> None:
    """By export, as JSON (the outbox and HTTP take the same), by Kafka, in flag and notices."""
    born = LOST - timedelta(days=days)
    path = tmp_path_factory.mktemp("door", numbered=True)
    event, record = of_export(path, **{**others, **shown(form, born, LOST)})
    by_file = validated(event, record)
    written: dict[str, Any] = {n: v for n, v in record.items() if v is not None}
    written["victims"] = [
        {name: value for name, value in victim.items() if name != "age_band"}
        | ({} if stated is None else {"age_band": stated})
        for victim in record["victims"]
    ]
    proven = json_records.parse(json.dumps(written).encode())
    by_json = json_records.check(event, proven, UNIT).exported
    whole = cast(dict[str, Any], by_json.record)
    if stated is None:
        assert is_urgent([whole["victims"][0]["age_band"]])
    for found in (by_file, validated(event, whole)):
        told = [person["age_band"] for person in found.remarked["persons"]]
        if stated in ("adult", "14-17") and days > ALMOST and "失踪日期" in others:
            continue  # until 14 by the report, without a day of the loss: the unit's own word
        assert is_urgent(told)
        assert urgent_in_notices(found) == {True}


def test_every_door_that_takes_json_takes_it_alike() -> None:
    doors: list[Callable[..., Any]] = [vars(relay)["check"], vars(request)["check"]]
    assert doors == [json_records.check] * 2


def test_a_stated_band_is_the_units_own_word_where_no_day_could_have_made_it() -> None:
    case = example("CaseRecorded")
    victim = {**case["victims"][0], "identity": {**case["victims"][0]["identity"]}}
    victim["identity"] |= {"birth_date": "1980", "birth_precision": "year"}
    for lost_on, stated, band in (
        (None, "adult", "adult"),
        (None, "unknown", "perhaps-under-14"),
        ("2006-02-23", "unknown", "unknown"),
        ("2006-02-23", "under-6", "under-6"),
    ):
        record = {**case, "lost_on": lost_on, "victims": [{**victim, "age_band": stated}]}
        assert validated("CaseRecorded", record).remarked["persons"][0]["age_band"] == band
    child = {**victim, "identity": {**victim["identity"], "birth_date": "1999"}}
    record = {**case, "lost_on": None, "victims": [{**child, "age_band": "adult"}]}
    assert validated("CaseRecorded", record).remarked["persons"][0]["age_band"] == "under-14"


@pytest.mark.parametrize(
    ("text", "persons", "bands"),
    [
        ("拐走一名3岁男童", [], ["under-14"]),
        ("看见一个女婴", [{"age_band": "unknown", "sex": "F"}], ["under-14"]),
        ("约五岁的孩子被带走", [{"age_band": "adult", "sex": "M"}], ["adult", "under-14"]),
        ("一个女孩在哭", [], []),
        ("工厂里有强迫劳动", [{"age_band": "adult", "sex": None}], ["adult"]),
        ("3年前被拐", [{"age_band": "6-13", "sex": None}], ["6-13"]),
        ("x", [{"age_band": "3岁", "sex": None}], ["under-6"]),
    ],
)
def test_a_tip_is_urgent_by_its_persons_or_its_words(
    text: str, persons: list[dict[str, Any]], bands: list[str]
) -> None:
    tip = {**example("TipRecorded"), "persons": persons}
    tip["identity"] = {**tip["identity"], "text": text}
    told = validated("TipRecorded", tip).remarked["persons"]
    assert [person["age_band"] for person in told] == bands


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("3岁", 36, 47),
        ("３ 岁", 36, 47),
        ("八个月", 8, 8),
        ("8个多月", 8, 9),
        ("一岁半", 17, 19),
        ("半岁", 5, 7),
        ("1.5岁", 17, 19),
        ("三四岁", 36, 59),
        ("十三、四岁", 156, 179),
        ("二三十岁", 240, 479),
        ("十几岁", 132, 239),
        ("三岁零两个月", 38, 38),
        ("虚岁15", 156, 179),
        ("14虚岁", 144, 167),
        ("约14岁", 144, 203),
        ("未满14周岁", 0, 167),
        ("14岁以上", 168, None),
        ("3至5岁", 36, 71),
        ("刚满周岁", 12, 23),
        ("出生3天", 0, 1),
        ("700天", 0, 26),
        ("24月", 24, 24),
        ("贰岁", 24, 35),
        ("2周岁8月", 32, 32),
        ("3 years old", 36, 47),
        ("8 months", 8, 8),
        ("3-year-old", 36, 47),
        ("3살", 36, 47),
        ("女婴", None, 167),
        ("未成年人", None, 215),
    ],
)
def test_stated_ages_are_bounds(text: str, lower: int | None, upper: int | None) -> None:
    assert said_of(text) == Age(lower, upper)


@pytest.mark.parametrize(
    "text", ["", "王红英", "25", "1983年10月2日", "妇女", "三百岁", "拐卖妇女儿童"]
)
def test_what_states_no_age_is_none(text: str) -> None:
    assert said_of(text) is None


def test_names_and_marks_say_child_of_the_person_alone() -> None:
    for name in ("女婴", "无名男婴", "王丽之女", "女童1", "Baby Girl", "unknown infant", "小孩"):
        assert said_by_name(name) is not None
    for name in ("童英", "Lee Child", "Boy Chan", "陈幼芳", "王小英"):
        assert said_by_name(name) is None
    for mark in ("女婴", "约3岁", "3岁男童", "女童，约3岁"):
        assert said_by_mark(mark) is not None
    for mark in ("3岁时烫伤", "小儿麻痹", "婴儿瘫", "娃娃脸", "像小孩", "随身带一男孩", "生过小孩"):
        assert said_by_mark(mark) is None
    assert tells_of_child("带走一名3岁的") and not tells_of_child("3岁时被拐的女人")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2004-03-01", "2004-03-01", "2004-03-01"),
        ("2004-03-01T00:00:00Z", "2004-03-01", "2004-03-01"),
        ("2004年3月", "2004-03-01", "2004-03-31"),
        ("2004.3", "2004-03-01", "2004-03-31"),
        ("2004", "2004-01-01", "2004-12-31"),
        ("二〇〇四年三月一日", "2004-03-01", "2004-03-01"),
        ("04-3-1", "2004-03-01", "2004-03-01"),
        ("83.10.2", "1983-10-02", "1983-10-02"),
        ("3/4/2004", "2004-03-04", "2004-04-03"),
        ("2004-02-30", "2004-02-01", "2004-02-29"),
        ("2004-13-01", "2004-01-01", "2004-12-31"),
        ("2003至2005年", "2003-01-01", "2005-12-31"),
        ("90后", "1990-01-01", "1999-12-31"),
        ("00后", "2000-01-01", "2009-12-31"),
        ("38047", "2004-03-01", "2004-03-01"),
        ("约2004年", "2001-12-31", "2007-01-01"),
        ("2004年农历三月", "2004-01-01", "2005-02-28"),
        ("平成16年3月", "2004-03-01", "2004-03-31"),
        ("2004年（2岁）", "2004-01-01", "2004-12-31"),
    ],
)
def test_dates_known_in_part_are_periods(text: str, first: str, last: str) -> None:
    found = period(text, 2006)
    assert found is not None
    assert (str(found.first), str(found.last)) == (first, last)


def test_what_names_no_day_is_no_period() -> None:
    for text in (None, "", "不详", "3岁", "26个月", "10-12岁", "20-30岁", "0000-00-00"):
        assert period(text, 2006) is None


PIECES = st.lists(
    st.sampled_from(
        [
            *"0123456789一二十廿两半岁月天周年初约满-/.、~ +虚多时y٣",
            *("个月", "农历", "平成", "女婴", "years", "之子", "不满", "以上", "\U0001f600"),
        ]
    ),
    max_size=9,
).map("".join)


@given(text=st.one_of(PIECES, st.text(max_size=12)), on=PIECES)
def test_no_text_is_beyond_reading(text: str, on: str) -> None:
    identity = {**example("RescueRecorded")["person"]["identity"]}
    identity |= {"name": text, "birth_date": text, "marks": [text], "id_number": text, "sex": text}
    for precision in ("day", "about", age.STATED_AGE):
        found = age.of_person(
            cast(Any, {**identity, "birth_precision": precision}), age.happened(on, text), (text,)
        )
        assert age.band_of(found) in age.BANDS
    assert tells_of_child(text) in (True, False)


BOUNDS = st.builds(
    lambda a, b: Age(*(sorted((a, b)) if a is not None and b is not None else (a, b))),
    st.none() | st.integers(0, 400),
    st.none() | st.integers(0, 400),
)


@given(st.lists(BOUNDS, max_size=4))
def test_a_child_by_one_source_is_one_by_all(sources: list[Age]) -> None:
    """Whatever the others say; and no order of them matters."""
    found = combined(sources)
    assert found == combined(sources[::-1])
    if any(one.is_child for one in sources):
        assert found.may_be_child
    assert found.may_be_child == is_urgent([age.band_of(found)])
    assert found.told == any(one.told for one in sources)
