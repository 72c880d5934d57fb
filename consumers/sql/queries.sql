-- name: add_topics
INSERT INTO registry.topic
SELECT * FROM jsonb_populate_recordset(NULL::registry.topic, %(rows)s::jsonb)
ON CONFLICT DO NOTHING

-- name: topics
SELECT name, topic_id FROM registry.topic

-- name: add_sightings
INSERT INTO registry.sighting
SELECT * FROM jsonb_populate_recordset(NULL::registry.sighting, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: add_revisions
INSERT INTO registry.record_revision
    (kind, unit, record_id, revision, digest, event_id, record, remarks)
SELECT kind, unit, record_id, revision, digest, event_id, record, remarks
FROM jsonb_populate_recordset(NULL::registry.record_revision, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: add_facts
-- Of a second time the first on the broker is kept.
INSERT INTO registry.fact AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.fact, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id, revision, digest) DO UPDATE
SET received_at = excluded.received_at
WHERE held.received_at > excluded.received_at;

-- name: hold
-- The records whose highest (revision, digest) is now another.
INSERT INTO registry.record AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET revision = excluded.revision, digest = excluded.digest
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest)
RETURNING kind, unit, record_id;

-- name: remove_persons
DELETE FROM registry.person
USING jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb) AS changed
WHERE (person.kind, person.unit, person.record_id)
    = (changed.kind, changed.unit, changed.record_id);

-- name: add_persons
INSERT INTO registry.person
SELECT * FROM jsonb_populate_recordset(NULL::registry.person, %(rows)s::jsonb);

-- name: add_flags
INSERT INTO registry.flag
SELECT * FROM jsonb_populate_recordset(NULL::registry.flag, %(rows)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: put_proposals
INSERT INTO registry.proposal AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.proposal, %(rows)s::jsonb)
ON CONFLICT (proposal_id) DO UPDATE
SET
    revision = excluded.revision,
    open = excluded.open,
    kind = excluded.kind,
    model = excluded.model,
    probability = excluded.probability,
    rank = excluded.rank,
    band = excluded.band,
    evidence = excluded.evidence,
    new_evidence = excluded.new_evidence
WHERE held.revision < excluded.revision;

-- name: lock_links
-- Held to the end of the transaction: links and records change each other's flags.
LOCK TABLE registry.link IN SHARE ROW EXCLUSIVE MODE;

-- name: add_decisions
INSERT INTO registry.decision AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.decision, %(rows)s::jsonb)
ON CONFLICT (decision_id) DO UPDATE
SET
    "offset" = excluded."offset",
    decided_at = excluded.decided_at,
    received_at = excluded.received_at
WHERE held."offset" > excluded."offset";

-- name: decisions_of_proposals
SELECT
    decision_id::text AS decision_id, proposal_id::text AS proposal_id, previous, revision, proposal_revision, verdict,
    case_unit, case_id, victim_id, rescue_unit, rescue_id
FROM registry.decision
WHERE proposal_id = ANY(%(proposals)s::uuid[])
ORDER BY partition, "offset";

-- name: every_decided_proposal
SELECT DISTINCT proposal_id::text FROM registry.decision;

-- name: every_settled_decision
SELECT decision_id::text AS decision_id, refused, in_force, last FROM registry.decision;

-- name: every_link
SELECT to_jsonb(link) AS link FROM registry.link;

-- name: every_confirmed_flag
SELECT to_jsonb(confirmed_flag) AS flag FROM registry.confirmed_flag;

-- name: settle_decisions
UPDATE registry.decision
SET refused = settled.refused, in_force = settled.in_force, last = settled.last
FROM jsonb_populate_recordset(NULL::registry.decision, %(rows)s::jsonb) AS settled
WHERE decision.decision_id = settled.decision_id;

-- name: remove_links
DELETE FROM registry.link WHERE proposal_id = ANY(%(proposals)s::uuid[]);

-- name: add_links
INSERT INTO registry.link
SELECT * FROM jsonb_populate_recordset(NULL::registry.link, %(rows)s::jsonb);

-- name: links_of_records
WITH changed AS (
    SELECT kind, unit, record_id
    FROM jsonb_populate_recordset(NULL::registry.record, %(rows)s::jsonb)
)
SELECT link.proposal_id::text
FROM changed
JOIN registry.link
    ON ('case', link.case_unit, link.case_id) = (changed.kind, changed.unit, changed.record_id)
UNION
SELECT link.proposal_id::text
FROM changed
JOIN registry.link
    ON ('rescue', link.rescue_unit, link.rescue_id)
    = (changed.kind, changed.unit, changed.record_id);

-- name: linked_places
-- Both records of each link, as far as they have come in.
SELECT
    link.proposal_id::text AS proposal_id, link.case_unit AS unit, link.case_id,
    held.revision, held.digest, case_revision.lost_on, case_revision.legs,
    case_revision.age_bands,
    link.rescue_unit, link.rescue_id, rescue.revision AS rescue_revision, rescue_revision.found_at
FROM registry.link
JOIN registry.record AS held
    ON (held.kind, held.unit, held.record_id) = ('case', link.case_unit, link.case_id)
