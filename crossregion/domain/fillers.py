"""Fillers: words, signs and days entered where the value is unknown (`data/fillers.toml`).

Pure, and used alike by every intake path, by intake, and in linkage. 无, 不详, `/`, NULL,
eighteen zeros, 1900-01-01 and the like count as an empty field; 王某 is a surname alone;
王红英（又名李梅） is a name and an alias; 女婴 is no name, but states sex and "child".
"""

from __future__ import annotations

import csv
import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from crossregion.domain import identity_number
from crossregion.domain.events import Identity

FILLER, SURNAME_ONLY, ANNOTATED, CHILD, LOST_DIGITS = READ_CODES = (
    *("filler", "surname-only", "annotated-name", "says-child", "lost-digits"),
)
"""Remark codes: a word or sign for nothing; a hidden given name; a note in a name's field; a word
for a child where a name should stand; a number of which a sheet has lost the last digits."""
UNKNOWN_GIVEN: Final = "某"
"""Stands for a given name that is not told, behind a surname."""
COMPOUND_SURNAMES: Final = frozenset(
    (
        *("欧阳", "司马", "上官", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐"),
        *("司徒", "端木", "东方", "独孤", "南宫", "长孙", "宇文"),
    )
)
_HAN: Final = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_BRACKETS: Final = re.compile(
    r"\[([^\[\]]*)\]|【([^【】]*)(?:】|$)|〔([^〔〕]*)〕|[(（]([^()（）]*)(?:[)）]|$)"
)
_OPEN: Final = frozenset("(（[【〔")
_SEPARATORS: Final = re.compile(r"[,，、;；/／|｜:：\s]+")
_AGE: Final = re.compile(r"(?:约|大约|今年|现年)?(\d{1,3})(周岁|岁|个月|月龄|月|天)(?:半|多|左右)?")
_COUNTED: Final = re.compile(
    r"等(?:共)?(?:\d+|[一二两三四五六七八九十几多数]+)?[名个位]?(?:人|女|男|受害人|被害人)?$"
)
_CHILD_OF: Final = re.compile(
    r".+(?:之|的)(?:(女|女儿|女婴|小女儿|大女儿)|(子|儿子|男婴|小儿子|大儿子)"
    r"|(?:孩子|小孩|婴儿|孙子|孙女|妻|妻子|母|母亲|父|父亲|子女))$"
)
_SIGNS: Final = re.compile(r"[\W_]+")
_PLAIN_DAY: Final = re.compile(
    r"(?:19[1-9]|20[0-4])\d-(?:0[1-9]|1[0-2])-(?:0[2-9]|[12]\d|3[01])", re.ASCII
)
"""No day that `day.days` of the data may have: most days are one of these."""
_PARTIAL: Final = re.compile(r"(\d{4})-(\d{2})-00")
_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?E\+?\d+", re.IGNORECASE)
_ASCENDING: Final = "01234567890123456789"
_LONG: Final = 8
"""Letters and digits of a sample's number from which on its separators tell nothing apart."""
_YOUNG: Final = 14
_YOUNG_WORDS: Final = ("未成年", "newborn", "infant", "baby", "新生", "初生", "刚出生")
_PERSONS: Final[dict[str, tuple[str | None, bool]]] = {
    "girl": ("F", True),
    "boy": ("M", True),
    "child": (None, True),
    "woman": ("F", False),
    "man": ("M", False),
    "person": (None, False),
}
"""The lists of words for persons: the sex that each says, and whether it says child."""


@dataclass(frozen=True, slots=True)
class NameRead:
    """What a cell for a name says: a name or none, other names, a sex, a child; and the remark."""

    name: str | None
    others: tuple[str, ...] = ()
    sex: str | None = None
    child: bool = False
    code: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityRead:
    """An identity without fillers; what was left out, as field and code; whether it says child."""

    identity: Identity
    remarks: tuple[tuple[str, str], ...]
    child: bool


@functools.cache
def _data() -> dict[str, Any]:
    file = resources.files("crossregion.domain") / "data/fillers.toml"
    return tomllib.loads(file.read_text("utf-8"))


def _visible(text: str) -> str:
    """Without control and format characters, which nobody sees."""
    if text.isprintable():
        return text.strip()
    return "".join(c for c in text if c == "\t" or unicodedata.category(c)[0] != "C").strip()


def _core(text: str) -> str:
    """Letters and digits alone, in compatibility form and small letters."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain if plain.isalnum() else _SIGNS.sub("", plain)


@functools.cache
def _words(kind: str) -> frozenset[str]:
    own = _data().get(kind, {}).get("words", ())
    return frozenset(map(_core, (*_data()["any"]["words"], *own)))


@functools.cache
def _affixes(table: str, name: str) -> tuple[str, ...]:
    return tuple(sorted(map(_core, _data()[table][name]), key=len, reverse=True))


@functools.cache
def _exact() -> frozenset[str]:
    return frozenset(_data()["any"]["exact"])


@functools.cache
def _capitals() -> frozenset[str]:
    return frozenset(_data()["any"]["capitals"])


@functools.cache
def _ambiguous() -> frozenset[str]:
    return frozenset(_data()["name"]["ambiguous"])


@functools.lru_cache(maxsize=65_536)
def is_filler(kind: str, text: str) -> bool:
    """Whether a text of a kind of field is a word or sign for nothing.

    `kind` is text, code, name, pinyin, alias, id_number, dna_sample, marks, day or sex.
    """
    plain = "".join(unicodedata.normalize("NFKC", _visible(text)).split())
    core = plain.casefold()
    if not core.isalnum():
        core = _SIGNS.sub("", core)
        if not core:
            return True
    if plain.casefold() in _exact() or plain.strip("#()<>[]") in _capitals():
        return True
    if kind == "code" and (not core.strip("0") or (len(core) > 3 and set(core) == {"9"})):
        return True
    named = kind in ("name", "pinyin", "alias")
    if named and (core.isdecimal() or (len(core) == 1 and core.isascii())):
        return True
    if named and core in _ambiguous():
        return False
    if core in _words(kind) or (named and core in _words("name")):
        return True
    if kind in ("id_number", "dna_sample"):
        return _no_number(core, kind)
    if kind == "marks" and _no_mark(core):
        return True
    if kind == "pinyin" or (named and len(core) < 3):
        return False
    if named and len(core) > 2 and len(set(core)) == 1 and core[0] == "x":
        return True
    return _said_of_nothing(core, "name" if named else kind)


def _said_of_nothing(core: str, kind: str) -> bool:
    """A word for nothing with adverbs, or said of a noun: 目前未知, 姓名不详, 无身份证."""
    return _characters(kind).issuperset(core) and _nothing(kind).fullmatch(core) is not None


@functools.cache
def _characters(kind: str) -> frozenset[str]:
    """Every character that such a text may have: most texts have others, and are done with."""
    affixes = (word for name in ("before", "after", "nouns") for word in _affixes("any", name))
    return frozenset("".join((*_words(kind), *affixes, "为是")))


@functools.cache
def _nothing(kind: str) -> re.Pattern[str]:
    words, before, after, nouns = (
        _one_of(listed)
        for listed in (_words(kind), *(_affixes("any", n) for n in ("before", "after", "nouns")))
    )
    return re.compile(f"(?:{before}|{nouns}[为是]?){{0,3}}{words}(?:{after}|{nouns}){{0,3}}")


def _one_of(words: Iterable[str]) -> str:
    """A pattern of the longest of some words that stands somewhere."""
    return f"(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})"


def _no_number(core: str, kind: str) -> bool:
    """No digit at all but words; one character again and again; or digits counted up or down."""
    if not any(c.isdigit() for c in core):
        alike = len(core) > 2 and len(set(core)) == 1
        return alike or kind == "id_number" or len(core) < 4 or bool(_HAN.search(core))
    shown = core.removesuffix("x") if kind == "id_number" else core
    if len(set(shown)) == 1 and (shown[0] == "0" or len(shown) > 2):
        return True
    if not shown.isdigit():
        return not shown.lstrip("abcdefghijklmnopqrstuvwxyz").strip("0")
    if len(shown) > 5 and (shown in _ASCENDING * 2 or shown[::-1] in _ASCENDING * 2):
        return True
    return kind == "id_number" and len(shown) > 6 and (_repeats(shown) or not shown[6:].strip("0"))


def _repeats(digits: str) -> bool:
    """A few digits again and again: 121212121212121212."""
    return any(
        len(digits) >= 3 * period and digits == (digits[:period] * len(digits))[: len(digits)]
        for period in (2, 3, 4, 5, 6)
    )


def _no_mark(core: str) -> bool:
    """无明显特征 and its like: a word for nothing, words that say of what, and a noun."""
    table = _data()["marks"]
    for where in table["of"]:
        core = core.removeprefix(where)
    start = max((word for word in table["nothing"] if core.startswith(word)), key=len, default=None)
    if start is None:
        return _said_of_nothing(core, "marks")
    rest = core[len(start) :]
    pattern = f"(?:{'|'.join(table['of'])})*(?:{'|'.join(table['nouns'])})+"
    return re.fullmatch(pattern, rest) is not None or _said_of_nothing(core, "marks")


@functools.cache
def _persons() -> tuple[re.Pattern[str], frozenset[str]]:
    """A word for a person with what may stand around it; and every character of these.

    The groups are the lists of the data; a single character before it is no part of a name, as in
    一男 or 小童, only where two more follow.
    """
    table = _data()["name"]["persons"]
    lists = {name: [*map(_core, table[name])] for name in _PERSONS}
    before = [*map(_core, table["before"])]
    after = [*map(_core, table["after"]), *_data()["name"]["ordinals"].casefold()]
    long = _one_of(word for word in before if len(word) > 1 or word == UNKNOWN_GIVEN)
    short = _one_of(word for word in before if len(word) == 1 and word != UNKNOWN_GIVEN)
    said = "|".join(f"(?P<{name}>{_one_of(words)})" for name, words in lists.items())
    ordinals = [word for word in after if len(word) == 1 and not word.isascii()]
    behind = f"(?:{_one_of(set(after) - set(ordinals))}|(?<=..){_one_of(ordinals)})"
    pattern = f"(?P<before>(?:{long}|{short}(?=..)){{0,3}})(?:{said}){behind}{{0,3}}"
    characters = "".join((*before, *after, *(word for words in lists.values() for word in words)))
    return re.compile(pattern), frozenset(characters)


@functools.lru_cache(maxsize=65_536)
def person_word(text: str) -> tuple[str | None, bool] | None:
    """The sex that a word for a person says, and whether it says child; None for other texts.

    女婴, 无名女尸, 男童2号, 弃婴, baby girl.
    """
    core = _core(_visible(text))
    pattern, characters = _persons()
    if core in _ambiguous() or not characters.issuperset(core):
        return None
    found = pattern.fullmatch(core)
    if found is None:
        return None
    sex, child = _PERSONS[found.lastgroup or "person"]
    return sex, child or any(word in found["before"] for word in _YOUNG_WORDS)


def child_words(*texts: str | None) -> bool:
    """Whether one of some texts of a record (names, other names, a sex) says child: 女婴, 男童."""
    return any(text is not None and read_name(text).child for text in texts)


def sex_of(text: str) -> tuple[str | None, bool]:
    """F or M by a word for a sex or a person, and whether it says child: 女童, Female."""
    core = _core(_visible(text))
    table = _data()["sex"]
    for sex in ("F", "M"):
        if core in table[sex]:
            return sex, False
    return person_word(text) or (None, False)


@functools.lru_cache(maxsize=65_536)
def read_name(text: str) -> NameRead:
    """What a cell for a name says; a plain name comes back as it is, without a remark."""
    if _HAN.fullmatch(text) and _special().isdisjoint(text):
        return NameRead(text)
    shown = _visible(text)
    if is_filler("name", shown) or _unnamed(_core(shown)):
        return NameRead(None, code=FILLER)
    said = person_word(shown)
    if said is not None:
        sex, child = said
        return NameRead(None, sex=sex, child=child, code=CHILD if child else FILLER)
    read = _Reading(shown)
    return read.result(text)


@functools.cache
def _special() -> frozenset[str]:
    """Every character of which a word or note for names is made: most names have none."""
    table = _data()["name"]
    words: list[str] = [*_words("name"), *_affixes("any", "nouns"), *_affixes("any", "before")]
    for title in table["titles"].values():
        words += title
    for listed in (*table["persons"].values(), *table["notes"].values()):
        words += listed if isinstance(listed, list) else []
    return frozenset("".join((*words, table["masks"], table["ordinals"], "之的等岁月天姓")))


def _unnamed(core: str) -> bool:
    """A word for nobody with what tells several apart behind it: 无名氏甲, 佚名2."""
    while core and core not in _words("name") and core[-1] in _ordinals():
        core = core[:-1]
    return len(core) > 1 and core in _words("name") and core not in _ambiguous()


@functools.cache
def _ordinals() -> frozenset[str]:
    return frozenset(_data()["name"]["ordinals"].casefold() + "尸号")


class _Reading:
    """A name's cell taken apart: the name, and what the notes around it say."""

    def __init__(self, text: str) -> None:
        self.others: list[str] = []
        self.sex: str | None = None
        self.child = False
        self.masked = False
        self.noted = False
        self.name: str | None = None
        bracketed = _BRACKETS.findall(text) if _OPEN & set(text) else []
        notes = ["".join(found) for found in bracketed]
        base = _BRACKETS.sub(" ", text).strip() if notes else text
        self.noted = bool(notes)
        if base or not notes:
            self._base(base)
        understood = [self._note(note) for note in notes]
        if not (all(understood) or _HAN.search(base)):
            self.name, self.others, self.noted = text, [], False
        if not base and self.others:
            self.name = self.others.pop(0)

    def result(self, text: str) -> NameRead:
        name = self.name
        others = tuple(dict.fromkeys(one for one in self.others if one != name))
        if self.child and name is None:
            code = CHILD
        elif self.masked:
            code = SURNAME_ONLY
        elif name is None and not others:
            code = FILLER
        elif self.noted or others:
            code = ANNOTATED
        else:
            return NameRead(text)
        return NameRead(name, others, self.sex, self.child, code)

    def _base(self, base: str) -> None:
        if not _HAN.search(base):
            self.name = None if is_filler("name", base) else base
            return
        parts = [part for part in _SEPARATORS.split(base) if part]
        if _spaced(base, parts):
            parts = ["".join(parts)]
        name, *rest = parts
        if rest and name in (*_first(), *_other()):
            name, *rest = rest
            self.noted = True
        if rest and not self._notes(rest):
            self.name, self.others, self.sex, self.child = base, [], None, False
            return
        self.noted |= bool(rest)
        self._han(name)

    def _han(self, name: str) -> None:
        """A name in Han characters without brackets or separators."""
        child_of = _CHILD_OF.fullmatch(name)
        if child_of is not None:
            self.sex = self.sex or ("F" if child_of[1] else "M" if child_of[2] else None)
            self.noted, self.name = True, None
            return
        name = self._without_notes(name)
        said = person_word(name)
        if not name or is_filler("name", name) or said is not None:
            self.sex = self.sex or (said or (None, False))[0]
            self.child |= bool(said and said[1])
            self.name = None
            return
        surname = self._surname_alone(name)
        if surname is not None:
            self.masked = bool(surname)
            self.name = surname + UNKNOWN_GIVEN if surname else None
            return
        self.name = name

    def _without_notes(self, name: str) -> str:
        """Without what stands before or behind a name in the same word."""
        young = _AGE.match(name)
        if young:
            self._aged(young)
            name = name[young.end() :].lstrip("的")
        begun = _markers()[0].match(name)
        if begun and len(name) - begun.end() > 1:
            self.noted = True
            name = name[begun.end() :]
        found = _markers()[1].search(name, 2)
        if found and name[: found.start()] not in COMPOUND_SURNAMES:
            self.noted = True
            self._other_name(name[found.end() :])
            name = name[: found.start()]
        counted = _COUNTED.search(name)
        if counted and counted.start() > 1:
            self.noted = True
            name = name[: counted.start()]
        age = _AGE.search(name)
        if age and age.start() > 1:
            self._aged(age)
            name = name[: age.start()]
        given = len(name) - (2 if name[:2] in COMPOUND_SURNAMES else 1)
        if given > 2 and name[-1] in "男女" and _HAN.fullmatch(name):
            self.noted = True
            self.sex = self.sex or ("F" if name[-1] == "女" else "M")
            name = name[:-1]
        return name

    def _surname_alone(self, name: str) -> str | None:
        """The surname before a hidden given name or a title; "" if it is hidden, too."""
        table = _data()["name"]
        cut = 2 if name[:2] in COMPOUND_SURNAMES else 1
        surname, given = name[:cut], name[cut:]
        if not given:
            return None
        if surname == "姓":
            return given if given in _surnames() or given in COMPOUND_SURNAMES else None
        masks = given.strip(table["masks"])
        hidden = given[0] in table["masks"] and not masks.strip(table["ordinals"])
        hidden |= UNKNOWN_GIVEN in given
        if surname[0] in table["masks"]:
            return "" if hidden or surname == UNKNOWN_GIVEN else None
        if hidden and _HAN.fullmatch(surname):
            return surname
        for sex in ("F", "M", "unknown"):
            if given in table["titles"][sex]:
                self.sex = self.sex or (sex if sex != "unknown" else None)
                said = person_word(given.lstrip("姓家"))
                self.child |= bool(said and said[1])
                return surname if surname in _surnames() or cut == 2 else ""
        return None

    def _note(self, note: str) -> bool:
        """One note in brackets or behind a separator; whether it is understood."""
        note = note.strip(" \t:：,，。.;；")
        core = _core(note)
        if core.isdecimal():
            return False
        if not core or core in _notes_after() or is_filler("name", note):
            return True
        said = person_word(note)
        if said is not None:
            self.sex = self.sex or said[0]
            self.child |= said[1]
            return True
        age = _AGE.fullmatch(unicodedata.normalize("NFKC", note))
        if age:
            self._aged(age)
            return True
        parts = [part for part in _SEPARATORS.split(note) if part]
        if len(parts) > 1 and _HAN.search(note):
            return self._notes(parts)
        for word in sorted(_other(), key=len, reverse=True):
            rest = _after_marker(note, word) if core.startswith(_core(word)) else None
            if rest:
                self._other_name(rest.lstrip(" :：为是叫"))
                return True
        if _name_like(note):
            self.others.append(note)
            return True
        return False

    def _notes(self, parts: Sequence[str]) -> bool:
        """Several notes; behind a marker such as 又名 all are names."""
        marked, understood = False, True
        for part in parts:
            if marked and _core(part) not in _notes_after():
                self._other_name(part)
            else:
                understood &= self._note(part)
            marked |= part.startswith(_other())
        return understood

    def _other_name(self, text: str) -> None:
        text = text.strip(" :：,，。;；、")
        if (
            not text
            or is_filler("alias", text)
            or person_word(text)
            or _core(text) in _notes_after()
        ):
            return
        if len(text) <= 4 or not _HAN.search(text):
            self.others.append(text)

    def _aged(self, age: re.Match[str]) -> None:
        self.noted = True
        self.child |= int(age[1]) < _YOUNG if "岁" in age[2] else True


@functools.cache
def _other() -> tuple[str, ...]:
    return tuple(_data()["name"]["notes"]["other"])


@functools.cache
def _first() -> tuple[str, ...]:
    return tuple(word for word in _data()["name"]["notes"]["first"] if not word.isascii())


@functools.cache
def _markers() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand before a name, and before another name behind one: 自称…, …又名…."""
    first, other = (
        "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        for words in ((*_first(), *_other()), [w for w in _other() if not w.isascii()])
    )
    return re.compile(f"(?:{first})[:：为是叫]*"), re.compile(f"(?:{other})[:：为是叫]*")


@functools.cache
def _notes_after() -> frozenset[str]:
    return frozenset(map(_core, _data()["name"]["notes"]["after"]))


@functools.cache
def _surnames() -> frozenset[str]:
    return frozenset("".join(_data()["name"]["notes"]["surnames"].split()))


def _spaced(base: str, parts: Sequence[str]) -> bool:
    """Whether a name was written with blanks between its characters: 王 红英."""
    if not set(base).isdisjoint(",，、;；/／|｜:：") or sum(map(len, parts)) > 4:
        return False
    if not all(map(_HAN.fullmatch, parts)):
        return False
    return not any(person_word(part) or _core(part) in _notes_after() for part in parts[1:])


def _after_marker(note: str, word: str) -> str | None:
    """What follows a marker such as 又名 or `also known as`."""
    pattern = r"[\s.]*".join(map(re.escape, word))
    found = re.match(pattern + r"[\s.:：]*", note, re.IGNORECASE)
    return note[found.end() :] if found else None


def _name_like(text: str) -> bool:
    """Whether a note without a marker is another name: a known surname and a given name."""
    if _HAN.fullmatch(text):
        known = text[0] in _surnames() or text[:2] in COMPOUND_SURNAMES
        return known and 2 <= len(text) <= 4 and text not in _places()
    words = text.split()
    return len(words) > 1 and all(word.replace("'", "").isalpha() for word in words)


@functools.cache
def _places() -> frozenset[str]:
    """Names of divisions, whole and without the word for their level."""
    found = set()
    for name in ("regions.csv", "regions_national.csv"):
        file = resources.files("crossregion.domain") / "data" / name
        for row in csv.DictReader(file.read_text("utf-8").splitlines()):
            found.add(row["name_zh"])
            found.add(re.sub(r"(?:省|市|县|区|旗|自治州|自治县|地区|盟)$", "", row["name_zh"]))
    return frozenset(found)


def surname_only(name: str) -> str | None:
    """The surname of a name of which that is all that is told; None of any other name."""
    return name[:-1] if len(name) > 1 and name.endswith(UNKNOWN_GIVEN) else None


@functools.lru_cache(maxsize=65_536)
def dna_folded(text: str) -> str | None:
    """A sample's number without what only its spelling tells apart; None for a filler.

    Case, width and blanks mean nothing. Which separator stands between two parts means nothing;
    whether one does, only in a number so short that another could be made of the same characters.
    """
    if is_filler("dna_sample", text):
        return None
    plain = unicodedata.normalize("NFKC", _visible(text)).upper()
    parts = re.findall(r"[^\W\d_]+|\d+", plain)
    whole = "".join(parts)
    return whole if len(whole) >= _LONG else "-".join(parts)


@functools.lru_cache(maxsize=65_536)
def day_read(text: str) -> str | None:
    """A day, month or year as far as it is no filler: None, or without a part that is 00."""
    if _PLAIN_DAY.fullmatch(text):
        return text
    table = _data()["day"]
    if is_filler("text", text):
        return None
    on = text[:10]
    plain = unicodedata.normalize("NFKC", text).strip().removesuffix("年")
    if on in table["days"] or plain in table["forms"] or plain in table["years"]:
        return None
    if plain.isdecimal() and (not plain.strip("0") or (len(plain) > 4 and len(set(plain)) == 1)):
        return None
    if not (len(text) >= 4 and text[:4].isascii() and text[:4].isdigit()):
        return text
    if len(text) == 4 or text[4] == "-":
        number = int(text[:4])
        if not table["first_year"] <= number < table["last_year"]:
            return None
        partial = _PARTIAL.fullmatch(text)
        if partial is not None:
            return partial[1] if partial[2] == "00" else f"{partial[1]}-{partial[2]}"
    return text


def year_alone(month: int, day: int) -> bool:
    """Whether registers write this day where they know the year alone."""
    return f"{month:02}-{day:02}" in _data()["day"]["year_only"]


def lost_digits(number: str) -> bool:
    """Whether a sheet that held this identity number as a number has lost its last digits.

    It keeps fifteen. A number that passes its check is kept, however it ends.
    """
    if _SCIENTIFIC.fullmatch(number):
        return True
    if not (may_lack_digits(number) and identity_number.well_formed(number)):
        return False
    return not identity_number.check_digit_right(number)


def may_lack_digits(number: str) -> bool:
    """Whether a number ends as one that has lost its last three digits; of all, one in 1,000."""
    return len(number) == 18 and number.endswith("000")


def read_identity(given: Identity) -> IdentityRead:
    """An identity in which nothing is a filler, and what was left out or understood.

    Reading it again changes nothing.
    """
    said: list[tuple[str, str]] = []
    identity: Identity = {**given}
    read = read_name(given["name"]) if given["name"] else NameRead(None)
    others = _other_names(given["other_names"], read.others, said)
    sex, child = _sex(given["sex"], said)
    if read.code is not None:
        said.append(("name", read.code))
    identity["name"] = read.name
    identity["pinyin"] = _pinyin(given["pinyin"], given["name"], read, said)
    identity["other_names"] = others
    identity["sex"] = sex or read.sex if sex is None or sex not in ("F", "M") else sex
    identity["birth_date"], identity["birth_precision"] = _birth(given, said)
    identity["home"] = _kept(given["home"], "code", "home", said)
    if given["height_cm"] is not None and given["height_cm"] in _data()["height_cm"]["numbers"]:
        identity["height_cm"] = None
        said.append(("height_cm", FILLER))
    marks = [mark for mark in given["marks"] if not is_filler("marks", mark)]
    if len(marks) < len(given["marks"]):
        said.append(("marks", FILLER))
    identity["marks"] = marks
    number = _kept(given["id_number"], "id_number", "id_number", said)
    if number is not None and lost_digits(unicodedata.normalize("NFKC", number).strip()):
        said.append(("id_number", LOST_DIGITS))
        number = None
    identity["id_number"] = number
    identity["dna_sample"] = _kept(given["dna_sample"], "dna_sample", "dna_sample", said)
    return IdentityRead(identity, tuple(said), read.child or child)


def _kept(text: str | None, kind: str, field: str, said: list[tuple[str, str]]) -> str | None:
    if text is None or not text or not is_filler(kind, text):
        return text or None
    said.append((field, FILLER))
    return None


def _other_names(
    given: Iterable[str], found: Sequence[str], said: list[tuple[str, str]]
) -> list[str]:
    """Each alias as a name; and those that the name's own field names."""
    names: list[str] = []
    codes: list[str] = []
    for text in given:
        read = read_name(text)
        if is_filler("alias", text):
            read = NameRead(None, code=FILLER)
        if read.code is not None:
            codes.append(read.code)
        names += [one for one in (read.name, *read.others) if one]
    if codes:
        said.append(("other_names", FILLER if FILLER in codes else codes[0]))
    return list(dict.fromkeys((*names, *found)))


def _sex(given: str | None, said: list[tuple[str, str]]) -> tuple[str | None, bool]:
    if given is None or given in ("F", "M"):
        return given, False
    sex, child = sex_of(given)
    if sex is not None or child:
        return sex, child
    if is_filler("sex", given):
        said.append(("sex", FILLER))
        return None, False
    return given, False


def _pinyin(
    given: str | None, name: str | None, read: NameRead, said: list[tuple[str, str]]
) -> str | None:
    """None where it only spells a filler, or the sign for a hidden given name."""
    if not given:
        return None
    core = _core(given)
    spelled = name is not None and read.name is None and core in _sounds()
    hidden = read.code == SURNAME_ONLY and re.search(r"mou\W*$|[x*]+$", given, re.IGNORECASE)
    if spelled or hidden or is_filler("pinyin", given) or (person_word(given) is not None):
        said.append(("pinyin", FILLER))
        return None
    return given


@functools.cache
def _sounds() -> frozenset[str]:
    return frozenset(map(_core, _data()["name"]["sounds"]))


def _birth(given: Identity, said: list[tuple[str, str]]) -> tuple[str | None, str]:
    found = read_birth(given["birth_date"], given["birth_precision"])
    if found[0] != given["birth_date"]:
        said.append(("birth_date", FILLER))
    return found


def read_birth(text: str | None, precision: str) -> tuple[str | None, str]:
    """A date of birth and its precision, as far as they are no filler."""
    if text is None:
        return None, precision
    read = day_read(text)
    if read == text:
        return text, precision
    if read is None:
        return None, "unknown"
    return read, "year" if len(read) == 4 else "month"
