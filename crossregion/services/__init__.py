"""What persons do, used alike by commands and pages."""
