"""The worker that delivers notices to units."""
