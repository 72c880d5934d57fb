-- Tips: whose each is to triage, what was made of it, and who may read its words.

-- A tip is a record like the others: its revisions stand with theirs, whole.
ALTER TABLE registry.record_revision
DROP CONSTRAINT record_revision_kind_check,
ADD CONSTRAINT record_revision_kind_check CHECK (
    kind IN ('case', 'rescue', 'assistance', 'follow-up', 'guardian-search', 'tip')
);

-- What each accepted revision of a tip says of whose it is.
CREATE TABLE registry.tip_route (
    unit text NOT NULL,
    tip_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    place text,
    urgent boolean NOT NULL,
    PRIMARY KEY (unit, tip_id, revision, digest)
);

-- Everything that a unit has made of a tip, and where the broker has put it.
CREATE TABLE registry.triage (
    triage_id text PRIMARY KEY,
    follows text,
    revision bigint NOT NULL,
    tip_unit text NOT NULL,
    tip_id text NOT NULL,
    verdict text NOT NULL,
    case_unit text,
    case_id text,
    to_unit text,
    reason text,
    unit text NOT NULL,
    role text NOT NULL,
    triaged_at text,
    milliseconds bigint NOT NULL,
    "offset" bigint NOT NULL
);
CREATE INDEX triage_tip ON registry.triage (tip_unit, tip_id);

-- Where each tip stands. `unit` received it, `duty` has it to triage, `may` are those that may.
CREATE TABLE registry.tip (
    unit text NOT NULL,
    tip_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    place text,
    urgent boolean NOT NULL,
    duty text NOT NULL,
    may jsonb NOT NULL,
    had jsonb NOT NULL,
    verdict text NOT NULL,
    case_unit text,
    case_id text,
    reason text,
    triaged_by text,
    role text,
    head text,
    triages bigint NOT NULL,
    taken jsonb NOT NULL,
    refused jsonb NOT NULL,
    PRIMARY KEY (unit, tip_id)
);
CREATE INDEX tip_linked ON registry.tip (case_unit, case_id);

ALTER TABLE registry.tip_route ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.triage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.tip ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON registry.tip_route TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.triage TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.tip TO crossregion_registry USING (true);
CREATE POLICY office ON registry.tip_route FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.triage FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.tip FOR SELECT TO crossregion_office USING (true);
GRANT SELECT, INSERT ON registry.tip_route TO crossregion_registry;
GRANT SELECT, INSERT, UPDATE ON registry.triage, registry.tip TO crossregion_registry;
GRANT SELECT ON registry.tip_route, registry.triage, registry.tip TO crossregion_office;

-- Tips and the cases they are linked to, in both directions; a case may still have to be reported.
CREATE VIEW registry.tip_case WITH (security_invoker = true) AS
SELECT
    tip.unit, tip.tip_id, tip.case_unit, tip.case_id, record.record_id IS NOT NULL AS reported
FROM registry.tip
LEFT JOIN registry.record
    ON (record.kind, record.unit, record.record_id) = ('case', tip.case_unit, tip.case_id)
WHERE tip.verdict = 'linked';
GRANT SELECT ON registry.tip_case TO crossregion_office;

-- A unit sees where those tips stand that it received or had to triage, and those linked to its
-- cases. Whole it reads what it received, what is its to triage, and what is linked to its case
-- once it has accepted the notice of that; each reading of another's is noted.
CREATE POLICY own ON registry.tip FOR SELECT TO crossregion_own
USING (
    (SELECT registry.asking_unit()) IN (unit, duty)
    OR had ? (SELECT registry.asking_unit())
    OR (verdict = 'linked' AND case_unit = (SELECT registry.asking_unit()))
);
GRANT SELECT ON registry.tip TO crossregion_own;
CREATE FUNCTION registry.readable_tips() RETURNS TABLE (unit text, tip_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT tip.unit, tip.tip_id
    FROM registry.tip
    WHERE tip.duty = (SELECT registry.asking_unit())
    UNION
    SELECT tip.unit, tip.tip_id
    FROM registry.disclosure
    JOIN registry.notice USING (notice_id)
    JOIN registry.tip ON (tip.unit, tip.tip_id) = (notice.contact, notice.cause)
    WHERE notice.kind = 'tip-linked';
END;
CREATE FUNCTION registry.tips() RETURNS TABLE (
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
        AND notice.issued;
END;
GRANT EXECUTE ON FUNCTION registry.readable_tips(), registry.tips() TO crossregion_unit;
GRANT CREATE ON SCHEMA registry TO crossregion_own;
ALTER FUNCTION registry.readable_tips() OWNER TO crossregion_own;
ALTER FUNCTION registry.tips() OWNER TO crossregion_own;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;
CREATE POLICY tip ON registry.record_revision FOR SELECT TO crossregion_own
USING (
    kind = 'tip'
    AND (unit, record_id) IN (SELECT known.unit, known.tip_id FROM registry.readable_tips() AS known)
);
