-- An example: the tables of a unit's own system, and the triggers by which what an officer saves is
-- reported by itself. A unit writes the like for its tables, once outbox.sql has been run; what a
-- record may hold stands in docs/topics.md, and what it need not say the relay fills in.
--
--     crossregion outbox --example | psql --single-transaction DATABASE

CREATE TABLE cases (
    case_no text PRIMARY KEY,
    reported_at timestamptz,
    lost_on date,
    taken_from text,
    taken_to text,
    status text
);

CREATE TABLE victims (
    case_no text NOT NULL REFERENCES cases,
    number integer NOT NULL,
    name text,
    sex text,
    born_on date,
    home text,
    marks text[] NOT NULL DEFAULT '{}',
    id_number text,
    PRIMARY KEY (case_no, number)
);

-- The whole case as it is now; null while nobody is known to be missing.
CREATE FUNCTION crossregion.case_record(wanted text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'case_id', one.case_no,
        'reported_at', to_char(one.reported_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'lost_on', one.lost_on::text,
        'status', one.status,
        'legs', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('role', role, 'code', code)), '[]')
            FROM (VALUES ('taken_from', one.taken_from), ('taken_to', one.taken_to))
                AS leg (role, code)
            WHERE code IS NOT NULL),
        'victims', (
            SELECT jsonb_agg(jsonb_build_object(
                'victim_id', format('%s/%s', victim.case_no, victim.number),
                'identity', jsonb_build_object(
                    'name', victim.name,
                    'sex', victim.sex,
                    'birth_date', victim.born_on::text,
                    'home', victim.home,
                    'marks', to_jsonb(victim.marks),
                    'id_number', victim.id_number))
                ORDER BY victim.number)
            FROM public.victims AS victim
            WHERE victim.case_no = one.case_no)))
    FROM public.cases AS one
    WHERE one.case_no = wanted
        AND EXISTS (SELECT FROM public.victims AS any_one WHERE any_one.case_no = one.case_no);
END;

-- Runs when the transaction commits, so that a case and its victims are reported as they then are.
-- Of two officers who save one case at once the second waits here, and reports what both have saved
-- (with FOR UPDATE each would wait for the other, because of the foreign key).
CREATE FUNCTION crossregion.case_saved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    saved text := CASE WHEN TG_OP = 'DELETE' THEN OLD.case_no ELSE NEW.case_no END;
    content jsonb;
BEGIN
    PERFORM FROM public.cases WHERE case_no = saved FOR NO KEY UPDATE;
    content := crossregion.case_record(saved);
    IF content IS NOT NULL THEN
        PERFORM crossregion.emit('CaseRecorded', saved, content);
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER case_saved AFTER INSERT OR UPDATE ON cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crossregion.case_saved();
CREATE CONSTRAINT TRIGGER case_saved AFTER INSERT OR UPDATE OR DELETE ON victims
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crossregion.case_saved();
REVOKE ALL ON FUNCTION crossregion.case_record(text), crossregion.case_saved() FROM PUBLIC;
