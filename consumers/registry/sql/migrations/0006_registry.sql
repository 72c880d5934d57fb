-- Notices and the units' answers to them, hand-overs, and the records that these let a unit read.

-- The last that was said under each notice's id, with the answer that is in force.
CREATE TABLE registry.notice (
    notice_id text PRIMARY KEY,
    revision bigint NOT NULL,
    issued boolean NOT NULL,
    withdrawn bigint NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    boundary text,
    units jsonb,
    remarks jsonb,
    regions jsonb,
    case_unit text,
    case_id text,
    persons jsonb,
    exploitation jsonb,
    urgent boolean,
    disclosure text,
    answer_within_hours integer,
    contact text,
    proposal_id text,
    said_at timestamptz,
    answer text,
    answer_revision bigint,
    answer_reason text,
    answer_role text
);
CREATE INDEX notice_unit ON registry.notice (unit);

-- Every answer. Two contents under one revision are two rows; of a second time the first is kept.
CREATE TABLE registry.acknowledgement (
    notice_id text NOT NULL,
    unit text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    notice_revision bigint NOT NULL,
    answer text NOT NULL,
    reason text,
    role text NOT NULL,
    acknowledged_at text,
    "offset" bigint NOT NULL,
    PRIMARY KEY (notice_id, unit, revision, digest)
);

-- What the office has given to another unit: the reassignment of each notice that holds.
CREATE TABLE registry.reassignment (
    notice_id text PRIMARY KEY,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    to_unit text NOT NULL,
    role text NOT NULL
);

-- What a unit may read because it has accepted a notice: its case, and a confirmed pair's records.
CREATE TABLE registry.disclosure (
    notice_id text PRIMARY KEY,
    reader text NOT NULL,
    case_unit text,
    case_id text,
    proposal_id text
);
CREATE INDEX disclosure_reader ON registry.disclosure (reader);

-- Every step of handing a record over, and where the broker has put it.
CREATE TABLE registry.handover_step (
    step_id text PRIMARY KEY,
    follows text,
    kind text NOT NULL,
    record_unit text NOT NULL,
    record_id text NOT NULL,
    action text NOT NULL,
    unit text NOT NULL,
    to_unit text,
    reason text,
    role text NOT NULL,
    recorded_at text,
    milliseconds bigint NOT NULL,
    "offset" bigint NOT NULL
);
CREATE INDEX handover_step_record ON registry.handover_step (kind, record_unit, record_id);

-- Where each record stands of which there is a step; one without is its unit's.
CREATE TABLE registry.handover (
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL,
    owner text NOT NULL,
    offered_to text,
    asked_back boolean NOT NULL,
    givers jsonb NOT NULL,
    readers jsonb NOT NULL,
    head text,
    taken jsonb NOT NULL,
    refused jsonb NOT NULL,
    PRIMARY KEY (kind, unit, record_id)
);

ALTER TABLE registry.handover_step ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.handover ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON registry.handover_step TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.handover TO crossregion_registry USING (true);
CREATE POLICY office ON registry.handover_step FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.handover FOR SELECT TO crossregion_office USING (true);
GRANT SELECT, INSERT, UPDATE ON registry.handover_step, registry.handover TO crossregion_registry;
GRANT SELECT ON registry.handover_step, registry.handover TO crossregion_office;

ALTER TABLE registry.notice ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.acknowledgement ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.reassignment ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.disclosure ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON registry.notice TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.acknowledgement TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.reassignment TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.disclosure TO crossregion_registry USING (true);
CREATE POLICY office ON registry.notice FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.acknowledgement FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.reassignment FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.disclosure FOR SELECT TO crossregion_office USING (true);
GRANT SELECT, INSERT, UPDATE ON
    registry.notice, registry.acknowledgement, registry.reassignment
TO crossregion_registry;
GRANT SELECT, INSERT, DELETE ON registry.disclosure TO crossregion_registry;
GRANT SELECT ON
    registry.notice, registry.acknowledgement, registry.reassignment, registry.disclosure
