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

-- name: ages_not_told
-- Persons of whose age the revision that holds says nothing, cases before rescues.
SELECT held.kind, held.unit, held.record_id, remark ->> 'field' AS field
FROM registry.record AS held
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
CROSS JOIN LATERAL jsonb_array_elements(revision.remarks) AS remark
WHERE remark ->> 'code' = 'age-not-told'
ORDER BY held.kind, held.unit, held.record_id, field;
