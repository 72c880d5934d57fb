-- Files of rescued persons: their entries stand with the records, what is due follows from these
-- notes of them. Derived from the topics.

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

-- Today in Shanghai, or the day that a session has chosen to look from.
CREATE FUNCTION registry.today() RETURNS date
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN coalesce(
    nullif(current_setting('crossregion.today', true), '')::date,
    (now() AT TIME ZONE 'Asia/Shanghai')::date
);

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
