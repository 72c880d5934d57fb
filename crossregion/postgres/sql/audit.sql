-- Who did what, noted in the transaction that does it.

-- name: append_audit
SELECT audit.append(%(actor)s, %(action)s, %(subject)s, %(purpose)s);
