-- Records that go from unit to unit. Derived from the topics.

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
