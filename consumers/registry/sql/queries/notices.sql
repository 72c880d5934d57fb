-- What the registry worker writes and reads of notices, answers, and what these disclose.

-- name: lock_answers
-- Held to the end of the transaction: notices and answers change each other's rows.
LOCK TABLE registry.notice IN SHARE ROW EXCLUSIVE MODE;

-- name: put_notices
-- What was said last; of a withdrawn one only that.
INSERT INTO registry.notice AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb)
ON CONFLICT (notice_id) DO UPDATE
SET
    revision = excluded.revision,
    issued = excluded.issued,
    unit = excluded.unit,
    kind = excluded.kind,
    cause = excluded.cause,
    boundary = excluded.boundary,
    units = excluded.units,
    remarks = excluded.remarks,
    regions = excluded.regions,
    case_unit = excluded.case_unit,
    case_id = excluded.case_id,
    persons = excluded.persons,
    exploitation = excluded.exploitation,
    urgent = excluded.urgent,
    disclosure = excluded.disclosure,
    answer_within_hours = excluded.answer_within_hours,
    contact = excluded.contact,
    proposal_id = excluded.proposal_id,
    item = excluded.item,
    due_on = excluded.due_on,
    department = excluded.department,
    said_at = excluded.said_at,
    told_at_milliseconds = least(held.told_at_milliseconds, excluded.told_at_milliseconds),
    answer_until = CASE
        WHEN held.issued AND excluded.withdrawn < held.revision
            THEN least(held.answer_until, excluded.answer_until)
        ELSE excluded.answer_until
    END
WHERE held.revision < excluded.revision;

-- name: add_notice_history
-- Of a second time the first on the broker is kept.
INSERT INTO registry.notice_said AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.notice_said, %(rows)s::jsonb)
ON CONFLICT (notice_id, revision) DO UPDATE
SET event_id = excluded.event_id, said_at = excluded.said_at
WHERE held.said_at > excluded.said_at;

-- name: withdraw_notices
-- The highest revision by which each was taken back, in whatever order that comes in.
UPDATE registry.notice AS held
SET withdrawn = said.withdrawn
FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb) AS said
WHERE held.notice_id = said.notice_id AND held.withdrawn < said.withdrawn;

-- name: add_acknowledgements
INSERT INTO registry.acknowledgement AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.acknowledgement, %(rows)s::jsonb)
ON CONFLICT (notice_id, unit, revision, digest) DO UPDATE
SET
    "offset" = excluded."offset",
    acknowledged_at = excluded.acknowledged_at,
    milliseconds = excluded.milliseconds,
    received_at = excluded.received_at,
    event_id = excluded.event_id
WHERE held."offset" > excluded."offset";

-- name: put_reassignments
INSERT INTO registry.reassignment AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.reassignment, %(rows)s::jsonb)
ON CONFLICT (notice_id) DO UPDATE
SET
    revision = excluded.revision,
    digest = excluded.digest,
    to_unit = excluded.to_unit,
    role = excluded.role
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest);

-- name: notices_of
SELECT notice_id, unit, revision, issued, withdrawn, disclosure, case_unit, case_id, proposal_id
FROM registry.notice
WHERE notice_id = ANY(%(notices)s);

-- name: acknowledgements_of
SELECT notice_id, notice_revision, unit, revision, answer, reason, role
FROM registry.acknowledgement
WHERE notice_id = ANY(%(notices)s) AND NOT EXISTS (
    SELECT FROM registry.notice
    WHERE notice.notice_id = acknowledgement.notice_id
        AND told_at_milliseconds > milliseconds + %(early)s
);

-- name: forget_answers
-- Those to what nobody was told.
DELETE FROM registry.acknowledgement
WHERE milliseconds < %(before)s AND NOT EXISTS (
    SELECT FROM registry.notice WHERE notice.notice_id = acknowledgement.notice_id
);

-- name: settle_answers
UPDATE registry.notice
SET
    answer = settled.answer,
    answer_revision = settled.answer_revision,
    answer_reason = settled.answer_reason,
    answer_role = settled.answer_role
FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb) AS settled
WHERE notice.notice_id = settled.notice_id;

-- name: remove_disclosures
DELETE FROM registry.disclosure WHERE notice_id = ANY(%(notices)s);

-- name: add_disclosures
INSERT INTO registry.disclosure
SELECT * FROM jsonb_populate_recordset(NULL::registry.disclosure, %(rows)s::jsonb);
