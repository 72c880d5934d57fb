-- Notices to be brought, and the attempts.

-- name: add_notices
-- What is to be delivered of notices that were not read before; the endpoints concerned.
WITH new AS (
    INSERT INTO delivery.notice
    SELECT * FROM jsonb_populate_recordset(NULL::delivery.notice, %(rows)s::jsonb)
    ON CONFLICT DO NOTHING
    RETURNING notice_id, revision, unit
),
made AS (
    INSERT INTO delivery.delivery (endpoint_id, notice_id, revision)
    SELECT endpoint.endpoint_id, new.notice_id, new.revision
    FROM new
    JOIN delivery.endpoint USING (unit)
    WHERE endpoint.state <> 'removed'
    RETURNING endpoint_id
)
SELECT DISTINCT endpoint_id::text FROM made;

-- name: due_deliveries
SELECT
    notice_id::text AS notice_id, revision, attempts, since, event, content, at
FROM delivery.delivery
JOIN delivery.notice USING (notice_id, revision)
WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting' AND due_at <= now()
ORDER BY due_at, at
LIMIT 20;

-- name: put_attempt
-- The attempt, what it leaves of the delivery, and what it says of the endpoint; once.
WITH tried AS (
    INSERT INTO delivery.attempt
        (attempt_id, endpoint_id, notice_id, revision, at, outcome, status, seconds)
    VALUES (
        %(attempt_id)s, %(endpoint_id)s, %(notice_id)s, %(revision)s, %(at)s, %(outcome)s,
        %(status)s, %(seconds)s
    )
    ON CONFLICT (attempt_id) DO NOTHING
    RETURNING attempt_id
),
settled AS (
    UPDATE delivery.delivery
    SET
        state = %(state)s,
        attempts = attempts + 1,
        due_at = coalesce(%(due_at)s, due_at)
    FROM tried
    WHERE (endpoint_id, notice_id, revision)
        = (%(endpoint_id)s::uuid, %(notice_id)s::uuid, %(revision)s) AND state = 'waiting'
)
UPDATE delivery.endpoint
SET
    failures = %(failures)s,
    paused_until = %(paused_until)s,
    state = CASE WHEN %(gone)s AND state = 'enabled' THEN 'gone' ELSE state END
FROM tried
WHERE endpoint_id = %(endpoint_id)s AND (failures <> %(failures)s OR %(gone)s);

-- name: next_delivery
-- When there is something to send again; null when nothing waits or nothing may be sent.
SELECT greatest(min(due_at), paused_until) AS at
FROM delivery.delivery
JOIN delivery.endpoint USING (endpoint_id)
WHERE endpoint_id = %(endpoint_id)s AND delivery.state = 'waiting' AND endpoint.state = 'enabled'
GROUP BY paused_until;

-- name: expire_deliveries
-- What was not even tried when its time was over, for its endpoint was paused or disabled.
UPDATE delivery.delivery
SET state = 'expired'
FROM delivery.endpoint
WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'waiting'
    AND since < now() - %(after)s
RETURNING endpoint.endpoint_id::text AS endpoint_id, unit, kind;

-- name: waiting_deliveries
SELECT unit, kind, count(*) AS count, extract(epoch FROM min(since))::float8 AS since
FROM delivery.delivery
JOIN delivery.endpoint USING (endpoint_id)
WHERE delivery.state = 'waiting'
GROUP BY unit, kind;
