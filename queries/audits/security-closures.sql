-- question: Which orders were closed by security, and what else is known of their sellers?
-- theme:    sellers
-- params:   since TIMESTAMP = NULL   only closures from then on
-- columns:  order_id VARCHAR, seller VARCHAR, closed_at TIMESTAMP, currency VARCHAR, to_buyer DECIMAL(38,4),
--           refunded DECIMAL(38,4), seller_orders BIGINT, seller_security_closures BIGINT
SELECT
    closures.order_id,
    closures.seller,
    closures.closed_at,
    closures.currency,
    closures.to_buyer,
    closures.refunded,
    sellers.orders AS seller_orders,
    sellers.security_closures AS seller_security_closures
FROM closures
INNER JOIN sellers ON sellers.seller = closures.seller
WHERE closures.reason = 'security' AND ($since IS NULL OR closures.closed_at >= $since)
ORDER BY closures.closed_at, closures.seq, closures.order_id
