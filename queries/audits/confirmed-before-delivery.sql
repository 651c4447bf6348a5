-- question: Which orders were confirmed before the delivery scan, or without one?
-- theme:    delivery
-- columns:  order_id VARCHAR, seller VARCHAR, closed_at TIMESTAMP, to_seller DECIMAL(38,4), currency VARCHAR
SELECT order_id, seller, closed_at, to_seller, currency
FROM closures
WHERE reason = 'confirmed' AND NOT delivered
ORDER BY closed_at, seq, order_id
