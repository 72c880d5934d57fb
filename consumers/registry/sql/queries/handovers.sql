-- What the registry worker writes and reads of hand-overs.

-- name: lock_handovers
-- Held to the end of the transaction: the steps of a record change what each other mean.
LOCK TABLE registry.handover IN SHARE ROW EXCLUSIVE MODE;

-- name: add_handover_step
-- Of a second time the first on the broker is kept; a unit has so many steps on a record.
INSERT INTO registry.handover_step AS held
SELECT
    %(step_id)s, %(follows)s, %(kind)s, %(record_unit)s, %(record_id)s, %(action)s, %(unit)s,
    %(to_unit)s, %(reason)s, %(role)s, %(recorded_at)s, %(milliseconds)s, %(offset)s
WHERE %(most)s > (
    SELECT count(*)
    FROM registry.handover_step AS step
    WHERE (step.kind, step.record_unit, step.record_id, step.unit)
        = (%(kind)s, %(record_unit)s, %(record_id)s, %(unit)s)
        AND step.step_id <> %(step_id)s
)
ON CONFLICT (step_id) DO UPDATE
SET
    recorded_at = excluded.recorded_at,
    milliseconds = excluded.milliseconds,
    "offset" = excluded."offset"
WHERE (held.milliseconds, held."offset") > (excluded.milliseconds, excluded."offset");

-- name: handover_steps_of
-- All steps on the records that these are about.
SELECT to_jsonb(step) - 'milliseconds' - 'offset', step.milliseconds, step."offset"
FROM registry.handover_step AS step
WHERE (step.kind, step.record_unit, step.record_id) IN (
    SELECT kind, record_unit, record_id
    FROM jsonb_populate_recordset(NULL::registry.handover_step, %(rows)s::jsonb)
);

-- name: put_handovers
INSERT INTO registry.handover
SELECT * FROM jsonb_populate_recordset(NULL::registry.handover, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET
    owner = excluded.owner,
    offered_to = excluded.offered_to,
    asked_back = excluded.asked_back,
    givers = excluded.givers,
    readers = excluded.readers,
    head = excluded.head,
    taken = excluded.taken,
    refused = excluded.refused;
