-- question: Where can feedback still be left, and until when?
-- theme:    running
-- columns:  order_id VARCHAR, seller VARCHAR, closed_at TIMESTAMP, feedback_until TIMESTAMP
SELECT orders.order_id, orders.seller, orders.closed_at, timers.due_at AS feedback_until
FROM timers
INNER JOIN orders ON orders.order_id = timers.order_id
WHERE timers.timer = 'feedback_until' AND timers.running
ORDER BY timers.due_at, orders.order_id
