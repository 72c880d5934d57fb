-- The day that this process takes for today.

-- name: look_from
SELECT set_config('crossregion.today', %(today)s, true);
