-- question: Where did a delivery scan cut the protection, and the buyer neither disputed nor confirmed?
-- theme:    delivery
-- params:   since TIMESTAMP = NULL   only delivery scans from then on
-- columns:  order_id VARCHAR, seller VARCHAR, delivered_at TIMESTAMP, protected_until TIMESTAMP, reason VARCHAR,
--           to_seller DECIMAL(38,4), currency VARCHAR
WITH protections AS (
    SELECT
        order_id,
        version,
        type,
        occurred_at,
        protected_until,
        lag(protected_until) OVER (PARTITION BY order_id ORDER BY version) AS protected_before
    FROM events
    WHERE retracted_by IS NULL AND protected_until IS NOT NULL
),
cuts AS (
    SELECT order_id, arg_min(occurred_at, version) AS delivered_at
    FROM protections
    WHERE type = 'delivered-scan' AND protected_until < protected_before
    GROUP BY order_id
),
answered AS (
    SELECT DISTINCT order_id
    FROM events
    WHERE retracted_by IS NULL AND type IN ('dispute-opened', 'confirmed')
)
SELECT
    cuts.order_id,
    orders.seller,
    cuts.delivered_at,
    orders.protected_until,
    orders.closure_reason AS reason,
    orders.to_seller,
    orders.currency
FROM cuts
INNER JOIN orders ON orders.order_id = cuts.order_id
LEFT JOIN answered ON answered.order_id = cuts.order_id
WHERE answered.order_id IS NULL AND ($since IS NULL OR cuts.delivered_at >= $since)
ORDER BY cuts.delivered_at, cuts.order_id
