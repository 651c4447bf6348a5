-- question: Which closures paid the seller without a delivery scan?
-- theme:    delivery
-- params:   since TIMESTAMP = NULL   only closures from then on
-- columns:  order_id VARCHAR, seller VARCHAR, reason VARCHAR, closed_at TIMESTAMP, currency VARCHAR,
--           to_seller DECIMAL(38,4)
SELECT order_id, seller, reason, closed_at, currency, to_seller
FROM closures
WHERE to_seller > 0 AND NOT delivered AND ($since IS NULL OR closed_at >= $since)
ORDER BY closed_at, seq, order_id
