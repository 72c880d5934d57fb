-- Records as registered, for comparison with the topics.

-- name: seen_on_days
-- Each event of a unit's own topics once, with the day on which the unit accepted it.
SELECT DISTINCT split_part(topic, '.', 2), accepted_on::text, event_id
FROM registry.sighting
WHERE accepted_on IS NOT NULL;

-- name: every_revision
SELECT kind, unit, record FROM registry.record_revision WHERE kind = 'case';

-- name: holding_revisions
SELECT kind, unit, revision.record
FROM registry.record
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
WHERE kind IN ('case', 'rescue');

-- name: every_flag
SELECT to_jsonb(flag) FROM registry.flag;

-- name: marks_without_row
SELECT topic, partition, "offset"
FROM registry.sighting
WHERE outcome = 'accepted' AND NOT EXISTS (
    SELECT FROM registry.record_revision AS revision
    WHERE revision.event_id = sighting.event_id
)
ORDER BY topic, partition, "offset";
