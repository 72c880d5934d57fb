-- Bringing notices to units: endpoints, deliveries and attempts. Not derived: survives a rebuild.
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO crossregion_delivery', current_database());
END
$$;
CREATE SCHEMA delivery;
GRANT USAGE ON SCHEMA delivery TO crossregion_delivery, crossregion_operator;

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

-- Of an answer there is its status, never its body.
CREATE TABLE delivery.attempt (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    revision bigint NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    status integer,
    seconds double precision NOT NULL,
    FOREIGN KEY (endpoint_id, notice_id, revision) REFERENCES delivery.delivery
);
CREATE INDEX attempt_delivery ON delivery.attempt (endpoint_id, notice_id, revision);

-- The tables of the library that schedules the sending.
SET LOCAL search_path = delivery;
-- procrastinate: 00.00.00_01 to 03.04.00_50
RESET search_path;

DO $$
DECLARE
    made regclass;
BEGIN
    FOR made IN SELECT oid FROM pg_class
        WHERE relnamespace = 'delivery'::regnamespace AND relkind = 'r'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
        EXECUTE format('CREATE POLICY worker ON %s TO crossregion_delivery USING (true)', made);
    END LOOP;
END
$$;
GRANT SELECT ON delivery.endpoint, delivery.secret TO crossregion_delivery;
GRANT UPDATE (state, failures, paused_until) ON delivery.endpoint TO crossregion_delivery;
GRANT SELECT, INSERT ON delivery.notice, delivery.attempt TO crossregion_delivery;
GRANT SELECT, INSERT, UPDATE ON delivery.delivery TO crossregion_delivery;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    delivery.procrastinate_jobs, delivery.procrastinate_events, delivery.procrastinate_workers,
    delivery.procrastinate_periodic_defers
TO crossregion_delivery;
GRANT USAGE ON
    delivery.procrastinate_jobs_id_seq, delivery.procrastinate_events_id_seq,
    delivery.procrastinate_periodic_defers_id_seq
TO crossregion_delivery;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA delivery TO crossregion_delivery;

-- Operators make endpoints and see what became of deliveries; a secret they write and never read.
CREATE POLICY operator ON delivery.endpoint TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.secret TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.delivery TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.attempt FOR SELECT TO crossregion_operator USING (true);
GRANT SELECT, INSERT ON delivery.endpoint TO crossregion_operator;
GRANT UPDATE (state, failures, paused_until) ON delivery.endpoint TO crossregion_operator;
GRANT SELECT (endpoint_id, number, ends_at), INSERT, UPDATE (ends_at), DELETE
ON delivery.secret TO crossregion_operator;
GRANT SELECT, UPDATE (state) ON delivery.delivery TO crossregion_operator;
GRANT SELECT ON delivery.attempt TO crossregion_operator;
