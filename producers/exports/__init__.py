"""A unit's export file becomes records."""
