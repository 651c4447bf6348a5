-- question: How did the orders of each seller end?
-- rows:     one per seller
-- columns:  seller             the seller's id or shop name
--           orders             how many orders were placed with it
--           closed             how many of them are closed now
--           refunded_orders    how many sent money back to the buyer
--           disputes           how many were ever disputed
--           security_closures  how many were closed by security
--           late_shipments     how many were shipped after ship_by
--           not_shipped        how many are closed as not shipped
WITH security AS (
    SELECT order_id
    FROM events
    WHERE retracted_by IS NULL AND type = 'closed-by-security'
)
SELECT
    orders.seller,
    count(*) AS orders,
    count(*) FILTER (WHERE orders.status = 'closed') AS closed,
    count(*) FILTER (WHERE orders.to_buyer > 0) AS refunded_orders,
    count(orders.disputed_at) AS disputes,
    count(security.order_id) AS security_closures,
    count(*) FILTER (WHERE orders.shipped_at > orders.ship_by) AS late_shipments,
    count(*) FILTER (WHERE orders.closure_reason = 'not-shipped') AS not_shipped
FROM orders
LEFT JOIN security ON security.order_id = orders.order_id
GROUP BY orders.seller
