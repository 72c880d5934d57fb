-- Endpoints that notices are brought to, for operators.

-- name: add_endpoint
INSERT INTO delivery.endpoint (endpoint_id, unit, kind, address, network)
VALUES (%(endpoint_id)s, %(unit)s, %(kind)s, %(address)s, %(network)s);

-- name: find_endpoint
SELECT endpoint_id::text AS endpoint_id, unit, kind, state FROM delivery.endpoint
WHERE endpoint_id = %(endpoint_id)s AND state <> 'removed';

-- name: endpoint_of_address
SELECT endpoint_id::text AS endpoint_id FROM delivery.endpoint
WHERE (unit, kind, address) = (%(unit)s, %(kind)s, %(address)s) AND state <> 'removed';

-- name: list_endpoints
SELECT
    endpoint_id::text AS endpoint_id, unit, kind, address, network, endpoint.state, failures,
    count(*) FILTER (WHERE delivery.state = 'waiting') AS waiting,
    count(*) FILTER (WHERE delivery.state = 'delivered') AS delivered,
    count(*) FILTER (WHERE delivery.state IN ('refused', 'expired')) AS failed,
    (
        SELECT outcome FROM delivery.attempt
        WHERE attempt.endpoint_id = endpoint.endpoint_id
        ORDER BY number DESC
        LIMIT 1
    ) AS last
FROM delivery.endpoint
LEFT JOIN delivery.delivery USING (endpoint_id)
WHERE endpoint.state <> 'removed'
GROUP BY endpoint_id
ORDER BY unit, kind, address;

-- name: set_endpoint_state
UPDATE delivery.endpoint SET state = %(state)s, failures = 0, paused_until = NULL
WHERE endpoint_id = %(endpoint_id)s;

-- name: drop_deliveries
UPDATE delivery.delivery SET state = 'dropped'
WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting';

-- name: add_secret
INSERT INTO delivery.secret (endpoint_id, number, secret)
VALUES (
    %(endpoint_id)s,
    coalesce((
        SELECT max(number) + 1 FROM delivery.secret WHERE endpoint_id = %(endpoint_id)s
    ), 1),
    %(secret)s
);

-- name: end_secrets
-- The newest goes on being valid beside its successor until the time given; older ones are gone.
WITH older AS (
    DELETE FROM delivery.secret
    WHERE endpoint_id = %(endpoint_id)s AND ends_at IS NOT NULL
)
UPDATE delivery.secret SET ends_at = now() + %(after)s
WHERE endpoint_id = %(endpoint_id)s AND ends_at IS NULL;

-- name: remove_secrets
DELETE FROM delivery.secret WHERE endpoint_id = %(endpoint_id)s;

-- name: endpoint_ids
-- Whose ids lie between two.
SELECT endpoint_id::text AS id FROM delivery.endpoint
WHERE endpoint_id BETWEEN %(low)s AND %(high)s AND state <> 'removed'
ORDER BY endpoint_id
LIMIT %(limit)s;
