-- question: Which orders were shipped late or never, and how often was the seller given more time?
-- theme:    delivery
-- columns:  order_id VARCHAR, seller VARCHAR, ship_by TIMESTAMP, shipped_at TIMESTAMP, days_late DOUBLE,
--           extensions BIGINT
WITH extensions AS (
    SELECT order_id, count(*) AS extensions
    FROM events
    WHERE retracted_by IS NULL AND type = 'processing-extended'
    GROUP BY order_id
)
SELECT
    orders.order_id,
    orders.seller,
    orders.ship_by,
    orders.shipped_at,
    round(
        CAST(date_diff('second', date_trunc('second', orders.ship_by), date_trunc('second', orders.shipped_at)) AS DOUBLE) / 8640
    ) / 10 AS days_late,
    COALESCE(extensions.extensions, 0) AS extensions
FROM orders
LEFT JOIN extensions ON extensions.order_id = orders.order_id
WHERE orders.shipped_at > orders.ship_by OR orders.closure_reason = 'not-shipped'
ORDER BY orders.ship_by NULLS LAST, orders.order_id
