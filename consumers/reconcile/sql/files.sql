-- Rescued persons' files as registered, for comparison with the topics.

-- name: records_of_files
-- The rescues and entries that hold.
SELECT kind, unit, revision.record
FROM registry.record
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
WHERE kind NOT IN ('case', 'tip');

-- name: rescues_handed_over
SELECT unit, record_id, owner, readers FROM registry.handover WHERE kind = 'rescue';

-- name: every_file_item
SELECT to_jsonb(owed) AS owed FROM registry.file_item AS owed;
