"""Kafka and PostgreSQL on this machine, and the supervisor of workers."""
