"""The formats of exports: which heading and which word means what, as data in `*.toml`."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from producers.exports.tables import heading


@dataclass(frozen=True)
class Format:
    """Headings and words of one kind of export."""

    kind: str
    required: frozenset[str]
    optional: frozenset[str]
    columns: dict[str, str]
    words: dict[str, dict[str, str]]
    spelled: dict[str, str]


@functools.cache
def formats() -> tuple[Format, ...]:
    """Every format of this directory."""
    found = []
    for file in sorted(resources.files(__name__).iterdir(), key=str):
        if not file.name.endswith(".toml"):
            continue
        data: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        found.append(
            Format(
                data["kind"],
                frozenset(map(heading, data["required"])),
                frozenset(map(heading, data["optional"])),
                {heading(name): meaning for name, meaning in data["columns"].items()},
                data.get("words", {}),
                {heading(name): name for name in data["columns"]},
            )
        )
    return tuple(found)
