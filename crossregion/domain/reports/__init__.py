"""The figures of supervision."""