JOIN registry.record_revision AS case_revision
    ON (
        case_revision.kind, case_revision.unit, case_revision.record_id, case_revision.revision,
        case_revision.digest
    ) = (held.kind, held.unit, held.record_id, held.revision, held.digest)
JOIN registry.record AS rescue
    ON (rescue.kind, rescue.unit, rescue.record_id)
    = ('rescue', link.rescue_unit, link.rescue_id)
JOIN registry.record_revision AS rescue_revision
    ON (
        rescue_revision.kind, rescue_revision.unit, rescue_revision.record_id,
        rescue_revision.revision, rescue_revision.digest
    ) = (rescue.kind, rescue.unit, rescue.record_id, rescue.revision, rescue.digest)
WHERE link.proposal_id = ANY(%(proposals)s::uuid[]);

-- name: remove_confirmed_flags
DELETE FROM registry.confirmed_flag WHERE proposal_id = ANY(%(proposals)s::uuid[]);

-- name: add_confirmed_flags
INSERT INTO registry.confirmed_flag
SELECT * FROM jsonb_populate_recordset(NULL::registry.confirmed_flag, %(rows)s::jsonb);

-- name: add_agreements
INSERT INTO registry.agreement AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.agreement, %(rows)s::jsonb)
ON CONFLICT (agreement_id, revision, digest) DO UPDATE
SET received_at = excluded.received_at
WHERE held.received_at > excluded.received_at;

-- name: lock_answers
-- Held to the end of the transaction: notices and answers change each other's rows.
LOCK TABLE registry.notice IN SHARE ROW EXCLUSIVE MODE;

-- name: put_notices
-- What was said last; of a withdrawn one only that.
INSERT INTO registry.notice AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb)
ON CONFLICT (notice_id) DO UPDATE
SET
    revision = excluded.revision,
    issued = excluded.issued,
    unit = excluded.unit,
    kind = excluded.kind,
    cause = excluded.cause,
    boundary = excluded.boundary,
    units = excluded.units,
    remarks = excluded.remarks,
    regions = excluded.regions,
    case_unit = excluded.case_unit,
    case_id = excluded.case_id,
    persons = excluded.persons,
    exploitation = excluded.exploitation,
    urgent = excluded.urgent,
    disclosure = excluded.disclosure,
    answer_within_hours = excluded.answer_within_hours,
    contact = excluded.contact,
    proposal_id = excluded.proposal_id,
    item = excluded.item,
    due_on = excluded.due_on,
    department = excluded.department,
    said_at = excluded.said_at,
    told_at_milliseconds = least(held.told_at_milliseconds, excluded.told_at_milliseconds),
    answer_until = CASE
        WHEN held.issued AND excluded.withdrawn < held.revision
            THEN least(held.answer_until, excluded.answer_until)
        ELSE excluded.answer_until
    END
WHERE held.revision < excluded.revision;

-- name: add_notices_said
-- Of a second time the first on the broker is kept.
INSERT INTO registry.notice_said AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.notice_said, %(rows)s::jsonb)
ON CONFLICT (notice_id, revision) DO UPDATE
SET event_id = excluded.event_id, said_at = excluded.said_at
WHERE held.said_at > excluded.said_at;

-- name: withdraw_notices
-- The highest revision by which each was taken back, in whatever order that comes in.
UPDATE registry.notice AS held
SET withdrawn = said.withdrawn
FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb) AS said
WHERE held.notice_id = said.notice_id AND held.withdrawn < said.withdrawn;

-- name: add_acknowledgements
INSERT INTO registry.acknowledgement AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.acknowledgement, %(rows)s::jsonb)
ON CONFLICT (notice_id, unit, revision, digest) DO UPDATE
SET
    "offset" = excluded."offset",
    acknowledged_at = excluded.acknowledged_at,
    milliseconds = excluded.milliseconds,
    received_at = excluded.received_at,
    event_id = excluded.event_id
WHERE held."offset" > excluded."offset";

-- name: put_reassignments
INSERT INTO registry.reassignment AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.reassignment, %(rows)s::jsonb)
ON CONFLICT (notice_id) DO UPDATE
SET
    revision = excluded.revision,
    digest = excluded.digest,
    to_unit = excluded.to_unit,
    role = excluded.role
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest);

-- name: notices_of
SELECT notice_id, unit, revision, issued, withdrawn, disclosure, case_unit, case_id, proposal_id
FROM registry.notice
WHERE notice_id = ANY(%(notices)s);

-- name: acknowledgements_of
SELECT notice_id, notice_revision, unit, revision, answer, reason, role
FROM registry.acknowledgement
WHERE notice_id = ANY(%(notices)s) AND NOT EXISTS (
    SELECT FROM registry.notice
    WHERE notice.notice_id = acknowledgement.notice_id
        AND told_at_milliseconds > milliseconds + %(early)s
);

-- name: forget_answers
-- Those to what nobody was told.
DELETE FROM registry.acknowledgement
WHERE milliseconds < %(before)s AND NOT EXISTS (
    SELECT FROM registry.notice WHERE notice.notice_id = acknowledgement.notice_id
);

