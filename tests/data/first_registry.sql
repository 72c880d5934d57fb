-- The registry: derived from the topics, may be dropped and rebuilt from them at any time.
CREATE SCHEMA registry;

-- One row for each record of an intake topic, so that every one of them is accounted for.
CREATE TABLE registry.sighting (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused', 'duplicate')),
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX sighting_event ON registry.sighting (event_id);

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

-- What a unit concerned may see of another's case: no name, no number.
CREATE VIEW registry.case_summary AS
SELECT
    record.unit,
    record.record_id AS case_id,
    flag.boundary,
    flag.source_unit,
    flag.destination_unit,
    revision.record -> 'exploitation' AS kinds,
    (
        SELECT jsonb_agg(jsonb_build_object('age_band', person.age_band, 'sex', person.sex))
        FROM registry.person
        WHERE (person.kind, person.unit, person.record_id)
            = (record.kind, record.unit, record.record_id)
    ) AS persons
FROM registry.record
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
LEFT JOIN registry.flag
    ON (flag.unit, flag.case_id, flag.revision, flag.digest)
    = (record.unit, record.record_id, record.revision, record.digest)
WHERE record.kind = 'case';
