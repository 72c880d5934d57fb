-- Rescued persons' files: what is due, for the unit that sees them and for the office.

-- name: own_file_items
-- Of the files that the asking unit may see.
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_items()
ORDER BY due_on, rescue_unit, rescue_id, item;

-- name: own_items_of_file
-- What one file owes that the asking unit may see.
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.items_of_file(%(rescue_unit)s, %(rescue_id)s)
ORDER BY due_on, item;

-- name: file_items
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_due
ORDER BY due_on, rescue_unit, rescue_id, item;

-- name: items_of_file
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_due
WHERE (rescue_unit, rescue_id) = (%(rescue_unit)s, %(rescue_id)s)
ORDER BY due_on, item;

-- name: own_file_notes
SELECT note FROM registry.notes_of_file(%(rescue_unit)s, %(rescue_id)s)
ORDER BY kind, unit, record_id;

-- name: file_notes
SELECT note FROM registry.file_note
WHERE (rescue_unit, rescue_id) = (%(rescue_unit)s, %(rescue_id)s)
ORDER BY kind, unit, record_id;
