-- A unit reads another's record by a ticket that stands in the audit's chain already.
DROP FUNCTION registry.read_record(text, text, text, text, text);

-- A ticket for a record that the asking unit may read, nothing for another.
CREATE FUNCTION registry.ask_record(
    kind text, unit text, record_id text, actor text, purpose text
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM registry.record_revision AS whole
        WHERE (whole.kind, whole.unit, whole.record_id)
            = (ask_record.kind, ask_record.unit, ask_record.record_id)
    ) THEN
        RETURN NULL;
    END IF;
    RETURN audit.ask(
        ask_record.kind, ask_record.unit, ask_record.record_id, ask_record.actor,
        ask_record.purpose
    );
END
$$;

-- Only what the registry worker has committed is in the chain, so nothing that the asking unit does
-- with its own transaction takes it back.
CREATE FUNCTION registry.read_record(ticket uuid) RETURNS TABLE (revision bigint, record jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT whole.revision, whole.record
    FROM audit.ticket AS asked
    JOIN registry.record_revision AS whole USING (kind, unit, record_id)
    WHERE asked.ticket = read_record.ticket AND asked.number IS NOT NULL
        AND asked.at > clock_timestamp() - interval '5 minutes'
    ORDER BY whole.revision DESC, whole.digest DESC
    LIMIT 1;
END;
GRANT EXECUTE ON FUNCTION
    registry.ask_record(text, text, text, text, text), registry.read_record(uuid)
TO crossregion_unit;
GRANT CREATE ON SCHEMA registry TO crossregion_own;
ALTER FUNCTION registry.ask_record(text, text, text, text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.read_record(uuid) OWNER TO crossregion_own;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;

-- By when a notice is to be answered: what it said first, or sooner if it was stated again since.
ALTER TABLE registry.notice ADD COLUMN answer_until timestamptz;

-- The broker's times by which an answer that was there long before its notice is none, so that one to
-- what nobody was told is removed.
ALTER TABLE registry.notice ADD COLUMN told_at_milliseconds bigint;
ALTER TABLE registry.acknowledgement ADD COLUMN milliseconds bigint NOT NULL DEFAULT 0;
CREATE INDEX acknowledgement_time ON registry.acknowledgement (milliseconds);
GRANT DELETE ON registry.acknowledgement TO crossregion_registry;
GRANT CREATE ON SCHEMA registry TO crossregion_own;
SET LOCAL ROLE crossregion_own;
CREATE OR REPLACE FUNCTION registry.told_notices() RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice;
END;
RESET ROLE;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;
