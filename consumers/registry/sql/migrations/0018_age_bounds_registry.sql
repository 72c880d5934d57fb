-- Whom a confirmed flag tells follows from the bands that were found for a case's victims, not from
-- what its record states of them: the worker reads those bands and nothing else of a person.
GRANT SELECT (age_band) ON registry.person TO crossregion_registry;
