-- Tips: whose each is to triage, and what was made of it. Their words stand with the records.
-- Derived from the topics.

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

-- Tips and the cases they are linked to, in both directions; a case may still have to be reported.
CREATE VIEW registry.tip_case WITH (security_invoker = true) AS
SELECT
    tip.unit, tip.tip_id, tip.case_unit, tip.case_id, record.record_id IS NOT NULL AS reported
FROM registry.tip
LEFT JOIN registry.record
    ON (record.kind, record.unit, record.record_id) = ('case', tip.case_unit, tip.case_id)
WHERE tip.verdict = 'linked';
