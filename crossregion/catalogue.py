"""The sentences that persons are told, by code, in English and Chinese.

They stand in `locale/<language>.po` of a package, in gettext's format with the code as its id, so
that any editor of translations opens them. A sentence names its fields in braces. A file is read
when one of its sentences is shown, so that nothing is paid for what is not said.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

ENGLISH, CHINESE = LANGUAGES = ("en", "zh")
HINT = "hint"
"""The context (msgctxt) of what a face says after a sentence: what to do about it there."""


@dataclass(frozen=True)
class Message:
    """A sentence that is not written yet: its code, its fields, and the package it stands in."""

    code: str
    fields: Mapping[str, Any]
    package: str = "crossregion"

    def text(self, language: str = ENGLISH) -> str:
        """The sentence; code and fields of one that no catalogue has."""
        template = sentences(self.package, language).get((None, self.code))
        if template is None:
            return " ".join([self.code, *(f"{name}={self.fields[name]}" for name in self.fields)])
        return template.format(**self._shown(language))

    def hint(self, package: str, language: str = ENGLISH) -> str:
        """What a face says to do about it; empty if it says nothing."""
        template = sentences(package, language).get((HINT, self.code), "")
        return template.format(**self._shown(language))

    def _shown(self, language: str) -> dict[str, Any]:
        return {name: _shown(value, language) for name, value in self.fields.items()}


def _shown(value: Any, language: str) -> Any:
    """A field as it stands in a sentence: lists with commas, messages in the same language."""
    if isinstance(value, Message):
        return value.text(language)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(_shown(one, language)) for one in value if one is not None)
    return "" if value is None else value


@functools.cache
def sentences(package: str, language: str) -> dict[tuple[str | None, str], str]:
    """All of a package by context and code."""
    from babel.messages.pofile import read_po

    with (resources.files(package) / "locale" / f"{language}.po").open("rb") as file:
        return {(one.context, str(one.id)): str(one.string) for one in read_po(file) if one.id}
