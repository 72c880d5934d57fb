"""Each patch of a library names its version, the report of the defect and its test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [
    ROOT / "crossregion/kafka/patches.py",
    ROOT / "crossregion/kafka/record_batch.py",
    ROOT / "processors/engine/patches.py",
    ROOT / "processors/engine/record_batch.py",
]
REACHING = re.compile(
    r"(?<!self)(?<!cls)(?<!super\(\))\._(client|sender|ensure_producer|buffer|pos)\b"
)
"""Members of the libraries' objects that are private, reached from outside."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def patches(source: str) -> Iterator[Definition]:
    """The public definitions but `apply_patches`; of a class without a version, its methods."""
    for node in ast.parse(source).body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        of_class = isinstance(node, ast.ClassDef) and "Version:" not in (
            ast.get_docstring(node) or ""
        )
        if of_class:
            yield from (one for one in node.body if isinstance(one, Definition))
        elif node.name != "apply_patches":
            yield node


FOUND = [
    pytest.param(one, id=f"{path.relative_to(ROOT)}::{one.name}")
    for path in PLACES
    for one in patches(path.read_text("utf-8"))
]


def test_patches_are_found() -> None:
    assert len(FOUND) >= 11


@pytest.mark.parametrize("patch", FOUND)
def test_a_patch_says_what_it_is_for(patch: Definition) -> None:
    text = ast.get_docstring(patch) or ""
    fields = dict(re.findall(r"^(Version|Upstream|Test): (.+)$", text, re.MULTILINE))
    assert set(fields) == {"Version", "Upstream", "Test"}
    library, version = fields["Version"].split()
    assert metadata.version(library) == version, "is the patch still needed?"
    assert re.match(r"[\w.-]+/[\w.-]+#\d+|not reported as of \d{4}-\d\d", fields["Upstream"])
    path, _, name = fields["Test"].partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_private_members_of_the_clients_are_reached_in_the_patches_only() -> None:
    reaching = [
        str(path.relative_to(ROOT))
        for package in ("crossregion", "producers", "processors", "consumers", "cli", "console")
        for path in (ROOT / package).rglob("*.py")
        if path not in PLACES and REACHING.search(path.read_text("utf-8"))
    ]
    assert reaching == []
