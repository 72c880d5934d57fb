"""Migrations that databases have run are not changed, and the schema says each thing once."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from crossregion.postgres import migrations, queries
from crossregion.services import reports
from tests.support.record_migration import DIGESTS, MIGRATIONS, record, sha256

ROOT = Path(__file__).parents[2]
PACKAGES = ("crossregion", "producers", "processors", "consumers", "cli", "console")
SCHEMA = MIGRATIONS.parent / "schema"
MADE = re.compile(
    r"^CREATE (?:OR REPLACE )?(SCHEMA|TABLE|VIEW|FUNCTION|POLICY|(?:UNIQUE )?INDEX)"
    r" (?:(\w+) ON )?([\w.]+)",
    re.MULTILINE,
)


def test_no_migration_was_changed_after_it_was_recorded() -> None:
    recorded = json.loads(DIGESTS.read_text("utf-8"))
    assert {name: each["sha256"] for name, each in recorded.items()} == {
        path.name: sha256(path.name) for path in MIGRATIONS.glob("*.sql")
    }
    assert {each["part"] for each in recorded.values()} == {migrations.KEPT, migrations.DERIVED}
    assert migrations.parts().keys() == migrations.migrations().keys()


def test_a_new_migration_is_recorded_once_under_the_next_number(tmp_path: Path) -> None:
    (tmp_path / DIGESTS.name).write_text("{}", "utf-8")
    for name in ("0001_first.sql", "0002_second.sql"):
        (tmp_path / name).write_text("SELECT 1;", "utf-8")
    record("0001_first.sql", "derived", tmp_path)
    (tmp_path / "0001_first.sql").write_text("SELECT 2;", "utf-8")
    for name, part, says in [
        ("0001_first.sql", "derived", "is not changed"),
        ("0001_again.sql", "derived", "the next number is 0002"),
        ("second.sql", "derived", "NNNN_what_it_does"),
        ("0002_second.sql", "registry", "what is kept or what is derived"),
    ]:
        with pytest.raises(ValueError, match=says):
            record(name, part, tmp_path)
    record("0002_second.sql", "kept", tmp_path)
    recorded = json.loads((tmp_path / DIGESTS.name).read_text("utf-8"))
    assert list(recorded) == ["0001_first.sql", "0002_second.sql"]
    assert recorded["0001_first.sql"]["sha256"] != sha256("0001_first.sql", tmp_path)
    assert recorded["0002_second.sql"]["part"] == "kept"


def test_every_file_of_the_schema_is_run() -> None:
    order = tomllib.loads((SCHEMA / "order.toml").read_text("utf-8"))
    named = [*order[migrations.KEPT], *order[migrations.DERIVED], "access.sql"]
    assert sorted(named) == sorted(path.name for path in SCHEMA.glob("*.sql"))


def test_the_schema_makes_each_thing_once_and_gives_rights_in_one_file() -> None:
    texts = {path.name: path.read_text("utf-8") for path in SCHEMA.glob("*.sql")}
    made = Counter(found for text in texts.values() for found in MADE.findall(text))
    assert len(made) > 100
    assert [each for each, times in made.items() if times > 1] == []
    for name, text in texts.items():
        assert "OR REPLACE" not in text
        if name not in ("access.sql", "database.sql"):
            rights = re.findall(r"^(?:GRANT|REVOKE|CREATE POLICY) .*", text, re.MULTILINE)
            assert [right for right in rights if " CREATE ON SCHEMA " not in right] == [], name


NOT_COMPARED = {"topic", "sighting", "dead_letter", "notice_said"}
"""Tables of the registry that say where, when and how often something stood on the broker."""


def test_a_rebuilt_registry_is_compared_by_each_of_its_tables() -> None:
    """Rows of a table that is left out could be lost in a rebuild, and the digest be the same."""
    texts = "\n".join(path.read_text("utf-8") for path in SCHEMA.glob("*.sql"))
    tables = set(re.findall(r"^CREATE TABLE registry\.(\w+)", texts, re.MULTILINE))
    compared = set(re.findall(r"\bregistry\.(\w+)", queries.query("content")))
    assert len(tables) > 20
    assert tables - compared == NOT_COMPARED


def _names() -> Counter[str]:
    """How often each name of a statement stands in the files that statements are taken from."""
    files = (
        file
        for package, directory in queries.QUERIES
        for file in (resources.files(package) / directory).iterdir()
        if file.name.endswith(".sql")
    )
    return Counter(name for file in files for name in queries.NAME.findall(file.read_text("utf-8")))


def _strings(source: str) -> set[str]:
    """The constant strings of a module that uses the database, among them names of statements."""
    if "crossregion.postgres" not in source and "delivery.statements" not in source:
        return set()
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_statement_has_a_name_of_its_own() -> None:
    names = _names()
    assert len(names) > 100
    assert [name for name, times in names.items() if times > 1] == []


def test_each_statement_is_used() -> None:
    used = {
        string
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for string in _strings(path.read_text("utf-8"))
    }
    used |= {f"{section}_events" for section in reports.SECTIONS}
    assert sorted(_names().keys() - used) == []


def test_a_named_statement_is_found_and_an_unknown_one_is_not() -> None:
    assert queries.query("missing_roles").startswith("SELECT role")
    assert all(queries.query(name).strip().endswith(";") for name in _names())
    with pytest.raises(KeyError):
        queries.query("no_such_statement")


def test_every_sql_file_of_statements_is_read() -> None:
    """A file beside the known directories would hold statements that nobody finds."""
    known = {
        Path(str(resources.files(package) / directory)) for package, directory in queries.QUERIES
    }
    named = {
        path.parent
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.sql")
        if queries.NAME.search(path.read_text("utf-8")) and path.name != "access.sql"
    }
    assert named == known
