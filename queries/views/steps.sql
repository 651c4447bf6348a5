-- question: How long was each order in each status?
-- rows:     one per change of the status shown, the placing included
-- columns:  order_id     the marketplace's order number
--           from_status  the status before; `none` before it was placed
--           to_status    the status that it came into
--           entered_at   when it came into it, by the latest occurred_at until then
--           left_at      when it left it again; NULL while it is in it
--           seconds      between the whole seconds of both; NULL while it is in it
WITH live AS (
    SELECT
        order_id,
        version,
        effective_at,
        status,
        COALESCE(lag(status) OVER (PARTITION BY order_id ORDER BY version), 'none') AS status_before
    FROM events
    WHERE retracted_by IS NULL AND type <> 'retracted'
),
entries AS (
    SELECT
        order_id,
        status_before AS from_status,
        status AS to_status,
        effective_at AS entered_at,
        lead(effective_at) OVER (PARTITION BY order_id ORDER BY version) AS left_at
    FROM live
    WHERE status <> status_before
)
SELECT
    order_id,
    from_status,
    to_status,
    entered_at,
    left_at,
    date_diff('second', date_trunc('second', entered_at), date_trunc('second', left_at)) AS seconds
FROM entries
