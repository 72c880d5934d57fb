-- The roles of PostgreSQL, made by an administrator before `crossregion registry migrate`, in the
-- database that the registry is to have (`psql -d`).
-- Can be run again at any time; no password stands here: set each with psql's `\password ROLE`.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY[
        'crossregion_unit', 'crossregion_own', 'crossregion_summary', 'crossregion_audit'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    FOREACH role IN ARRAY ARRAY[
        'crossregion', 'crossregion_registry', 'crossregion_office', 'crossregion_operator',
        'crossregion_delivery', 'crossregion_supervision',
        'unit_OF_EACH'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
        IF role LIKE 'unit\_%' THEN
            EXECUTE format('GRANT crossregion_unit TO %I', role);
            EXECUTE format('ALTER ROLE %I CONNECTION LIMIT 3', role);
        END IF;
    END LOOP;
END
$$;

-- The owner makes tables and gives rights; it inherits none of them, and so reads no record.
ALTER ROLE crossregion NOINHERIT;
GRANT
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_delivery,
    crossregion_supervision, crossregion_own, crossregion_summary, crossregion_audit
TO crossregion;

-- By default every role may enter these two and make tables there, and large objects everywhere.
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
DO $$
DECLARE
    makes regprocedure;
BEGIN
    FOR makes IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|lowrite$|loread$)'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', makes);
    END LOOP;
END
$$;
