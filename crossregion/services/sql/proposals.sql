-- Proposals and the decisions on them, for those who decide.

-- name: open_proposals
SELECT
    proposal_id::text AS proposal_id, revision, case_unit, case_id, victim_id, rescue_unit,
    rescue_id, kind, model, probability, rank, band, evidence, new_evidence
FROM registry.proposal
WHERE open
ORDER BY kind = 'stated' DESC, probability DESC, proposal_id;

-- name: decided_proposals
-- Every proposal that stands open or has been decided, with the verdict in force.
SELECT
    proposal.proposal_id::text AS proposal_id, proposal.open, proposal.case_unit,
    proposal.case_id, proposal.victim_id, proposal.rescue_unit, proposal.rescue_id,
    proposal.kind, proposal.probability, proposal.rank, proposal.band, decision.verdict
FROM registry.proposal
LEFT JOIN registry.decision ON decision.proposal_id = proposal.proposal_id AND decision.in_force
WHERE proposal.open OR decision.verdict IS NOT NULL
ORDER BY proposal.kind = 'stated' DESC, proposal.probability DESC, proposal.proposal_id;

-- name: proposal
SELECT
    proposal_id::text AS proposal_id, revision, open, case_unit, case_id, victim_id, rescue_unit,
    rescue_id, kind, model, probability, rank, band, evidence, new_evidence
FROM registry.proposal
WHERE proposal_id = %(proposal_id)s;

-- name: competing_proposals
-- The other open proposals of the same rescued person.
SELECT other.proposal_id::text AS proposal_id, other.case_id, other.victim_id, other.probability
FROM registry.proposal AS one
JOIN registry.proposal AS other USING (rescue_unit, rescue_id)
WHERE one.proposal_id = %(proposal_id)s AND other.proposal_id <> one.proposal_id AND other.open;

-- name: decisions
-- All on one proposal, in their order.
SELECT
    decision_id::text AS decision_id, proposal_id::text AS proposal_id, previous, revision,
    proposal_revision, verdict, role, unit,
    reason, note, kind, evidence, decided_at, refused, in_force, last
FROM registry.decision
WHERE proposal_id = %(proposal_id)s
ORDER BY partition, "offset";

-- name: proposal_ids
-- Whose ids lie between two.
SELECT proposal_id::text AS id FROM registry.proposal
WHERE proposal_id BETWEEN %(low)s AND %(high)s
ORDER BY proposal_id
LIMIT %(limit)s;
