"""Rows of a unit's own database become records."""
