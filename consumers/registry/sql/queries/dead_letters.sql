-- What the registry worker writes and reads of dead letters.

-- name: put_dead_letter
INSERT INTO registry.dead_letter
VALUES (
    %(dead_letter_id)s, %(topic)s, %(partition)s, %(offset)s, %(event_id)s,
    %(reason)s, %(detail)s, %(event)s
)
ON CONFLICT (dead_letter_id) DO UPDATE
SET reason = %(reason)s, detail = %(detail)s, event = %(event)s;

-- name: settle_dead_letter
INSERT INTO registry.dead_letter_outcome
VALUES (%(dead_letter_id)s, %(outcome)s)
ON CONFLICT (dead_letter_id) DO UPDATE SET outcome = excluded.outcome
WHERE dead_letter_outcome.outcome <> 'replayed';

-- name: count_dead_letters
-- An event counts once; one that was put back and accepted since is no longer counted.
SELECT topic, count(*)
FROM (
    SELECT letter.topic, letter.event_id
    FROM registry.dead_letter AS letter
    LEFT JOIN registry.dead_letter_outcome AS settled USING (dead_letter_id)
    GROUP BY letter.topic, letter.event_id
    HAVING bool_and(settled.outcome IS DISTINCT FROM 'replayed')
) AS event
GROUP BY topic;
