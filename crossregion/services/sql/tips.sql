-- Tips, for those who triage them.

-- name: tips
-- Those that the asking unit has a part in, by when they are to be triaged.
SELECT
    unit, tip_id, revision, place, urgent, duty, may, had, verdict, case_unit, case_id, case_known,
    reason, triaged_by, role, head, triages, taken, refused, due_at
FROM registry.tips()
ORDER BY due_at, unit, tip_id;

-- name: tip_state
-- One that the asking unit has a part in.
SELECT
    unit, tip_id, revision, place, urgent, duty, may, had, verdict, case_unit, case_id, case_known,
    reason, triaged_by, role, head, triages, taken, refused, due_at
FROM registry.tip_state(%(unit)s, %(tip_id)s);

-- name: registered_tips
-- The same of every unit.
SELECT
    tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
    tip.verdict, tip.case_unit, tip.case_id, coalesce(linked.reported, false) AS case_known,
    tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
    notice.answer_until AS due_at
FROM registry.tip
LEFT JOIN registry.tip_case AS linked USING (unit, tip_id)
LEFT JOIN registry.notice
    ON (notice.kind, notice.contact, notice.cause, notice.unit)
    = ('tip', tip.unit, tip.tip_id, tip.duty)
    AND notice.issued
ORDER BY due_at, tip.unit, tip.tip_id;

-- name: registered_tip_state
-- The same for the office.
SELECT
    tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
    tip.verdict, tip.case_unit, tip.case_id, coalesce(linked.reported, false) AS case_known,
    tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
    notice.answer_until AS due_at
FROM registry.tip
LEFT JOIN registry.tip_case AS linked USING (unit, tip_id)
LEFT JOIN registry.notice
    ON (notice.kind, notice.contact, notice.cause, notice.unit)
    = ('tip', tip.unit, tip.tip_id, tip.duty)
    AND notice.issued
WHERE (tip.unit, tip.tip_id) = (%(unit)s, %(tip_id)s);

-- name: registered_tip
-- The whole record of one tip, for the office.
SELECT revision.revision, revision.record
FROM registry.tip
JOIN registry.record_revision AS revision
    ON (revision.kind, revision.unit, revision.record_id, revision.revision, revision.digest)
    = ('tip', tip.unit, tip.tip_id, tip.revision, tip.digest)
WHERE (tip.unit, tip.tip_id) = (%(unit)s, %(tip_id)s);

-- name: own_tip_content
SELECT 1 AS found WHERE registry.has_tip(%(tip_id)s, %(digest)s);

-- name: registered_tip_content
SELECT 1 AS found FROM registry.tip_route
WHERE (unit, tip_id, digest) = (%(unit)s, %(tip_id)s, %(digest)s)
LIMIT 1;

-- name: tip_ids
-- Of those that the asking unit has a part in, by the beginning.
SELECT tip_id AS id FROM registry.tips()
WHERE unit = %(unit)s AND starts_with(tip_id, %(given)s)
ORDER BY length(tip_id), tip_id
LIMIT %(limit)s;

-- name: registered_tip_ids
-- The same for the office.
SELECT tip_id AS id FROM registry.tip
WHERE unit = %(unit)s AND starts_with(tip_id, %(given)s)
ORDER BY length(tip_id), tip_id
LIMIT %(limit)s;
