-- The audit: who read or changed what. It is not derived and survives a rebuild of the registry.
CREATE SCHEMA audit;

-- Each row holds the hash of the one before it; `consumers/registry/audit_chain.py` computes the same
-- hashes.
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

-- What a unit reads of another's record is noted first, by a transaction that is not its own: it
-- asks, the registry worker writes the chain's row, and only then is the record given.

-- Whose turn it is to write a row. A lock of no table can be taken by whoever may log in.
CREATE TABLE audit.turn (free boolean PRIMARY KEY CHECK (free));
INSERT INTO audit.turn VALUES (true);

-- A unit's question for a record of another, until the chain holds it.
-- `number` is the row of the chain that says so.
CREATE TABLE audit.ticket (
    ticket uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    login text NOT NULL,
    role text NOT NULL,
    actor text NOT NULL CHECK (length(actor) <= 200),
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL CHECK (length(record_id) <= 150),
    purpose text NOT NULL CHECK (length(purpose) <= 200),
    number bigint
);
CREATE INDEX ticket_open ON audit.ticket (at) WHERE number IS NULL;

-- Writes the next row of the chain; whoever calls it has the turn.
CREATE FUNCTION audit.link(
    login text, role text, actor text, action text, subject text, purpose text
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made audit.entry;
BEGIN
    SELECT entry.number, entry.hash INTO made.number, made.previous
    FROM audit.entry ORDER BY entry.number DESC LIMIT 1;
    made.number := coalesce(made.number, 0) + 1;
    made.previous := coalesce(made.previous, '');
    made.at := clock_timestamp();
    made.login := link.login;
    made.role := link.role;
    made.actor := link.actor;
    made.action := link.action;
    made.subject := link.subject;
    made.purpose := link.purpose;
    SELECT sha256(made.previous || convert_to(
        string_agg(octet_length(part) || ':' || part, ',' ORDER BY nth), 'UTF8'
    ))
    INTO made.hash
    FROM unnest(ARRAY[
        made.number::text, to_char(made.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        made.login, made.role, made.actor, made.action, made.subject, made.purpose
    ]) WITH ORDINALITY AS parts (part, nth);
    INSERT INTO audit.entry SELECT made.*;
    RETURN made.number;
END
$$;

-- The only way to write a row of one's own. `login` and `role` are the server's word, `actor` the
-- caller's.
CREATE FUNCTION audit.append(actor text, action text, subject text, purpose text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'
AS $$
BEGIN
    PERFORM FROM audit.turn FOR UPDATE;
    PERFORM audit.link(
        session_user, coalesce(nullif(current_setting('role'), 'none'), session_user),
        append.actor, append.action, append.subject, append.purpose
    );
END
$$;

-- A unit asks to read; without a lock, for its transaction may stay open for as long as it likes,
-- and a thousand times an hour, for the chain is kept for ever.
CREATE FUNCTION audit.ask(kind text, unit text, record_id text, actor text, purpose text)
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

-- Notes in the chain what has been asked; another's turn is not waited for.
CREATE FUNCTION audit.chain() RETURNS void
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

-- Their owner alone writes the chain; it may make nothing else.
GRANT CREATE ON SCHEMA audit TO crossregion_audit;
ALTER FUNCTION audit.link(text, text, text, text, text, text) OWNER TO crossregion_audit;
ALTER FUNCTION audit.append(text, text, text, text) OWNER TO crossregion_audit;
ALTER FUNCTION audit.ask(text, text, text, text, text) OWNER TO crossregion_audit;
ALTER FUNCTION audit.chain() OWNER TO crossregion_audit;
REVOKE CREATE ON SCHEMA audit FROM crossregion_audit;
