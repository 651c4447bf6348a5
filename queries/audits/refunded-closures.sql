-- question: Which closures refunded the buyer?
-- theme:    closures
-- params:   since TIMESTAMP = NULL   only closures from then on
-- params:   reason VARCHAR = NULL    only closures for this reason
-- columns:  order_id VARCHAR, seller VARCHAR, reason VARCHAR, closed_by VARCHAR, closed_at TIMESTAMP,
--           currency VARCHAR, to_buyer DECIMAL(38,4), to_seller DECIMAL(38,4), refunded DECIMAL(38,4)
SELECT order_id, seller, reason, closed_by, closed_at, currency, to_buyer, to_seller, refunded
FROM closures
WHERE
    to_buyer > 0
    AND ($since IS NULL OR closed_at >= $since)
    AND ($reason IS NULL OR reason = $reason)
ORDER BY closed_at, seq, order_id
