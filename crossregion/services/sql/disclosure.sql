-- Whole records of others, for a unit that may read them.

-- name: readable_records
SELECT kind, unit, record_id
FROM registry.readable_records()
WHERE basis = %(basis)s
ORDER BY kind, unit, record_id;

-- name: ask_record
SELECT registry.ask_record(%(kind)s, %(unit)s, %(record_id)s, %(actor)s, %(purpose)s) AS ticket;

-- name: read_record
SELECT revision, record FROM registry.read_record(%(ticket)s);
