"""What several commands take: the unit, the purpose, Kafka and the database."""

from __future__ import annotations

from typing import Annotated

import typer

from crossregion.errors import RuntimeFault
from crossregion.installation import Addresses, addresses
from crossregion.settings import settings
from schemas.units import ENTERING


def as_unit(unit: str) -> tuple[Addresses, str]:
    """The installation, and where this unit enters the database."""
    if unit not in ENTERING:
        units = ", ".join(ENTERING)
        raise RuntimeFault(f"{unit} is no unit that enters the registry: {units}.")
    where = kafka_and_database()
    return where, where.units[unit]


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
