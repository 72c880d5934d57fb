-- The audit: who read or changed what. It is not derived and survives a rebuild of the registry.
CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_audit;

-- Each row holds the hash of the one before it; `consumers/audit.py` computes the same.
CREATE TABLE audit.entry (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    login text NOT NULL,
    role text NOT NULL,
    actor text NOT NULL CHECK (length(actor) <= 200),
    action text NOT NULL CHECK (length(action) <= 200),
    subject text NOT NULL CHECK (length(subject) <= 200),
    purpose text NOT NULL CHECK (length(purpose) <= 200),
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
REVOKE UPDATE, DELETE, TRUNCATE ON audit.entry FROM CURRENT_USER;
ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON audit.entry FOR INSERT TO crossregion_audit WITH CHECK (true);
CREATE POLICY last ON audit.entry FOR SELECT TO crossregion_audit USING (true);
CREATE POLICY head ON audit.entry FOR SELECT TO crossregion_registry USING (true);
CREATE POLICY verify ON audit.entry FOR SELECT TO crossregion_operator USING (true);
GRANT INSERT ON audit.entry TO crossregion_audit;
GRANT SELECT (number, hash) ON audit.entry TO crossregion_audit, crossregion_registry;
GRANT SELECT ON audit.entry TO crossregion_operator;

-- The only way to write a row. `login` and `role` are the server's word, `actor` the caller's.
CREATE FUNCTION audit.append(actor text, action text, subject text, purpose text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made audit.entry;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit.entry'));
    SELECT entry.number, entry.hash INTO made.number, made.previous
    FROM audit.entry ORDER BY entry.number DESC LIMIT 1;
    made.number := coalesce(made.number, 0) + 1;
    made.previous := coalesce(made.previous, '');
    made.at := clock_timestamp();
    made.login := session_user;
    made.role := coalesce(nullif(current_setting('role'), 'none'), session_user);
    made.actor := append.actor;
    made.action := append.action;
    made.subject := append.subject;
    made.purpose := append.purpose;
    SELECT sha256(made.previous || convert_to(
        string_agg(octet_length(part) || ':' || part, ',' ORDER BY nth), 'UTF8'
    ))
    INTO made.hash
    FROM unnest(ARRAY[
        made.number::text, to_char(made.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        made.login, made.role, made.actor, made.action, made.subject, made.purpose
    ]) WITH ORDINALITY AS parts (part, nth);
    INSERT INTO audit.entry SELECT made.*;
END
$$;
GRANT CREATE ON SCHEMA audit TO crossregion_audit;
ALTER FUNCTION audit.append(text, text, text, text) OWNER TO crossregion_audit;
REVOKE CREATE ON SCHEMA audit FROM crossregion_audit;
SET LOCAL ROLE crossregion_audit;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text)
TO crossregion, crossregion_office, crossregion_operator;
RESET ROLE;
