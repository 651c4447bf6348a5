-- question: Which orders were closed with no known cause, and what do they still hold?
-- theme:    closures
-- columns:  order_id VARCHAR, seller VARCHAR, closed_at TIMESTAMP, currency VARCHAR, escrow DECIMAL(38,4)
SELECT closures.order_id, closures.seller, closures.closed_at, closures.currency, orders.escrow
FROM closures
INNER JOIN orders ON orders.order_id = closures.order_id
WHERE closures.reason = 'unknown'
ORDER BY closures.closed_at, closures.seq, closures.order_id
