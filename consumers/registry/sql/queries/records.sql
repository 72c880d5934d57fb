-- What the registry worker writes and reads of records: sightings, revisions, those that hold,
-- persons, flags and facts.

-- name: add_topics
INSERT INTO registry.topic
SELECT * FROM jsonb_populate_recordset(NULL::registry.topic, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: topics
SELECT name, topic_id FROM registry.topic;

-- name: add_sightings
INSERT INTO registry.sighting
SELECT * FROM jsonb_populate_recordset(NULL::registry.sighting, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: add_revisions
INSERT INTO registry.record_revision
    (kind, unit, record_id, revision, digest, event_id, record, remarks)
SELECT kind, unit, record_id, revision, digest, event_id, record, remarks
FROM jsonb_populate_recordset(NULL::registry.record_revision, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: insert_facts
-- Of a second time the first on the broker is kept.
INSERT INTO registry.fact AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.fact, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id, revision, digest) DO UPDATE
SET received_at = excluded.received_at
WHERE held.received_at > excluded.received_at;

-- name: upsert_record_heads
-- The records whose highest (revision, digest) is now another.
INSERT INTO registry.record AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET revision = excluded.revision, digest = excluded.digest
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest)
RETURNING kind, unit, record_id;

-- name: remove_persons
DELETE FROM registry.person
USING jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb) AS changed
WHERE (person.kind, person.unit, person.record_id)
    = (changed.kind, changed.unit, changed.record_id);

-- name: add_persons
INSERT INTO registry.person
SELECT * FROM jsonb_populate_recordset(NULL::registry.person, %(rows)s::jsonb);

-- name: add_flags
INSERT INTO registry.flag
SELECT * FROM jsonb_populate_recordset(NULL::registry.flag, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: count_revisions
SELECT unit, kind, count(*) FROM registry.record_revision GROUP BY unit, kind;

-- name: count_duplicates
-- A second record of one event on a topic is a duplicate, whichever was read first.
SELECT topic, count(*)
FROM (
    SELECT
        topic,
        row_number() OVER (PARTITION BY topic, event_id ORDER BY partition, "offset") AS nth
    FROM registry.sighting
) AS sighting
WHERE nth > 1
GROUP BY topic;
