-- What the registry worker writes and reads of tips.

-- name: lock_tips
-- Held to the end of the transaction: revisions and triages change what each other mean.
LOCK TABLE registry.tip IN SHARE ROW EXCLUSIVE MODE;

-- name: add_tip_routes
INSERT INTO registry.tip_route
SELECT * FROM jsonb_populate_recordset(NULL::registry.tip_route, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: add_triage
-- Of a second time the first on the broker is kept; a unit has so many triages of a tip.
INSERT INTO registry.triage AS held
SELECT
    %(triage_id)s, %(follows)s, %(revision)s, %(tip_unit)s, %(tip_id)s, %(verdict)s,
    %(case_unit)s, %(case_id)s, %(to_unit)s, %(reason)s, %(unit)s, %(role)s, %(triaged_at)s,
    %(milliseconds)s, %(offset)s
WHERE %(most)s > (
    SELECT count(*)
    FROM registry.triage AS made
    WHERE (made.tip_unit, made.tip_id, made.unit) = (%(tip_unit)s, %(tip_id)s, %(unit)s)
        AND made.triage_id <> %(triage_id)s
)
ON CONFLICT (triage_id) DO UPDATE
SET
    triaged_at = excluded.triaged_at,
    milliseconds = excluded.milliseconds,
    "offset" = excluded."offset"
WHERE (held.milliseconds, held."offset") > (excluded.milliseconds, excluded."offset");

-- name: tip_routes_of
-- The newest that names each place: what the others say of these tips is the same.
SELECT DISTINCT ON (route.unit, route.tip_id, route.place) to_jsonb(route)
FROM registry.tip_route AS route
JOIN jsonb_populate_recordset(NULL::registry.tip, %(rows)s::jsonb) AS named USING (unit, tip_id)
ORDER BY route.unit, route.tip_id, route.place, route.revision DESC, route.digest DESC;

-- name: triages_of
SELECT to_jsonb(triage)
FROM registry.triage
JOIN jsonb_populate_recordset(NULL::registry.tip, %(rows)s::jsonb) AS named
    ON (named.unit, named.tip_id) = (triage.tip_unit, triage.tip_id);

-- name: put_tips
INSERT INTO registry.tip
SELECT * FROM jsonb_populate_recordset(NULL::registry.tip, %(rows)s::jsonb)
ON CONFLICT (unit, tip_id) DO UPDATE
SET
    revision = excluded.revision,
    digest = excluded.digest,
    place = excluded.place,
    urgent = excluded.urgent,
    duty = excluded.duty,
    may = excluded.may,
    had = excluded.had,
    verdict = excluded.verdict,
    case_unit = excluded.case_unit,
    case_id = excluded.case_id,
    reason = excluded.reason,
    triaged_by = excluded.triaged_by,
    role = excluded.role,
    head = excluded.head,
    triages = excluded.triages,
    taken = excluded.taken,
    refused = excluded.refused;

-- name: tips_to_triage
-- How many tips wait with each unit, and how many of them for longer than their notice says.
SELECT
    tip.duty,
    count(*),
    count(*) FILTER (WHERE notice.answer_until < now())
FROM registry.tip
LEFT JOIN registry.notice
    ON (notice.kind, notice.contact, notice.cause, notice.unit)
    = ('tip', tip.unit, tip.tip_id, tip.duty)
    AND notice.issued
WHERE tip.verdict IN ('new', 'referred')
GROUP BY tip.duty;
