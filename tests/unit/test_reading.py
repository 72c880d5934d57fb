"""What doors make of rows, and that reading a row better contradicts nothing (docs/adr/0019)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.registry.batch import Batch
from crossregion.domain import fillers, identifiers, reading
from crossregion.domain.dates import day, year
from crossregion.domain.events import Record, Remark
from crossregion.domain.notices.board import NoticePlanner
from crossregion.domain.validation import Rejected, validate_event
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from processors.intake import Incoming, take
from processors.outputs import Outputs
from producers import json_records
from producers.exports import reader
from producers.exports.reader import read_export
from producers.records import LocalRecord
from producers.spool.store import EVENTS, PublishedRevision, Spool
from schemas import codec, topics
from tests.support import exports
from tests.support.exports import UNIT, case, rescue

FEED = Path(__file__).parents[2] / "examples/feed"
FEED_BY_READING_1 = "62b44db4c1a55312adc1005951464b10282473997a5af24434e19887fd5615ca"
"""SHA-256 of the feed's record ids, revisions and digests as commit 31cab51 published them."""
SECONDS = 1_700_000_000.0
CONFLICT = {"field": "revision", "code": "conflicting-contents"}

Event = tuple[str, str, bytes]
"""Topic, key and value."""


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., list[LocalRecord]]:
    def read(*rows: dict[str, str]) -> list[LocalRecord]:
        found = read_export(exports.write(tmp_path / "export.csv", *rows), UNIT)
        assert not found.refusals
        return found.records

    return read


def as_of_31cab51(event: str, record: Record) -> Record:
    """A record as it was published before it said by which reading."""
    made: dict[str, Any] = {name: value for name, value in record.items() if name != "remarks"}
    for person in made.get("victims") or [made["person"]]:
        on = made["lost_on"] if "victims" in made else made["found_on"]
        person["age_band"] = band_of_31cab51(person["identity"], on)
    return made  # type: ignore[return-value]


def band_of_31cab51(identity: dict[str, Any], on: str | None) -> str:
    then, born_year = day(on), year(identity["birth_date"])
    if then is None or born_year is None:
        return "unknown"
    born = day(identity["birth_date"]) if identity["birth_precision"] == "day" else None
    age = then.year - born_year
    if born is not None and (then.month, then.day) < (born.month, born.day):
        age -= 1
    if age < 0:
        return "unknown"
    return "under-6" if age < 6 else "6-13" if age < 14 else "14-17" if age < 18 else "adult"


