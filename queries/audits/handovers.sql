-- question: Which event follows which, how often, and after how long?
-- theme:    paths
-- columns:  from_event VARCHAR, to_event VARCHAR, orders BIGINT, median_hours DOUBLE, p90_hours DOUBLE
WITH pairs AS (
    SELECT
        order_id,
        type AS from_event,
        date_trunc('second', occurred_at) AS began_at,
        lead(type) OVER (PARTITION BY order_id ORDER BY occurred_at, version) AS to_event,
        date_trunc('second', lead(occurred_at) OVER (PARTITION BY order_id ORDER BY occurred_at, version)) AS ended_at
    FROM events
    WHERE retracted_by IS NULL AND type <> 'retracted'
),
ranked AS (
    SELECT
        order_id,
        from_event,
        to_event,
        date_diff('second', began_at, ended_at) AS seconds,
        row_number() OVER (PARTITION BY from_event, to_event ORDER BY date_diff('second', began_at, ended_at)) AS place,
        count(*) OVER (PARTITION BY from_event, to_event) AS times
    FROM pairs
    WHERE to_event IS NOT NULL
)
SELECT
    from_event,
    to_event,
    count(DISTINCT order_id) AS orders,
    round(CAST(min(seconds) FILTER (WHERE place * 2 >= times) AS DOUBLE) / 360) / 10 AS median_hours,
    round(CAST(min(seconds) FILTER (WHERE place * 10 >= times * 9) AS DOUBLE) / 360) / 10 AS p90_hours
FROM ranked
GROUP BY from_event, to_event
ORDER BY orders DESC, from_event, to_event
