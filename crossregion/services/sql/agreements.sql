-- Agreements and corridors, for the office.

-- name: agreements
-- The state of each agreement that holds.
SELECT
    agreement_id::text AS agreement_id, revision, number, units, signed_on, valid_from, valid_to,
    case_types, disclosure, answer_within_hours, contacts, status
FROM registry.agreement_held
ORDER BY units, number;

-- name: agreement
-- Every state of one agreement, the one that holds last.
SELECT
    agreement_id::text AS agreement_id, revision, digest, number, units, signed_on, valid_from,
    valid_to, case_types, disclosure, answer_within_hours, contacts, status
FROM registry.agreement
WHERE agreement_id = %(agreement_id)s
ORDER BY revision, digest;

-- name: corridors
SELECT
    corridor.one, corridor.other, corridor.cases, corridor.victims, corridor.to_other,
    corridor.to_one, corridor.prefecture, corridor.province, corridor.border,
    corridor.first_day, corridor.last_day,
    coalesce(corridor.agreed @> %(on)s::date, false) AS agreed
FROM registry.corridor
ORDER BY corridor.cases DESC, corridor.one, corridor.other;

-- name: agreement_ids
-- Whose ids lie between two.
SELECT DISTINCT agreement_id::text AS id FROM registry.agreement
WHERE agreement_id BETWEEN %(low)s AND %(high)s
ORDER BY id
LIMIT %(limit)s;