@pytest.fixture
def by_reading_1(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on exports are read as before there were fillers; to be undone by the test."""

    def begin() -> None:
        monkeypatch.setattr(reading, "read", as_of_31cab51)
        monkeypatch.setattr(reader, "_without_fillers", lambda cells: cells)
        monkeypatch.setattr(reader, "NAMING", ())

    return begin


def validated(exported: LocalRecord) -> Any:
    record = {**exported.record, "revision": max(1, exported.record["revision"])}
    return validate_event(exported.event, record, UNIT, None)


FILLED: dict[str, tuple[str, ...]] = {
    "报案时间": ("无", "1900-01-01", "不详"),
    "失踪日期": ("不详", "1900-01-01", "/", "1970-01-01"),
    "流出地代码": ("不详", "/", "未知"),
    "途经地代码": ("无", "/", "不详"),
    "案件状态": ("不详", "NULL", "-"),
    "拐卖类型": ("不详", "无"),
    "拐骗方式": ("未知", "无"),
    "受害人序号": ("无", "-"),
    "姓名拼音": ("NULL", "/"),
    "曾用名": ("无", "/", "无别名"),
    "性别": ("不详", "未知", "#N/A"),
    "出生日期": ("不详", "1900-01-01", "0000-00-00", "1899-12-30"),
    "出生年份": ("不详", "1900"),
    "户籍地代码": ("不详", "000000"),
    "身高(cm)": ("不详", "0", "无"),
    "体貌特征": ("无", "无明显特征", "不详"),
    "公民身份号码": ("无", "0" * 18, "不详"),
    "DNA样本编号": ("未采集", "0", "/"),
}


@pytest.mark.parametrize("heading", list(FILLED))
def test_a_filler_in_an_export_says_what_an_empty_cell_says(
    export: Callable[..., list[LocalRecord]], heading: str
) -> None:
    def said(cell: str) -> tuple[Any, ...]:
        (one,) = export(case(**{heading: cell}))
        found = validated(one)
        told = {name: found.remarked[name] for name in ("persons", "exploitation", "happened_on")}
        persons = [person["identity"] for person in found.listed["persons"]]
        marked = [remark for remark in found.remarks if remark["code"] != fillers.FILLER]
        flag = {k: v for k, v in found.flag.items() if k != "digest"}
        return persons, told, marked, flag, found.listed["happened_on"], found.remarked["legs"]

    empty = said("")
    for filler in FILLED[heading]:
        assert said(filler) == empty


@pytest.mark.parametrize("heading", [h for h in FILLED if h not in ("受害人序号", "流出地代码")])
def test_a_filler_is_remarked_on_and_no_value_is_told(
    export: Callable[..., list[LocalRecord]], heading: str
) -> None:
    (one,) = export(case(**{heading: FILLED[heading][0]}))
    found = [
        remark["field"] for remark in validated(one).remarks if remark["code"] == fillers.FILLER
    ]
    assert len(found) == 1


def test_words_in_a_names_field(export: Callable[..., list[LocalRecord]]) -> None:
    (one,) = export(case(受害人姓名="女婴", 姓名拼音="nv ying", 性别="", 出生日期="", 出生年份=""))
    (person,) = validated(one).listed["persons"]
    assert (person["identity"]["name"], person["identity"]["sex"]) == (None, "F")
    assert person["identity"]["pinyin"] is None
    said = {"field": "victims[1].identity.name", "code": fillers.CHILD}
    assert said in validated(one).remarks
    assert reading.says_child(validated(one).remarks, "victims[1]")
    assert validated(one).remarked["persons"][0]["sex"] == "F"


def test_a_filler_names_no_record(tmp_path: Path) -> None:
    rows = [case(案件编号="无"), case(案件编号="不详"), case(案件编号="/")]
    found = read_export(exports.write(tmp_path / "export.csv", *rows), UNIT)
    assert [refusal.reason for refusal in found.refusals] == ["no-record-id"] * 3


def test_a_filler_beside_the_value_of_another_row_is_no_contradiction(
    export: Callable[..., list[LocalRecord]],
) -> None:
    rows = [case(案件状态="无"), case(案件状态="", 受害人序号="2", 受害人姓名="李梅")]
    assert (
        len({identifiers.content_digest(export(*each)[0].record) for each in (rows, rows[::-1])})
        == 1
    )


def test_the_number_of_a_victim_is_that_of_before(
    export: Callable[..., list[LocalRecord]], by_reading_1: Callable[[], None]
) -> None:
    """A victim to whom the unit gave no number keeps the one that was made of the cells."""
    row = case(受害人序号="", 受害人姓名="不详", DNA样本编号="无", 出生日期="不详")
    now = export(row)
    by_reading_1()
    (before,) = export(row)
    names = [one.record["victims"][0]["victim_id"] for one in (before, *now)]  # type: ignore[typeddict-item]
    assert len(set(names)) == 1


def codes(remarks: Sequence[Remark]) -> list[str]:
    """The codes, but for the one that an age is not told, of which nothing is the matter here."""
    return [remark["code"] for remark in remarks if remark["code"] != "age-not-told"]


def a_case(**of_the_person: Any) -> dict[str, Any]:
    record = codec.decode(codec.encode("CaseRecorded", EXAMPLE))[1]
    record["victims"][0]["identity"].update(of_the_person)
    return record


EXAMPLE: dict[str, Any] = {
    "case_id": "C1",
    "unit": UNIT,
    "revision": 1,
    "legs": [{"role": "taken_from", "code": "220202", "certainty": "stated"}],
    "victims": [
        {
            "victim_id": "C1/1",
            "age_band": "unknown",
            "sex": None,
            "identity": {"name": "王红英", "birth_precision": "unknown"},
        }
    ],
}


def test_by_json_a_filler_is_nothing() -> None:
    taken = json_records.check("CaseRecorded", a_case(dna_sample="未采集", marks=["无"]), UNIT)
    identity = taken.exported.record["victims"][0]["identity"]  # type: ignore[typeddict-item]
    assert (identity["dna_sample"], identity["marks"]) == (None, [])
    path = "victims[1].identity"
    assert {"field": f"{path}.dna_sample", "code": "filler"} in taken.remarks
    assert {"field": f"{path}.marks", "code": "filler"} in taken.remarks
    assert identifiers.reading(taken.exported.record) == reading.READING


def test_by_json_nobody_says_for_us_how_a_record_was_read() -> None:
    said = {"reading": 9, "remarks": [{"field": "legs", "code": "filler"}]}
    taken = json_records.check("CaseRecorded", {**a_case(), **said}, UNIT)
    assert identifiers.reading(taken.exported.record) == reading.READING
    assert codes(taken.remarks) == []


def test_what_comes_by_kafka_is_cleaned_for_linkage_and_remarked_on() -> None:
    validated = validate_event("CaseRecorded", a_case(name="不详", dna_sample="无"), UNIT, None)
    identity = validated.listed["persons"][0]["identity"]
    assert (identity["name"], identity["dna_sample"]) == (None, None)
    assert codes(validated.remarks) == ["filler", "filler"]


@pytest.mark.parametrize(
    "remark",
    [
        {"field": "victims[1].identity.王红英", "code": "filler"},
        {"field": "victims[1].identity.name", "code": "王红英"},
        {"field": "wanghongying", "code": "filler"},
        {"field": "victims[123456].identity.name", "code": "filler"},
    ],
)
def test_what_a_record_says_of_its_reading_tells_no_value(remark: dict[str, str]) -> None:
    validated = validate_event("CaseRecorded", {**a_case(), "remarks": [remark]}, UNIT, None)
    assert codes(validated.remarks) == []


@pytest.mark.parametrize("number", [0, -1, 10_000])
def test_a_reading_has_a_number(number: int) -> None:
    with pytest.raises(Rejected, match="over-limit: reading"):
        validate_event("CaseRecorded", {**a_case(), "reading": number}, UNIT, None)


@given(st.lists(st.tuples(st.integers(1, 9_999), st.binary(min_size=1, max_size=2)), min_size=2))
def test_a_digest_sorts_by_its_reading(made: list[tuple[int, bytes]]) -> None:
    named = [(n, identifiers.of_reading(n, hashlib.sha256(text).hexdigest())) for n, text in made]
    assert [n for n, _ in sorted(named, key=lambda one: one[1])] == sorted(n for n, _ in made)
    assert all(identifiers.reading_of(digest) == n for n, digest in named)
    assert {len(identifiers.text_digest(digest)) for _, digest in named} == {64}


def event_values(spool: Spool) -> list[Event]:
    """All that waits, which is then sent."""
    waiting = spool.unsent(10_000)
    spool.mark_sent(event.sequence for event in waiting)
    return [(event.topic, event.event_id, event.value) for event in waiting]


class Province:
    """What registry, linkage and notices make of events, in the order in which they came."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.board = NoticePlanner()
        self.index = Index(load())
        self.pairs: dict[tuple[str, str], float | None] = {}
        self.told: list[dict[str, Any]] = []

    def take(self, events: Sequence[Event]) -> None:
        for offset, (topic, event_id, value) in enumerate(events):
            headers = {"ce_id": event_id.encode()}
            assert self.batch.take(topic, 0, offset, value, headers, None) == "accepted"
            outputs = Outputs()
            assert take(Incoming(topic, 0, offset, b"", value, headers), outputs) == "accepted"
            listed = set()
            for name, _, _, made in outputs:
                event, record = codec.decode(made)
                if name == topics.LINKAGE_RECORDS.name():
                    listed.add(made)
                else:
                    self.board.take(event, record, SECONDS)
            for made in listed:
                for pair in self.index.put(codec.decode(made)[1]):  # type: ignore[arg-type]
                    self.pairs[pair["victim_id"], pair["rescue_id"]] = pair["weight"]

    def tell(self) -> list[dict[str, Any]]:
        """What is told now, and stands on the log from then on."""
        found = [dict(notice) for notice, _ in self.board.pending()]
        self.hear(found)
        self.told += found
        return found

    def hear(self, told: Sequence[dict[str, Any]]) -> None:
        for notice in told:
            event = "NoticeIssued" if "units" in notice else "NoticeWithdrawn"
            self.board.take(event, notice, SECONDS)

    @property
    def holds(self) -> dict[str, tuple[int, str]]:
        return {
            record_id: (row["revision"], row["digest"])
            for (_, _, record_id), row in self.batch.records.heads.items()
        }

    @property
    def weights(self) -> dict[tuple[str, str], float]:
        return {pair: weight for pair, weight in self.pairs.items() if weight is not None}


def fed(path: Path, spool: Path, unit: str) -> list[Event]:
    with Spool(spool, unit) as opened:
        for file in sorted(path.glob("*.csv")):
            found = read_export(file, unit)
            accepted = opened.accept_all(found.records)
            assert not accepted.refused
        return event_values(opened)


def of_the_feed(event: Event) -> str:
    name, record = codec.decode(event[2])
    digest = identifiers.content_digest(record)  # type: ignore[arg-type]
    return f"{name} {record['unit']} {next(iter(record.values()))} {record['revision']} {digest}"


@pytest.mark.slow
def test_the_example_feeds_published_again_by_this_release(
    tmp_path: Path, by_reading_1: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read as before is not sent again; what is read otherwise contradicts nothing."""
    folders = sorted(folder for folder in FEED.iterdir() if folder.is_dir())
    by_reading_1()
    before = [e for f in folders for e in fed(f, tmp_path / f"{f.name}.sqlite", f.name)]
    lines = "\n".join(sorted(map(of_the_feed, before)))
    assert hashlib.sha256(lines.encode()).hexdigest() == FEED_BY_READING_1
    monkeypatch.undo()
    again = [e for f in folders for e in fed(f, tmp_path / f"{f.name}.sqlite", f.name)]
    assert len(again) < len(before) / 20
    assert [e for f in folders for e in fed(f, tmp_path / f"{f.name}.sqlite", f.name)] == []
    province = Province()
    province.take(before)
    told = {notice["notice_id"]: notice for notice in province.tell()}
    province.take(again)
    for notice in province.tell():
        known = told.get(notice["notice_id"])
        assert {"field": "revision", "code": "conflicting-contents"} not in notice.get(
            "remarks", []
        )
        assert known is None or "units" not in notice or notice["urgent"] > known["urgent"]
    for record_id, version in newest(again).items():
        assert province.holds[record_id] == version
    rebuilt = Province()
    mixed = [*before, *again]
    random.Random(1).shuffle(mixed)
    rebuilt.take(mixed)
    rebuilt.hear(province.told)
    assert rebuilt.tell() == []
    assert (rebuilt.holds, rebuilt.weights) == (province.holds, province.weights)


def newest(events: Sequence[Event]) -> dict[str, tuple[int, str]]:
    """The highest revision and digest of each record of some events."""
    found: dict[str, tuple[int, str]] = {}
    for _, _, value in events:
        record = codec.decode(value)[1]
        record_id = next(iter(record.values()))
        digest = identifiers.content_digest(record)  # type: ignore[arg-type]
        found[record_id] = max(found.get(record_id, (0, "")), (record["revision"], digest))
    return found


ROWS = [
    case(案件编号="A", 受害人姓名="不详", DNA样本编号="无", 性别="女"),
    case(案件编号="B", 公民身份号码="0" * 18, 体貌特征="无"),
    case(案件编号="C", 受害人姓名="李梅", 姓名拼音="li mei"),
    case(案件编号="D", 受害人姓名="赵秋萍（音）", 公民身份号码="220281199003154024"),
    case(案件编号="E", 受害人姓名="女婴", 出生日期="", 出生年份="", 修订号=""),
]
RESCUES = [
    rescue(解救编号="X", 自称姓名="不详", DNA样本编号="无"),
    rescue(解救编号="Y", 自称姓名="李梅", 姓名拼音="li mei"),
    rescue(解救编号="Z", 自称姓名="赵秋萍", 关联案件编号="无"),
]


@pytest.fixture
def twice(
    tmp_path: Path,
    export: Callable[..., list[LocalRecord]],
    by_reading_1: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[Event], list[Event]]:
    """The same rows as published before there were fillers, and once more by this release."""
    found = []
    for old in (True, False):
        if old:
            by_reading_1()
        with Spool(tmp_path / "spool.sqlite", UNIT) as spool:
            spool.accept_all([*export(*ROWS), *export(*RESCUES)])
            found.append(event_values(spool))
        monkeypatch.undo()
    return found[0], found[1]


def test_only_what_is_read_otherwise_is_published_again(
    twice: tuple[list[Event], list[Event]],
) -> None:
    before, again = (
        {next(iter(codec.decode(value)[1].values())): codec.decode(value)[1] for _, _, value in one}
        for one in twice
    )
    assert before.keys() == set("ABCDEXYZ")
    assert again.keys() == set("ABDEXZ")
    assert all(record["reading"] == 1 for record in before.values())
    assert all(record["reading"] == reading.READING for record in again.values())
    assert {name: record["revision"] for name, record in again.items()} == {
        **dict.fromkeys("ABDXZ", 1),
        "E": 2,
    }


def test_a_better_reading_is_no_conflict(twice: tuple[list[Event], list[Event]]) -> None:
    before, again = twice
    province = Province()
    province.take(before)
    first = province.tell()
    assert first
    weighed = province.weights
    province.take(again)
    for notice in province.tell():
        assert {"field": "revision", "code": "conflicting-contents"} not in notice.get(
            "remarks", []
        )
        assert notice["kind"] == "remarks", "nothing but remarks has changed"
    assert province.tell() == []
    newest = {*"ABDXZ"}
    assert all(
        identifiers.reading_of(province.holds[one][1]) == (reading.READING if one in newest else 1)
        for one in "ABCDXYZ"
    )
    assert province.weights == weighed, "linkage leaves fillers out of what stands already"
    assert ("D/1", "Z") in province.weights


def test_a_real_conflict_is_still_told(export: Callable[..., list[LocalRecord]]) -> None:
    province = Province()
    for row in (case(), case(案件状态="破案")):
        (one,) = export(row)
        value = codec.encode(one.event, one.record)
        event_id = identifiers.event_id(
            UNIT, one.record_id, 1, identifiers.content_digest(one.record)
        )
        province.take([("cases.220200", event_id, value)])
    (told,) = [notice for notice in province.tell() if notice["kind"] == "remarks"]
    assert {"field": "revision", "code": "conflicting-contents"} in told["remarks"]


def test_whatever_the_order_the_newer_reading_holds(
    twice: tuple[list[Event], list[Event]],
) -> None:
    """Also after a rebuild: the log is read again, and there is nothing more to tell."""
    before, again = twice
    once = Province()
    once.take([*before, *again])
    once.tell()
    for seed in range(4):
        mixed = [*before, *again]
        random.Random(seed).shuffle(mixed)
        other = Province()
        other.take(mixed)
        other.hear(once.told)
        assert other.tell() == []
        assert other.holds == once.holds
        assert other.weights == once.weights


def test_a_spool_that_was_lost_learns_what_stands_by_another_reading(
    tmp_path: Path,
    export: Callable[..., list[LocalRecord]],
    by_reading_1: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_reading_1()
    rows = [case(案件编号="C"), case(案件编号="A", DNA样本编号="无")]
    before = [validated(one) for one in export(*rows)]
    monkeypatch.undo()
    standing = [PublishedRevision("case", one.record_id, 1, one.digest) for one in before]
    with Spool(tmp_path / "new.sqlite", UNIT) as spool:
        assert spool.accept_all(export(*rows)).published == 2
        spool.catch_up(standing, {("cases.220200", 0): 2})
        assert [event.record_id for event in spool.unsent(10)] == ["A"]
        assert spool.accept_all(export(*rows)).unchanged == 2


def test_what_was_read_wrongly_once_is_put_right_by_a_later_reading(
    tmp_path: Path, export: Callable[..., list[LocalRecord]]
) -> None:
    """A rule is taken back: the content of before is read again, and is the newest."""
    (right,), (wrong,) = export(case()), export(case(DNA样本编号=""))

    def by(number: int, one: LocalRecord) -> LocalRecord:
        record: Any = {**one.record, "reading": number}
        return LocalRecord(one.event, one.record_id, record, ())

    with Spool(tmp_path / "spool.sqlite", UNIT) as spool:
        assert spool.accept_all([by(1, right)]).published == 1
        assert spool.accept_all([by(2, wrong)]).published == 1
        assert spool.accept_all([by(3, right)]).published == 1
        assert spool.accept_all([by(3, right), by(4, right)]).unchanged == 2
        digests = [event.event_id for event in spool.unsent(10)]
    assert len(set(digests)) == 3


def test_every_event_that_is_read_has_the_fields_for_it() -> None:
    for event in EVENTS.values():
        read = {"reading", "remarks"} <= {f["name"] for f in codec.schema(event)["fields"]}
        assert read == (event in ("CaseRecorded", "RescueRecorded", "TipRecorded"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(list(FILLED)), st.sampled_from(["无", "不详", "/", "NULL"])))
def test_no_filler_stands_in_what_is_published(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[str, str]
) -> None:
    path = exports.write(tmp_path_factory.mktemp("export") / "export.csv", case(**cells))
    for exported in read_export(path, UNIT).records:
        told = {k: v for k, v in exported.record.items() if k != "remarks"}
        assert not {"无", "不详", "/", "NULL"} & set(_texts(told))
