"""Reaching PostgreSQL, its statements and migrations."""
