"""What docs/architecture.md and CONTRIBUTING.md say of the tree is how the tree is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import topics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
PACKAGES = ("schemas", "crossregion", "producers", "processors", "consumers", "cli", "console")
ROOMS = {
    "topics": ("schemas/topics/{}.toml",),
    "domain": ("crossregion/domain/{}.py", "crossregion/domain/{}/__init__.py"),
    "registry": ("consumers/registry/projections/{}.py", "consumers/registry/{}.py"),
    "service": ("crossregion/services/{}.py",),
    "command": ("cli/{}.py",),
    "page": ("console/pages/{}.py",),
}
"""Where a name in a column of the matrix has its file."""
NOUNLESS_SERVICES = {"confirmation", "prefixes"}
"""What several services share."""


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_that_is_named_is_there(page: str) -> None:
    """In `a/b/<noun>.py` the part in angle brackets stands for any name, and one must be there."""
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`([\w.-]*/[\w./<>-]*|[\w.-]+\.(?:md|toml|lock|py|json))`", text)
    assert len(named) > 15
    missing = [path for path in named if not any(ROOT.glob(re.sub(r"<[\w-]+>", "*", path)))]
    assert missing == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_test_that_is_named_is_there(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / page).read_text("utf-8")))
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert named <= set(re.findall(r"^def (test_\w+)", "\n".join(sources), re.MULTILINE))


def drawn() -> Iterator[str]:
    """The paths of the tree, as it is drawn by indenting each below its folder."""
    (tree,) = re.findall(r"```\n(.*?)```", section("The tree"), re.DOTALL)
    above: list[str] = []
    for line in tree.splitlines():
        indent, name = re.findall(r"^( *)([\w.-]+/?)  +\S", line)[0]
        del above[len(indent) // 2 :]
        above.append(name)
        yield "".join(above)


def test_the_tree_is_drawn_as_it_is() -> None:
    paths = set(drawn())
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    packages = {
        f"{init.parent.relative_to(ROOT)}/"
        for package in PACKAGES
        for init in (ROOT / package).rglob("__init__.py")
    }
    assert packages - paths == set(), "draw the new package in docs/architecture.md"
    modules = {f"crossregion/{path.name}" for path in (ROOT / "crossregion").glob("[!_]*.py")}
    assert modules - paths == set(), "draw the new module in docs/architecture.md"


def test_the_floors_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    checked = [
        [sorted(layer.split(" | ")) for layer in contract["layers"]]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    written: list[list[list[str]]] = []
    for number, line in re.findall(r"^(\d+)\. (.+)$", section("Who may import whom"), re.MULTILINE):
        if number == "1":
            written.append([])
        written[-1].append(sorted(re.findall(r"`(\w+)`", line)))
    assert written == checked


def rows() -> dict[str, dict[str, list[str]]]:
    """The matrix: of each noun, the names in each column."""
    lines = [line for line in section("The matrix of nouns").splitlines() if line.startswith("| ")]
    heading, *found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert heading == ["noun", *ROOMS]
    for cells in found:
        assert all(re.fullmatch(r"–|`[\w-]+`(?: `[\w-]+`)*", cell) for cell in cells[1:]), cells
    return {
        noun: {
            column: re.findall(r"`([\w-]+)`", cell)
            for column, cell in zip(ROOMS, cells, strict=True)
        }
        for noun, *cells in found
    }


MATRIX = rows()


@pytest.mark.parametrize("noun", MATRIX)
def test_a_nouns_row_names_files_that_are_there_and_leaves_out_none(noun: str) -> None:
    own = noun.replace(" ", "_")
    for column, places in ROOMS.items():
        names = MATRIX[noun][column]
        for name in names:
            assert any((ROOT / place.format(name)).exists() for place in places), (column, name)
        if column != "topics" and any((ROOT / place.format(own)).exists() for place in places):
            assert own in names, f"{column} has a file of this noun that its row leaves out"


def test_every_topic_service_projection_and_page_has_a_row() -> None:
    named = {column: {name for row in MATRIX.values() for name in row[column]} for column in ROOMS}
    assert named["topics"] == {path.stem for path in (ROOT / "schemas/topics").glob("*.toml")}
    assert len(named["topics"]) == len(topics.TOPICS)
    services = {path.stem for path in (ROOT / "crossregion/services").glob("[!_]*.py")}
    assert named["service"] == services - NOUNLESS_SERVICES
    projections = (ROOT / "consumers/registry/projections").glob("[!_]*.py")
    assert {path.stem for path in projections} <= named["registry"]
    assert {path.stem for path in (ROOT / "console/pages").glob("[!_]*.py")} == named["page"]
