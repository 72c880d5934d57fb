"""Reaching Kafka, and what is set up on it."""
