"""The files of rescued persons: what is due, and what is entered."""
