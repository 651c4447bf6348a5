-- question: Which closures came without a delivery scan?
-- theme:    delivery
-- params:   since TIMESTAMP = NULL   only closures from then on
-- columns:  order_id VARCHAR, seller VARCHAR, reason VARCHAR, closed_at TIMESTAMP, money_went_to VARCHAR
SELECT order_id, seller, reason, closed_at, money_went_to
FROM closures
WHERE NOT delivered AND ($since IS NULL OR closed_at >= $since)
ORDER BY closed_at, seq, order_id
