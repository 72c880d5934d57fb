-- The figures of supervision and the events they count.

-- name: sort_in_memory
-- For this transaction: all revisions of a province are sorted several times.
SELECT set_config('work_mem', '64MB', true);

-- name: newest_known
SELECT supervision.newest() AS newest, supervision.whole() AS whole;

-- name: solved
SELECT unit, period, reported, solved, unclear
FROM supervision.solved(%(since)s, %(until)s, %(known_at)s, %(pattern)s);

-- name: solved_events
SELECT unit, "on", event_id
FROM supervision.solved_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY unit, "on", event_id;

-- name: supervised_corridors
-- The busiest first.
SELECT
    one, other, cases, asked, answered, median_hours, slowest_tenth_hours, due, in_time,
    handed_over, median_handover_hours, agreed
FROM supervision.corridors(%(since)s, %(until)s, %(known_at)s)
ORDER BY cases DESC, one, other;

-- name: corridors_events
SELECT one, other, event_id, hours
FROM supervision.corridor_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY one, other, event_id;

-- name: supervised_agreements
-- Pairs with cases, the busiest first.
SELECT one, other, count(*) AS cases, figure = 'agreed' AS agreed
FROM supervision.agreement_events(%(since)s, %(until)s, %(known_at)s)
GROUP BY one, other, figure
ORDER BY cases DESC, one, other;

-- name: agreements_events
SELECT one, other, event_id
FROM supervision.agreement_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY one, other, event_id;

-- name: venues
-- The busiest first; those that are not stated last.
SELECT venue, unit, cases, before
FROM supervision.venues(%(since)s, %(until)s, %(known_at)s)
ORDER BY venue IS NULL, cases DESC, venue, unit;

-- name: venues_events
SELECT venue, unit, event_id
FROM supervision.venue_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY venue, unit, event_id;

-- name: recorded
SELECT supervision.recorded(%(kind)s, %(known_at)s) AS recorded;

-- name: aid
SELECT
    aid, persons, given, measured, median_days, slowest_tenth_days, declined
FROM supervision.aid(%(since)s, %(until)s, %(known_at)s, %(unit)s);

-- name: aid_events
SELECT aid, unit, event_id, days
FROM supervision.aid_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY aid, unit, event_id;

-- name: guardians
-- The row of all units has none.
SELECT
    unit, children, without_guardian, searched, public_notice, found, measured,
    median_days_to_find, placed, first_certificate, second_certificate
FROM supervision.guardians(%(since)s, %(until)s, %(known_at)s)
ORDER BY unit;

-- name: guardians_events
SELECT unit, event_id, days
FROM supervision.guardian_events(%(since)s, %(until)s, %(known_at)s)
WHERE figure = %(figure)s
ORDER BY unit, event_id;

-- name: undated
-- A row for every unit of which anything was known.
SELECT unit, cases, rescues FROM supervision.undated(%(known_at)s) ORDER BY unit;

-- name: undated_events
SELECT unit, event_id
FROM supervision.undated_events(%(known_at)s)
WHERE figure = %(figure)s
ORDER BY unit, event_id;
