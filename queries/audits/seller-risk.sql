-- question: Which sellers stand out by refunds, disputes, late shipments and security closures?
-- theme:    sellers
-- params:   min_orders BIGINT = 3   only sellers with at least so many orders
-- columns:  seller VARCHAR, orders BIGINT, refunded BIGINT, disputed BIGINT, late BIGINT, security BIGINT,
--           refund_rate DOUBLE, dispute_rate DOUBLE, score DOUBLE
WITH late_orders AS (
    SELECT seller, count(*) AS late
    FROM orders
    WHERE shipped_at > ship_by OR closure_reason = 'not-shipped'
    GROUP BY seller
),
counts AS (
    SELECT
        sellers.seller,
        sellers.orders,
        sellers.refunded_orders AS refunded,
        sellers.disputes AS disputed,
        COALESCE(late_orders.late, 0) AS late,
        sellers.security_closures AS security
    FROM sellers
    LEFT JOIN late_orders ON late_orders.seller = sellers.seller
    WHERE sellers.orders >= $min_orders
)
SELECT
    seller,
    orders,
    refunded,
    disputed,
    late,
    security,
    round(CAST(refunded * 10000 AS DOUBLE) / orders) / 10000 AS refund_rate,
    round(CAST(disputed * 10000 AS DOUBLE) / orders) / 10000 AS dispute_rate,
    round(CAST((refunded + disputed + late + 3 * security) * 10000 AS DOUBLE) / orders) / 10000 AS score
FROM counts
ORDER BY score DESC, seller
