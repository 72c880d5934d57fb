-- What each role may read, write and execute; `docs/security.md` says why. No right is given
-- elsewhere, but for connecting (`database.sql`).
--
-- Roles: crossregion owns the tables and reads no row; crossregion_registry is the registry worker,
-- crossregion_delivery the worker that brings notices; crossregion_office the office's analysts;
-- crossregion_operator who keeps the system; crossregion_supervision who counts; crossregion_unit
-- every unit. Nobody logs in as crossregion_own, crossregion_summary or crossregion_audit: they own
-- the functions by which others reach what they may not read themselves.

-- name: kept
-- Audit and delivery, which survive a rebuild of the registry.

-- No row is read or written but by a policy, not even by the tables' owner, and the chain is not
-- changed by it.
ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.turn ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.ticket ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
REVOKE UPDATE, DELETE, TRUNCATE ON audit.entry, audit.turn, audit.ticket FROM CURRENT_USER;
GRANT USAGE ON SCHEMA audit TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_supervision,
    crossregion_own, crossregion_audit;

-- The audit's functions add rows to the chain.
CREATE POLICY append ON audit.entry FOR INSERT TO crossregion_audit WITH CHECK (true);
CREATE POLICY last ON audit.entry FOR SELECT TO crossregion_audit USING (true);
CREATE POLICY append ON audit.turn TO crossregion_audit USING (true);
CREATE POLICY append ON audit.ticket TO crossregion_audit USING (true);
GRANT INSERT, SELECT (number, hash) ON audit.entry TO crossregion_audit;
GRANT SELECT, UPDATE ON audit.turn TO crossregion_audit;
GRANT SELECT, INSERT, UPDATE (number), DELETE ON audit.ticket TO crossregion_audit;

-- The registry worker says where the chain ends; operators verify it.
CREATE POLICY head ON audit.entry FOR SELECT TO crossregion_registry USING (true);
CREATE POLICY verify ON audit.entry FOR SELECT TO crossregion_operator USING (true);
GRANT SELECT (number, hash) ON audit.entry TO crossregion_registry;
GRANT SELECT ON audit.entry TO crossregion_operator;

-- A unit's functions see the questions of the role that asks, and not what for.
CREATE POLICY own ON audit.ticket FOR SELECT TO crossregion_own
USING (
    login = session_user AND role = coalesce(nullif(current_setting('role'), 'none'), session_user)
);
GRANT SELECT (ticket, at, login, role, kind, unit, record_id, number)
ON audit.ticket TO crossregion_own;

-- Who notes what; a unit only asks, and the registry worker puts that into the chain.
SET LOCAL ROLE crossregion_audit;
GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text)
TO crossregion, crossregion_office, crossregion_operator, crossregion_supervision;
GRANT EXECUTE ON FUNCTION audit.ask(text, text, text, text, text) TO crossregion_own;
GRANT EXECUTE ON FUNCTION audit.chain() TO crossregion_registry;
RESET ROLE;

-- The delivery worker sees every row of its schema, with the tables of the scheduling library.
GRANT USAGE ON SCHEMA delivery TO crossregion_delivery, crossregion_operator;
DO $$
DECLARE
    made regclass;
BEGIN
    FOR made IN SELECT oid FROM pg_class
        WHERE relnamespace = 'delivery'::regnamespace AND relkind = 'r'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
        EXECUTE format('CREATE POLICY worker ON %s TO crossregion_delivery USING (true)', made);
    END LOOP;
END
$$;
GRANT SELECT ON delivery.endpoint, delivery.secret TO crossregion_delivery;
GRANT UPDATE (state, failures, paused_until) ON delivery.endpoint TO crossregion_delivery;
GRANT SELECT, INSERT ON delivery.notice, delivery.attempt TO crossregion_delivery;
GRANT SELECT, INSERT, UPDATE ON delivery.delivery TO crossregion_delivery;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    delivery.procrastinate_jobs, delivery.procrastinate_events, delivery.procrastinate_workers,
    delivery.procrastinate_periodic_defers
