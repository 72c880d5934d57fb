-- An attempt has its id before it is put down: a connection that was lost during the commit leaves
-- open whether it was, and a second time adds no row.
ALTER TABLE delivery.attempt
ADD COLUMN attempt_id uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE delivery.attempt ALTER COLUMN attempt_id DROP DEFAULT, ADD UNIQUE (attempt_id);
