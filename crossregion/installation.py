"""Where this installation is reached: addresses of Kafka and PostgreSQL, and who enters how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossregion.data_directory import DataDirectory
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.settings import Settings
from schemas.units import ENTERING

OWNER, OFFICE, OPERATOR = "crossregion", "crossregion_office", "crossregion_operator"
SUPERVISION = "crossregion_supervision"
DATABASE = "crossregion"
ADDRESSES = "addresses.json"
DATABASES = ("database", "owner", "operator", "supervision")


@dataclass(frozen=True)
class Addresses:
    """Where the services of an installation are; the database for each role, with its password."""

    kafka: Kafka
    database: str
    owner: str
    operator: str
    supervision: str
    units: dict[str, str]


def addresses(chosen: Settings) -> Addresses | None:
    """From the settings; what they do not name from the stack that runs on their data directory.

    A database that the settings name is the same for every command: its role must fit.
    """
    kafka, found = kafka_address(chosen), _running(chosen)
    if chosen.database:
        found |= dict.fromkeys(DATABASES, chosen.database)
        found["units"] = dict.fromkeys(ENTERING, chosen.database)
    if kafka is None or not found.keys() >= {*DATABASES, "units"}:
        return None
    return Addresses(kafka, units=found["units"], **{name: found[name] for name in DATABASES})


def kafka_address(chosen: Settings) -> Kafka | None:
    """The same for Kafka alone."""
    if chosen.kafka:
        return kafka_connection.kafka(chosen)
    running = _running(chosen)
    return Kafka(running["kafka"], Path(running["kafka_secrets"])) if running else None


def _running(chosen: Settings) -> dict[str, Any]:
    file = chosen.data / ADDRESSES
    runs = file.exists() and DataDirectory(chosen.data, "Crossregion").in_use
    return json.loads(file.read_text()) if runs else {}
