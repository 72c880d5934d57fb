"""Named SQL: statements by name, run over rows."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from crossregion.postgres.connection import Connection


Row = dict[str, Any]
QUERIES = (
    ("consumers", "registry/sql/queries"),
    ("consumers", "delivery/sql"),
    ("consumers", "reconcile/sql"),
    ("crossregion", "services/sql"),
    ("crossregion", "postgres/sql"),
)
"""Where statements stand by who uses them: a package, and a directory in it."""
NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def query(name: str) -> LiteralString:
    """One statement by its name; a name stands once in all the files."""
    return _queries()[name]


@functools.cache
def _queries() -> dict[str, LiteralString]:
    return {
        name: statement
        for package, directory in QUERIES
        for name, statement in statements(package, directory).items()
    }


@functools.cache
def statements(package: str, directory: str) -> dict[str, LiteralString]:
    """The statements in the `.sql` files of a package's directory by their names, read once."""
    files = (resources.files(package) / directory).iterdir()
    return {
        name: text
        for file in files
        if file.name.endswith(".sql")
        for name, text in named(file.read_text("utf-8")).items()
    }


def named(text: str) -> dict[str, LiteralString]:
    """The pieces of a file by the names that stand above them."""
    pieces = NAME.split(text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def put(connection: Connection, name: str, given: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Run a statement over rows, given as JSON; returns what it returns."""
    if not given:
        return []
    text = json.dumps(given, ensure_ascii=False)
    cursor = connection.execute(query(name), {"rows": text})
    return cursor.fetchall() if cursor.description else []


def rows(
    connection: Connection, name: str, values: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """What a statement finds, each row by its columns' names."""
    cursor = connection.execute(query(name), values)
    names = [column.name for column in cursor.description or ()]
    for found in cursor:
        yield dict(zip(names, found, strict=True))


def one(connection: Connection, name: str, values: Mapping[str, Any]) -> Row | None:
    """The first row that a statement finds.

    None also for a text that PostgreSQL cannot store, since it may be any input of a user.
    """
    if not all(_storable(value) for value in values.values() if isinstance(value, str)):
        return None
    return next(rows(connection, name, values), None)


def _storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