-- name: settle_answers
UPDATE registry.notice
SET
    answer = settled.answer,
    answer_revision = settled.answer_revision,
    answer_reason = settled.answer_reason,
    answer_role = settled.answer_role
FROM jsonb_populate_recordset(NULL::registry.notice, %(rows)s::jsonb) AS settled
WHERE notice.notice_id = settled.notice_id;

-- name: remove_disclosures
DELETE FROM registry.disclosure WHERE notice_id = ANY(%(notices)s);

-- name: add_disclosures
INSERT INTO registry.disclosure
SELECT * FROM jsonb_populate_recordset(NULL::registry.disclosure, %(rows)s::jsonb);

-- name: told_notices
-- What the asking unit has been told, the oldest first.
SELECT
    notice_id, revision, issued, unit, kind, cause, boundary, units, remarks, regions, case_unit,
    case_id, persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
    item, due_on, department, said_at, answer_until, answer, answer_revision, answer_reason,
    answer_role
FROM registry.told_notices()
ORDER BY said_at, notice_id;

-- name: registered_notices
-- The same of every unit.
SELECT
    notice_id, revision, issued, unit, kind, cause, urgent, answer_until, said_at, answer,
    answer_revision, answer_reason, answer_role
FROM registry.notice
ORDER BY said_at, notice_id;

-- name: every_case
SELECT unit, record_id FROM registry.record WHERE kind = 'case';

-- name: registered_notice
SELECT
    notice.notice_id, notice.unit, notice.kind, notice.issued, notice.answer,
    notice.answer_revision, notice.answer_role, given.revision AS reassigned
FROM registry.notice
LEFT JOIN registry.reassignment AS given USING (notice_id)
WHERE notice.notice_id = %(notice_id)s;

-- name: readable_records
SELECT kind, unit, record_id
FROM registry.readable_records()
WHERE basis = %(basis)s
ORDER BY kind, unit, record_id;

-- name: lock_handovers
-- Held to the end of the transaction: the steps of a record change what each other mean.
LOCK TABLE registry.handover IN SHARE ROW EXCLUSIVE MODE;

-- name: add_handover_step
-- Of a second time the first on the broker is kept; a unit has so many steps on a record.
INSERT INTO registry.handover_step AS held
SELECT
    %(step_id)s, %(follows)s, %(kind)s, %(record_unit)s, %(record_id)s, %(action)s, %(unit)s,
    %(to_unit)s, %(reason)s, %(role)s, %(recorded_at)s, %(milliseconds)s, %(offset)s
WHERE %(most)s > (
    SELECT count(*)
    FROM registry.handover_step AS step
    WHERE (step.kind, step.record_unit, step.record_id, step.unit)
        = (%(kind)s, %(record_unit)s, %(record_id)s, %(unit)s)
        AND step.step_id <> %(step_id)s
)
ON CONFLICT (step_id) DO UPDATE
SET
    recorded_at = excluded.recorded_at,
    milliseconds = excluded.milliseconds,
    "offset" = excluded."offset"
WHERE (held.milliseconds, held."offset") > (excluded.milliseconds, excluded."offset");

-- name: handover_steps_of
-- All steps on the records that these are about.
SELECT to_jsonb(step) - 'milliseconds' - 'offset', step.milliseconds, step."offset"
FROM registry.handover_step AS step
WHERE (step.kind, step.record_unit, step.record_id) IN (
    SELECT kind, record_unit, record_id
    FROM jsonb_populate_recordset(NULL::registry.handover_step, %(rows)s::jsonb)
);

