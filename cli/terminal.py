"""What the commands print on: whatever stands in an id, the reader's terminal is not told to do it.

Ids are a unit's own words, and others list them.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from rich.console import Console
from rich.text import Text

UNSEEN = ("Cc", "Cf", "Cs")
"""Categories of characters that say something to a terminal or turn a line around."""


class Terminal(Console):
    """Shows characters that are not seen by their numbers, in lines and in tables."""

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(seen(text), **options)


def seen(text: str) -> str:
    return "".join(
        one if one in "\n\t" or unicodedata.category(one) not in UNSEEN else escaped(one)
        for one in text
    )


def escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
