-- Proposals, decisions and what follows from them as registered, for comparison with the topics.

-- name: every_open_proposal
SELECT to_jsonb(proposal) - 'open' FROM registry.proposal WHERE open;

-- name: every_decided_proposal
SELECT DISTINCT proposal_id::text FROM registry.decision;

-- name: every_settled_decision
SELECT decision_id::text AS decision_id, refused, in_force, last FROM registry.decision;

-- name: in_force
SELECT to_jsonb(decision) FROM registry.decision WHERE in_force;

-- name: every_link
SELECT to_jsonb(link) AS link FROM registry.link;

-- name: every_confirmed_flag
SELECT to_jsonb(confirmed_flag) AS flag FROM registry.confirmed_flag;
