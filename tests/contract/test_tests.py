"""How the tests stand to each other."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "tests").rglob("test_*.py"))


def from_other_tests(source: str) -> Iterator[str]:
    """The test modules that a module imports."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            packages = name.split(".")
            if packages[0] == "tests" and any(one.startswith("test_") for one in packages):
                yield name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_module_imports_from_another(path: Path) -> None:
    """What two of them need stands in `tests/support`, or a change of one moves the other."""
    assert list(from_other_tests(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "from tests.unit.test_a import b",
        "import tests.e2e.test_c",
        "from tests.e2e import test_c",
    ],
)
def test_such_an_import_is_found(line: str) -> None:
    assert list(from_other_tests(f"import os\n{line}\n"))


def test_every_package_of_tests_has_a_budget() -> None:
    budget = tomllib.loads((ROOT / "tests/budget.toml").read_text("utf-8"))["cpu_seconds"]
    packages = {path.relative_to(ROOT / "tests").parts[0] for path in MODULES}
    assert budget.keys() == packages | {"services"}
