-- Records as units sent them, what follows from each alone, and the dead letters of those that
-- were rejected. Derived from the topics.
CREATE SCHEMA registry;

-- One row for each record of an intake topic, so that every one of them is accounted for.
CREATE TABLE registry.sighting (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    accepted_on date,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX sighting_event ON registry.sighting (event_id);

-- Kafka's id of each topic that has been read: one that is made anew has another.
CREATE TABLE registry.topic (name text PRIMARY KEY, topic_id uuid NOT NULL);

-- Every accepted revision of a record. Two contents under one revision are two rows. The columns
-- made of `record` are what a role may read that may not read it whole.
CREATE TABLE registry.record_revision (
    kind text NOT NULL CHECK (
        kind IN ('case', 'rescue', 'assistance', 'follow-up', 'guardian-search', 'tip')
    ),
    unit text NOT NULL,
    record_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    event_id text NOT NULL,
    record jsonb NOT NULL,
    remarks jsonb NOT NULL,
    exploitation jsonb GENERATED ALWAYS AS (record -> 'exploitation') STORED,
    legs jsonb GENERATED ALWAYS AS (record -> 'legs') STORED,
    lost_on text GENERATED ALWAYS AS (record ->> 'lost_on') STORED,
    found_at text GENERATED ALWAYS AS (record ->> 'found_at') STORED,
    age_bands jsonb
        GENERATED ALWAYS AS (jsonb_path_query_array(record, '$.victims[*].age_band')) STORED,
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
