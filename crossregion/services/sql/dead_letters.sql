-- Dead letters, for the office and for operators.

-- name: dead_letters
SELECT
    letter.dead_letter_id::text AS dead_letter_id, letter.topic, letter.partition,
    letter."offset", letter.reason, letter.detail, settled.outcome
FROM registry.dead_letter AS letter
LEFT JOIN registry.dead_letter_outcome AS settled USING (dead_letter_id)
ORDER BY letter.topic, letter.partition, letter."offset";

-- name: dead_letter_event
SELECT event FROM registry.dead_letter WHERE dead_letter_id = %(dead_letter_id)s;

-- name: dead_letter_ids
-- Whose ids lie between two.
SELECT dead_letter_id::text AS id FROM registry.dead_letter
WHERE dead_letter_id BETWEEN %(low)s AND %(high)s
ORDER BY dead_letter_id
LIMIT %(limit)s;
