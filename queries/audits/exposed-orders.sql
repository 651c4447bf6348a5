-- question: Which open orders are with a seller that has a freeze or a security closure?
-- theme:    sellers
-- columns:  order_id VARCHAR, seller VARCHAR, status VARCHAR, currency VARCHAR, escrow DECIMAL(38,4),
--           protected_until TIMESTAMP, seller_frozen BIGINT, seller_security_closures BIGINT
WITH freezes AS (
    SELECT events.order_id, arg_max(events.type, events.version) AS last_type
    FROM events
    LEFT JOIN closures ON closures.order_id = events.order_id AND closures.seq = events.seq
    WHERE events.retracted_by IS NULL AND (events.type IN ('frozen', 'unfrozen') OR closures.seq IS NOT NULL)
    GROUP BY events.order_id
),
frozen_sellers AS (
    SELECT orders.seller, count(*) AS frozen
    FROM freezes
    INNER JOIN orders ON orders.order_id = freezes.order_id
    WHERE freezes.last_type = 'frozen'
    GROUP BY orders.seller
)
SELECT
    orders.order_id,
    orders.seller,
    orders.status,
    orders.currency,
    orders.escrow,
    orders.protected_until,
    COALESCE(frozen_sellers.frozen, 0) AS seller_frozen,
    sellers.security_closures AS seller_security_closures
FROM orders
INNER JOIN sellers ON sellers.seller = orders.seller
LEFT JOIN frozen_sellers ON frozen_sellers.seller = orders.seller
WHERE orders.status <> 'closed' AND (frozen_sellers.frozen > 0 OR sellers.security_closures > 0)
ORDER BY orders.seller, orders.order_id
