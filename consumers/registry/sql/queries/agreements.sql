-- What the registry worker writes of agreements.

-- name: add_agreements
INSERT INTO registry.agreement AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.agreement, %(rows)s::jsonb)
ON CONFLICT (agreement_id, revision, digest) DO UPDATE
SET received_at = excluded.received_at
WHERE held.received_at > excluded.received_at;
