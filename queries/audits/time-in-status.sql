-- question: How long do the orders of each seller stay in each status?
-- theme:    sellers
-- params:   min_orders BIGINT = 1   only where at least so many orders have left the status
-- columns:  seller VARCHAR, status VARCHAR, orders BIGINT, median_hours DOUBLE, p90_hours DOUBLE
WITH stays AS (
    SELECT orders.seller, steps.to_status AS status, steps.order_id, sum(steps.seconds) AS seconds
    FROM steps
    INNER JOIN orders ON orders.order_id = steps.order_id
    WHERE steps.left_at IS NOT NULL
    GROUP BY orders.seller, steps.to_status, steps.order_id
),
ranked AS (
    SELECT
        seller,
        status,
        seconds,
        row_number() OVER (PARTITION BY seller, status ORDER BY seconds) AS place,
        count(*) OVER (PARTITION BY seller, status) AS orders
    FROM stays
)
SELECT
    seller,
    status,
    count(*) AS orders,
    round(CAST(min(seconds) FILTER (WHERE place * 2 >= orders) AS DOUBLE) / 360) / 10 AS median_hours,
    round(CAST(min(seconds) FILTER (WHERE place * 10 >= orders * 9) AS DOUBLE) / 360) / 10 AS p90_hours
FROM ranked
GROUP BY seller, status
HAVING count(*) >= $min_orders
ORDER BY seller, status