-- name: put_handovers
INSERT INTO registry.handover
SELECT * FROM jsonb_populate_recordset(NULL::registry.handover, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET
    owner = excluded.owner,
    offered_to = excluded.offered_to,
    asked_back = excluded.asked_back,
    givers = excluded.givers,
    readers = excluded.readers,
    head = excluded.head,
    taken = excluded.taken,
    refused = excluded.refused;

-- name: handovers
-- Those that the asking unit has a part in.
SELECT
    kind, unit, record_id, owner, offered_to, asked_back, givers, readers, head, taken, refused
FROM registry.handovers()
ORDER BY kind, unit, record_id;

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

-- name: every_tip_route
SELECT to_jsonb(tip_route) AS said FROM registry.tip_route;

-- name: every_triage
SELECT to_jsonb(triage) AS said FROM registry.triage;

-- name: every_tip
SELECT to_jsonb(tip) AS tip FROM registry.tip;

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

-- name: tips
-- Those that the asking unit has a part in, by when they are to be triaged.
SELECT
    unit, tip_id, revision, place, urgent, duty, may, had, verdict, case_unit, case_id, case_known,
    reason, triaged_by, role, head, triages, taken, refused, due_at
FROM registry.tips()
ORDER BY due_at, unit, tip_id;

-- name: registered_tips
-- The same of every unit.
SELECT
    tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
    tip.verdict, tip.case_unit, tip.case_id, coalesce(linked.reported, false) AS case_known,
    tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
    notice.answer_until AS due_at
FROM registry.tip
LEFT JOIN registry.tip_case AS linked USING (unit, tip_id)
LEFT JOIN registry.notice
    ON (notice.kind, notice.contact, notice.cause, notice.unit)
    = ('tip', tip.unit, tip.tip_id, tip.duty)
    AND notice.issued
ORDER BY due_at, tip.unit, tip.tip_id;

-- name: registered_tip
-- The whole record of one tip, for the office.
SELECT revision.revision, revision.record
FROM registry.tip
JOIN registry.record_revision AS revision
    ON (revision.kind, revision.unit, revision.record_id, revision.revision, revision.digest)
    = ('tip', tip.unit, tip.tip_id, tip.revision, tip.digest)
WHERE (tip.unit, tip.tip_id) = (%(unit)s, %(tip_id)s);

-- name: own_tip_content
SELECT 1 AS found WHERE registry.has_tip(%(tip_id)s, %(digest)s);

-- name: registered_tip_content
SELECT 1 AS found FROM registry.tip_route
WHERE (unit, tip_id, digest) = (%(unit)s, %(tip_id)s, %(digest)s)
LIMIT 1;

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

-- name: own_record
SELECT 1 AS found WHERE registry.has_record(%(kind)s, %(record_id)s);

-- name: ask_record
SELECT registry.ask_record(%(kind)s, %(unit)s, %(record_id)s, %(actor)s, %(purpose)s) AS ticket;

-- name: read_record
SELECT revision, record FROM registry.read_record(%(ticket)s);

-- name: lock_files
-- Held to the end of the transaction: the notes of a file change together what it owes.
LOCK TABLE registry.file_note IN SHARE ROW EXCLUSIVE MODE;

-- name: files_of_records
-- Where these records were noted before, which may be another file.
SELECT note.rescue_unit, note.rescue_id
FROM registry.file_note AS note
JOIN jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb) AS said
    USING (kind, unit, record_id);

-- name: put_file_notes
INSERT INTO registry.file_note AS held
SELECT * FROM jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb)
ON CONFLICT (kind, unit, record_id) DO UPDATE
SET
    revision = excluded.revision,
    digest = excluded.digest,
    rescue_unit = excluded.rescue_unit,
    rescue_id = excluded.rescue_id,
    note = excluded.note
WHERE (held.revision, held.digest) < (excluded.revision, excluded.digest)
RETURNING rescue_unit, rescue_id;

-- name: notes_of_files
-- All that is noted for these rescues by whose they are or ever were: who else writes costs nothing.
SELECT note.rescue_unit, note.rescue_id, note.note, handover.owner, handover.readers
FROM registry.file_note AS note
LEFT JOIN registry.handover
    ON (handover.kind, handover.unit, handover.record_id)
    = ('rescue', note.rescue_unit, note.rescue_id)
WHERE (note.rescue_unit, note.rescue_id) IN (
    SELECT rescue_unit, rescue_id
    FROM jsonb_populate_recordset(NULL::registry.file_note, %(rows)s::jsonb)
)
    AND coalesce(handover.readers ? note.unit, note.unit = note.rescue_unit);

-- name: remove_file_items
DELETE FROM registry.file_item
USING jsonb_populate_recordset(NULL::registry.file_item, %(rows)s::jsonb) AS changed
WHERE (file_item.rescue_unit, file_item.rescue_id) = (changed.rescue_unit, changed.rescue_id);

-- name: add_file_items
INSERT INTO registry.file_item
SELECT * FROM jsonb_populate_recordset(NULL::registry.file_item, %(rows)s::jsonb);

-- name: look_from
SELECT set_config('crossregion.today', %(today)s, true);

-- name: count_file_items
SELECT owner, lead, state, count(*)
FROM registry.file_due
WHERE state IN ('due', 'overdue')
GROUP BY owner, lead, state;

-- name: own_file_items
-- Of the files that the asking unit may see.
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_items()
ORDER BY due_on, rescue_unit, rescue_id, item;

-- name: file_items
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_due
ORDER BY due_on, rescue_unit, rescue_id, item;

-- name: own_file_notes
SELECT note FROM registry.notes_of_file(%(rescue_unit)s, %(rescue_id)s)
ORDER BY kind, unit, record_id;

-- name: file_notes
SELECT note FROM registry.file_note
WHERE (rescue_unit, rescue_id) = (%(rescue_unit)s, %(rescue_id)s)
ORDER BY kind, unit, record_id;

-- name: put_dead_letter
INSERT INTO registry.dead_letter
VALUES (
    %(dead_letter_id)s, %(topic)s, %(partition)s, %(offset)s, %(event_id)s,
    %(reason)s, %(detail)s, %(event)s
)
ON CONFLICT (dead_letter_id) DO UPDATE
SET reason = %(reason)s, detail = %(detail)s, event = %(event)s;

-- name: settle_dead_letter
INSERT INTO registry.dead_letter_outcome
VALUES (%(dead_letter_id)s, %(outcome)s)
ON CONFLICT (dead_letter_id) DO UPDATE SET outcome = excluded.outcome
WHERE dead_letter_outcome.outcome <> 'replayed';

