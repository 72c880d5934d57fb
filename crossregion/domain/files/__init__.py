"""The files of rescued persons: entries and due items."""
