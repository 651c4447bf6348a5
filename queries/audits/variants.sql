-- question: Which paths do orders take, how often, and how often do they end in a refund?
-- theme:    paths
-- columns:  path VARCHAR, orders BIGINT, share DOUBLE, median_days DOUBLE, refunded_share DOUBLE
WITH paths AS (
    SELECT
        order_id,
        string_agg(type, ' > ' ORDER BY occurred_at, version) AS path,
        date_diff('second', date_trunc('second', min(occurred_at)), date_trunc('second', max(occurred_at))) AS seconds,
        CAST(COALESCE(sum(to_buyer), 0) AS DECIMAL(38,4)) > 0 AS refunded
    FROM events
    WHERE retracted_by IS NULL AND type <> 'retracted'
    GROUP BY order_id
),
ranked AS (
    SELECT
        path,
        seconds,
        refunded,
        row_number() OVER (PARTITION BY path ORDER BY seconds) AS place,
        count(*) OVER (PARTITION BY path) AS orders,
        count(*) OVER () AS all_orders
    FROM paths
)
SELECT
    path,
    count(*) AS orders,
    round(CAST(count(*) * 10000 AS DOUBLE) / max(all_orders)) / 10000 AS share,
    round(CAST(min(seconds) FILTER (WHERE place * 2 >= orders) AS DOUBLE) / 8640) / 10 AS median_days,
    round(CAST(count(*) FILTER (WHERE refunded) * 10000 AS DOUBLE) / count(*)) / 10000 AS refunded_share
FROM ranked
GROUP BY path
ORDER BY orders DESC, path