-- name: proposals_by_band
SELECT band, count(*) FROM registry.proposal WHERE open GROUP BY band;

-- name: count_revisions
SELECT unit, kind, count(*) FROM registry.record_revision GROUP BY unit, kind;

-- name: count_duplicates
-- A second record of one event on a topic is a duplicate, whichever was read first.
SELECT topic, count(*)
FROM (
    SELECT
        topic,
        row_number() OVER (PARTITION BY topic, event_id ORDER BY partition, "offset") AS nth
    FROM registry.sighting
) AS sighting
WHERE nth > 1
GROUP BY topic;

-- name: count_dead_letters
-- An event counts once; one that was put back and accepted since is no longer counted.
SELECT topic, count(*)
FROM (
    SELECT letter.topic, letter.event_id
    FROM registry.dead_letter AS letter
    LEFT JOIN registry.dead_letter_outcome AS settled USING (dead_letter_id)
    GROUP BY letter.topic, letter.event_id
    HAVING bool_and(settled.outcome IS DISTINCT FROM 'replayed')
) AS event
GROUP BY topic;

-- name: flags
-- One row for each accepted revision of a case.
SELECT DISTINCT ON (unit, case_id, revision)
    case_id, unit, revision, source, destination, source_unit, destination_unit,
    boundary, at_least, told
FROM registry.flag
ORDER BY unit, case_id, revision, digest DESC;

-- name: open_proposals
SELECT
    proposal_id::text AS proposal_id, revision, case_unit, case_id, victim_id, rescue_unit,
    rescue_id, kind, model, probability, rank, band, evidence, new_evidence
FROM registry.proposal
WHERE open
ORDER BY kind = 'stated' DESC, probability DESC, proposal_id;

-- name: decided_proposals
-- Every proposal that stands open or has been decided, with the verdict in force.
SELECT
    proposal.proposal_id::text AS proposal_id, proposal.open, proposal.case_unit,
    proposal.case_id, proposal.victim_id, proposal.rescue_unit, proposal.rescue_id,
    proposal.kind, proposal.probability, proposal.rank, proposal.band, decision.verdict
FROM registry.proposal
LEFT JOIN registry.decision ON decision.proposal_id = proposal.proposal_id AND decision.in_force
WHERE proposal.open OR decision.verdict IS NOT NULL
ORDER BY proposal.kind = 'stated' DESC, proposal.probability DESC, proposal.proposal_id;

-- name: proposal
SELECT
    proposal_id::text AS proposal_id, revision, open, case_unit, case_id, victim_id, rescue_unit,
    rescue_id, kind, model, probability, rank, band, evidence, new_evidence
FROM registry.proposal
WHERE proposal_id = %(proposal_id)s;

-- name: rivals
-- The other open proposals of the same rescued person.
SELECT other.proposal_id::text AS proposal_id, other.case_id, other.victim_id, other.probability
FROM registry.proposal AS one
JOIN registry.proposal AS other USING (rescue_unit, rescue_id)
WHERE one.proposal_id = %(proposal_id)s AND other.proposal_id <> one.proposal_id AND other.open;

-- name: decisions
-- All on one proposal, in their order.
SELECT
    decision_id::text AS decision_id, proposal_id::text AS proposal_id, previous, revision,
    proposal_revision, verdict, role, unit,
    reason, note, kind, evidence, decided_at, refused, in_force, last
FROM registry.decision
WHERE proposal_id = %(proposal_id)s
ORDER BY partition, "offset";

-- name: agreements
-- The state of each agreement that holds.
SELECT
    agreement_id::text AS agreement_id, revision, number, units, signed_on, valid_from, valid_to,
    case_types, disclosure, answer_within_hours, contacts, status
FROM registry.agreement_held
ORDER BY units, number;

-- name: agreement
-- Every state of one agreement, the one that holds last.
SELECT
    agreement_id::text AS agreement_id, revision, digest, number, units, signed_on, valid_from,
    valid_to, case_types, disclosure, answer_within_hours, contacts, status
FROM registry.agreement
WHERE agreement_id = %(agreement_id)s
ORDER BY revision, digest;

-- name: corridors
SELECT
    corridor.one, corridor.other, corridor.cases, corridor.victims, corridor.to_other,
    corridor.to_one, corridor.prefecture, corridor.province, corridor.border,
    corridor.first_day, corridor.last_day, coalesce(corridor.agreed @> %(on)s::date, false) AS agreed
FROM registry.corridor
ORDER BY corridor.cases DESC, corridor.one, corridor.other;

-- name: dead_letters
SELECT
    letter.dead_letter_id::text AS dead_letter_id, letter.topic, letter.partition,
    letter."offset", letter.reason, letter.detail, settled.outcome
FROM registry.dead_letter AS letter
LEFT JOIN registry.dead_letter_outcome AS settled USING (dead_letter_id)
ORDER BY letter.topic, letter.partition, letter."offset";