TO crossregion_delivery;
GRANT USAGE ON
    delivery.procrastinate_jobs_id_seq, delivery.procrastinate_events_id_seq,
    delivery.procrastinate_periodic_defers_id_seq
TO crossregion_delivery;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA delivery TO crossregion_delivery;

-- Operators make endpoints and see what became of deliveries; a secret they write and never read.
CREATE POLICY operator ON delivery.endpoint TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.secret TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.delivery TO crossregion_operator USING (true);
CREATE POLICY operator ON delivery.attempt FOR SELECT TO crossregion_operator USING (true);
GRANT SELECT, INSERT ON delivery.endpoint TO crossregion_operator;
GRANT UPDATE (state, failures, paused_until) ON delivery.endpoint TO crossregion_operator;
GRANT SELECT (endpoint_id, number, ends_at), INSERT, UPDATE (ends_at), DELETE
ON delivery.secret TO crossregion_operator;
GRANT SELECT, UPDATE (state) ON delivery.delivery TO crossregion_operator;
GRANT SELECT ON delivery.attempt TO crossregion_operator;

-- name: derived
-- Registry and supervision, which are made anew by a rebuild.
GRANT USAGE ON SCHEMA registry TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_supervision,
    crossregion_unit, crossregion_own, crossregion_summary;

-- No row is read or written but by a policy, not even by the tables' owner. The registry worker and
-- the office are kept from no row; what they may do with each table is granted below.
DO $$
DECLARE
    made regclass;
BEGIN
    FOR made IN SELECT oid FROM pg_class
        WHERE relnamespace = 'registry'::regnamespace AND relkind = 'r'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
        EXECUTE format('CREATE POLICY worker ON %s TO crossregion_registry USING (true)', made);
        IF made <> 'registry.topic'::regclass THEN
            EXECUTE format(
                'CREATE POLICY office ON %s FOR SELECT TO crossregion_office USING (true)', made
            );
        END IF;
    END LOOP;
END
$$;

-- The registry worker writes. It reads back what it has to compare with, and of a record no more
-- than its places, its days and how old its victims were.
GRANT INSERT ON
    registry.sighting, registry.record_revision, registry.flag, registry.dead_letter
TO crossregion_registry;
GRANT SELECT, INSERT ON registry.topic, registry.tip_route TO crossregion_registry;
GRANT SELECT, INSERT, UPDATE ON
    registry.record, registry.proposal, registry.dead_letter_outcome, registry.decision,
    registry.notice, registry.reassignment, registry.handover_step, registry.handover,
    registry.file_note, registry.triage, registry.tip
TO crossregion_registry;
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.acknowledgement TO crossregion_registry;
GRANT SELECT, INSERT, DELETE ON
    registry.link, registry.confirmed_flag, registry.disclosure, registry.file_item
TO crossregion_registry;
GRANT SELECT (
    kind, unit, record_id, revision, digest, legs, lost_on, found_at, age_bands
) ON registry.record_revision TO crossregion_registry;
GRANT SELECT (kind, unit, record_id, age_band), INSERT, DELETE
    ON registry.person TO crossregion_registry;
GRANT SELECT (dead_letter_id), UPDATE (reason, detail, event)
ON registry.dead_letter TO crossregion_registry;
GRANT SELECT (agreement_id, revision, digest, received_at), INSERT, UPDATE (received_at)
ON registry.agreement TO crossregion_registry;
GRANT SELECT (notice_id, revision, event_id, said_at), INSERT, UPDATE (event_id, said_at)
ON registry.notice_said TO crossregion_registry;
GRANT SELECT (kind, unit, record_id, revision, digest, received_at), INSERT, UPDATE (received_at)
ON registry.fact TO crossregion_registry;
GRANT SELECT ON registry.file_due TO crossregion_registry;
GRANT EXECUTE ON FUNCTION registry.today() TO crossregion_registry;

