"""The worker that keeps the registry."""
