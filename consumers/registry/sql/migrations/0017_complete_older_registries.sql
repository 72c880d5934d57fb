-- What a registry lacks that ran migrations before their text was changed. Can be run on any
-- registry; on one that lacks nothing it changes nothing. One that ran 0006 before there were
-- hand-overs cannot run 0008 and never comes here: a rebuild makes it as it is today.

-- 0001: topics by Kafka's id, and a worker that reads no dead letter.
CREATE TABLE IF NOT EXISTS registry.topic (name text PRIMARY KEY, topic_id uuid NOT NULL);
ALTER TABLE registry.topic ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS worker ON registry.topic;
CREATE POLICY worker ON registry.topic TO crossregion_registry USING (true);
GRANT SELECT, INSERT ON registry.topic TO crossregion_registry;
REVOKE SELECT, UPDATE ON registry.dead_letter FROM crossregion_registry;
GRANT SELECT (dead_letter_id), UPDATE (reason, detail, event)
ON registry.dead_letter TO crossregion_registry;

-- 0004: a proposal without new evidence has none, which is not unknown. The owner sees no row.
ALTER TABLE registry.proposal ALTER COLUMN new_evidence SET DEFAULT '[]';
SET LOCAL ROLE crossregion_registry;
UPDATE registry.proposal SET new_evidence = '[]' WHERE new_evidence IS NULL;
RESET ROLE;

-- 0012: the broker's times by which an answer that nobody asked for is known.
ALTER TABLE registry.notice ADD COLUMN IF NOT EXISTS told_at_milliseconds bigint;
ALTER TABLE registry.acknowledgement
ADD COLUMN IF NOT EXISTS milliseconds bigint NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS acknowledgement_time ON registry.acknowledgement (milliseconds);
GRANT DELETE ON registry.acknowledgement TO crossregion_registry;

-- Made anew, for it has to return the column that may have been added.
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
