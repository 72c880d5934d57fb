"""The worker that publishes notices."""
