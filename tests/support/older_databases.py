"""Databases as older versions made them: by migrations one after another, in older texts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg

from crossregion.postgres import migrations

DATA = Path(__file__).parents[1] / "data"

OF_A_PROVINCE = 20
"""The first migration that asks the database which province it is of."""


def run_migrations(
    dsn: str, numbers: Iterable[int] | None = None, texts: Mapping[int, str] | None = None
) -> None:
    """Run migrations in the order given (all in theirs) on an empty database or an older one."""
    known = {**migrations.migrations(), **(texts or {})}
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.crossregion_migration (number integer PRIMARY KEY)"
        )
        for number in sorted(known) if numbers is None else numbers:
            if number == OF_A_PROVINCE:
                migrations.name_office(connection, fresh=False)
            connection.execute(known[number].encode())
            connection.execute("INSERT INTO public.crossregion_migration VALUES (%s)", [number])


def older_texts() -> dict[int, str]:
    """The oldest text of each migration that was changed after others had been built on it."""
    changes = tomllib.loads((DATA / "older_migrations.toml").read_text("utf-8"))
    texts = {}
    for number, changed in changes.items():
        text = str(migrations.migrations()[int(number)])
        for change in changed:
            assert text.count(change["now"]) == 1
            text = text.replace(change["now"], change["was"])
        texts[int(number)] = text
    return texts


def first_registry() -> str:
    """0001 before there were roles: no later migration runs on it."""
    return (DATA / "first_registry.sql").read_text("utf-8")