-- name: dead_letter_event
SELECT event FROM registry.dead_letter WHERE dead_letter_id = %(dead_letter_id)s;

-- name: content
-- Every row but those that say where and how often something stood on the broker.
SELECT md5(coalesce(string_agg(line, E'\n' ORDER BY line), '')) FROM (
    SELECT 'revision ' || t::text AS line FROM registry.record_revision AS t
    UNION ALL SELECT 'record ' || t::text FROM registry.record AS t
    UNION ALL SELECT 'person ' || t::text FROM registry.person AS t
    UNION ALL SELECT 'flag ' || t::text FROM registry.flag AS t
    UNION ALL SELECT 'dead letter ' || t::text FROM registry.dead_letter_outcome AS t
    UNION ALL SELECT
        'proposal ' || row(
            case_unit, case_id, victim_id, rescue_unit, rescue_id, kind, model, probability,
            rank, band, evidence, new_evidence
        )::text
    FROM registry.proposal WHERE open
    UNION ALL SELECT 'agreement ' || (to_jsonb(t) - 'received_at')::text
    FROM registry.agreement AS t
    UNION ALL SELECT 'fact ' || (to_jsonb(t) - 'received_at')::text FROM registry.fact AS t
    UNION ALL SELECT 'link ' || t::text FROM registry.link AS t
    UNION ALL SELECT 'confirmed flag ' || t::text FROM registry.confirmed_flag AS t
    UNION ALL SELECT
        'decision ' || row(
            decision_id, proposal_id, case_unit, case_id, victim_id, rescue_unit, rescue_id,
            proposal_revision, previous, revision, verdict, role, unit, reason, note, kind,
            evidence, decided_at, refused, in_force, last
        )::text
    FROM registry.decision
    UNION ALL SELECT
        'notice ' || row(
            notice_id, unit, kind, cause, boundary, units, remarks, regions, case_unit, case_id,
            persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
            item, due_on, department, answer, answer_revision, answer_reason, answer_role
        )::text
    FROM registry.notice WHERE issued
    UNION ALL SELECT 'file note ' || t::text FROM registry.file_note AS t
    UNION ALL SELECT 'file item ' || t::text FROM registry.file_item AS t
    UNION ALL SELECT 'handover ' || t::text FROM registry.handover AS t
    UNION ALL SELECT
        'handover step ' || row(
            step_id, follows, kind, record_unit, record_id, action, unit, to_unit, reason, role,
            recorded_at
        )::text
    FROM registry.handover_step
    UNION ALL SELECT 'tip ' || t::text FROM registry.tip AS t
    UNION ALL SELECT 'tip route ' || t::text FROM registry.tip_route AS t
    UNION ALL SELECT
        'triage ' || row(
            triage_id, follows, revision, tip_unit, tip_id, verdict, case_unit, case_id, to_unit,
            reason, unit, role, triaged_at
        )::text
    FROM registry.triage
    UNION ALL SELECT 'disclosure ' || t::text FROM registry.disclosure AS t
    UNION ALL SELECT 'reassignment ' || t::text FROM registry.reassignment AS t
    UNION ALL SELECT
        'acknowledgement ' || row(
            notice_id, unit, revision, digest, notice_revision, answer, reason, role,
            acknowledged_at
        )::text
    FROM registry.acknowledgement
    WHERE EXISTS (
        SELECT FROM registry.notice WHERE notice.notice_id = acknowledgement.notice_id
    )
) AS lines;

-- name: missing_roles
SELECT role
FROM unnest(ARRAY[
    'crossregion_registry', 'crossregion_office', 'crossregion_operator', 'crossregion_unit',
    'crossregion_own', 'crossregion_summary', 'crossregion_audit', 'crossregion_delivery',
    'crossregion_supervision'
]) AS role
WHERE to_regrole(role) IS NULL;

-- name: append_audit
SELECT audit.append(%(actor)s, %(action)s, %(subject)s, %(purpose)s);

-- name: chain_audit
SELECT audit.chain();

-- name: audit_head
SELECT number, hash FROM audit.entry ORDER BY number DESC LIMIT 1;

-- name: audit_entries
SELECT number, at, login, role, actor, action, subject, purpose, previous, hash
FROM audit.entry ORDER BY number;

-- name: seen_on_days
-- Each event of a unit's own topics once, with the day on which the unit accepted it.
SELECT DISTINCT split_part(topic, '.', 2), accepted_on::text, event_id
FROM registry.sighting
WHERE accepted_on IS NOT NULL;

-- name: every_revision
SELECT kind, unit, record FROM registry.record_revision WHERE kind = 'case';

-- name: holding_revisions
SELECT kind, unit, revision.record
FROM registry.record
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
WHERE kind IN ('case', 'rescue');

-- name: records_of_files
-- The rescues and entries that hold.
SELECT kind, unit, revision.record
FROM registry.record
JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
WHERE kind NOT IN ('case', 'tip');

-- name: rescues_handed_over
SELECT unit, record_id, owner, readers FROM registry.handover WHERE kind = 'rescue';

-- name: every_file_item
SELECT to_jsonb(owed) AS owed FROM registry.file_item AS owed;

