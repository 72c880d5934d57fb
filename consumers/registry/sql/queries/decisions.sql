-- What the registry worker writes and reads of proposals, decisions on them, and what follows.

-- name: put_proposals
INSERT INTO registry.proposal AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.proposal, %(rows)s::jsonb)
ON CONFLICT (proposal_id) DO UPDATE
SET
    revision = excluded.revision,
    open = excluded.open,
    kind = excluded.kind,
    model = excluded.model,
    probability = excluded.probability,
    rank = excluded.rank,
    band = excluded.band,
    evidence = excluded.evidence,
    new_evidence = excluded.new_evidence
WHERE held.revision < excluded.revision;

-- name: proposals_by_band
SELECT band, count(*) FROM registry.proposal WHERE open GROUP BY band;

-- name: lock_links
-- Held to the end of the transaction: links and records change each other's flags.
LOCK TABLE registry.link IN SHARE ROW EXCLUSIVE MODE;

-- name: add_decisions
INSERT INTO registry.decision AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.decision, %(rows)s::jsonb)
ON CONFLICT (decision_id) DO UPDATE
SET
    "offset" = excluded."offset",
    decided_at = excluded.decided_at,
    received_at = excluded.received_at
WHERE held."offset" > excluded."offset";

-- name: decisions_of_proposals
SELECT
    decision_id::text AS decision_id, proposal_id::text AS proposal_id, previous, revision,
    proposal_revision, verdict, case_unit, case_id, victim_id, rescue_unit, rescue_id
FROM registry.decision
WHERE proposal_id = ANY(%(proposals)s::uuid[])
ORDER BY partition, "offset";

-- name: settle_decisions
UPDATE registry.decision
SET refused = settled.refused, in_force = settled.in_force, last = settled.last
FROM jsonb_populate_recordset(NULL::registry.decision, %(rows)s::jsonb) AS settled
WHERE decision.decision_id = settled.decision_id;

-- name: remove_links
DELETE FROM registry.link WHERE proposal_id = ANY(%(proposals)s::uuid[]);

-- name: add_links
INSERT INTO registry.link
SELECT * FROM jsonb_populate_recordset(NULL::registry.link, %(rows)s::jsonb);

-- name: links_of_records
WITH changed AS (
    SELECT kind, unit, record_id
    FROM jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb)
)
SELECT link.proposal_id::text
FROM changed
JOIN registry.link
    ON ('case', link.case_unit, link.case_id) = (changed.kind, changed.unit, changed.record_id)
UNION
SELECT link.proposal_id::text
FROM changed
JOIN registry.link
    ON ('rescue', link.rescue_unit, link.rescue_id)
    = (changed.kind, changed.unit, changed.record_id);

-- name: linked_places
-- Both records of each link, as far as they have come in.
SELECT
    link.proposal_id::text AS proposal_id, link.case_unit AS unit, link.case_id,
    held.revision, held.digest, case_revision.lost_on, case_revision.legs,
    (
        SELECT coalesce(jsonb_agg(person.age_band), '[]')
        FROM registry.person
        WHERE (person.kind, person.unit, person.record_id) = ('case', held.unit, held.record_id)
    ) AS age_bands,
    link.rescue_unit, link.rescue_id, rescue.revision AS rescue_revision, rescue_revision.found_at
FROM registry.link
JOIN registry.record AS held
    ON (held.kind, held.unit, held.record_id) = ('case', link.case_unit, link.case_id)
JOIN registry.record_revision AS case_revision
    ON (
        case_revision.kind, case_revision.unit, case_revision.record_id, case_revision.revision,
        case_revision.digest
    ) = (held.kind, held.unit, held.record_id, held.revision, held.digest)
JOIN registry.record AS rescue
    ON (rescue.kind, rescue.unit, rescue.record_id)
    = ('rescue', link.rescue_unit, link.rescue_id)
JOIN registry.record_revision AS rescue_revision
    ON (
        rescue_revision.kind, rescue_revision.unit, rescue_revision.record_id,
        rescue_revision.revision, rescue_revision.digest
    ) = (rescue.kind, rescue.unit, rescue.record_id, rescue.revision, rescue.digest)
WHERE link.proposal_id = ANY(%(proposals)s::uuid[]);

-- name: remove_confirmed_flags
DELETE FROM registry.confirmed_flag WHERE proposal_id = ANY(%(proposals)s::uuid[]);

-- name: add_confirmed_flags
INSERT INTO registry.confirmed_flag
SELECT * FROM jsonb_populate_recordset(NULL::registry.confirmed_flag, %(rows)s::jsonb);
