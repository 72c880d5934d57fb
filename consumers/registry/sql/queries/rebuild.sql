-- What a registry is compared by before and after a rebuild.

-- name: content
-- Every row but those that say where and how often something stood on the broker.
SELECT md5(coalesce(string_agg(line, E'\n' ORDER BY line), '')) FROM (
    SELECT 'revision ' || t::text AS line FROM registry.record_revision AS t
    UNION ALL SELECT 'record ' || t::text FROM registry.record AS t
    UNION ALL SELECT 'person ' || t::text FROM registry.person AS t
    UNION ALL SELECT 'flag ' || t::text FROM registry.flag AS t
    UNION ALL SELECT 'dead letter ' || t::text FROM registry.dead_letter_outcome AS t
    UNION ALL SELECT
        'proposal ' || row(
            case_unit, case_id, victim_id, rescue_unit, rescue_id, kind, model, probability,
            rank, band, evidence, new_evidence
        )::text
    FROM registry.proposal WHERE open
    UNION ALL SELECT 'agreement ' || (to_jsonb(t) - 'received_at')::text
    FROM registry.agreement AS t
    UNION ALL SELECT 'fact ' || (to_jsonb(t) - 'received_at')::text FROM registry.fact AS t
    UNION ALL SELECT 'link ' || t::text FROM registry.link AS t
    UNION ALL SELECT 'confirmed flag ' || t::text FROM registry.confirmed_flag AS t
    UNION ALL SELECT
        'decision ' || row(
            decision_id, proposal_id, case_unit, case_id, victim_id, rescue_unit, rescue_id,
            proposal_revision, previous, revision, verdict, role, unit, reason, note, kind,
            evidence, decided_at, refused, in_force, last
        )::text
    FROM registry.decision
    UNION ALL SELECT
        'notice ' || row(
            notice_id, unit, kind, cause, boundary, units, remarks, regions, case_unit, case_id,
            persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
            item, due_on, department, answer, answer_revision, answer_reason, answer_role
        )::text
    FROM registry.notice WHERE issued
    UNION ALL SELECT 'file note ' || t::text FROM registry.file_note AS t
    UNION ALL SELECT 'file item ' || t::text FROM registry.file_item AS t
    UNION ALL SELECT 'handover ' || t::text FROM registry.handover AS t
    UNION ALL SELECT
        'handover step ' || row(
            step_id, follows, kind, record_unit, record_id, action, unit, to_unit, reason, role,
            recorded_at
        )::text
    FROM registry.handover_step
    UNION ALL SELECT 'tip ' || t::text FROM registry.tip AS t
    UNION ALL SELECT 'tip route ' || t::text FROM registry.tip_route AS t
    UNION ALL SELECT
        'triage ' || row(
            triage_id, follows, revision, tip_unit, tip_id, verdict, case_unit, case_id, to_unit,
            reason, unit, role, triaged_at
        )::text
    FROM registry.triage
    UNION ALL SELECT 'disclosure ' || t::text FROM registry.disclosure AS t
    UNION ALL SELECT 'reassignment ' || t::text FROM registry.reassignment AS t
    UNION ALL SELECT
        'acknowledgement ' || row(
            notice_id, unit, revision, digest, notice_revision, answer, reason, role,
            acknowledged_at
        )::text
    FROM registry.acknowledgement
    WHERE EXISTS (
        SELECT FROM registry.notice WHERE notice.notice_id = acknowledgement.notice_id
    )
) AS lines;
