-- What has to be there before a database is made or migrated.

-- name: missing_roles
SELECT role
FROM unnest(ARRAY[
    'crossregion_registry', 'crossregion_office', 'crossregion_operator', 'crossregion_unit',
    'crossregion_own', 'crossregion_summary', 'crossregion_audit', 'crossregion_delivery',
    'crossregion_supervision'
]) AS role
WHERE to_regrole(role) IS NULL;
