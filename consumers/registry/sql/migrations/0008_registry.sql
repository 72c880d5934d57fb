-- Files of rescued persons: their entries stand among the records, what is due follows from them.

-- Entries are records of the kinds assistance, follow-up and guardian-search.
ALTER TABLE registry.record_revision
DROP CONSTRAINT record_revision_kind_check,
ADD CONSTRAINT record_revision_kind_check
CHECK (kind IN ('case', 'rescue', 'assistance', 'follow-up', 'guardian-search'));

-- What the newest revision of each rescue and entry says of what is due: codes and days.
CREATE TABLE registry.file_note (
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    note jsonb NOT NULL,
    PRIMARY KEY (kind, unit, record_id)
);
CREATE INDEX file_note_rescue ON registry.file_note (rescue_unit, rescue_id);

-- What each file owes: from which day, until which, and after which it is only listed.
CREATE TABLE registry.file_item (
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    item text NOT NULL,
    owner text NOT NULL,
    lead text NOT NULL,
    assisting jsonb NOT NULL,
    clause text NOT NULL,
    due_from date NOT NULL,
    due_on date NOT NULL,
    lapses_on date NOT NULL,
    PRIMARY KEY (rescue_unit, rescue_id, item)
);
CREATE INDEX file_item_owner ON registry.file_item (owner);

ALTER TABLE registry.file_note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.file_item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON registry.file_note TO crossregion_registry USING (true);
CREATE POLICY worker ON registry.file_item TO crossregion_registry USING (true);
CREATE POLICY office ON registry.file_note FOR SELECT TO crossregion_office USING (true);
CREATE POLICY office ON registry.file_item FOR SELECT TO crossregion_office USING (true);
GRANT SELECT, INSERT, UPDATE ON registry.file_note TO crossregion_registry;
GRANT SELECT, INSERT, DELETE ON registry.file_item TO crossregion_registry;
GRANT SELECT ON registry.file_note, registry.file_item TO crossregion_office;

-- A unit sees the files of the persons that it registered or has ever owned.
CREATE POLICY own ON registry.file_note FOR SELECT TO crossregion_own
USING (
    rescue_unit = (SELECT registry.asking_unit())
    OR (rescue_unit, rescue_id) IN (
        SELECT handover.unit, handover.record_id
        FROM registry.handover
        WHERE handover.kind = 'rescue' AND handover.readers ? (SELECT registry.asking_unit())
    )
);
CREATE POLICY own ON registry.file_item FOR SELECT TO crossregion_own
USING (
    rescue_unit = (SELECT registry.asking_unit())
    OR (rescue_unit, rescue_id) IN (
        SELECT handover.unit, handover.record_id
        FROM registry.handover
        WHERE handover.kind = 'rescue' AND handover.readers ? (SELECT registry.asking_unit())
    )
);
GRANT SELECT ON registry.file_note, registry.file_item TO crossregion_own;

-- Today in Shanghai, or the day that a session has chosen to look from.
CREATE FUNCTION registry.today() RETURNS date
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN coalesce(
    nullif(current_setting('crossregion.today', true), '')::date,
    (now() AT TIME ZONE 'Asia/Shanghai')::date
);
GRANT EXECUTE ON FUNCTION registry.today() TO
    crossregion_registry, crossregion_office, crossregion_unit, crossregion_own;

-- What is due and overdue now; `later` is not due yet, `lapsed` is no longer told.
CREATE VIEW registry.file_due WITH (security_invoker = true) AS
SELECT
    item.*,
    CASE
        WHEN clock.today < due_from THEN 'later'
        WHEN clock.today <= due_on THEN 'due'
        WHEN clock.today < lapses_on THEN 'overdue'
        ELSE 'lapsed'
    END AS state
FROM registry.file_item AS item
CROSS JOIN (SELECT registry.today() AS today) AS clock;
CREATE VIEW registry.file_overdue WITH (security_invoker = true) AS
SELECT owner AS unit, lead, count(*) AS items, min(due_on) AS since
FROM registry.file_due
WHERE state = 'overdue'
GROUP BY owner, lead;
GRANT SELECT ON registry.file_due TO crossregion_registry, crossregion_office, crossregion_own;
GRANT SELECT ON registry.file_overdue TO crossregion_office;

CREATE FUNCTION registry.file_items() RETURNS SETOF registry.file_due
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_due;
END;
CREATE FUNCTION registry.file_notes() RETURNS SETOF registry.file_note
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_note;
END;
GRANT EXECUTE ON FUNCTION registry.file_items(), registry.file_notes() TO crossregion_unit;

-- What a notice of a file names.
ALTER TABLE registry.notice
ADD COLUMN item text,
ADD COLUMN due_on text,
ADD COLUMN department text;

-- Made anew, for it has to return the columns that were added; and who may read a rescue that was
-- handed over, or registered it, may read what stands in its file.
GRANT CREATE ON SCHEMA registry TO crossregion_own;
ALTER FUNCTION registry.file_items() OWNER TO crossregion_own;
ALTER FUNCTION registry.file_notes() OWNER TO crossregion_own;
SET LOCAL ROLE crossregion_own;
CREATE OR REPLACE FUNCTION registry.told_notices() RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice;
END;
CREATE OR REPLACE FUNCTION registry.readable_records()
RETURNS TABLE (basis text, kind text, unit text, record_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT disclosure.notice_id, 'case', disclosure.case_unit, disclosure.case_id
    FROM registry.disclosure
    WHERE disclosure.case_id IS NOT NULL
    UNION
    SELECT disclosure.notice_id, one.kind, one.unit, one.record_id
    FROM registry.disclosure
    JOIN registry.link ON link.proposal_id::text = disclosure.proposal_id
    CROSS JOIN LATERAL (
        VALUES ('case', link.case_unit, link.case_id), ('rescue', link.rescue_unit, link.rescue_id)
    ) AS one (kind, unit, record_id)
    UNION
    SELECT 'handover', handover.kind, handover.unit, handover.record_id
    FROM registry.handover
    WHERE handover.readers ? (SELECT registry.asking_unit())
    UNION
    SELECT 'file', note.kind, note.unit, note.record_id
    FROM registry.file_note AS note
    WHERE note.kind <> 'rescue';
END;
RESET ROLE;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own;
