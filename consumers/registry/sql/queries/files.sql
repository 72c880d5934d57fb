-- What the registry worker writes and reads of rescued persons' files.

-- name: lock_files
-- Held to the end of the transaction: the notes of a file change together what it owes.
LOCK TABLE registry.file_note IN SHARE ROW EXCLUSIVE MODE;

-- name: files_of_records
-- Where these records were noted before, which may be another file.
SELECT note.rescue_unit, note.rescue_id
FROM registry.file_note AS note
JOIN jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb) AS said
    USING (kind, unit, record_id);

-- name: put_file_notes
INSERT INTO registry.file_note AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET
    revision = excluded.revision,
    digest = excluded.digest,
    rescue_unit = excluded.rescue_unit,
    rescue_id = excluded.rescue_id,
    note = excluded.note
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest)
RETURNING rescue_unit, rescue_id;

-- name: notes_of_files
-- All that is noted for these rescues by whose they are or ever were: who else writes costs
-- nothing.
SELECT note.rescue_unit, note.rescue_id, note.note, handover.owner, handover.readers
FROM registry.file_note AS note
LEFT JOIN registry.handover
    ON (handover.kind, handover.unit, handover.record_id)
    = ('rescue', note.rescue_unit, note.rescue_id)
WHERE (note.rescue_unit, note.rescue_id) IN (
    SELECT rescue_unit, rescue_id
    FROM jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb)
)
    AND coalesce(handover.readers ? note.unit, note.unit = note.rescue_unit);

-- name: remove_file_items
DELETE FROM registry.file_item
USING jsonb_populate_recordset(NULL::registry.file_item, %(rows)s::jsonb) AS changed
WHERE (file_item.rescue_unit, file_item.rescue_id) = (changed.rescue_unit, changed.rescue_id);

-- name: add_file_items
INSERT INTO registry.file_item
SELECT * FROM jsonb_populate_recordset(NULL::registry.file_item, %(rows)s::jsonb);

-- name: count_file_items
SELECT owner, lead, state, count(*)
FROM registry.file_due
WHERE state IN ('due', 'overdue')
GROUP BY owner, lead, state;
