-- Decisions on proposals, and what follows from those that hold.
ALTER TABLE registry.proposal ADD COLUMN new_evidence jsonb DEFAULT '[]';

-- Every decision with what became of it; the order of a partition decides between equals.
CREATE TABLE registry.decision (
    decision_id uuid PRIMARY KEY,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    proposal_id uuid NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    proposal_revision bigint NOT NULL,
    previous bigint NOT NULL,
    revision bigint NOT NULL,
    verdict text NOT NULL,
    role text NOT NULL,
    unit text NOT NULL,
    reason text NOT NULL,
    note text,
    kind text NOT NULL,
    evidence jsonb NOT NULL,
    decided_at text,
    refused text,
    in_force boolean,
    last boolean
);
CREATE INDEX decision_proposal ON registry.decision (proposal_id);

-- Confirmed pairs.
CREATE TABLE registry.link (
    proposal_id uuid PRIMARY KEY,
    decision_id uuid NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL
);
CREATE INDEX link_case ON registry.link (case_unit, case_id);
CREATE INDEX link_rescue ON registry.link (rescue_unit, rescue_id);

-- The flag of basis `confirmed`, beside the reported one; or that the pair contradicts the case.
CREATE TABLE registry.confirmed_flag (
    proposal_id uuid PRIMARY KEY,
    unit text NOT NULL,
    case_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    rescue_revision bigint NOT NULL,
    contradicts boolean NOT NULL,
    source text,
    destination text,
    source_unit text,
    destination_unit text,
    boundary text,
    at_least text,
    told jsonb
);

ALTER TABLE registry.decision ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.link ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.confirmed_flag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON registry.decision TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.link TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.confirmed_flag TO crossregion_registry USING (true);
CREATE POLICY office ON registry.decision FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.link FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.confirmed_flag FOR SELECT TO crossregion_office USING (true);
GRANT SELECT, INSERT, UPDATE ON registry.decision TO crossregion_registry;
GRANT SELECT, INSERT, DELETE ON registry.link, registry.confirmed_flag TO crossregion_registry;
GRANT SELECT ON registry.decision, registry.link, registry.confirmed_flag TO crossregion_office;

-- Of a record the worker reads no more than its places and its day.
ALTER TABLE registry.record_revision
ADD COLUMN legs jsonb GENERATED ALWAYS AS (record -> 'legs') STORED,
ADD COLUMN lost_on text GENERATED ALWAYS AS (record ->> 'lost_on') STORED,
ADD COLUMN found_at text GENERATED ALWAYS AS (record ->> 'found_at') STORED;
GRANT SELECT (kind, unit, record_id, revision, digest, legs, lost_on, found_at)
ON registry.record_revision TO crossregion_registry;

-- Made anew, for it has to return the columns that were added.
GRANT CREATE ON SCHEMA registry TO crossregion_own;
SET LOCAL ROLE crossregion_own;
CREATE OR REPLACE FUNCTION registry.own_records() RETURNS SETOF registry.record_revision
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.record_revision;
END;
RESET ROLE;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;

-- The rescue's unit of a confirmed pair, and whom its flag tells, see the case's summary.
CREATE POLICY summary ON registry.link FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.confirmed_flag FOR SELECT TO crossregion_summary USING (true);
GRANT SELECT (case_unit, case_id, rescue_unit) ON registry.link TO crossregion_summary;
GRANT SELECT (unit, case_id, told) ON registry.confirmed_flag TO crossregion_summary;
GRANT CREATE ON SCHEMA registry TO crossregion_summary;
SET LOCAL ROLE crossregion_summary;
CREATE OR REPLACE FUNCTION registry.case_summary() RETURNS TABLE (
    unit text,
    case_id text,
    boundary text,
    at_least text,
    source_unit text,
    destination_unit text,
    kinds jsonb,
    persons jsonb
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        record.unit,
        record.record_id,
        flag.boundary,
        flag.at_least,
        flag.source_unit,
        flag.destination_unit,
        revision.exploitation,
        (
            SELECT jsonb_agg(
                jsonb_build_object('age_band', person.age_band, 'sex', person.sex)
                ORDER BY person.age_band, person.sex
            )
            FROM registry.person
            WHERE (person.kind, person.unit, person.record_id)
                = (record.kind, record.unit, record.record_id)
        )
    FROM registry.record
    JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
    LEFT JOIN registry.flag
        ON (flag.unit, flag.case_id, flag.revision, flag.digest)
        = (record.unit, record.record_id, record.revision, record.digest)
    WHERE record.kind = 'case' AND (
        record.unit = registry.asking_unit()
        OR flag.told ? registry.asking_unit()
        OR EXISTS (
            SELECT FROM registry.proposal
            WHERE (proposal.case_unit, proposal.case_id, proposal.rescue_unit)
                = (record.unit, record.record_id, registry.asking_unit())
                AND proposal.open AND proposal.probability >= 0.5
        )
        OR EXISTS (
            SELECT FROM registry.link
            WHERE (link.case_unit, link.case_id, link.rescue_unit)
                = (record.unit, record.record_id, registry.asking_unit())
        )
        OR EXISTS (
            SELECT FROM registry.confirmed_flag AS confirmed
            WHERE (confirmed.unit, confirmed.case_id) = (record.unit, record.record_id)
                AND confirmed.told ? registry.asking_unit()
        )
    );
END;
RESET ROLE;
REVOKE CREATE ON SCHEMA registry FROM crossregion_summary;
