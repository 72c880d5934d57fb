-- Answers, hand-overs and agreements as registered, for comparison with the topics.

-- name: every_answer
SELECT notice_id, answer, answer_revision, answer_reason, answer_role FROM registry.notice;

-- name: every_disclosure
SELECT notice_id, reader, case_unit, case_id, proposal_id FROM registry.disclosure;

-- name: every_handover
SELECT concat_ws(' ', kind, unit, record_id) AS record, owner, offered_to, readers, taken
FROM registry.handover;

-- name: every_agreement
SELECT to_jsonb(agreement) - 'received_at' AS agreement FROM registry.agreement;
