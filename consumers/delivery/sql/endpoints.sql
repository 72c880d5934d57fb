-- Where notices are brought to, for the delivery worker.

-- name: open_endpoint
-- Where to send now, with the secrets that are valid; no row while it is disabled or paused.
SELECT
    endpoint_id::text AS endpoint_id, unit, kind, address, network, failures,
    ARRAY(
        SELECT secret FROM delivery.secret
        WHERE secret.endpoint_id = endpoint.endpoint_id AND coalesce(ends_at > now(), true)
        ORDER BY number DESC
    ) AS secrets
FROM delivery.endpoint
WHERE endpoint_id = %(endpoint_id)s AND state = 'enabled'
    AND coalesce(paused_until <= now(), true);

-- name: due_endpoints
SELECT endpoint_id::text AS endpoint_id
FROM delivery.endpoint
WHERE state = 'enabled' AND coalesce(paused_until <= now(), true) AND EXISTS (
    SELECT FROM delivery.delivery
    WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'waiting'
        AND due_at <= now()
);

-- name: count_endpoints
SELECT kind, state, count(*) AS count FROM delivery.endpoint GROUP BY kind, state;
