-- question: Which dispute windows are still open after closing, and until when?
-- theme:    running
-- columns:  order_id VARCHAR, reason VARCHAR, closed_at TIMESTAMP, dispute_until TIMESTAMP, currency VARCHAR,
--           to_seller DECIMAL(38,4)
SELECT
    orders.order_id,
    orders.closure_reason AS reason,
    orders.closed_at,
    timers.due_at AS dispute_until,
    orders.currency,
    orders.to_seller
FROM timers
INNER JOIN orders ON orders.order_id = timers.order_id
WHERE timers.timer = 'dispute_until' AND timers.running AND orders.escrow + orders.to_seller > 0
ORDER BY timers.due_at, orders.order_id
