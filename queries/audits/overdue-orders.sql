-- question: Which orders are stuck past a timer?
-- theme:    running
-- columns:  order_id VARCHAR, seller VARCHAR, status VARCHAR, timer VARCHAR, due_at TIMESTAMP, days_over DOUBLE,
--           consequence VARCHAR
SELECT
    orders.order_id,
    orders.seller,
    orders.status,
    timers.timer,
    timers.due_at,
    CASE
        WHEN timers.due_at < clock.now
            THEN round(
                CAST(date_diff('second', date_trunc('second', timers.due_at), date_trunc('second', clock.now)) AS DOUBLE) / 8640
            ) / 10
        ELSE 0.0
    END AS days_over,
    timers.consequence
FROM timers
CROSS JOIN clock
INNER JOIN orders ON orders.order_id = timers.order_id
WHERE timers.running AND (timers.due_at < clock.now OR (timers.timer = 'refund_by' AND orders.refund_failed))
ORDER BY timers.due_at, orders.order_id, timers.timer