-- The office's analysts read; the bytes of dead letters are the operators'.
GRANT SELECT ON
    registry.sighting, registry.record_revision, registry.record, registry.person, registry.flag,
    registry.proposal, registry.dead_letter_outcome, registry.decision, registry.link,
    registry.confirmed_flag, registry.agreement, registry.agreement_held, registry.case_ends,
    registry.corridor, registry.notice, registry.notice_said, registry.acknowledgement,
    registry.reassignment, registry.disclosure, registry.handover_step, registry.handover,
    registry.file_note, registry.file_item, registry.file_due, registry.file_overdue,
    registry.fact, registry.tip_route, registry.triage, registry.tip, registry.tip_case
TO crossregion_office;
GRANT SELECT (dead_letter_id, topic, partition, "offset", event_id, reason, detail)
ON registry.dead_letter TO crossregion_office;
GRANT EXECUTE ON FUNCTION registry.today() TO crossregion_office;

-- Operators read dead letters.
CREATE POLICY operator ON registry.dead_letter FOR SELECT TO crossregion_operator USING (true);
CREATE POLICY operator ON registry.dead_letter_outcome
FOR SELECT TO crossregion_operator USING (true);
GRANT SELECT ON registry.dead_letter, registry.dead_letter_outcome TO crossregion_operator;

-- Who supervises reads what is counted and no record: a report cannot hold a person by mistake.
CREATE POLICY supervision ON registry.fact FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.notice_said
FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.acknowledgement
FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.decision FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.agreement FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.handover FOR SELECT TO crossregion_supervision USING (true);
CREATE POLICY supervision ON registry.handover_step
FOR SELECT TO crossregion_supervision USING (true);
GRANT SELECT ON registry.fact, registry.notice_said TO crossregion_supervision;
GRANT SELECT (notice_id, unit, notice_revision, answer, received_at, event_id)
ON registry.acknowledgement TO crossregion_supervision;
GRANT SELECT (
    proposal_id, "offset", verdict, refused, case_unit, case_id, rescue_unit, rescue_id, received_at
) ON registry.decision TO crossregion_supervision;
GRANT SELECT (agreement_id, revision, digest, units, valid_from, valid_to, received_at)
ON registry.agreement TO crossregion_supervision;
GRANT SELECT (kind, unit, record_id, taken) ON registry.handover TO crossregion_supervision;
GRANT SELECT (step_id, action, unit, milliseconds)
ON registry.handover_step TO crossregion_supervision;
GRANT USAGE ON SCHEMA supervision TO crossregion_supervision;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA supervision TO crossregion_supervision;

-- A unit has the right to the functions below and to no table: EXPLAIN would count the rows that a
-- policy hides, and so tell which ids there are.

-- Which unit that is: the role that has logged in, or that the session acts as.
CREATE FUNCTION registry.asking_unit() RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN substring(
    coalesce(nullif(current_setting('role'), 'none'), session_user) FROM '^unit_(.+)$'
);
GRANT EXECUTE ON FUNCTION registry.asking_unit()
TO crossregion_unit, crossregion_own, crossregion_summary;
GRANT EXECUTE ON FUNCTION registry.today() TO crossregion_unit, crossregion_own;

-- 1. Whole records and what concerns them. The functions' owner, crossregion_own, sees no more than
-- the asking unit may: every policy below names that unit.
GRANT SELECT ON
    registry.record_revision, registry.notice, registry.disclosure, registry.handover,
    registry.file_note, registry.file_item, registry.file_due, registry.tip
TO crossregion_own;
GRANT SELECT (proposal_id, case_unit, case_id, rescue_unit, rescue_id)
ON registry.link TO crossregion_own;

