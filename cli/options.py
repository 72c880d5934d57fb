"""What several commands take: the unit, the purpose, Kafka and the database."""

from __future__ import annotations

from typing import Annotated

import typer

from crossregion.domain.regions import OFFICE
from crossregion.errors import RuntimeFault
from crossregion.installation import Addresses, addresses
from crossregion.services.confirmation import Actor
from crossregion.settings import settings
from schemas.units import ENTERING


def as_unit(unit: str) -> tuple[Addresses, str]:
    """The installation, and where this unit enters the database."""
    if unit not in ENTERING:
        units = ", ".join(ENTERING)
        raise RuntimeFault(f"{unit} is no unit that enters the registry: {units}.")
    where = kafka_and_database()
    return where, where.units[unit]


def officer(unit: str, role: str) -> Actor:
    """Who acts for a unit, which enters the database by its own role.

    Raises: RuntimeFault.
    """
    where, dsn = as_unit(unit)
    return Actor(unit, role, where.kafka, dsn)


def analyst(role: str, purpose: str = "") -> Actor:
    """Who acts for the office, which reads the whole registry.

    Raises: RuntimeFault.
    """
    where = kafka_and_database()
    return Actor(OFFICE, role, where.kafka, where.database, purpose)


Purpose = Annotated[
    str, typer.Option(help="What for, as it will stand in the audit; no names of persons.")
]


def kafka_and_database() -> Addresses:
    """From the settings; what they do not name is that of a running `crossregion up`.

    Raises: RuntimeFault.
    """
    found = addresses(settings())
    if found is None:
        raise RuntimeFault(
            "Set CROSSREGION_KAFKA (host:port) and CROSSREGION_DATABASE (postgresql://...), or "
            "run `crossregion up` with the same CROSSREGION_DATA."
        )
    return found
