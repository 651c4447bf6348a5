-- Orders of the Brazilian marketplace Olist (its public tables orders, payments and items), read as facts.
--
--   orderledger import --map sample_logs/maps/olist.sql orders=ORDERS.csv payments=PAYMENTS.csv items=ITEMS.csv
--
-- What the tables say and what is made of it:
--
-- Times are wall clock times of America/Sao_Paulo. The hour that a change of the clocks repeats is marked
--   ambiguous_time (the later of the two is taken).
-- placed      at the purchase. To pay: price and freight of all items. That is the price of the trade; what was paid
--             is in other rows and differs now and then (interest on instalments, a cent of rounding, a little less),
--             which shows as `overpaid` or `underpaid` instead of being hidden. Orders without items have no other
--             price than the sum of their payments, and their seller is not named.
--             Seller: the first item's. An order has one status and one set of dates, so it stays one order when
--             several sellers share it; the others are named in the note.
-- paid        one per payment row above zero, at the approval: it is the only date a payment has. Without an
--             approval no money has moved, and the payment rows were only announced.
-- verified    the approval too. To be shipped by: the latest shipping limit of the items, the seller's own deadline.
-- shipped     the carrier's date, delivered-scan the customer's date.
-- closed      unavailable -> out-of-stock: all of them are approved, none was shipped and nearly all have no items,
--             the goods could not be had. canceled -> cancelled, in the data's own word, before approval (no money)
--             as after it (flagged: no request is in the data). canceled and yet delivered -> unknown: the data
--             contradicts itself and does not say who kept the money.
--             The platform closes, as no table names an actor. When is not in the data either: the latest
--             instant known of the order, because it was not closed before that. Any other order is left open:
--             `delivered` is a parcel's end, and neither a confirmation nor a release of the money is in the data.
--
-- Lines come in the order of time, but an order is placed first even where its carrier's date is before its purchase.

WITH wall_clock AS (
    SELECT order_id, 'purchase' AS moment, CAST(order_purchase_timestamp AS TIMESTAMP) AS local_time FROM orders
    UNION ALL
    SELECT order_id, 'approval', CAST(order_approved_at AS TIMESTAMP) FROM orders
    UNION ALL
    SELECT order_id, 'carrier', CAST(order_delivered_carrier_date AS TIMESTAMP) FROM orders
    UNION ALL
    SELECT order_id, 'customer', CAST(order_delivered_customer_date AS TIMESTAMP) FROM orders
    UNION ALL
    SELECT order_id, 'limit', MAX(CAST(shipping_limit_date AS TIMESTAMP)) FROM items GROUP BY order_id
),

zoned AS (
    SELECT order_id, moment, local_time, local_time AT TIME ZONE 'America/Sao_Paulo' AS instant
    FROM wall_clock
    WHERE local_time IS NOT NULL
),

moments AS (
    SELECT
        order_id,
        moment,
        instant AT TIME ZONE 'UTC' AS occurred_at,
        (
            (instant - INTERVAL 1 HOUR) AT TIME ZONE 'America/Sao_Paulo' = local_time
            OR (instant + INTERVAL 1 HOUR) AT TIME ZONE 'America/Sao_Paulo' = local_time
        ) AS ambiguous_time
    FROM zoned
),

latest AS (
    SELECT order_id, MAX(occurred_at) AS occurred_at, arg_max(ambiguous_time, occurred_at) AS ambiguous_time
    FROM moments
    WHERE moment <> 'limit'
    GROUP BY order_id
),

baskets AS (
    SELECT
        order_id,
        SUM(CAST(price AS DECIMAL(18, 2)) + CAST(freight_value AS DECIMAL(18, 2))) AS total,
        arg_min(seller_id, CAST(order_item_id AS INTEGER)) AS seller,
        COUNT(DISTINCT seller_id) AS sellers,
        string_agg(DISTINCT seller_id, ', ' ORDER BY seller_id) AS seller_ids,
        list(
            {'line_id': order_item_id, 'product': product_id, 'quantity': 1, 'price': price}
            ORDER BY CAST(order_item_id AS INTEGER)
        ) AS items
    FROM items
    GROUP BY order_id
),

paid_sums AS (
    SELECT order_id, SUM(CAST(payment_value AS DECIMAL(18, 2))) AS total FROM payments GROUP BY order_id
),

facts AS (
    SELECT
        1 AS step,
        'placed' AS type,
        order_id,
        occurred_at,
        ambiguous_time,
        'olist' AS marketplace,
        COALESCE(baskets.seller, 'not-named') AS seller,
        COALESCE(baskets.total, paid_sums.total) AS amount,
        'BRL' AS currency,
        baskets.items,
        CASE
            WHEN baskets.sellers IS NULL THEN 'no items in the data: seller not named, amount is the sum of the payments'
            WHEN baskets.sellers > 1 THEN 'several sellers: ' || baskets.seller_ids
        END AS note
    FROM moments
    LEFT JOIN baskets USING (order_id)
    LEFT JOIN paid_sums USING (order_id)
    WHERE moment = 'purchase'

    UNION ALL BY NAME
    SELECT
        2 AS step,
        'paid' AS type,
        order_id,
        occurred_at,
        ambiguous_time,
        'payment-' || payment_sequential AS fact_id,
        CAST(payment_value AS DECIMAL(18, 2)) AS amount,
        payment_type AS method,
        CASE WHEN payment_installments <> '1' THEN payment_installments || ' instalments' END AS note,
        CAST(payment_sequential AS INTEGER) AS nth
    FROM moments
    INNER JOIN payments USING (order_id)
    WHERE moment = 'approval' AND CAST(payment_value AS DECIMAL(18, 2)) > 0

    UNION ALL BY NAME
    SELECT
        3 AS step,
        'verified' AS type,
        order_id,
        moments.occurred_at,
        moments.ambiguous_time,
        limits.occurred_at AS ship_by
    FROM moments
    LEFT JOIN (SELECT order_id, occurred_at FROM moments WHERE moment = 'limit') AS limits USING (order_id)
    WHERE moment = 'approval'

    UNION ALL BY NAME
    SELECT 4 AS step, 'shipped' AS type, order_id, occurred_at, ambiguous_time
    FROM moments
    WHERE moment = 'carrier'

    UNION ALL BY NAME
    SELECT 5 AS step, 'delivered-scan' AS type, order_id, occurred_at, ambiguous_time
    FROM moments
    WHERE moment = 'customer'

    UNION ALL BY NAME
    SELECT
        6 AS step,
        'closed' AS type,
        order_id,
        latest.occurred_at,
        latest.ambiguous_time,
        CASE
            WHEN order_status = 'unavailable' THEN 'out-of-stock'
            WHEN order_delivered_customer_date IS NULL THEN 'cancelled'
            ELSE 'unknown'
        END AS reason,
        'status ' || order_status || '; the data has no closing date, this is the latest date of the order' AS note
    FROM orders
    INNER JOIN latest USING (order_id)
    WHERE order_status IN ('canceled', 'unavailable')
),

placed_first AS (
    SELECT *, GREATEST(occurred_at, MIN(occurred_at) FILTER (type = 'placed') OVER (PARTITION BY order_id)) AS turn
    FROM facts
)

SELECT * EXCLUDE (step, nth, turn), 'olist' AS source
FROM placed_first
ORDER BY turn, order_id, step, nth
