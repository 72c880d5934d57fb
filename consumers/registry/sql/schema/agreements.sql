-- Agreements between units, and the corridors they are for. Derived from the topics.

-- Every state that an agreement was ever recorded in; two contents under one revision are two rows.
CREATE TABLE registry.agreement (
    agreement_id uuid NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    number text NOT NULL,
    units jsonb NOT NULL,
    signed_on date NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    case_types jsonb NOT NULL,
    disclosure text NOT NULL,
    answer_within_hours integer NOT NULL,
    contacts jsonb NOT NULL,
    status text NOT NULL,
    received_at timestamptz,
    PRIMARY KEY (agreement_id, revision, digest)
);

-- The state that holds: the highest (revision, digest).
CREATE VIEW registry.agreement_held WITH (security_invoker = true) AS
SELECT DISTINCT ON (agreement_id)
    agreement_id, revision, digest, number, units, signed_on, valid_from, valid_to, case_types,
    disclosure, answer_within_hours, contacts, status
FROM registry.agreement
ORDER BY agreement_id, revision DESC, digest DESC;

-- The two ends of every case that has two known units, by the revision that holds and by
-- confirmed pairs. Where the office stands for another province, that is named.
CREATE VIEW registry.case_ends WITH (security_invoker = true) AS
WITH flagged AS (
    SELECT
        flag.unit, flag.case_id, flag.source, flag.destination, flag.source_unit,
        flag.destination_unit, coalesce(flag.at_least, flag.boundary) AS boundary
    FROM registry.record AS held
    JOIN registry.flag
        ON (flag.unit, flag.case_id, flag.revision, flag.digest)
        = (held.unit, held.record_id, held.revision, held.digest)
    WHERE held.kind = 'case'
    UNION ALL
    SELECT
        unit, case_id, source, destination, source_unit, destination_unit,
        coalesce(at_least, boundary)
    FROM registry.confirmed_flag
    WHERE boundary IS NOT NULL
),
named AS (
    SELECT
        unit,
        case_id,
        boundary,
        CASE
            WHEN source_unit = public.crossregion_office() AND source ~ '^(?![78])\d{6}$'
                AND left(source, 2) <> left(public.crossregion_office(), 2)
                THEN left(source, 2) || '0000'
            ELSE source_unit
        END COLLATE "C" AS from_unit,
        CASE
            WHEN destination_unit = public.crossregion_office() AND destination ~ '^(?![78])\d{6}$'
                AND left(destination, 2) <> left(public.crossregion_office(), 2)
                THEN left(destination, 2) || '0000'
            ELSE destination_unit
        END COLLATE "C" AS to_unit
    FROM flagged
)
SELECT DISTINCT ON (unit, case_id, from_unit, to_unit)
    unit, case_id, from_unit, to_unit, boundary
FROM named
WHERE from_unit <> to_unit
ORDER BY unit, case_id, from_unit, to_unit, boundary;

-- Pairs of units with cases between them, their traffic, and the days on which an agreement for
-- the two is in force; with another province the office's own counts for every unit.
CREATE VIEW registry.corridor WITH (security_invoker = true) AS
WITH traffic AS (
    SELECT
        least(from_unit, to_unit) AS one,
        greatest(from_unit, to_unit) AS other,
        from_unit < to_unit AS onward,
        boundary,
        substring(revision.lost_on FROM '^\d{4}-\d{2}-\d{2}') AS day,
        (
            SELECT count(*)
            FROM registry.person
            WHERE (person.kind, person.unit, person.record_id)
                = ('case', ends.unit, ends.case_id)
        ) AS victims
    FROM registry.case_ends AS ends
    JOIN registry.record AS held
        ON (held.kind, held.unit, held.record_id) = ('case', ends.unit, ends.case_id)
    JOIN registry.record_revision AS revision
        ON (
            revision.kind, revision.unit, revision.record_id, revision.revision, revision.digest
        ) = (held.kind, held.unit, held.record_id, held.revision, held.digest)
),
corridor AS (
    SELECT
        one,
        other,
        count(*) AS cases,
        sum(victims)::bigint AS victims,
        count(*) FILTER (WHERE onward) AS to_other,
        count(*) FILTER (WHERE NOT onward) AS to_one,
        count(*) FILTER (WHERE boundary = 'prefecture') AS prefecture,
        count(*) FILTER (WHERE boundary = 'province') AS province,
        count(*) FILTER (WHERE boundary = 'border') AS border,
        min(day) AS first_day,
        max(day) AS last_day
    FROM traffic
    GROUP BY one, other
)
SELECT
    corridor.*,
    (
        SELECT range_agg(daterange(letter.valid_from, letter.valid_to, '[]'))
        FROM registry.agreement_held AS letter
        WHERE letter.units @> jsonb_build_array(one, other)
            OR one ~ '^..0000$' AND one <> public.crossregion_office()
            AND letter.units @> jsonb_build_array(one, public.crossregion_office())
            OR other ~ '^..0000$' AND other <> public.crossregion_office()
            AND letter.units @> jsonb_build_array(other, public.crossregion_office())
    ) AS agreed
FROM corridor;
