-- The outbox of a unit's own PostgreSQL (15 or newer): what the unit's triggers write into it,
-- `crossregion relay` takes into the spool. Its administrator runs it, and may run it again:
--
--     crossregion outbox | psql --single-transaction DATABASE
--
-- Then the role's password is set with psql's \password outbox_relay, and the relay is given
-- CROSSREGION_OUTBOX=postgresql://outbox_relay:...@HOST/DATABASE.

CREATE SCHEMA IF NOT EXISTS crossregion;

CREATE TABLE IF NOT EXISTS crossregion.outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    event text NOT NULL,
    record_id text NOT NULL,
    record jsonb NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now(),
    refused_at timestamptz,
    reason text
);
COMMENT ON TABLE crossregion.outbox IS
    'Records to be reported. A row goes once the spool has it; what cannot be used stays, with its '
    'reason, until its record is saved again and goes through.';
COMMENT ON COLUMN crossregion.outbox.id IS 'By this the spool knows a row that it has taken.';
COMMENT ON COLUMN crossregion.outbox.record_id IS
    'The id that stands in the record. The rows of one record are taken in the order of their numbers.';

CREATE INDEX IF NOT EXISTS outbox_waiting ON crossregion.outbox (event, record_id, number)
    WHERE refused_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_refused ON crossregion.outbox (event, record_id, number)
    WHERE refused_at IS NOT NULL;

CREATE OR REPLACE FUNCTION crossregion.emit(event text, record_id text, record jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO crossregion.outbox (event, record_id, record) VALUES ($1, $2, $3);
END;
COMMENT ON FUNCTION crossregion.emit(text, text, jsonb) IS
    'Have a record reported, in the transaction that saves it.';

CREATE OR REPLACE FUNCTION crossregion.wake_relay() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('crossregion_outbox', '');
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER wake_relay AFTER INSERT ON crossregion.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION crossregion.wake_relay();

DO $$
BEGIN
    CREATE ROLE outbox_relay LOGIN NOINHERIT CONNECTION LIMIT 4;
EXCEPTION
    WHEN duplicate_object THEN NULL;
END
$$;

-- The relay's role sees the outbox, and no table of the unit.
REVOKE ALL ON SCHEMA crossregion FROM PUBLIC;
REVOKE ALL ON FUNCTION crossregion.emit(text, text, jsonb), crossregion.wake_relay() FROM PUBLIC;
GRANT USAGE ON SCHEMA crossregion TO outbox_relay;
GRANT SELECT, DELETE, UPDATE (refused_at, reason) ON crossregion.outbox TO outbox_relay;
