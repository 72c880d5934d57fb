-- Tips as registered, for comparison with the topics.

-- name: every_tip_route
SELECT to_jsonb(tip_route) AS said FROM registry.tip_route;

-- name: every_triage
SELECT to_jsonb(triage) AS said FROM registry.triage;

-- name: every_tip
SELECT to_jsonb(tip) AS tip FROM registry.tip;
