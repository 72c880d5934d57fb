"""Notices to units: content, escalation, and what is to be published."""
