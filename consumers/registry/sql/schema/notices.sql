-- Notices, the units' answers to them, and what an acceptance lets a unit read. Derived from the
-- topics.

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
    answer_role text,
    item text,
    due_on text,
    department text,
    answer_until timestamptz,
    told_at_milliseconds bigint
);
CREATE INDEX notice_unit ON registry.notice (unit);
CREATE INDEX notice_tip ON registry.notice (contact, cause) WHERE kind = 'tip';

-- Everything that was said of each notice, in its revisions.
CREATE TABLE registry.notice_said (
    notice_id text NOT NULL,
    revision bigint NOT NULL,
    event_id text NOT NULL,
    said_at timestamptz,
    issued boolean NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    case_unit text,
    case_id text,
    answer_within_hours integer,
    PRIMARY KEY (notice_id, revision)
);

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
    received_at timestamptz,
    event_id text,
    milliseconds bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (notice_id, unit, revision, digest)
);
CREATE INDEX acknowledgement_time ON registry.acknowledgement (milliseconds);

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
