"""Texts in one form before they are read: plain width, lower case, Chinese numerals as digits."""

from __future__ import annotations

import re
import unicodedata

FIGURES = {numeral: number for number, numeral in enumerate("〇一二三四五六七八九")}
FIGURES |= {"零": 0, "○": 0, "两": 2, "俩": 2}
_NUMERALS = re.compile(r"[〇零○一二三四五六七八九十廿卅两俩]+")
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾", "一二三四五六七八九十")
_BLANKS = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")


def folded(text: str) -> str:
    """A text in plain width and lower case, without blanks beside Chinese characters."""
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower()
    return _BLANKS.sub("", plain).translate(_FORMAL)


def figures(text: str) -> str:
    """A text whose Chinese numerals up to 99 are digits: 二〇〇四年十二月廿三 is 2004年12月23."""
    return _NUMERALS.sub(lambda found: figure(found[0]), text)


def figure(numeral: str) -> str:
    """The digits of one numeral, place by place or with tens; itself where it is none."""
    written = numeral.replace("廿", "二十").replace("卅", "三十")
    if "十" not in written:
        return "".join(str(FIGURES[one]) for one in written)
    tens, _, ones = written.partition("十")
    if len(tens) > 1 or len(ones) > 1 or "十" in ones:
        return numeral
    return str(10 * (FIGURES[tens] if tens else 1) + (FIGURES[ones] if ones else 0))
