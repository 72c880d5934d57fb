-- The owner of a case, to whom it was handed over, sees the tips that are linked to it, and reads
-- them once it has accepted the notice of that; who has given it away has that notice no more.
DROP POLICY own ON registry.tip;
CREATE POLICY own ON registry.tip FOR SELECT TO crossregion_own
USING (
    (SELECT registry.asking_unit()) IN (unit, duty)
    OR had ? (SELECT registry.asking_unit())
    OR (
        verdict = 'linked'
        AND (
            case_unit = (SELECT registry.asking_unit())
            OR (case_unit, case_id) IN (
                SELECT handover.unit, handover.record_id
                FROM registry.handover
                WHERE handover.kind = 'case'
                    AND handover.owner = (SELECT registry.asking_unit())
            )
        )
    )
);
