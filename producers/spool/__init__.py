"""The durable spool of a unit."""
