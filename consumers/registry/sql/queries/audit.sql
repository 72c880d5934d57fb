-- What the registry worker does for the audit's chain.

-- name: chain_audit
SELECT audit.chain();

-- name: audit_head
SELECT number, hash FROM audit.entry ORDER BY number DESC LIMIT 1;
