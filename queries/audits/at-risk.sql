-- question: Where does the protection end soon, with no delivery scan and no dispute?
-- theme:    running
-- params:   days BIGINT = 7   protection that ends within so many days
-- columns:  order_id VARCHAR, seller VARCHAR, protected_until TIMESTAMP, hours_left DOUBLE, escrow DECIMAL(38,4),
--           currency VARCHAR, status VARCHAR
SELECT
    orders.order_id,
    orders.seller,
    timers.due_at AS protected_until,
    round(
        CAST(date_diff('second', date_trunc('second', clock.now), date_trunc('second', timers.due_at)) AS DOUBLE) / 360
    ) / 10 AS hours_left,
    orders.escrow,
    orders.currency,
    orders.status
FROM timers
CROSS JOIN clock
INNER JOIN orders ON orders.order_id = timers.order_id
WHERE
    timers.timer = 'protected_until'
    AND timers.running
    AND timers.due_at >= clock.now
    AND timers.due_at <= clock.now + $days * INTERVAL 1 DAY
    AND orders.delivered_at IS NULL
    AND orders.status <> 'disputed'
ORDER BY timers.due_at, orders.order_id