-- What it reported, every revision.
CREATE POLICY own ON registry.record_revision FOR SELECT TO crossregion_own, crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.record FOR SELECT TO crossregion_own, crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.person FOR SELECT TO crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.flag FOR SELECT TO crossregion_unit
USING (unit = (SELECT registry.asking_unit()));
CREATE FUNCTION registry.own_records() RETURNS SETOF registry.record_revision
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.record_revision WHERE unit = (SELECT registry.asking_unit());
END;

-- Whether it has reported a record, and whether this content of a tip is recorded: from tables
-- without what the records say, so that no whole record is read to know it.
CREATE POLICY own ON registry.tip_route FOR SELECT TO crossregion_own
USING (unit = (SELECT registry.asking_unit()));
GRANT SELECT (kind, unit, record_id) ON registry.record TO crossregion_own;
GRANT SELECT (unit, tip_id, digest) ON registry.tip_route TO crossregion_own;
CREATE FUNCTION registry.has_record(of_kind text, of_record text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM registry.record
    WHERE (kind, unit, record_id) = (of_kind, (SELECT registry.asking_unit()), of_record)
);
CREATE FUNCTION registry.has_tip(of_tip text, of_digest text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM registry.tip_route
    WHERE (unit, tip_id, digest) = ((SELECT registry.asking_unit()), of_tip, of_digest)
);

-- What it was told.
CREATE POLICY own ON registry.notice FOR SELECT TO crossregion_own
USING (unit = (SELECT registry.asking_unit()));
CREATE FUNCTION registry.told_notices() RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice;
END;
CREATE FUNCTION registry.told_notice(notice_id text) RETURNS SETOF registry.notice
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.notice AS told WHERE told.notice_id = told_notice.notice_id;
END;

-- Where records stand that it registered, owns, is offered, or has had.
CREATE POLICY own ON registry.handover FOR SELECT TO crossregion_own
USING (
    (SELECT registry.asking_unit()) IN (unit, owner, offered_to)
    OR readers ? (SELECT registry.asking_unit())
);
CREATE FUNCTION registry.handovers() RETURNS SETOF registry.handover
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.handover;
END;
CREATE FUNCTION registry.handover_of(kind text, unit text, record_id text)
RETURNS SETOF registry.handover
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.handover AS held
    WHERE (held.kind, held.unit, held.record_id)
        = (handover_of.kind, handover_of.unit, handover_of.record_id);
END;

-- The files of the persons that it registered or has ever owned.
CREATE POLICY own ON registry.file_note FOR SELECT TO crossregion_own
USING (
    rescue_unit = (SELECT registry.asking_unit())
    OR (rescue_unit, rescue_id) IN (
        SELECT handover.unit, handover.record_id
        FROM registry.handover
        WHERE handover.kind = 'rescue' AND handover.readers ? (SELECT registry.asking_unit())
    )
);
CREATE POLICY own ON registry.file_item FOR SELECT TO crossregion_own
USING (
    rescue_unit = (SELECT registry.asking_unit())
    OR (rescue_unit, rescue_id) IN (
        SELECT handover.unit, handover.record_id
        FROM registry.handover
        WHERE handover.kind = 'rescue' AND handover.readers ? (SELECT registry.asking_unit())
    )
);
CREATE FUNCTION registry.file_items() RETURNS SETOF registry.file_due
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_due;
END;
CREATE FUNCTION registry.items_of_file(of_unit text, of_rescue text)
RETURNS SETOF registry.file_due
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_due WHERE (rescue_unit, rescue_id) = (of_unit, of_rescue);
END;
CREATE FUNCTION registry.file_notes() RETURNS SETOF registry.file_note
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_note;
END;
CREATE FUNCTION registry.notes_of_file(of_unit text, of_rescue text)
RETURNS SETOF registry.file_note
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM registry.file_note WHERE (rescue_unit, rescue_id) = (of_unit, of_rescue);
END;

