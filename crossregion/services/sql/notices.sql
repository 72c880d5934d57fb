-- Notices, for the unit that was told and for the office.

-- name: told_notices
-- What the asking unit has been told, the oldest first.
SELECT
    notice_id, revision, issued, unit, kind, cause, boundary, units, remarks, regions, case_unit,
    case_id, persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
    item, due_on, department, said_at, answer_until, answer, answer_revision, answer_reason,
    answer_role
FROM registry.told_notices()
ORDER BY said_at, notice_id;

-- name: told_notice
-- One that the asking unit has been told.
SELECT
    notice_id, revision, issued, unit, kind, cause, boundary, units, remarks, regions, case_unit,
    case_id, persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
    item, due_on, department, said_at, answer_until, answer, answer_revision, answer_reason,
    answer_role
FROM registry.told_notice(%(notice_id)s);

-- name: registered_notices
-- The same of every unit.
SELECT
    notice_id, revision, issued, unit, kind, cause, urgent, answer_until, said_at, answer,
    answer_revision, answer_reason, answer_role
FROM registry.notice
ORDER BY said_at, notice_id;

-- name: registered_notice
SELECT
    notice.notice_id, notice.unit, notice.kind, notice.issued, notice.answer,
    notice.answer_revision, notice.answer_role, given.revision AS reassigned
FROM registry.notice
LEFT JOIN registry.reassignment AS given USING (notice_id)
WHERE notice.notice_id = %(notice_id)s;

-- name: told_notice_ids
-- Of what the asking unit has been told, by the beginning.
SELECT notice_id AS id FROM registry.told_notices()
WHERE starts_with(notice_id, %(given)s)
ORDER BY notice_id
LIMIT %(limit)s;

-- name: notice_ids
-- The same of every unit.
SELECT notice_id AS id FROM registry.notice
WHERE starts_with(notice_id, %(given)s)
ORDER BY notice_id
LIMIT %(limit)s;
