-- Which province this is stood as 22 and 220000 in these; now `public.crossregion_office()` says it,
-- which `crossregion registry migrate` makes from the file of units.

CREATE OR REPLACE VIEW registry.case_ends WITH (security_invoker = true) AS
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

CREATE OR REPLACE VIEW registry.corridor WITH (security_invoker = true) AS
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

CREATE OR REPLACE FUNCTION supervision.agreed(one text, other text, until date, known_at timestamptz)
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
