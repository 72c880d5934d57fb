"""A filler is nothing, a note is no name, and no real value is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain import fillers
from crossregion.domain.fillers import ANNOTATED, CHILD, FILLER, LOST_DIGITS, SURNAME_ONLY
from tests.support.linkage_records import identity

ANYWHERE = (
    *(
        "无",
        "不详",
        "未知",
        "不明",
        "暂无",
        "待查",
        "待补",
        "空",
        "未填",
        "未采集",
        "查无此人",
        "无此人",
    ),
    *(
        "/",
        "-",
        "—",
        "——",
        "*",
        "***",
        "?",
        "???",
        "？？",
        "…",
        "、",
        "　",
        ".",
        "_",
        "#",
        "（）",
        "□□",
    ),
    *(
        "NULL",
        "null",
        "N/A",
        "n/a",
        "#N/A",
        "NA",
        "NaN",
        "none",
        "None",
        "UNKNOWN",
        "unknown",
        "#REF!",
    ),
    *(
        "#VALUE!",
        "(null)",
        "TBD",
        "n.a.",
        "Ｎ／Ａ",
        "ＮＵＬＬ",
        "不 详",
        "（不详）",
        "【无】",
        "无。",
        "不详！",
    ),
    *(
        "暂时不详",
        "目前未知",
        "尚未登记",
        "均不详",
        "待核实",
        "记不清",
        "不清楚",
        "未提供",
        "无法核实",
        "同上",
    ),
    *("missing", "not known", "not available", "no data", "không rõ", "미상", "неизвестно"),
)
NAMES = (
    *(
        "无名氏",
        "無名氏",
        "佚名",
        "无名",
        "某某",
        "某某某",
        "某人",
        "姓名不详",
        "身份不明",
        "暂未取名",
        "未命名",
    ),
    *(
        "无名氏甲",
        "无名氏1",
        "无名尸",
        "XXX",
        "xxx",
        "匿名",
        "没有名字",
        "Anonymous",
        "Unidentified",
        "noname",
    ),
)
REAL_NAMES = (
    *(
        "吴",
        "武",
        "毋",
        "无忌",
        "张无忌",
        "空海",
        "张无",
        "不二",
        "吴名",
        "武名士",
        "毛不易",
        "施空",
        "佟略",
        "未明",
    ),
    *(
        "小川未明",
        "知无",
        "明空",
        "毛无缺",
        "何不明",
        "步祥",
        "卜详",
        "魏知",
        "白无瑕",
        "程度",
        "梅有",
    ),
    *(
        "丫丫",
        "小宝",
        "宝宝",
        "圆圆",
        "小童",
        "大娃",
        "一男",
        "亚男",
        "李一男",
        "金顺女",
        "玉女",
        "张仙女",
        "少华",
    ),
    *(
        "李音",
        "张佳音",
        "王艺名",
        "欧阳艺名",
        "童童",
        "孩子王甲乙丙",
        "阿吾提·买买提",
        "Nan",
        "Na Ying",
        "Kim",
    ),
    *(
        "Nguyễn Thị Lan",
        "Man",
        "No Minwoo",
        "Xu Xin",
        "王x红",
        "司马女",
        "慕容",
        "于谦",
        "余男",
        "何待查明日",
    ),
)


@pytest.mark.parametrize(
    "kind", ["text", "name", "alias", "id_number", "dna_sample", "marks", "sex"]
)
@pytest.mark.parametrize("text", ANYWHERE)
def test_words_and_signs_for_nothing(kind: str, text: str) -> None:
    assert fillers.is_filler(kind, text)


@pytest.mark.parametrize("text", [*ANYWHERE, *NAMES])
def test_a_filler_is_no_name(text: str) -> None:
    read = fillers.read_name(text)
    assert (read.name, read.others, read.code) == (None, (), FILLER)


@pytest.mark.parametrize("text", REAL_NAMES)
def test_no_real_name_is_lost(text: str) -> None:
    assert fillers.read_name(text) == fillers.NameRead(text)


@given(
    st.text(
        alphabet="王红英李梅张伟刘洋赵敏司马欧阳国华建军秀兰桂芝淑珍志强", min_size=2, max_size=4
    )
)
def test_a_name_of_usual_characters_is_kept(text: str) -> None:
    assert fillers.read_name(text) == fillers.NameRead(text)


@pytest.mark.parametrize(
    ("text", "sex", "child"),
    [
        *(("女婴", "F", True), ("男婴", "M", True), ("婴儿", None, True), ("弃婴", None, True)),
        *(("女童", "F", True), ("男童2号", "M", True), ("小女孩", "F", True), ("男孩", "M", True)),
        *(
            ("儿童", None, True),
            ("新生儿", None, True),
            ("无名女婴", "F", True),
            ("某男童", "M", True),
        ),
        *(("被拐男孩", "M", True), ("3岁女童", "F", True), ("女，约5岁", "F", True)),
        *(("baby girl", "F", True), ("Male infant", "M", True), ("UNKNOWN CHILD", None, True)),
        *(("女", "F", False), ("无名女", "F", False), ("女子", "F", False), ("男性", "M", False)),
        *(("身份不明男子", "M", False), ("无名女尸", "F", False), ("小女士", "F", False)),
        *(("Jane Doe", "F", False), ("unknown female", "F", False), ("王某之女", "F", False)),
    ],
)
def test_a_word_for_a_person_is_no_name_but_says_sex_and_child(
    text: str, sex: str | None, child: bool
) -> None:
    read = fillers.read_name(text)
    assert (read.name, read.sex, read.child) == (None, sex, child)
    assert read.code == (CHILD if child else FILLER)
    assert fillers.child_words("王红英", None, text) is child


@pytest.mark.parametrize("text", ["王红英", "少女", "女学生", "丫头", "小宝", None])
def test_not_every_word_says_child(text: str | None) -> None:
    assert not fillers.child_words(text)


@pytest.mark.parametrize(
    ("text", "name", "sex"),
    [
        *(
            ("王某", "王某", None),
            ("王某某", "王某", None),
            ("王某甲", "王某", None),
            ("王某1", "王某", None),
        ),
        *(
            ("王XX", "王某", None),
            ("王xx", "王某", None),
            ("王**", "王某", None),
            ("王××", "王某", None),
        ),
        *(
            ("王＊＊", "王某", None),
            ("王○○", "王某", None),
            ("王□", "王某", None),
            ("王?", "王某", None),
        ),
        *(("欧阳某", "欧阳某", None), ("欧阳**", "欧阳某", None), ("王女士", "王某", "F")),
        *(
            ("李先生", "李某", "M"),
            ("陈氏", "陈某", "F"),
            ("王姓女子", "王某", "F"),
            ("姓王", "王某", None),
        ),
        *(("李姓男童", "李某", "M"), ("欧阳女士", "欧阳某", "F")),
    ],
)
def test_a_surname_alone(text: str, name: str, sex: str | None) -> None:
    read = fillers.read_name(text)
    assert (read.name, read.sex, read.code) == (name, sex, SURNAME_ONLY)
    assert fillers.surname_only(name) == name[:-1]


@pytest.mark.parametrize(
    ("text", "name", "others"),
    [
        *(
            ("王红英（音）", "王红英", ()),
            ("王红英(音译)", "王红英", ()),
            ("王红英【谐音】", "王红英", ()),
        ),
        *(
            ("王红英（自称）", "王红英", ()),
            ("自称王红英", "王红英", ()),
            ("自称：王红英", "王红英", ()),
        ),
        *(
            ("王红英(又名李梅)", "王红英", ("李梅",)),
            ("王红英（曾用名：李梅）", "王红英", ("李梅",)),
        ),
        *(("王红英又名李梅", "王红英", ("李梅",)), ("王红英，小名红红", "王红英", ("红红",))),
        *(
            ("王红英（又名李梅、李小梅）", "王红英", ("李梅", "李小梅")),
            ("王红英（李梅）", "王红英", ("李梅",)),
        ),
        *(("张三(化名)", "张三", ()), ("化名张三", "张三", ()), ("王红英（待核实）", "王红英", ())),
        *(
            ("王红英（安徽）", "王红英", ()),
            ("王红英(聋哑)", "王红英", ()),
            ("王红英（音", "王红英", ()),
        ),
        *(
            ("王红英女", "王红英", ()),
            ("王红英 女", "王红英", ()),
            ("王红英（女，3岁）", "王红英", ()),
        ),
        *(
            ("王红英等3人", "王红英", ()),
            ("王红英等人", "王红英", ()),
            ("姓名：王红英", "王红英", ()),
        ),
        *(("疑似王红英", "王红英", ()), ("（王红英）", "王红英", ()), ("小名红红", "红红", ())),
        *(("Nguyen Thi Lan (alias Li Mei)", "Nguyen Thi Lan", ("Li Mei",)),),
        *(("王红英（Wang Hongying）", "王红英", ("Wang Hongying",)),),
    ],
)
def test_a_note_is_no_part_of_the_name(text: str, name: str, others: tuple[str, ...]) -> None:
    read = fillers.read_name(text)
    assert (read.name, read.others, read.code) == (name, others, ANNOTATED)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("id_number", "0" * 18), ("id_number", "1" * 18), ("id_number", "9" * 18)),
        *(("id_number", "99999"), ("id_number", "123456789012345678"), ("id_number", "X" * 18)),
        *(("id_number", "０" * 18), ("id_number", "无身份证"), ("id_number", "身份证号不详")),
        *(("id_number", "12" * 9), ("id_number", "987654321098765432"), ("id_number", "外国人")),
        *(
            ("dna_sample", "0"),
            ("dna_sample", "000"),
            ("dna_sample", "D0000"),
            ("dna_sample", "xxxx"),
        ),
        *(("dna_sample", "未采血"), ("dna_sample", "DNA未采集"), ("dna_sample", "检测中")),
        *(("dna_sample", "无样本"), ("dna_sample", "1111111"), ("dna_sample", "12345678")),
        *(("marks", "无明显特征"), ("marks", "无明显体貌特征"), ("marks", "未见明显疤痕")),
        *(
            ("marks", "没有特殊标记"),
            ("marks", "无胎记"),
            ("marks", "体貌正常"),
            ("marks", "特征不详"),
        ),
        ("code", "000000"),
        ("code", "999999"),
        ("code", "户籍不详"),
        ("name", "0"),
        ("name", "12"),
        ("id_number", "220281000000000000"),
        ("dna_sample", "D-0"),
        ("marks", "见照片"),
        *(("alias", "无别名"), ("alias", "无曾用名"), ("alias", "别名不详")),
    ],
)
def test_fillers_of_one_kind_of_field(kind: str, text: str) -> None:
    assert fillers.is_filler(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("id_number", "92022119900203793X"), ("id_number", "920221900203793")),
        *(
            ("id_number", "2202811990****4023"),
            ("id_number", "E12345678"),
            ("id_number", "LYU0199"),
        ),
        *(
            ("dna_sample", "D77-1"),
            ("dna_sample", "1"),
            ("dna_sample", "22"),
            ("dna_sample", "D100"),
        ),
        *(("dna_sample", "2012-0034"), ("dna_sample", "吉公鉴DNA2012-34"), ("dna_sample", "A0001")),
        *(
            ("marks", "无名指缺失"),
            ("marks", "无左耳"),
            ("marks", "左脸伤疤"),
            ("marks", "没有右手"),
        ),
        *(("marks", "无右手小指"), ("alias", "小红"), ("alias", "无双")),
        *(("text", "220202"), ("text", "无锡"), ("text", "空港路"), ("text", "220200-C1")),
    ],
)
def test_real_values_are_kept(kind: str, text: str) -> None:
    assert not fillers.is_filler(kind, text)


@pytest.mark.parametrize(
    "text",
    [
        *("1900-01-01", "1900-01-00", "1899-12-30", "1899-12-31", "1904-01-01", "1970-01-01"),
        *("0000-00-00", "0001-01-01", "1111-11-11", "9999-12-31", "2099-12-31", "1753-01-01"),
        *(
            "1900",
            "0000",
            "9999",
            "不详",
            "/",
            "1900-01-01T00:00:00+08:00",
            "1900年",
            "1/1/1900",
            "00000000",
        ),
    ],
)
def test_a_default_day_is_no_day(text: str) -> None:
    assert fillers.day_read(text) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        *(("1990-02-03", "1990-02-03"), ("1900-02-03", "1900-02-03"), ("1990", "1990")),
        *(("2012-05-01T08:00:00+08:00",) * 2, ("1990-02-31", "1990-02-31"), ("2000-01-01",) * 2),
        *(("1990-00-00", "1990"), ("1990-02-00", "1990-02"), ("去年夏天", "去年夏天")),
    ],
)
def test_a_day_is_kept_as_far_as_it_is_one(text: str, kept: str) -> None:
    assert fillers.day_read(text) == kept


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("D77-1", "d77-1"), ("D77-1", "Ｄ７７－１"), ("D77-1", "D77_1"), ("D77-1", " D77 1")),
        *(("D77-1", "D77—1"), ("2012-0034-A", "20120034a"), ("D1792763106", "d 1792 763 106")),
    ],
)
def test_a_samples_number_is_the_same_however_it_is_spelled(one: str, other: str) -> None:
    assert fillers.dna_folded(one) == fillers.dna_folded(other) is not None


@pytest.mark.parametrize(("one", "other"), [("D77-1", "D7-71"), ("D77-1", "D77-2"), ("A1", "B1")])
def test_other_samples_stay_others(one: str, other: str) -> None:
    assert fillers.dna_folded(one) != fillers.dna_folded(other)


@pytest.mark.parametrize(
    ("number", "lost"),
    [
        *(("220281199003154000", True), ("2.20281199003154E+17", True), ("2.20281E17", True)),
        *(("220281199003154023", False), ("920105199501110000", False), ("220281900315402", False)),
    ],
)
def test_a_sheet_loses_digits(number: str, lost: bool) -> None:
    found = fillers.read_identity(identity(id_number=number))
    assert found.identity["id_number"] == (None if lost else number)
    assert (("id_number", LOST_DIGITS) in found.remarks) == lost


def test_the_pinyin_of_a_filler_is_one_and_a_real_one_is_kept() -> None:
    spelled = identity(name="不详", pinyin="bu xiang")
    known = identity(name="不详", pinyin="wang hongying")
    assert fillers.read_identity(spelled).identity["pinyin"] is None
    assert fillers.read_identity(known).identity["pinyin"] == "wang hongying"
    assert fillers.read_identity(identity(pinyin="wu")).identity["pinyin"] == "wu"


WRITTEN = st.sampled_from([*ANYWHERE, *NAMES, *REAL_NAMES, "王某某", "王红英（又名李梅）", "女婴"])


@given(WRITTEN, WRITTEN, WRITTEN, st.sampled_from(["1900-01-01", "1990-02-03", "1990-00-00"]))
def test_reading_again_changes_nothing(name: str, alias: str, mark: str, born: str) -> None:
    given = identity(name=name, other_names=[alias], marks=[mark], birth_date=born, sex=name)
    once = fillers.read_identity(given).identity
    assert fillers.read_identity(once).identity == once
