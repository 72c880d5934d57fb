"""What several commands take: the unit, the purpose, Kafka and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from crossregion.domain.regions import OFFICE
from crossregion.settings import settings
from schemas.units import ENTERING

if TYPE_CHECKING:
    from crossregion.installation import Addresses
    from crossregion.services.confirmation import Actor


def as_unit(unit: str) -> tuple[Addresses, str]:
    """The installation, and where this unit enters the database."""
    if unit not in ENTERING:
        units = ", ".join(ENTERING)
        raise CommandError("no-entering-unit", unit=unit, known=units)
    where = kafka_and_database()
    return where, where.units[unit]


def officer(unit: str, role: str) -> Actor:
    """Who acts for a unit, which enters the database by its own role.

    Raises: CrossregionError.
    """
    from crossregion.services.confirmation import Actor

    where, dsn = as_unit(unit)
    return Actor(unit, role, where.kafka, dsn)


def analyst(role: str, purpose: str = "") -> Actor:
    """Who acts for the office, which reads the whole registry.

    Raises: CrossregionError.
    """
    from crossregion.services.confirmation import Actor

    where = kafka_and_database()
    return Actor(OFFICE, role, where.kafka, where.database, purpose)


Purpose = Annotated[
    str, typer.Option(help="What for, as it will stand in the audit; no names of persons.")
]


def kafka_and_database() -> Addresses:
    """From the settings; what they do not name is that of a running `crossregion up`.

    Raises: CrossregionError.
    """
    from crossregion.installation import addresses

    found = addresses(settings())
    if found is None:
        raise CommandError("installation-not-set")
    return found
