-- What a database lacks that ran migrations before their text was changed, and what one has too
-- much that was rebuilt: a rebuild ran the registry's migrations again, so that 0006 gave anew a
-- right that 0011 had taken. Can be run on any database; where nothing is wrong it changes nothing.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO'
        ' crossregion_registry, crossregion_office, crossregion_operator, crossregion_unit,'
        ' crossregion_delivery, crossregion_supervision',
        current_database()
    );
END
$$;
GRANT SELECT ON public.crossregion_migration TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_delivery,
    crossregion_supervision;
GRANT USAGE ON SCHEMA audit TO crossregion_supervision, crossregion_own;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA delivery FROM PUBLIC;

-- A unit writes no row of the chain, also not by the functions that read for it.
GRANT CREATE ON SCHEMA audit TO crossregion_audit;
SET LOCAL ROLE crossregion_audit;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION audit.append(text, text, text, text) FROM crossregion_own;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text) TO crossregion_supervision;

-- 0011 as first written let a unit ask without end, and took a thousand questions at a time.
CREATE OR REPLACE FUNCTION audit.ask(
    kind text, unit text, record_id text, actor text, purpose text
)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made uuid := gen_random_uuid();
BEGIN
    IF 1000 <= (
        SELECT count(*) FROM audit.ticket
        WHERE ticket.login = session_user AND ticket.at > clock_timestamp() - interval '1 hour'
    ) THEN
        RAISE 'A thousand readings in an hour' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO audit.ticket VALUES (
        made, clock_timestamp(), session_user,
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        ask.actor, ask.kind, ask.unit, ask.record_id, ask.purpose, NULL
    );
    RETURN made;
END
$$;
CREATE OR REPLACE FUNCTION audit.chain() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asked audit.ticket;
BEGIN
    IF NOT EXISTS (SELECT FROM audit.ticket WHERE ticket.number IS NULL) THEN
        RETURN;
    END IF;
    PERFORM FROM audit.turn FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR asked IN
        SELECT * FROM audit.ticket
        WHERE ticket.number IS NULL
        ORDER BY ticket.at, ticket.ticket
        LIMIT 100
    LOOP
        UPDATE audit.ticket
        SET number = audit.link(
            asked.login, asked.role, asked.actor, 'read',
            concat_ws(' ', asked.kind, asked.unit, asked.record_id), asked.purpose
        )
        WHERE ticket.ticket = asked.ticket;
    END LOOP;
    DELETE FROM audit.ticket
    WHERE ticket.number IS NOT NULL AND ticket.at < clock_timestamp() - interval '1 hour';
END
$$;
RESET ROLE;
REVOKE CREATE ON SCHEMA audit FROM crossregion_audit;
