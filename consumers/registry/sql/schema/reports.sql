-- What supervision counts: codes and days of every revision, and when the broker had what was said.
-- The figures are functions of a period and of a moment of knowledge, so that a report can be made
-- again a year later. Only the broker's time says what was known. Derived from the topics.

-- What each revision says in codes and days. No person stands here: what is erased elsewhere still
-- counts. `received_at` is the broker's time of its first record, here as below.
CREATE TABLE registry.fact (
    kind text NOT NULL,
    unit text NOT NULL,
    record_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    event_id text NOT NULL,
    received_at timestamptz,
    reported_on date,
    happened_on date,
    status text,
    venue text,
    guardian text,
    age_band text,
    from_unit text,
    to_unit text,
    open_end boolean NOT NULL,
    reference text,
    rescue_unit text,
    rescue_id text,
    aid text,
    started_on date,
    done_on date,
    notice_on date,
    placed_on date,
    first_certificate_on date,
    second_certificate_on date,
    PRIMARY KEY (kind, unit, record_id, revision, digest)
);

CREATE SCHEMA supervision;

-- Days are those of Shanghai, which has had one zone for as long as there are brokers.
CREATE FUNCTION supervision.day_of(moment timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE
RETURN (moment AT TIME ZONE interval '8 hours')::date;

-- The last moment that a period's state is taken at: it was known, and the period was not over.
CREATE FUNCTION supervision.cut(until date, known_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
RETURN least(
    known_at,
    (until + 1)::timestamp AT TIME ZONE interval '8 hours' - interval '1 millisecond'
);

-- A day after the broker had what names it is none: it has not been yet.
CREATE FUNCTION supervision.past("on" date, received_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN past."on" <= supervision.day_of(past.received_at) THEN past."on" END;

-- The revision of each record that held as known then.
CREATE FUNCTION supervision.held(kind text, known_at timestamptz) RETURNS SETOF registry.fact
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT DISTINCT ON (fact.unit, fact.record_id)
        fact.kind, fact.unit, fact.record_id, fact.revision, fact.digest, fact.event_id,
        fact.received_at,
        supervision.past(fact.reported_on, fact.received_at),
        supervision.past(fact.happened_on, fact.received_at),
        fact.status, fact.venue, fact.guardian, fact.age_band, fact.from_unit, fact.to_unit,
        fact.open_end, fact.reference, fact.rescue_unit, fact.rescue_id, fact.aid,
        supervision.past(fact.started_on, fact.received_at),
        supervision.past(fact.done_on, fact.received_at),
        supervision.past(fact.notice_on, fact.received_at),
        supervision.past(fact.placed_on, fact.received_at),
        supervision.past(fact.first_certificate_on, fact.received_at),
        supervision.past(fact.second_certificate_on, fact.received_at)
    FROM registry.fact
    WHERE fact.kind = held.kind AND fact.received_at <= held.known_at
    ORDER BY fact.unit, fact.record_id, fact.revision DESC, fact.digest DESC;
END;

-- The newest that the registry has read, by the broker's time.
CREATE FUNCTION supervision.newest() RETURNS timestamptz
LANGUAGE sql STABLE
RETURN greatest(
    (SELECT max(fact.received_at) FROM registry.fact),
    (SELECT max(notice_said.said_at) FROM registry.notice_said),
    (SELECT max(acknowledgement.received_at) FROM registry.acknowledgement),
    (SELECT max(decision.received_at) FROM registry.decision),
    (SELECT max(agreement.received_at) FROM registry.agreement),
    (SELECT to_timestamp(max(handover_step.milliseconds) / 1000.0) FROM registry.handover_step)
);

-- Whether everything that the registry holds is counted: not in a database that had read records
-- before there was a count, which only a rebuild makes whole.
CREATE FUNCTION supervision.whole() RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;

-- Each function below has a row for everything that a figure counts, with the event that says so.

-- Of the cases reported in the period by their own day: which are solved. A case that has moved on
-- (rescued, in assistance, closed) is what it was before; one that never said is unclear.
CREATE FUNCTION supervision.solved_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, unit text, "on" date, event_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH said AS (
        SELECT
            fact.unit, fact.record_id, fact.revision, fact.status, fact.event_id,
            supervision.past(fact.reported_on, fact.received_at) AS reported_on,
            lag(fact.revision) OVER (
                PARTITION BY fact.unit, fact.record_id
                ORDER BY fact.revision DESC, fact.digest DESC
            ) AS newer
        FROM registry.fact
        WHERE fact.kind = 'case' AND fact.received_at <= solved_events.known_at
    ),
    reported AS (
        SELECT
            said.unit,
            min(said.reported_on) FILTER (WHERE said.newer IS NULL) AS reported_on,
            min(said.event_id) FILTER (WHERE said.newer IS NULL) AS event_id,
            (array_agg(ARRAY[said.status, said.event_id] ORDER BY said.revision DESC) FILTER (
                WHERE said.newer IS DISTINCT FROM said.revision
                    AND said.status IN ('SOLVED', 'REPORTED', 'UNDER_INVESTIGATION')
            ))[1:1] AS decisive
        FROM said
        GROUP BY said.unit, said.record_id
    )
    SELECT counted.figure, reported.unit, reported.reported_on, counted.event_id
    FROM reported
    CROSS JOIN LATERAL (
        VALUES
            ('reported', reported.event_id),
            (
                'solved',
                CASE WHEN reported.decisive[1][1] = 'SOLVED' THEN reported.decisive[1][2] END
            ),
            ('unclear', CASE WHEN reported.decisive IS NULL THEN reported.event_id END)
    ) AS counted (figure, event_id)
    WHERE reported.reported_on BETWEEN solved_events.since AND solved_events.until
        AND counted.event_id IS NOT NULL;
END;

CREATE FUNCTION supervision.solved(since date, until date, known_at timestamptz, pattern text)
RETURNS TABLE (unit text, period text, reported bigint, solved bigint, unclear bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        one.unit,
        to_char(one."on", solved.pattern),
        count(*) FILTER (WHERE one.figure = 'reported'),
        count(*) FILTER (WHERE one.figure = 'solved'),
        count(*) FILTER (WHERE one.figure = 'unclear')
    FROM supervision.solved_events(solved.since, solved.until, solved.known_at) AS one
    GROUP BY 1, 2;
END;

-- Records that are in no period: without a day that can be, or with one later than the broker's.
CREATE FUNCTION supervision.undated_events(known_at timestamptz)
RETURNS TABLE (figure text, unit text, event_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT 'cases', one.unit, one.event_id
    FROM supervision.held('case', undated_events.known_at) AS one
    WHERE one.reported_on IS NULL
    UNION ALL
    SELECT 'rescues', one.unit, one.event_id
    FROM supervision.held('rescue', undated_events.known_at) AS one
    WHERE one.happened_on IS NULL;
END;

CREATE FUNCTION supervision.undated(known_at timestamptz)
RETURNS TABLE (unit text, cases bigint, rescues bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        fact.unit,
        count(one.event_id) FILTER (WHERE one.figure = 'cases'),
        count(one.event_id) FILTER (WHERE one.figure = 'rescues')
    FROM (
        SELECT DISTINCT fact.unit FROM registry.fact
        WHERE fact.received_at <= undated.known_at
    ) AS fact
    LEFT JOIN supervision.undated_events(undated.known_at) AS one USING (unit)
    GROUP BY fact.unit;
END;

-- The two ends of each case as known then: by the case, and by a pair that stood confirmed while
-- the case itself says no place that the victim was taken to.
CREATE FUNCTION supervision.ends(known_at timestamptz) RETURNS TABLE (
    unit text, record_id text, reference text, event_id text, reported_on date, one text,
    other text
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT * FROM supervision.held('case', ends.known_at)
    ),
    verdict AS (
        SELECT DISTINCT ON (decision.proposal_id)
            decision.verdict, decision.case_unit, decision.case_id, decision.rescue_unit,
            decision.rescue_id
        FROM registry.decision
        WHERE decision.refused IS NULL AND decision.received_at <= ends.known_at
        ORDER BY decision.proposal_id, decision."offset" DESC
    ),
    found AS (
        SELECT held.unit, held.record_id, held.reference, held.event_id, held.reported_on,
            held.from_unit, held.to_unit
        FROM held
        UNION
        SELECT held.unit, held.record_id, held.reference, held.event_id, held.reported_on,
            held.from_unit, rescue.to_unit
        FROM verdict
        JOIN held ON (held.unit, held.record_id) = (verdict.case_unit, verdict.case_id)
        JOIN LATERAL (
            SELECT fact.to_unit
            FROM registry.fact
            WHERE (fact.kind, fact.unit, fact.record_id)
                = ('rescue', verdict.rescue_unit, verdict.rescue_id)
                AND fact.received_at <= ends.known_at
            ORDER BY fact.revision DESC, fact.digest DESC
            LIMIT 1
        ) AS rescue ON true
        WHERE verdict.verdict = 'confirmed' AND held.open_end
    )
    SELECT
        found.unit, found.record_id, found.reference, found.event_id, found.reported_on,
        least(found.from_unit COLLATE "C", found.to_unit),
        greatest(found.from_unit COLLATE "C", found.to_unit)
    FROM found
    WHERE found.from_unit <> found.to_unit;
END;

-- Each time that a unit was asked about a case, from the notice on until it was taken back, and its
-- first answer that ends the wait. One that is only stated again, as more urgent, is one question.
-- Who is told no more than that there is a case has its reference instead. What was there an hour
-- before the question answers nothing.
CREATE FUNCTION supervision.asked(until date, known_at timestamptz) RETURNS TABLE (
    unit text, case_unit text, case_id text, event_id text, asked_at timestamptz, missed boolean,
    answered_at timestamptz, answer_id text, in_time boolean
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH said AS (
        SELECT
            notice_said.*,
            count(*) FILTER (WHERE NOT notice_said.issued) OVER (
                PARTITION BY notice_said.notice_id ORDER BY notice_said.revision DESC
            ) AS round
        FROM registry.notice_said
        WHERE notice_said.kind IN ('flag', 'confirmed')
            AND notice_said.said_at <= supervision.cut(asked.until, asked.known_at)
    ),
    round AS (
        SELECT
            said.notice_id,
            min(said.unit) AS unit,
            min(said.case_unit) AS case_unit,
            coalesce(min(said.case_id), min(said.cause)) AS case_id,
            min(said.revision) AS first,
            max(said.revision) FILTER (WHERE said.issued) AS last,
            min(said.said_at) FILTER (WHERE said.issued) AS asked_at,
            min(said.said_at) FILTER (WHERE NOT said.issued) AS withdrawn_at,
            (array_agg(said.event_id ORDER BY said.revision) FILTER (WHERE said.issued))[1]
                AS event_id,
            min(said.said_at + make_interval(hours => said.answer_within_hours))
                FILTER (WHERE said.issued) AS due_at
        FROM said
        GROUP BY said.notice_id, said.round
        HAVING bool_or(said.issued)
    )
    SELECT
        round.unit, round.case_unit, round.case_id, round.event_id, round.asked_at,
        answer.received_at IS NULL AND round.due_at < least(
            round.withdrawn_at, supervision.cut(asked.until, asked.known_at)
        ),
        answer.received_at,
        answer.event_id,
        answer.received_at <= round.due_at
    FROM round
    LEFT JOIN LATERAL (
        SELECT given.received_at, given.event_id
        FROM registry.acknowledgement AS given
        WHERE given.notice_id = round.notice_id AND given.unit = round.unit
            AND given.answer IN ('accepted', 'refused', 'not-ours')
            AND given.notice_revision BETWEEN round.first AND round.last
            AND given.received_at >= round.asked_at - interval '1 hour'
            AND given.received_at <= supervision.cut(asked.until, asked.known_at)
        ORDER BY given.received_at, given.event_id
        LIMIT 1
    ) AS answer ON true
    WHERE round.due_at IS NOT NULL;
END;

-- Hand-overs that had taken place: from the offer to its acceptance. A step counts as known when
-- all before it were.
CREATE FUNCTION supervision.handed_over(known_at timestamptz) RETURNS TABLE (
    kind text, reporter text, record_id text, taker text, one text, other text, event_id text,
    "on" date, hours double precision
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH step AS (
        SELECT
            held.kind, held.unit AS reporter, held.record_id, taken.nth, made.step_id,
            made.action, made.unit, made.milliseconds,
            max(made.milliseconds) OVER walk AS known,
            count(*) FILTER (WHERE made.action = 'offered') OVER walk AS offers
        FROM registry.handover AS held
        CROSS JOIN LATERAL jsonb_array_elements_text(held.taken)
            WITH ORDINALITY AS taken (step_id, nth)
        JOIN registry.handover_step AS made ON made.step_id = taken.step_id
        WINDOW walk AS (PARTITION BY held.kind, held.unit, held.record_id ORDER BY taken.nth)
    ),
    answer AS (
        SELECT
            step.*,
            first_value(step.unit) OVER offer AS giver,
            first_value(step.milliseconds) OVER offer AS offered
        FROM step
        WINDOW offer AS (
            PARTITION BY step.kind, step.reporter, step.record_id, step.offers ORDER BY step.nth
        )
    )
    SELECT
        answer.kind, answer.reporter, answer.record_id, answer.unit,
        least(answer.giver COLLATE "C", answer.unit),
        greatest(answer.giver COLLATE "C", answer.unit),
        answer.step_id,
        supervision.day_of(to_timestamp(answer.milliseconds / 1000.0)),
        (answer.milliseconds - answer.offered) / 3600000.0
    FROM answer
    WHERE answer.action = 'accepted'
        AND to_timestamp(answer.known / 1000.0) <= handed_over.known_at;
END;

CREATE FUNCTION supervision.corridor_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, one text, other text, event_id text, hours double precision)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH ends AS MATERIALIZED (
        SELECT * FROM supervision.ends(corridor_events.known_at)
    ),
    asked AS (
        SELECT asked.*
        FROM supervision.asked(corridor_events.until, corridor_events.known_at) AS asked
        WHERE supervision.day_of(asked.asked_at)
            BETWEEN corridor_events.since AND corridor_events.until
    ),
    placed AS MATERIALIZED (
        SELECT ends.one, ends.other, asked.*
        FROM asked
        JOIN ends ON (ends.unit, ends.record_id) = (asked.case_unit, asked.case_id)
        WHERE asked.unit IN (ends.one, ends.other)
        UNION ALL
        SELECT ends.one, ends.other, asked.*
        FROM asked
        JOIN ends ON ends.reference = asked.case_id
        WHERE asked.case_unit IS NULL AND asked.unit IN (ends.one, ends.other)
    )
    SELECT 'cases', ends.one, ends.other, ends.event_id, NULL::double precision
    FROM ends
    WHERE ends.reported_on BETWEEN corridor_events.since AND corridor_events.until
    UNION ALL
    SELECT 'asked', placed.one, placed.other, placed.event_id, NULL FROM placed
    UNION ALL
    SELECT
        'answered', placed.one, placed.other, placed.answer_id,
        extract(epoch FROM placed.answered_at - placed.asked_at)::double precision / 3600
    FROM placed
    WHERE placed.answered_at IS NOT NULL
    UNION ALL
    SELECT 'due', placed.one, placed.other, placed.event_id, NULL
    FROM placed
    WHERE placed.answered_at IS NOT NULL OR placed.missed
    UNION ALL
    SELECT 'in_time', placed.one, placed.other, placed.answer_id, NULL
    FROM placed
    WHERE placed.in_time
    UNION ALL
    SELECT 'handed_over', handed.one, handed.other, handed.event_id, handed.hours
    FROM supervision.handed_over(
        supervision.cut(corridor_events.until, corridor_events.known_at)
    ) AS handed
    WHERE handed."on" BETWEEN corridor_events.since AND corridor_events.until;
END;

-- Whether an agreement for two units was in force on the period's last day, as known then; with
-- another province the office's own counts for every unit.
CREATE FUNCTION supervision.agreed(one text, other text, until date, known_at timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM (
            SELECT DISTINCT ON (agreement.agreement_id)
                agreement.units, agreement.valid_from, agreement.valid_to
            FROM registry.agreement
            WHERE agreement.received_at <= agreed.known_at
            ORDER BY agreement.agreement_id, agreement.revision DESC, agreement.digest DESC
        ) AS letter
        WHERE agreed.until BETWEEN letter.valid_from AND coalesce(letter.valid_to, 'infinity')
            AND (
                letter.units @> jsonb_build_array(agreed.one, agreed.other)
                OR agreed.one ~ '^..0000$' AND agreed.one <> public.crossregion_office()
                AND letter.units @> jsonb_build_array(agreed.one, public.crossregion_office())
                OR agreed.other ~ '^..0000$' AND agreed.other <> public.crossregion_office()
                AND letter.units @> jsonb_build_array(agreed.other, public.crossregion_office())
            )
    );
END;

CREATE FUNCTION supervision.corridors(since date, until date, known_at timestamptz)
RETURNS TABLE (
    one text, other text, cases bigint, asked bigint, answered bigint,
    median_hours double precision, slowest_tenth_hours double precision, due bigint,
    in_time bigint, handed_over bigint, median_handover_hours double precision, agreed boolean
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        counted.*,
        supervision.agreed(counted.one, counted.other, corridors.until, corridors.known_at)
    FROM (
        SELECT
            said.one,
            said.other,
            count(*) FILTER (WHERE said.figure = 'cases'),
            count(*) FILTER (WHERE said.figure = 'asked'),
            count(*) FILTER (WHERE said.figure = 'answered'),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY said.hours)
                FILTER (WHERE said.figure = 'answered'),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY said.hours)
                FILTER (WHERE said.figure = 'answered'),
            count(*) FILTER (WHERE said.figure = 'due'),
            count(*) FILTER (WHERE said.figure = 'in_time'),
            count(*) FILTER (WHERE said.figure = 'handed_over'),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY said.hours)
                FILTER (WHERE said.figure = 'handed_over')
        FROM supervision.corridor_events(corridors.since, corridors.until, corridors.known_at)
            AS said
        GROUP BY said.one, said.other
    ) AS counted;
END;

-- Pairs with cases in the period that have no agreement in force on its last day.
CREATE FUNCTION supervision.agreement_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, one text, other text, event_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH pair AS (
        SELECT
            ends.one, ends.other, array_agg(ends.event_id) AS events,
            supervision.agreed(
                ends.one, ends.other, agreement_events.until, agreement_events.known_at
            ) AS agreed
        FROM supervision.ends(agreement_events.known_at) AS ends
        WHERE ends.reported_on BETWEEN agreement_events.since AND agreement_events.until
        GROUP BY ends.one, ends.other
    )
    SELECT CASE WHEN pair.agreed THEN 'agreed' ELSE 'missing' END, pair.one, pair.other, event.id
    FROM pair
    CROSS JOIN LATERAL unnest(pair.events) AS event (id);
END;

-- Cases by the kind of venue and the unit they were taken from; a unit's own word is `other word`.
CREATE FUNCTION supervision.venue_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, venue text, unit text, event_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        CASE WHEN one.venue IS NULL THEN 'not_stated' ELSE 'cases' END,
        one.venue,
        one.from_unit,
        one.event_id
    FROM supervision.held('case', venue_events.known_at) AS one
    WHERE one.reported_on BETWEEN venue_events.since AND venue_events.until;
END;

-- Beside each the cases of the period of the same length that went before.
CREATE FUNCTION supervision.venues(since date, until date, known_at timestamptz)
RETURNS TABLE (venue text, unit text, cases bigint, before bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        one.venue,
        one.unit,
        count(*) FILTER (WHERE one.now),
        count(*) FILTER (WHERE NOT one.now)
    FROM (
        SELECT true AS now, event.venue, event.unit
        FROM supervision.venue_events(venues.since, venues.until, venues.known_at) AS event
        UNION ALL
        SELECT false, event.venue, event.unit
        FROM supervision.venue_events(
            venues.since - (venues.until - venues.since) - 1, venues.since - 1, venues.known_at
        ) AS event
    ) AS one
    GROUP BY one.venue, one.unit;
END;

-- The entries of rescued persons' files that count: those of units that had the person in their
-- charge at some time, as known then.
CREATE FUNCTION supervision.entries(kind text, known_at timestamptz) RETURNS SETOF registry.fact
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.*
    FROM supervision.held(entries.kind, entries.known_at) AS entry
    WHERE entry.unit = entry.rescue_unit
        OR (entry.rescue_unit, entry.rescue_id, entry.unit) IN (
            SELECT handed.reporter, handed.record_id, handed.taker
            FROM supervision.handed_over(entries.known_at) AS handed
            WHERE handed.kind = 'rescue'
        );
END;

-- Of the persons rescued in the period: which kinds of aid each was given by its last day, and the
-- days from the rescue until it began. `any` is the first of any kind but the visits afterwards.
CREATE FUNCTION supervision.aid_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, aid text, unit text, event_id text, days double precision)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH rescued AS MATERIALIZED (
        SELECT one.unit, one.record_id, one.event_id, one.happened_on
        FROM supervision.held('rescue', aid_events.known_at) AS one
        WHERE one.happened_on BETWEEN aid_events.since AND aid_events.until
    ),
    entry AS MATERIALIZED (
        SELECT
            rescued.unit, rescued.record_id, entry.aid, entry.event_id,
            entry.unit AS by_unit, entry.record_id AS entry_id,
            entry.status = 'DECLINED' AS declined,
            CASE
                WHEN entry.status = 'DECLINED' THEN entry.done_on
                ELSE coalesce(entry.started_on, entry.done_on)
            END AS "on",
            rescued.happened_on
        FROM supervision.entries('assistance', aid_events.known_at) AS entry
        JOIN rescued ON (rescued.unit, rescued.record_id) = (entry.rescue_unit, entry.rescue_id)
        WHERE entry.status IN ('STARTED', 'DONE', 'DECLINED')
    ),
    given AS (
        SELECT entry.unit, entry.record_id, aid.kind, entry.event_id, entry."on",
            entry.happened_on, entry.by_unit, entry.entry_id
        FROM entry
        CROSS JOIN LATERAL (
            VALUES (entry.aid), (CASE WHEN entry.aid <> 'FOLLOW_UP' THEN 'any' END)
        ) AS aid (kind)
        WHERE NOT entry.declined AND aid.kind IS NOT NULL
            AND coalesce(entry."on" <= aid_events.until, true)
    ),
    earliest AS (
        SELECT DISTINCT ON (given.unit, given.record_id, given.kind) given.*
        FROM given
        ORDER BY given.unit, given.record_id, given.kind, given."on", given.by_unit,
            given.entry_id
    ),
    refused AS (
        SELECT DISTINCT ON (entry.unit, entry.record_id, entry.aid) entry.*
        FROM entry
        WHERE entry.declined AND coalesce(entry."on" <= aid_events.until, true)
        ORDER BY entry.unit, entry.record_id, entry.aid, entry."on", entry.by_unit,
            entry.entry_id
    )
    SELECT 'rescued', NULL, rescued.unit, rescued.event_id, NULL::double precision
    FROM rescued
    UNION ALL
    SELECT 'given', earliest.kind, earliest.unit, earliest.event_id,
        CASE
            WHEN earliest."on" >= earliest.happened_on THEN earliest."on" - earliest.happened_on
        END
    FROM earliest
    UNION ALL
    SELECT 'declined', refused.aid, refused.unit, refused.event_id, NULL
    FROM refused
    LEFT JOIN earliest ON (earliest.unit, earliest.record_id, earliest.kind)
        = (refused.unit, refused.record_id, refused.aid)
    WHERE earliest.event_id IS NULL;
END;

-- By kind of aid; a row without a kind has how many persons were rescued. All units', or one's.
CREATE FUNCTION supervision.aid(since date, until date, known_at timestamptz, unit text)
RETURNS TABLE (
    aid text, persons bigint, given bigint, measured bigint, median_days double precision,
    slowest_tenth_days double precision, declined bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        one.aid,
        count(*) FILTER (WHERE one.figure = 'rescued'),
        count(*) FILTER (WHERE one.figure = 'given'),
        count(one.days),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY one.days),
        percentile_cont(0.9) WITHIN GROUP (ORDER BY one.days),
        count(*) FILTER (WHERE one.figure = 'declined')
    FROM supervision.aid_events(aid.since, aid.until, aid.known_at) AS one
    WHERE aid.unit IS NULL OR one.unit = aid.unit
    GROUP BY one.aid;
END;

-- Whether anybody had recorded an entry of this kind: if not, how many there were is not known.
CREATE FUNCTION supervision.recorded(kind text, known_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM registry.fact
        WHERE fact.kind = recorded.kind AND fact.received_at <= recorded.known_at
    );
END;

-- Of the children rescued in the period: who had no guardian, and what was done by its last day.
-- Of several searches for one child the first to do a thing counts.
CREATE FUNCTION supervision.guardian_events(since date, until date, known_at timestamptz)
RETURNS TABLE (figure text, unit text, event_id text, days double precision)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH child AS MATERIALIZED (
        SELECT one.unit, one.record_id, one.event_id, one.happened_on, one.guardian
        FROM supervision.held('rescue', guardian_events.known_at) AS one
        WHERE one.happened_on BETWEEN guardian_events.since AND guardian_events.until
            AND one.age_band IN ('under-6', '6-13', '14-17')
    ),
    search AS MATERIALIZED (
        SELECT
            child.unit, child.record_id, child.happened_on AS rescued_on, entry.event_id,
            entry.unit AS by_unit, entry.record_id AS search_id, entry.status,
            entry.happened_on AS begun_on, entry.notice_on, entry.done_on, entry.placed_on,
            entry.first_certificate_on, entry.second_certificate_on
        FROM supervision.entries('guardian-search', guardian_events.known_at) AS entry
        JOIN child ON (child.unit, child.record_id) = (entry.rescue_unit, entry.rescue_id)
    ),
    step AS (
        SELECT DISTINCT ON (search.unit, search.record_id, done.figure)
            done.figure, search.unit, search.event_id, done."on", search.rescued_on
        FROM search
        CROSS JOIN LATERAL (
            VALUES
                ('searched', search.begun_on, true),
                ('public_notice', search.notice_on, search.status = 'PUBLIC_NOTICE'),
                ('found', search.done_on, search.status = 'FOUND'),
                ('placed', search.placed_on, search.status = 'IN_WELFARE_HOME'),
                ('first_certificate', search.first_certificate_on, false),
                ('second_certificate', search.second_certificate_on, false)
        ) AS done (figure, "on", said)
        WHERE done."on" <= guardian_events.until OR done."on" IS NULL AND done.said
        ORDER BY search.unit, search.record_id, done.figure, done."on", search.by_unit,
            search.search_id
    )
    SELECT 'children', child.unit, child.event_id, NULL::double precision
    FROM child
    UNION ALL
    SELECT 'without_guardian', child.unit, child.event_id, NULL
    FROM child
    WHERE child.guardian IN ('TO_BE_FOUND', 'NOT_FOUND')
        OR (child.unit, child.record_id) IN (SELECT search.unit, search.record_id FROM search)
    UNION ALL
    SELECT step.figure, step.unit, step.event_id,
        CASE WHEN step."on" >= step.rescued_on THEN step."on" - step.rescued_on END
    FROM step;
END;

CREATE FUNCTION supervision.guardians(since date, until date, known_at timestamptz)
RETURNS TABLE (
    unit text, children bigint, without_guardian bigint, searched bigint, public_notice bigint,
    found bigint, measured bigint, median_days_to_find double precision, placed bigint,
    first_certificate bigint, second_certificate bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        one.unit,
        count(*) FILTER (WHERE one.figure = 'children'),
        count(*) FILTER (WHERE one.figure = 'without_guardian'),
        count(*) FILTER (WHERE one.figure = 'searched'),
        count(*) FILTER (WHERE one.figure = 'public_notice'),
        count(*) FILTER (WHERE one.figure = 'found'),
        count(one.days) FILTER (WHERE one.figure = 'found'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY one.days) FILTER (WHERE one.figure = 'found'),
        count(*) FILTER (WHERE one.figure = 'placed'),
        count(*) FILTER (WHERE one.figure = 'first_certificate'),
        count(*) FILTER (WHERE one.figure = 'second_certificate')
    FROM supervision.guardian_events(guardians.since, guardians.until, guardians.known_at) AS one
    GROUP BY GROUPING SETS ((one.unit), ());
END;
