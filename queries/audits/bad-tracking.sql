-- question: Which tracking numbers are bad: a wrong check digit, or one number on several orders?
-- theme:    delivery
-- columns:  tracking VARCHAR, problem VARCHAR, orders BIGINT, order_ids VARCHAR
WITH flagged AS (
    SELECT DISTINCT events.tracking, 'check-digit' AS problem, events.order_id
    FROM oddities
    INNER JOIN events ON events.order_id = oddities.order_id AND events.seq = oddities.seq
    WHERE oddities.flag = 'tracking-check-digit'
),
several AS (
    SELECT tracking
    FROM parcels
    GROUP BY tracking
    HAVING count(*) > 1
),
found AS (
    SELECT tracking, problem, order_id FROM flagged
    UNION ALL
    SELECT parcels.tracking, 'shared', parcels.order_id
    FROM parcels
    INNER JOIN several ON several.tracking = parcels.tracking
)
SELECT tracking, problem, count(*) AS orders, string_agg(order_id, ',' ORDER BY order_id) AS order_ids
FROM found
GROUP BY tracking, problem
ORDER BY tracking, problem