-- Where those tips stand that it received or had to triage, and those linked to its cases: to those
-- it reported, and to those it owns since they were handed over.
CREATE POLICY own ON registry.tip FOR SELECT TO crossregion_own
USING (
    (SELECT registry.asking_unit()) IN (unit, duty)
    OR had ? (SELECT registry.asking_unit())
    OR (
        verdict = 'linked'
        AND (
            case_unit = (SELECT registry.asking_unit())
            OR (case_unit, case_id) IN (
                SELECT handover.unit, handover.record_id
                FROM registry.handover
                WHERE handover.kind = 'case'
                    AND handover.owner = (SELECT registry.asking_unit())
            )
        )
    )
);
CREATE FUNCTION registry.tips() RETURNS TABLE (
    unit text,
    tip_id text,
    revision bigint,
    place text,
    urgent boolean,
    duty text,
    may jsonb,
    had jsonb,
    verdict text,
    case_unit text,
    case_id text,
    case_known boolean,
    reason text,
    triaged_by text,
    role text,
    head text,
    triages bigint,
    taken jsonb,
    refused jsonb,
    due_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
        tip.verdict, tip.case_unit, tip.case_id,
        EXISTS (
            SELECT FROM registry.record_revision AS known
            WHERE (known.kind, known.unit, known.record_id)
                = ('case', tip.case_unit, tip.case_id)
        ),
        tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
        notice.answer_until
    FROM registry.tip
    LEFT JOIN registry.notice
        ON (notice.kind, notice.contact, notice.cause, notice.unit)
        = ('tip', tip.unit, tip.tip_id, tip.duty)
        AND notice.issued;
END;
CREATE FUNCTION registry.tip_state(of_unit text, of_tip text) RETURNS TABLE (
    unit text,
    tip_id text,
    revision bigint,
    place text,
    urgent boolean,
    duty text,
    may jsonb,
    had jsonb,
    verdict text,
    case_unit text,
    case_id text,
    case_known boolean,
    reason text,
    triaged_by text,
    role text,
    head text,
    triages bigint,
    taken jsonb,
    refused jsonb,
    due_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        tip.unit, tip.tip_id, tip.revision, tip.place, tip.urgent, tip.duty, tip.may, tip.had,
        tip.verdict, tip.case_unit, tip.case_id,
        EXISTS (
            SELECT FROM registry.record_revision AS known
            WHERE (known.kind, known.unit, known.record_id)
                = ('case', tip.case_unit, tip.case_id)
        ),
        tip.reason, tip.triaged_by, tip.role, tip.head, tip.triages, tip.taken, tip.refused,
        notice.answer_until
    FROM registry.tip
    LEFT JOIN registry.notice
        ON (notice.kind, notice.contact, notice.cause, notice.unit)
        = ('tip', tip.unit, tip.tip_id, tip.duty)
        AND notice.issued
    WHERE (tip.unit, tip.tip_id) = (of_unit, of_tip);
END;

-- Whole records of others: of a case once its notice is accepted, with both records of a confirmed
-- pair; of what it has or had by a hand-over; and the entries of the files that it may see.
CREATE POLICY own ON registry.disclosure FOR SELECT TO crossregion_own
USING (reader = (SELECT registry.asking_unit()));
CREATE POLICY own ON registry.link FOR SELECT TO crossregion_own USING (true);
CREATE FUNCTION registry.readable_records()
RETURNS TABLE (basis text, kind text, unit text, record_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT disclosure.notice_id, 'case', disclosure.case_unit, disclosure.case_id
    FROM registry.disclosure
    WHERE disclosure.case_id IS NOT NULL
    UNION
    SELECT disclosure.notice_id, one.kind, one.unit, one.record_id
    FROM registry.disclosure
    JOIN registry.link ON link.proposal_id::text = disclosure.proposal_id
    CROSS JOIN LATERAL (
        VALUES ('case', link.case_unit, link.case_id), ('rescue', link.rescue_unit, link.rescue_id)
    ) AS one (kind, unit, record_id)
    UNION
    SELECT 'handover', handover.kind, handover.unit, handover.record_id
    FROM registry.handover
    WHERE handover.readers ? (SELECT registry.asking_unit())
    UNION
    SELECT 'file', note.kind, note.unit, note.record_id
    FROM registry.file_note AS note
    WHERE note.kind <> 'rescue';
END;
CREATE POLICY disclosed ON registry.record_revision FOR SELECT TO crossregion_own
USING (
    (kind, unit, record_id) IN (
        SELECT known.kind, known.unit, known.record_id FROM registry.readable_records() AS known
    )
);

-- Whole tips of others: what is its to triage, and what is linked to its case once it has accepted
-- the notice of that.
CREATE FUNCTION registry.readable_tips() RETURNS TABLE (unit text, tip_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT tip.unit, tip.tip_id
    FROM registry.tip
    WHERE tip.duty = (SELECT registry.asking_unit())
    UNION
    SELECT tip.unit, tip.tip_id
    FROM registry.disclosure
    JOIN registry.notice USING (notice_id)
    JOIN registry.tip ON (tip.unit, tip.tip_id) = (notice.contact, notice.cause)
    WHERE notice.kind = 'tip-linked';
END;
CREATE POLICY tip ON registry.record_revision FOR SELECT TO crossregion_own
USING (
    kind = 'tip'
    AND (unit, record_id) IN (
        SELECT known.unit, known.tip_id FROM registry.readable_tips() AS known
    )
);

-- Each reading of another's record is noted first: a ticket for a record that the asking unit may
-- read, nothing for another.
CREATE FUNCTION registry.ask_record(
    kind text, unit text, record_id text, actor text, purpose text
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM registry.record_revision AS whole
        WHERE (whole.kind, whole.unit, whole.record_id)
            = (ask_record.kind, ask_record.unit, ask_record.record_id)
    ) THEN
        RETURN NULL;
    END IF;
    RETURN audit.ask(
        ask_record.kind, ask_record.unit, ask_record.record_id, ask_record.actor,
        ask_record.purpose
    );
END
$$;

-- Only what the registry worker has committed is in the chain, so nothing that the asking unit does
-- with its own transaction takes it back.
CREATE FUNCTION registry.read_record(ticket uuid) RETURNS TABLE (revision bigint, record jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT whole.revision, whole.record
    FROM audit.ticket AS asked
    JOIN registry.record_revision AS whole USING (kind, unit, record_id)
    WHERE asked.ticket = read_record.ticket AND asked.number IS NOT NULL
        AND asked.at > clock_timestamp() - interval '5 minutes'
    ORDER BY whole.revision DESC, whole.digest DESC
    LIMIT 1;
END;

-- 2. What the units concerned may see of a case: who reported it, whom its flag tells, and the unit
-- of a rescue that may be or is confirmed to be of the same person. The function's owner,
-- crossregion_summary, sees every case and has no right to any name or number, so that no mistake
-- in it can show one.
CREATE POLICY summary ON registry.record_revision FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.record FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.person FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.flag FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.proposal FOR SELECT TO crossregion_summary USING (open);
CREATE POLICY summary ON registry.link FOR SELECT TO crossregion_summary USING (true);
CREATE POLICY summary ON registry.confirmed_flag FOR SELECT TO crossregion_summary USING (true);
GRANT SELECT (kind, unit, record_id, revision, digest, exploitation)
ON registry.record_revision TO crossregion_summary;
GRANT SELECT (kind, unit, record_id, age_band, sex) ON registry.person TO crossregion_summary;
GRANT SELECT ON registry.record, registry.flag TO crossregion_summary;
GRANT SELECT (case_unit, case_id, rescue_unit, probability, open)
ON registry.proposal TO crossregion_summary;
GRANT SELECT (case_unit, case_id, rescue_unit) ON registry.link TO crossregion_summary;
GRANT SELECT (unit, case_id, told) ON registry.confirmed_flag TO crossregion_summary;
CREATE FUNCTION registry.case_summary() RETURNS TABLE (
    unit text,
    case_id text,
    boundary text,
    at_least text,
    source_unit text,
    destination_unit text,
    kinds jsonb,
    persons jsonb
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        record.unit,
        record.record_id,
        flag.boundary,
        flag.at_least,
        flag.source_unit,
        flag.destination_unit,
        revision.exploitation,
        (
            SELECT jsonb_agg(
                jsonb_build_object('age_band', person.age_band, 'sex', person.sex)
                ORDER BY person.age_band, person.sex
            )
            FROM registry.person
            WHERE (person.kind, person.unit, person.record_id)
                = (record.kind, record.unit, record.record_id)
        )
    FROM registry.record
    JOIN registry.record_revision AS revision USING (kind, unit, record_id, revision, digest)
    LEFT JOIN registry.flag
        ON (flag.unit, flag.case_id, flag.revision, flag.digest)
        = (record.unit, record.record_id, record.revision, record.digest)
    WHERE record.kind = 'case' AND (
        record.unit = registry.asking_unit()
        OR flag.told ? registry.asking_unit()
        OR EXISTS (
            SELECT FROM registry.proposal
            WHERE (proposal.case_unit, proposal.case_id, proposal.rescue_unit)
                = (record.unit, record.record_id, registry.asking_unit())
                AND proposal.open AND proposal.probability >= 0.5
        )
        OR EXISTS (
            SELECT FROM registry.link
            WHERE (link.case_unit, link.case_id, link.rescue_unit)
                = (record.unit, record.record_id, registry.asking_unit())
        )
        OR EXISTS (
            SELECT FROM registry.confirmed_flag AS confirmed
            WHERE (confirmed.unit, confirmed.case_id) = (record.unit, record.record_id)
                AND confirmed.told ? registry.asking_unit()
        )
    );
END;

GRANT EXECUTE ON FUNCTION
    registry.own_records(), registry.has_record(text, text), registry.has_tip(text, text),
    registry.told_notices(), registry.told_notice(text),
    registry.handovers(), registry.handover_of(text, text, text),
    registry.file_items(), registry.items_of_file(text, text),
    registry.file_notes(), registry.notes_of_file(text, text),
    registry.tips(), registry.tip_state(text, text),
    registry.readable_records(), registry.readable_tips(),
    registry.ask_record(text, text, text, text, text), registry.read_record(uuid),
    registry.case_summary()
TO crossregion_unit;

-- The functions' owners; they may make nothing else.
GRANT CREATE ON SCHEMA registry TO crossregion_own, crossregion_summary;
ALTER FUNCTION registry.own_records() OWNER TO crossregion_own;
ALTER FUNCTION registry.has_record(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.has_tip(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.told_notices() OWNER TO crossregion_own;
ALTER FUNCTION registry.told_notice(text) OWNER TO crossregion_own;
ALTER FUNCTION registry.handovers() OWNER TO crossregion_own;
ALTER FUNCTION registry.handover_of(text, text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.file_items() OWNER TO crossregion_own;
ALTER FUNCTION registry.items_of_file(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.file_notes() OWNER TO crossregion_own;
ALTER FUNCTION registry.notes_of_file(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.tips() OWNER TO crossregion_own;
ALTER FUNCTION registry.tip_state(text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.readable_records() OWNER TO crossregion_own;
ALTER FUNCTION registry.readable_tips() OWNER TO crossregion_own;
ALTER FUNCTION registry.ask_record(text, text, text, text, text) OWNER TO crossregion_own;
ALTER FUNCTION registry.read_record(uuid) OWNER TO crossregion_own;
ALTER FUNCTION registry.case_summary() OWNER TO crossregion_summary;
REVOKE CREATE ON SCHEMA registry FROM crossregion_own, crossregion_summary;
