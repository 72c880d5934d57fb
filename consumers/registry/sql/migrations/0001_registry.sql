-- The registry: derived from the topics, may be dropped and rebuilt from them at any time.
-- Who may do what: `docs/security.md`. Rights are given here and by nothing else.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO'
        ' crossregion_registry, crossregion_office, crossregion_operator, crossregion_unit',
        current_database()
    );
END
$$;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE SCHEMA registry;
GRANT USAGE ON SCHEMA registry TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_unit,
    crossregion_own, crossregion_summary;

-- One row for each record of an intake topic, so that every one of them is accounted for.
CREATE TABLE registry.sighting (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX sighting_event ON registry.sighting (event_id);

-- Kafka's id of each topic that has been read: one that is made anew has another.
CREATE TABLE registry.topic (name text PRIMARY KEY, topic_id uuid NOT NULL);

-- Every accepted revision of a case or rescue. Two contents under one revision are two rows.
CREATE TABLE registry.record_revision (
    kind text NOT NULL CHECK (kind IN ('case', 'rescue')),
    unit text NOT NULL,
    record_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    event_id text NOT NULL,
    record jsonb NOT NULL,
    remarks jsonb NOT NULL,
    exploitation jsonb GENERATED ALWAYS AS (record -> 'exploitation') STORED,
    PRIMARY KEY (kind, unit, record_id, revision, digest)
);

-- The one that holds: the highest (revision, digest).
CREATE TABLE registry.record (
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, unit, record_id)
);

-- The persons of the revision that holds.
CREATE TABLE registry.person (
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL,
    person_id text NOT NULL,
    age_band text NOT NULL,
    sex text,
    identity jsonb NOT NULL,
    PRIMARY KEY (kind, unit, record_id, person_id)
);

CREATE TABLE registry.flag (
    unit text NOT NULL,
    case_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    source text,
    destination text,
    source_unit text,
    destination_unit text,
    boundary text NOT NULL,
    at_least text,
    told jsonb NOT NULL,
    PRIMARY KEY (unit, case_id, revision, digest)
);

CREATE TABLE registry.proposal (
    proposal_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    open boolean NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    kind text,
    model text,
    probability double precision,
    rank integer,
    band text,
    evidence jsonb
);

-- `event` is the whole dead letter as it stands on its topic.
CREATE TABLE registry.dead_letter (
    dead_letter_id uuid PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    event bytea NOT NULL
);

-- What an operator did with it; beside it, so that the order of the two topics does not matter.
CREATE TABLE registry.dead_letter_outcome (
    dead_letter_id uuid PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('replayed', 'discarded'))
);

-- No row is read or written but by a policy, not even by the tables' owner.
ALTER TABLE registry.topic ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.sighting ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.record_revision ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.record ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.person ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.flag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.proposal ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.dead_letter ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.dead_letter_outcome ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- The registry worker writes.
CREATE POLICY worker ON registry.topic TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.sighting TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.record_revision TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.record TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.person TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.flag TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.proposal TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.dead_letter TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.dead_letter_outcome TO crossregion_registry USING (true);
GRANT INSERT ON
    registry.sighting, registry.record_revision, registry.record, registry.person, registry.flag,
    registry.proposal, registry.dead_letter, registry.dead_letter_outcome
TO crossregion_registry;
GRANT SELECT, UPDATE ON
    registry.record, registry.proposal, registry.dead_letter_outcome
TO crossregion_registry;
GRANT SELECT, INSERT ON registry.topic TO crossregion_registry;
GRANT SELECT (dead_letter_id), UPDATE (reason, detail, event)
ON registry.dead_letter TO crossregion_registry;
GRANT SELECT (kind, unit, record_id), DELETE ON registry.person TO crossregion_registry;

-- The office's analysts read; the bytes of dead letters are the operators'.
CREATE POLICY office ON registry.sighting FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.record_revision FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.record FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.person FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.flag FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.proposal FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.dead_letter FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.dead_letter_outcome
FOR SELECT TO crossregion_office USING (true);
GRANT SELECT ON
    registry.sighting, registry.record_revision, registry.record, registry.person, registry.flag,
    registry.proposal, registry.dead_letter_outcome
TO crossregion_office;
GRANT SELECT (dead_letter_id, topic, partition, "offset", event_id, reason, detail)
ON registry.dead_letter TO crossregion_office;

-- Operators read dead letters.
CREATE POLICY operator ON registry.dead_letter FOR SELECT TO crossregion_operator USING (true);
CREATE POLICY operator ON registry.dead_letter_outcome
FOR SELECT TO crossregion_operator USING (true);
GRANT SELECT ON registry.dead_letter, registry.dead_letter_outcome TO crossregion_operator;

-- A unit has the right to two functions and to no table: EXPLAIN would count the rows that a
-- policy hides, and so tell which ids there are.
CREATE FUNCTION registry.asking_unit() RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN substring(
    coalesce(nullif(current_setting('role'), 'none'), session_user) FROM '^unit_(.+)$'
);
GRANT EXECUTE ON FUNCTION registry.asking_unit()
TO crossregion_unit, crossregion_own, crossregion_summary;

-- Every revision of what the asking unit reported; nobody can accept a notice yet.
CREATE POLICY own ON registry.record_revision FOR SELECT TO crossregion_own, crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.record FOR SELECT TO crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.person FOR SELECT TO crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.flag FOR SELECT TO crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
GRANT SELECT ON registry.record_revision TO crossregion_own;
CREATE FUNCTION registry.own_records() RETURNS SETOF registry.record_revision
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.record_revision;
END;

-- What the units concerned may see of a case. The function's owner has no right to any name or
-- number, so that no mistake in it can show one.
CREATE POLICY summary ON registry.record_revision FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.record FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.person FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.flag FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.proposal FOR SELECT TO crossregion_summary USING (open);
GRANT SELECT (kind, unit, record_id, revision, digest, exploitation)
ON registry.record_revision TO crossregion_summary;
GRANT SELECT (kind, unit, record_id, age_band, sex) ON registry.person TO crossregion_summary;
GRANT SELECT ON registry.record, registry.flag TO crossregion_summary;
GRANT SELECT (case_unit, case_id, rescue_unit, probability, open)
ON registry.proposal TO crossregion_summary;
CREATE FUNCTION registry.case_summary() RETURNS TABLE (
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
    );
END;

GRANT EXECUTE ON FUNCTION registry.own_records(), registry.case_summary() TO crossregion_unit;
GRANT CREATE ON SCHEMA registry TO crossregion_own, crossregion_summary;
ALTER FUNCTION registry.own_records() OWNER TO crossregion_own;
ALTER FUNCTION registry.case_summary() OWNER TO crossregion_summary;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own, crossregion_summary;
