-- question: Which refunds are on their way, failed or overdue?
-- theme:    money
-- columns:  order_id VARCHAR, reason VARCHAR, closed_at TIMESTAMP, currency VARCHAR, refund_pending DECIMAL(38,4),
--           refund_by TIMESTAMP, failed BOOLEAN, overdue BOOLEAN
SELECT
    orders.order_id,
    orders.closure_reason AS reason,
    orders.closed_at,
    orders.currency,
    orders.refund_pending,
    orders.refund_by,
    orders.refund_failed AS failed,
    orders.refund_failed OR COALESCE(orders.refund_by < clock.now, false) AS overdue
FROM orders
CROSS JOIN clock
WHERE orders.refund_pending > 0
ORDER BY overdue DESC, orders.refund_by NULLS LAST, orders.order_id