-- name: every_flag
SELECT to_jsonb(flag) FROM registry.flag;

-- name: every_open_proposal
SELECT to_jsonb(proposal) - 'open' FROM registry.proposal WHERE open;

-- name: in_force
SELECT to_jsonb(decision) FROM registry.decision WHERE in_force;

-- name: every_answer
SELECT notice_id, answer, answer_revision, answer_reason, answer_role FROM registry.notice;

-- name: every_disclosure
SELECT notice_id, reader, case_unit, case_id, proposal_id FROM registry.disclosure;

-- name: every_handover
SELECT concat_ws(' ', kind, unit, record_id) AS record, owner, offered_to, readers, taken
FROM registry.handover;

-- name: every_agreement
SELECT to_jsonb(agreement) - 'received_at' AS agreement FROM registry.agreement;

-- name: marks_without_row
SELECT topic, partition, "offset"
FROM registry.sighting
WHERE outcome = 'accepted' AND NOT EXISTS (
    SELECT FROM registry.record_revision AS revision
    WHERE revision.event_id = sighting.event_id
)
ORDER BY topic, partition, "offset";

-- name: add_notices
-- What is to be delivered of notices that were not read before; the endpoints concerned.
WITH new AS (
    INSERT INTO delivery.notice
    SELECT * FROM jsonb_populate_recordset(NULL::delivery.notice, %(rows)s::jsonb)
    ON CONFLICT DO NOTHING
    RETURNING notice_id, revision, unit
),
made AS (
    INSERT INTO delivery.delivery (endpoint_id, notice_id, revision)
    SELECT endpoint.endpoint_id, new.notice_id, new.revision
    FROM new
    JOIN delivery.endpoint USING (unit)
    WHERE endpoint.state <> 'removed'
    RETURNING endpoint_id
)
SELECT DISTINCT endpoint_id::text FROM made;

-- name: open_endpoint
-- Where to send now, with the secrets that are valid; no row while it is disabled or paused.
SELECT
    endpoint_id::text AS endpoint_id, unit, kind, address, network, failures,
    ARRAY(
        SELECT secret FROM delivery.secret
        WHERE secret.endpoint_id = endpoint.endpoint_id AND coalesce(ends_at > now(), true)
        ORDER BY number DESC
    ) AS secrets
FROM delivery.endpoint
WHERE endpoint_id = %(endpoint_id)s AND state = 'enabled'
    AND coalesce(paused_until <= now(), true);

-- name: due_deliveries
SELECT
    notice_id::text AS notice_id, revision, attempts, since, event, content, at
FROM delivery.delivery
JOIN delivery.notice USING (notice_id, revision)
WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting' AND due_at <= now()
ORDER BY due_at, at
LIMIT 20;

-- name: put_attempt
-- The attempt, what it leaves of the delivery, and what it says of the endpoint; once.
WITH tried AS (
    INSERT INTO delivery.attempt
        (attempt_id, endpoint_id, notice_id, revision, at, outcome, status, seconds)
    VALUES (
        %(attempt_id)s, %(endpoint_id)s, %(notice_id)s, %(revision)s, %(at)s, %(outcome)s,
        %(status)s, %(seconds)s
    )
    ON CONFLICT (attempt_id) DO NOTHING
    RETURNING attempt_id
),
settled AS (
    UPDATE delivery.delivery
    SET
        state = %(state)s,
        attempts = attempts + 1,
        due_at = coalesce(%(due_at)s, due_at)
    FROM tried
    WHERE (endpoint_id, notice_id, revision)
        = (%(endpoint_id)s::uuid, %(notice_id)s::uuid, %(revision)s) AND state = 'waiting'
)
UPDATE delivery.endpoint
SET
    failures = %(failures)s,
    paused_until = %(paused_until)s,
    state = CASE WHEN %(gone)s AND state = 'enabled' THEN 'gone' ELSE state END
FROM tried
WHERE endpoint_id = %(endpoint_id)s AND (failures <> %(failures)s OR %(gone)s);

-- name: next_delivery
-- When there is something to send again; null when nothing waits or nothing may be sent.
SELECT greatest(min(due_at), paused_until) AS at
FROM delivery.delivery
JOIN delivery.endpoint USING (endpoint_id)
WHERE endpoint_id = %(endpoint_id)s AND delivery.state = 'waiting' AND endpoint.state = 'enabled'
GROUP BY paused_until;

-- name: due_endpoints
SELECT endpoint_id::text AS endpoint_id
FROM delivery.endpoint
WHERE state = 'enabled' AND coalesce(paused_until <= now(), true) AND EXISTS (
    SELECT FROM delivery.delivery
    WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'waiting'
        AND due_at <= now()
);

-- name: expire_deliveries
-- What was not even tried when its time was over, for its endpoint was paused or disabled.
UPDATE delivery.delivery
SET state = 'expired'
FROM delivery.endpoint
WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'waiting'
    AND since < now() - %(after)s
RETURNING endpoint.endpoint_id::text AS endpoint_id, unit, kind;

