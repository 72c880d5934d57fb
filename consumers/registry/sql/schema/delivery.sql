-- Bringing notices to units: endpoints, deliveries and attempts. Not derived: survives a rebuild.
CREATE SCHEMA delivery;

-- A channel of a unit. `gone`: its receiver answered 410.
CREATE TABLE delivery.endpoint (
    endpoint_id uuid PRIMARY KEY,
    unit text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('webhook', 'mail')),
    address text NOT NULL,
    network text,
    state text NOT NULL DEFAULT 'enabled'
        CHECK (state IN ('enabled', 'disabled', 'gone', 'removed')),
    added_at timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamptz
);
CREATE UNIQUE INDEX endpoint_address ON delivery.endpoint (unit, kind, address)
WHERE state <> 'removed';

-- What webhooks are signed with; only the process that signs can read it.
CREATE TABLE delivery.secret (
    endpoint_id uuid NOT NULL REFERENCES delivery.endpoint,
    number integer NOT NULL,
    secret text NOT NULL,
    ends_at timestamptz,
    PRIMARY KEY (endpoint_id, number)
);

-- Every statement about a notice that was read: one that stands here makes no delivery again.
CREATE TABLE delivery.notice (
    notice_id uuid NOT NULL,
    revision bigint NOT NULL,
    unit text NOT NULL,
    event text NOT NULL,
    content jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (notice_id, revision)
);

CREATE TABLE delivery.delivery (
    endpoint_id uuid NOT NULL REFERENCES delivery.endpoint,
    notice_id uuid NOT NULL,
    revision bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'delivered', 'refused', 'expired', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    since timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (endpoint_id, notice_id, revision),
    FOREIGN KEY (notice_id, revision) REFERENCES delivery.notice
);
CREATE INDEX delivery_due ON delivery.delivery (endpoint_id, due_at) WHERE state = 'waiting';

-- Of an answer there is its status, never its body. An attempt has its id before it is put down: a
-- connection that is lost during the commit leaves open whether it was, and a second time adds no
-- row.
CREATE TABLE delivery.attempt (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    revision bigint NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    status integer,
    seconds double precision NOT NULL,
    attempt_id uuid NOT NULL UNIQUE,
    FOREIGN KEY (endpoint_id, notice_id, revision) REFERENCES delivery.delivery
);
CREATE INDEX attempt_delivery ON delivery.attempt (endpoint_id, notice_id, revision);

-- The tables of the library that schedules the sending.
SET LOCAL search_path = delivery;
-- procrastinate: 00.00.00_01 to 03.04.00_50
RESET search_path;
