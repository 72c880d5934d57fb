"""Sealing, keys and retention of personal data."""
