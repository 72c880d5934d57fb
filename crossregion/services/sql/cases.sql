-- Cases, for the office.

-- name: every_case
SELECT unit, record_id FROM registry.record WHERE kind = 'case';

-- name: flags
-- One row for each accepted revision of a case.
SELECT DISTINCT ON (unit, case_id, revision)
    case_id, unit, revision, source, destination, source_unit, destination_unit,
    boundary, at_least, told
FROM registry.flag
ORDER BY unit, case_id, revision, digest DESC;
