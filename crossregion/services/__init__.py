"""Actions and queries of people, called alike by commands and pages."""
