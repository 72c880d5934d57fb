-- The audit, for the operator who verifies it.

-- name: audit_entries
SELECT number, at, login, role, actor, action, subject, purpose, previous, hash
FROM audit.entry ORDER BY number;