TO crossregion_office;

-- What a unit was told, and what it may read since it has accepted. The functions' owner sees no
-- more of the whole records than the asking unit may, and notes each reading of another's.
CREATE POLICY own ON registry.notice FOR SELECT TO crossregion_own
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.disclosure FOR SELECT TO crossregion_own
USING (reader = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.link FOR SELECT TO crossregion_own USING (true);
CREATE POLICY own ON registry.handover FOR SELECT TO crossregion_own
USING (
    (SELECT registry.asking_unit()) IN (unit, owner, offered_to)
    OR readers ? (SELECT registry.asking_unit())
);
GRANT SELECT ON registry.notice, registry.disclosure, registry.handover TO crossregion_own;
GRANT SELECT (proposal_id, case_unit, case_id, rescue_unit, rescue_id)
ON registry.link TO crossregion_own;

SET LOCAL ROLE crossregion_audit;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text) TO crossregion_own;
RESET ROLE;
GRANT USAGE ON SCHEMA audit TO crossregion_own;
CREATE FUNCTION registry.told_notices() RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice;
END;
CREATE FUNCTION registry.readable_records()
RETURNS TABLE (basis text, kind text, unit text, record_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT disclosure.notice_id, 'case', disclosure.case_unit, disclosure.case_id
    FROM registry.disclosure
    WHERE disclosure.case_id IS NOT NULL
    UNION
    SELECT disclosure.notice_id, one.kind, one.unit, one.record_id
    FROM registry.disclosure
    JOIN registry.link ON link.proposal_id::text = disclosure.proposal_id
    CROSS JOIN LATERAL (
        VALUES ('case', link.case_unit, link.case_id), ('rescue', link.rescue_unit, link.rescue_id)
    ) AS one (kind, unit, record_id)
    UNION
    SELECT 'handover', handover.kind, handover.unit, handover.record_id
    FROM registry.handover
    WHERE handover.readers ? (SELECT registry.asking_unit());
END;
CREATE FUNCTION registry.handovers() RETURNS SETOF registry.handover
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.handover;
END;
CREATE FUNCTION registry.read_record(
    kind text, unit text, record_id text, actor text, purpose text
) RETURNS TABLE (revision bigint, record jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asked text := concat_ws(' ', read_record.kind, read_record.unit, read_record.record_id);
BEGIN
    SELECT whole.revision, whole.record INTO read_record.revision, read_record.record
    FROM registry.record_revision AS whole
    WHERE (whole.kind, whole.unit, whole.record_id)
        = (read_record.kind, read_record.unit, read_record.record_id)
    ORDER BY whole.revision DESC, whole.digest DESC
    LIMIT 1;
    IF FOUND THEN
        PERFORM audit.append(read_record.actor, 'read', asked, read_record.purpose);
        RETURN NEXT;
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION
    registry.told_notices(), registry.readable_records(), registry.handovers(),
    registry.read_record(text, text, text, text, text)
TO crossregion_unit;
GRANT CREATE ON SCHEMA registry TO crossregion_own;
ALTER FUNCTION registry.told_notices() OWNER TO crossregion_own;
ALTER FUNCTION registry.readable_records() OWNER TO crossregion_own;
ALTER FUNCTION registry.handovers() OWNER TO crossregion_own;
ALTER FUNCTION registry.read_record(text, text, text, text, text) OWNER TO crossregion_own;
SET LOCAL ROLE crossregion_own;
CREATE OR REPLACE FUNCTION registry.own_records() RETURNS SETOF registry.record_revision
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.record_revision WHERE unit = (SELECT registry.asking_unit());
END;
RESET ROLE;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;
CREATE POLICY disclosed ON registry.record_revision FOR SELECT TO crossregion_own
USING (
    (kind, unit, record_id) IN (
        SELECT known.kind, known.unit, known.record_id FROM registry.readable_records() AS known
    )
);
