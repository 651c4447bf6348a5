-- question: Which account did each event take money from, and which did it give it to?
-- rows:     one per leg of a movement of money; the legs of an event sum to zero
-- columns:  seq          seq of the event that moved the money
--           order_id     the marketplace's order number
--           occurred_at  when the event happened
--           type         what happened
--           account      buyer, escrow, seller, or refunds: on their way to the buyer
--           amount       what the account got; negative: what was taken from it
--           currency     the order's currency
WITH live AS (
    SELECT
        seq,
        order_id,
        occurred_at,
        type,
        amount,
        currency,
        COALESCE(to_seller, 0) AS to_seller,
        COALESCE(to_buyer, 0) AS to_buyer
    FROM events
    WHERE retracted_by IS NULL AND (type IN ('placed', 'paid', 'refunded') OR to_seller <> 0 OR to_buyer <> 0)
),
legs AS (
    SELECT seq, order_id, occurred_at, type, 'buyer' AS account, -amount AS amount FROM live WHERE type = 'paid'
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'escrow', amount FROM live WHERE type = 'paid'
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'escrow', -(to_seller + to_buyer) FROM live
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'seller', to_seller FROM live
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'refunds', to_buyer FROM live
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'refunds', -amount FROM live WHERE type = 'refunded'
    UNION ALL
    SELECT seq, order_id, occurred_at, type, 'buyer', amount FROM live WHERE type = 'refunded'
)
SELECT
    legs.seq,
    legs.order_id,
    legs.occurred_at,
    legs.type,
    legs.account,
    CAST(legs.amount AS DECIMAL(18,4)) AS amount,
    placed.currency
FROM legs
INNER JOIN live AS placed ON placed.order_id = legs.order_id AND placed.type = 'placed'
WHERE legs.amount <> 0
