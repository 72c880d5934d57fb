-- One row by its key. What a unit may see of it is what the functions of all rows show: the same
-- policies hold, for the functions' owner reads by them.
CREATE INDEX notice_tip ON registry.notice (contact, cause) WHERE kind = 'tip';
CREATE INDEX proposal_rescue ON registry.proposal (rescue_unit, rescue_id);

CREATE FUNCTION registry.told_notice(notice_id text) RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice AS told WHERE told.notice_id = told_notice.notice_id;
END;

CREATE FUNCTION registry.handover_of(kind text, unit text, record_id text)
RETURNS SETOF registry.handover
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.handover AS held
    WHERE (held.kind, held.unit, held.record_id)
        = (handover_of.kind, handover_of.unit, handover_of.record_id);
END;

CREATE FUNCTION registry.tip_state(of_unit text, of_tip text) RETURNS TABLE (
    unit text,
    tip_id text,
    revision bigint,
    place text,
    urgent boolean,
    duty text,
    may jsonb,
    had jsonb,
    verdict text,
    case_unit text,
    case_id text,
    case_known boolean,
    reason text,
    triaged_by text,
    role text,
    head text,
    triages bigint,
    taken jsonb,
    refused jsonb,
    due_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
        tip.verdict, tip.case_unit, tip.case_id,
        EXISTS (
            SELECT FROM registry.record_revision AS known
            WHERE (known.kind, known.unit, known.record_id)
                = ('case', tip.case_unit, tip.case_id)
        ),
        tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
        notice.answer_until
    FROM registry.tip
    LEFT JOIN registry.notice
        ON (notice.kind, notice.contact, notice.cause, notice.unit)
        = ('tip', tip.unit, tip.tip_id, tip.duty)
        AND notice.issued
    WHERE (tip.unit, tip.tip_id) = (of_unit, of_tip);
END;

CREATE FUNCTION registry.items_of_file(of_unit text, of_rescue text)
RETURNS SETOF registry.file_due
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_due WHERE (rescue_unit, rescue_id) = (of_unit, of_rescue);
END;

CREATE FUNCTION registry.notes_of_file(of_unit text, of_rescue text)
RETURNS SETOF registry.file_note
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_note WHERE (rescue_unit, rescue_id) = (of_unit, of_rescue);
END;

-- Whether the asking unit has reported a record, and whether this content of a tip is recorded:
-- from tables without what the records say, so that no whole record is read to know it.
ALTER POLICY own ON registry.record TO crossregion_own, crossregion_unit;
GRANT SELECT (kind, unit, record_id) ON registry.record TO crossregion_own;
CREATE FUNCTION registry.has_record(of_kind text, of_record text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM registry.record
    WHERE (kind, unit, record_id) = (of_kind, (SELECT registry.asking_unit()), of_record)
);
CREATE POLICY own ON registry.tip_route FOR SELECT TO crossregion_own
USING (unit = (SELECT registry.asking_unit()));
GRANT SELECT (unit, tip_id, digest) ON registry.tip_route TO crossregion_own;
CREATE FUNCTION registry.has_tip(of_tip text, of_digest text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM registry.tip_route
    WHERE (unit, tip_id, digest) = ((SELECT registry.asking_unit()), of_tip, of_digest)
);

GRANT EXECUTE ON FUNCTION
    registry.told_notice(text), registry.handover_of(text, text, text),
    registry.tip_state(text, text), registry.items_of_file(text, text),
    registry.notes_of_file(text, text), registry.has_record(text, text),
    registry.has_tip(text, text)
TO crossregion_unit;
GRANT CREATE ON SCHEMA registry TO crossregion_own;
ALTER FUNCTION registry.told_notice(text) OWNER TO crossregion_own;
ALTER FUNCTION registry.handover_of(text, text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.tip_state(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.items_of_file(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.notes_of_file(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.has_record(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.has_tip(text, text) OWNER TO crossregion_own;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;
