-- Hand-overs, for the units that have a part in them.

-- name: handovers
-- Those that the asking unit has a part in.
SELECT
    kind, unit, record_id, owner, offered_to, asked_back, givers, readers, head, taken, refused
FROM registry.handovers()
ORDER BY kind, unit, record_id;

-- name: handover
-- One that the asking unit has a part in.
SELECT
    kind, unit, record_id, owner, offered_to, asked_back, givers, readers, head, taken, refused
FROM registry.handover_of(%(kind)s, %(unit)s, %(record_id)s);

-- name: own_record
SELECT 1 AS found WHERE registry.has_record(%(kind)s, %(record_id)s);
