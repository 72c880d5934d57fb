"""The units that publish, and the partners that are notified."""

from __future__ import annotations

UNITS = (
    "220000",
    "220100",
    "220200",
    "220300",
    "220400",
    "220500",
    "220600",
    "220700",
    "220800",
    "222400",
    "22CBS0",
)
"""The units that publish: the office, eight cities, Yanbian and Changbaishan."""

PARTNERS = ("border", "foreign-affairs", "police-cooperation")
"""Units that are notified and publish nothing."""

ENTERING = (*UNITS, *PARTNERS)
"""Units that have a way into the database."""

PROVINCES = ("150000", "210000", "230000")
"""The offices of the neighbouring provinces, which are notified and do not enter the database."""

NOTIFIED = (*ENTERING, *PROVINCES)
"""Every unit that has an inbox."""
