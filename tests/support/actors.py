"""Who acts in tests: an officer of a unit, and an analyst of the office."""

from __future__ import annotations

from crossregion.domain.regions import OFFICE
from crossregion.embedded.stack import Stack
from crossregion.services.confirmation import Actor


def officer(stack: Stack, unit: str, role: str = "officer") -> Actor:
    return Actor(unit, role, stack.kafka, stack.dsn(f"unit_{unit}"))


def analyst(stack: Stack, role: str = "analyst", purpose: str = "") -> Actor:
    return Actor(OFFICE, role, stack.kafka, stack.database, purpose)