-- name: waiting_deliveries
SELECT unit, kind, count(*) AS count, extract(epoch FROM min(since))::float8 AS since
FROM delivery.delivery
JOIN delivery.endpoint USING (endpoint_id)
WHERE delivery.state = 'waiting'
GROUP BY unit, kind;

-- name: count_endpoints
SELECT kind, state, count(*) AS count FROM delivery.endpoint GROUP BY kind, state;

-- name: add_endpoint
INSERT INTO delivery.endpoint (endpoint_id, unit, kind, address, network)
VALUES (%(endpoint_id)s, %(unit)s, %(kind)s, %(address)s, %(network)s);

-- name: find_endpoint
SELECT endpoint_id::text AS endpoint_id, unit, kind, state FROM delivery.endpoint
WHERE endpoint_id = %(endpoint_id)s AND state <> 'removed';

-- name: endpoint_of_address
SELECT endpoint_id::text AS endpoint_id FROM delivery.endpoint
WHERE (unit, kind, address) = (%(unit)s, %(kind)s, %(address)s) AND state <> 'removed';

-- name: list_endpoints
SELECT
    endpoint_id::text AS endpoint_id, unit, kind, address, network, endpoint.state, failures,
    count(*) FILTER (WHERE delivery.state = 'waiting') AS waiting,
    count(*) FILTER (WHERE delivery.state = 'delivered') AS delivered,
    count(*) FILTER (WHERE delivery.state IN ('refused', 'expired')) AS failed,
    (
        SELECT outcome FROM delivery.attempt
        WHERE attempt.endpoint_id = endpoint.endpoint_id
        ORDER BY number DESC
        LIMIT 1
    ) AS last
FROM delivery.endpoint
LEFT JOIN delivery.delivery USING (endpoint_id)
WHERE endpoint.state <> 'removed'
GROUP BY endpoint_id
ORDER BY unit, kind, address;

-- name: set_endpoint_state
UPDATE delivery.endpoint SET state = %(state)s, failures = 0, paused_until = NULL
WHERE endpoint_id = %(endpoint_id)s;

-- name: drop_deliveries
UPDATE delivery.delivery SET state = 'dropped'
WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting';

-- name: add_secret
INSERT INTO delivery.secret (endpoint_id, number, secret)
VALUES (
    %(endpoint_id)s,
    coalesce((
        SELECT max(number) + 1 FROM delivery.secret WHERE endpoint_id = %(endpoint_id)s
    ), 1),
    %(secret)s
);

-- name: end_secrets
-- The newest goes on being valid beside its successor until the time given; older ones are gone.
WITH older AS (
    DELETE FROM delivery.secret
    WHERE endpoint_id = %(endpoint_id)s AND ends_at IS NOT NULL
)
UPDATE delivery.secret SET ends_at = now() + %(after)s
WHERE endpoint_id = %(endpoint_id)s AND ends_at IS NULL;

-- name: remove_secrets
DELETE FROM delivery.secret WHERE endpoint_id = %(endpoint_id)s;

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

-- name: told_notice
-- One that the asking unit has been told.
SELECT
    notice_id, revision, issued, unit, kind, cause, boundary, units, remarks, regions, case_unit,
    case_id, persons, exploitation, urgent, disclosure, answer_within_hours, contact, proposal_id,
    item, due_on, department, said_at, answer_until, answer, answer_revision, answer_reason,
    answer_role
FROM registry.told_notice(%(notice_id)s);

-- name: handover
-- One that the asking unit has a part in.
SELECT
    kind, unit, record_id, owner, offered_to, asked_back, givers, readers, head, taken, refused
FROM registry.handover_of(%(kind)s, %(unit)s, %(record_id)s);

-- name: tip_state
-- One that the asking unit has a part in.
SELECT
    unit, tip_id, revision, place, urgent, duty, may, had, verdict, case_unit, case_id, case_known,
    reason, triaged_by, role, head, triages, taken, refused, due_at
FROM registry.tip_state(%(unit)s, %(tip_id)s);

-- name: registered_tip_state
-- The same for the office.
SELECT
    tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
    tip.verdict, tip.case_unit, tip.case_id, coalesce(linked.reported, false) AS case_known,
    tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
    notice.answer_until AS due_at
FROM registry.tip
LEFT JOIN registry.tip_case AS linked USING (unit, tip_id)
LEFT JOIN registry.notice
    ON (notice.kind, notice.contact, notice.cause, notice.unit)
    = ('tip', tip.unit, tip.tip_id, tip.duty)
    AND notice.issued
WHERE (tip.unit, tip.tip_id) = (%(unit)s, %(tip_id)s);

-- name: own_items_of_file
-- What one file owes that the asking unit may see.
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.items_of_file(%(rescue_unit)s, %(rescue_id)s)
ORDER BY due_on, item;

-- name: items_of_file
SELECT
    rescue_unit, rescue_id, item, owner, lead, assisting, clause, due_from, due_on, lapses_on, state
FROM registry.file_due
WHERE (rescue_unit, rescue_id) = (%(rescue_unit)s, %(rescue_id)s)
ORDER BY due_on, item;
