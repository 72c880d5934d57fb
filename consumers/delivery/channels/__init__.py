"""The channels by which a notice reaches a unit."""
