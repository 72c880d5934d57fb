-- What holds for the database as a whole. A role gets here only what is named: no function that is
-- made later may be executed by everybody.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO'
        ' crossregion_registry, crossregion_office, crossregion_operator, crossregion_unit,'
        ' crossregion_delivery, crossregion_supervision',
        current_database()
    );
END
$$;

-- A process that may not migrate sees whether somebody has.
GRANT SELECT ON public.crossregion_migration TO
    crossregion_registry, crossregion_office, crossregion_operator, crossregion_delivery,
    crossregion_supervision;
